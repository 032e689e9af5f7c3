-- One row per unit with enough records: the share whose subject is known to this unit only, for lack of a code. By the
-- books; where the share was too high the records themselves are counted, so that mending shows at once.
SELECT unit, NULL::text AS record_no, '' AS reference, codeless || '/' || rows || ' 条' AS detail, codeless::float / rows AS share
FROM (
    SELECT s.unit, counted.rows, counted.codeless
    FROM (SELECT unit, EXISTS (
              SELECT FROM quality.work_item w
              WHERE w.rule_id = '{rule}' AND w.dataset = '{dataset}' AND w.unit = s.unit AND w.gone_at IS NULL) AS failed
          FROM {slice} s) s
    CROSS JOIN LATERAL (
        SELECT sum(b.identified)::bigint AS rows, sum(b.codeless)::bigint AS codeless
        FROM quality.day_book b
        WHERE NOT s.failed AND b.dataset = '{dataset}' AND b.unit = s.unit AND b.day > DATE '{as_of}' - 365
        UNION ALL
        SELECT count(*), count(*) FILTER (WHERE j.kind = 'scoped')
        FROM core.{table} c JOIN core.subject j USING (subject_id)
        WHERE s.failed AND c.unit = s.unit AND j.kind <> 'person' AND c.state <> 'withdrawn' AND c.received_on > DATE '{as_of}' - 365
    ) counted
) q
WHERE rows >= {p[min_rows]}
