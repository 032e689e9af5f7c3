-- One row per unit with enough records: the share whose subject is known to this unit only, for lack of a code.
SELECT unit, NULL::text AS record_no, '' AS reference, codeless || '/' || rows || ' 条' AS detail, codeless::float / rows AS share
FROM (
    SELECT c.unit, count(*) AS rows, count(*) FILTER (WHERE s.kind = 'scoped') AS codeless
    FROM core.{table} c JOIN core.subject s USING (subject_id)
    WHERE s.kind <> 'person' AND c.state <> 'withdrawn' AND c.received_on > DATE '{as_of}' - 365
      AND c.unit IN (SELECT unit FROM {slice} s)
    GROUP BY c.unit
) q
WHERE rows >= {p[min_rows]}
