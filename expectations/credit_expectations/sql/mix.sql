-- One row per unit with enough rows: total variation distance (0 to 1) between the values of the new records and those
-- of the last year.
SELECT unit, NULL::text AS record_no, '{column_cn}' AS reference, '' AS detail, sum(abs(new_share - old_share)) / 2 AS distance
FROM (
    SELECT unit, value, sum(is_new::int)::float / nullif(new_rows, 0) AS new_share,
           sum((NOT is_new)::int)::float / nullif(old_rows, 0) AS old_share
    FROM (
        SELECT v.*, sum(is_new::int) OVER (PARTITION BY unit) AS new_rows,
               sum((NOT is_new)::int) OVER (PARTITION BY unit) AS old_rows
        FROM (
            SELECT c.unit, split_part(value, '-', 1) AS value, r.record_no IS NOT NULL AS is_new
            FROM core.{table} c
            LEFT JOIN quality.scope_record r ON r.dataset = '{dataset}' AND r.record_no = c.record_no
            CROSS JOIN LATERAL regexp_split_to_table(c.{column}, '[；;]') value
            WHERE c.unit IN (SELECT unit FROM quality.scope_record WHERE dataset = '{dataset}')
              AND c.received_on BETWEEN DATE '{as_of}' - 365 AND DATE '{as_of}'
        ) v
    ) w
    WHERE new_rows >= {p[min_new]} AND old_rows >= {p[min_history]}
    GROUP BY unit, value, new_rows, old_rows
) q
GROUP BY unit
