-- Who stood on a list: per period the reporting units, or the unified codes, of those listed by its end (by the day of
-- the question, if that is earlier) and not gone from it before the day `at`. Gone: taken off, ended by an act, or no
-- longer public. Names in braces are a table and columns of the list's schema, and which of both is asked for.
WITH
period AS (
    SELECT * FROM unnest(%(labels)s::text[], %(lasts)s::date[], %(ats)s::date[]) AS p (label, last, at)
),
listed AS (
    SELECT c.unit, c.{code} AS code, c.{decided} AS since,
           least(c.publicity_ends, {removed} - 1,
                 CASE WHEN c.state = 'ended' THEN (c.acted_at AT TIME ZONE %(zone)s)::date - 1 END) AS until
    FROM core.{table} c
    WHERE c.state <> 'withdrawn' AND c.received_on <= %(as_of)s
)
SELECT DISTINCT p.label, {what}
FROM listed l
JOIN period p ON l.since <= least(p.last, %(as_of)s) AND (l.until IS NULL OR l.until >= p.at)
WHERE {which}
