-- One row per record of the slice: its newest accepted revision in landing and its revision in core (0: not there).
-- One statement, so that both sides are seen at one moment.
SELECT unit, record_no::text AS record_no, '' AS reference, '' AS detail, landed, held
FROM (
    SELECT coalesce(c.unit, l.unit) AS unit, record_no, coalesce(l.revision, 0) AS landed, coalesce(c.revision, 0) AS held
    FROM (
        SELECT record_no, min(unit) AS unit, max(revision) AS revision
        FROM landing.event
        WHERE dataset = '{dataset}' AND state = 'accepted'
          AND CASE WHEN act IN ('report', 'correct') THEN unit IN (SELECT unit FROM {slice} s)
                   -- An act may be somebody else's: it counts for the record it was done to.
                   ELSE record_no IN (SELECT record_no FROM core.{table} WHERE unit IN (SELECT unit FROM {slice} s)) END
        GROUP BY record_no
    ) l
    FULL JOIN (
        SELECT record_no, unit, revision FROM core.{table} WHERE unit IN (SELECT unit FROM {slice} s)
    ) c USING (record_no)
) q
