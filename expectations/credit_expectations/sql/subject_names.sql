-- One row per unit and unified code with several names, one of them from this unit: how alike the least alike two are.
-- The names themselves stay in the database.
SELECT unit, NULL::text AS record_no, code AS reference, '' AS detail, min(likeness) AS likeness
FROM (
    SELECT n.unit, n.code, quality.name_likeness(n.name, other.name) AS likeness
    FROM (
        SELECT p.*, array_agg(name) OVER w AS names, min(name) OVER w <> max(name) OVER w AS differ
        FROM (
            SELECT a.subject_id, s.code, a.unit, regexp_replace(a.name, '{p[ignore]}', '', 'g') AS name
            FROM core.subject_name a JOIN core.subject s ON s.subject_id = a.subject_id AND s.kind = 'code'
            WHERE {subject}
        ) p
        WINDOW w AS (PARTITION BY subject_id)
    ) n
    CROSS JOIN LATERAL (SELECT DISTINCT name FROM unnest(n.names) name WHERE name <> n.name) other
    WHERE n.differ AND {named_by} AND EXISTS (SELECT 1 FROM core.{table} c WHERE c.subject_id = n.subject_id AND c.unit = n.unit)
) q
GROUP BY unit, code
