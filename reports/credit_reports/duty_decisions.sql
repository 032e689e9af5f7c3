-- The duty to report each decision, by months of decision, for one kind of decision: what the ledger says was decided
-- and what came of it. The rules are those of figures.sql. Names in braces are tables and columns of the schemas.
WITH
line AS (
    SELECT l.unit, l.{ledger_authority} AS authority, to_char(l.{ledger_decided}, 'YYYY-MM') AS month,
           l.due_on, l.due_provisional,
           EXISTS (SELECT 1 FROM core.{table} c
                   WHERE c.{authority} = l.{ledger_authority} AND c.{document} = l.{ledger_document}
                     AND c.{decided} = l.{ledger_decided} AND c.received_on <= %(as_of)s
                     AND c.state <> 'withdrawn') AS reported
    FROM core.{ledger} l
    WHERE l.{ledger_kind} = %(kind)s AND l.state = 'active'
      AND l.{ledger_decided} BETWEEN %(first)s AND least(%(last)s, %(as_of)s)
)
SELECT 'line', unit, authority, month, count(*),
       count(*) FILTER (WHERE NOT reported AND due_on < %(as_of)s),
       count(*) FILTER (WHERE NOT reported AND due_on >= %(as_of)s),
       min(due_on) FILTER (WHERE NOT reported),
       bool_or(due_provisional AND NOT reported)
FROM line
GROUP BY unit, authority, month
UNION ALL
SELECT 'record', c.unit, c.{authority}, to_char(c.{decided}, 'YYYY-MM'), count(*),
       count(*) FILTER (WHERE c.received_on > c.due_on), 0, min(c.received_on), bool_or(c.due_provisional)
FROM core.{table} c
WHERE c.received_on <= %(as_of)s AND c.{decided} BETWEEN %(first)s AND %(last)s AND c.state <> 'withdrawn'
GROUP BY c.unit, c.{authority}, to_char(c.{decided}, 'YYYY-MM')
