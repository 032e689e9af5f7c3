-- One row per record looked at: its newest accepted revision in landing and its revision in core (0: not there).
-- One statement, so that both sides are seen at one moment.
SELECT coalesce(c.unit, t.unit) AS unit, t.record_no::text AS record_no, '' AS reference, '' AS detail,
       coalesce((SELECT max(e.revision) FROM landing.event e
                 WHERE e.record_no = t.record_no AND e.dataset = '{dataset}' AND e.state = 'accepted'), 0) AS landed,
       coalesce(c.revision, 0) AS held
FROM {touched} t LEFT JOIN core.{table} c ON c.record_no = t.record_no
