-- One row per unit with enough rows: total variation distance (0 to 1) between the values of the new records and those
-- of the last year, which the book has; new records are in the book already and taken out again.
SELECT unit, NULL::text AS record_no, '{column_cn}' AS reference, '' AS detail, sum(abs(new_share - old_share)) / 2 AS distance
FROM (
    SELECT unit, value, new::float / nullif(new_rows, 0) AS new_share, old::float / nullif(old_rows, 0) AS old_share
    FROM (
        SELECT v.*, sum(new) OVER (PARTITION BY unit) AS new_rows, sum(old) OVER (PARTITION BY unit) AS old_rows
        FROM (
            SELECT unit, value, sum(new) AS new, greatest(sum(old), 0) AS old
            FROM (
                SELECT c.unit, split_part(value, '-', 1) AS value, 1 AS new, -({booked})::int AS old
                FROM core.{table} c
                JOIN quality.scope_record r ON r.dataset = '{dataset}' AND r.record_no = c.record_no
                CROSS JOIN LATERAL regexp_split_to_table(c.{column}, '[；;]') value
                WHERE c.received_on BETWEEN DATE '{as_of}' - 365 AND DATE '{as_of}'
                UNION ALL
                SELECT b.unit, b.value, 0, sum(b.records)
                FROM quality.mix_book b
                WHERE b.dataset = '{dataset}' AND b.role = '{column_role}' AND b.day BETWEEN DATE '{as_of}' - 365 AND DATE '{as_of}'
                  AND b.unit IN (SELECT unit FROM quality.scope_record WHERE dataset = '{dataset}')
                GROUP BY b.unit, b.value
            ) both_sides
            GROUP BY unit, value
        ) v
    ) w
    WHERE new_rows >= {p[min_new]} AND old_rows >= {p[min_history]}
) q
GROUP BY unit
