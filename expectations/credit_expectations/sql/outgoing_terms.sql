-- One row per record in scope that this destination should hold: the columns it limits.
SELECT c.unit, c.record_no::text AS record_no, '' AS reference, '' AS detail, {columns}
FROM core.{table} c
JOIN quality.scope_record r ON r.dataset = '{dataset}' AND r.record_no = c.record_no
WHERE {wanted}
