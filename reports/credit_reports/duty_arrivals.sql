-- What came of one dataset and counts for a duty: per unit and period the records, the first day, the kinds of material.
-- Names in braces are a table and columns of the dataset's schema, named parameters are values. The rule is told in
-- duties.py: an arrival counts for the period it names, else for that of its day, but within the days of grace for the
-- period before when it was decided in or before that one. Every arrival counts for exactly one period.
WITH
period AS (
    SELECT * FROM unnest(%(labels)s::text[], %(firsts)s::date[], %(lasts)s::date[], %(dues)s::date[],
                         %(dues_before)s::date[]) AS p (label, first, last, due_on, due_before)
),
arrival AS (
    SELECT e.unit, e.record_no, e.decision_date AS decided, {named} AS named, {material} AS material,
           (e.received_at AT TIME ZONE %(zone)s)::date AS day
    FROM landing.event e
    JOIN core.{table} c ON c.record_no = e.record_no
    WHERE e.dataset = %(dataset)s AND e.unit = ANY (%(units)s)
      AND e.act = 'report' AND e.state IN ('accepted', 'unchanged')
      -- A refused row that comes again is landed as unchanged.
      AND NOT coalesce(e.problems @> '[{{"severity": "reject"}}]', false)
      AND c.state <> 'withdrawn'
      AND {row} AND {since}
      AND (e.received_at AT TIME ZONE %(zone)s)::date <= %(as_of)s
),
began AS (  -- the first day of what an arrival names; a label that is none counts as not given
    SELECT a.*,
           CASE WHEN named ~ '^[12][0-9]{{3}}$' THEN make_date(named::integer, 1, 1)
                WHEN named ~ '^[12][0-9]{{3}}Q[1-4]$' THEN make_date(left(named, 4)::integer, right(named, 1)::integer * 3 - 2, 1)
                WHEN named ~ '^[12][0-9]{{3}}-(0[1-9]|1[0-2])$' THEN make_date(left(named, 4)::integer, right(named, 2)::integer, 1)
           END AS named_first
    FROM arrival a
),
named AS (
    SELECT b.*, (named_first + CASE length(named) WHEN 4 THEN interval '1 year' WHEN 6 THEN interval '3 months'
                                                  ELSE interval '1 month' END - interval '1 day')::date AS named_last
    FROM began b
)
SELECT n.unit, p.label, count(DISTINCT n.record_no), min(n.day), string_agg(DISTINCT n.material, %(joined_by)s)
FROM named n
JOIN period p ON CASE
    -- The day, moved into what was named: a month lies in its quarter, and of a quarter named for a monthly duty it is
    -- the month of arrival, or the last one when it came afterwards.
    WHEN n.named_first IS NOT NULL THEN greatest(n.named_first, least(n.named_last, n.day)) BETWEEN p.first AND p.last
    WHEN n.day BETWEEN p.first AND p.last THEN NOT coalesce(n.day <= p.due_before AND n.decided < p.first, false)
    ELSE n.day > p.last AND n.day <= p.due_on AND n.decided <= p.last
END
GROUP BY n.unit, p.label
