-- One row per unit: messages read from its topics and where they went, as counted when the books were last kept.
SELECT unit, NULL::text AS record_no,
       CASE WHEN arrived > accounted THEN '少 ' ELSE '多 ' END || abs(arrived - accounted)::text || ' 条' AS reference, '' AS detail,
       arrived, accounted
FROM quality.scope_arrival WHERE unit IN (SELECT unit FROM {slice} s)
