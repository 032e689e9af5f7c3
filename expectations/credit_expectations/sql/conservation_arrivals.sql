-- One row per unit: messages read from its topics (every epoch, gaps left out) and where they went.
SELECT unit, NULL::text AS record_no,
       CASE WHEN arrived > accounted THEN '少 ' ELSE '多 ' END || abs(arrived - accounted)::text || ' 条' AS reference, '' AS detail,
       arrived, accounted
FROM (
    SELECT s.unit,
           (SELECT coalesce(sum(p.next_offset), 0) FROM ingest.position p JOIN ingest.topic t USING (topic_id) WHERE t.unit = s.unit)
         - (SELECT coalesce(sum(g.to_offset - g.from_offset), 0) FROM ingest.gap g JOIN ingest.topic t USING (topic_id) WHERE t.unit = s.unit)
           AS arrived,
           (SELECT count(*) FROM landing.event e WHERE e.unit = s.unit)
         + (SELECT count(*) FROM ingest.dead_letter d WHERE d.unit = s.unit AND d.state <> 'replayed')
         + (SELECT coalesce(sum(n.rows), 0) FROM ingest.not_reportable n WHERE n.unit = s.unit)
         + (SELECT count(*) FROM exchange.receipt r WHERE r.unit = s.unit AND r.status = 'duplicate')
           AS accounted
    FROM {slice} s
) q
