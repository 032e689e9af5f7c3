-- One row per unit with enough history: how far the last seven days' new records are from its weekly median, in units of
-- the usual spread (1.4826 x MAD, as a standard deviation; at least the spread of chance, the root of the median).
SELECT unit, NULL::text AS record_no, '' AS reference, '近 7 天 ' || now_rows || ' 条，以往每周 ' || median || ' 条' AS detail,
       abs(now_rows - median) / greatest(1.4826 * mad, sqrt(median), 1) AS distance
FROM (
    SELECT w.unit, w.now_rows, w.median, percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(h.n - w.median)) AS mad
    FROM (
        SELECT unit, max(n) FILTER (WHERE week = 0) AS now_rows,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FILTER (WHERE week > 0) AS median
        FROM {weekly} w1 GROUP BY unit
    ) w JOIN {weekly} h ON h.unit = w.unit AND h.week > 0
    GROUP BY w.unit, w.now_rows, w.median
) q
