-- One row per unit and unified code with several names, one of them from this unit: how alike the least alike two are.
-- The names themselves stay in the database.
SELECT unit, NULL::text AS record_no, code AS reference, '' AS detail, min(likeness) AS likeness
FROM (
    SELECT a.unit, s.code, quality.name_likeness(a.name, b.name) AS likeness
    FROM (
        SELECT subject_id, unit, regexp_replace(name, '{p[ignore]}', '', 'g') AS name
        FROM core.subject_name a WHERE {subject}
    ) a
    JOIN core.subject s ON s.subject_id = a.subject_id AND s.kind = 'code'
    JOIN (SELECT subject_id, regexp_replace(name, '{p[ignore]}', '', 'g') AS name FROM core.subject_name) b
        ON b.subject_id = a.subject_id AND b.name <> a.name
    WHERE EXISTS (SELECT 1 FROM core.{table} c WHERE c.subject_id = a.subject_id AND c.unit = a.unit)
) q
GROUP BY unit, code
