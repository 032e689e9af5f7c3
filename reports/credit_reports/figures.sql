-- The figures of one dataset per unit, as DESIGN promise 5 and STANDARDS 9 (rows 19 to 22) define them.
-- Names in braces are tables and columns of the dataset's schema, named parameters are values.
WITH
arrivals AS (  -- reported rows: accepted or rejected; a row that changed nothing is no row (STANDARDS 9, row 2)
    SELECT unit,
           count(*)                                     AS rows,
           count(*) FILTER (WHERE state = 'accepted')   AS accepted,
           count(*) FILTER (WHERE state = 'rejected')   AS rejected
    FROM landing.event
    WHERE dataset = %(dataset)s
      AND act IN ('report', 'correct', 'refusal')
      AND state IN ('accepted', 'rejected')
      AND (received_at AT TIME ZONE %(zone)s)::date <= %(as_of)s
      AND coalesce(decision_date, (received_at AT TIME ZONE %(zone)s)::date) BETWEEN %(first)s AND %(last)s
    GROUP BY unit
),
records AS (  -- distinct accepted records; late by the first accepted arrival
    SELECT unit,
           count(*)                                     AS distinct_records,
           count(*) FILTER (WHERE received_on > due_on) AS late,
           count(*) FILTER (WHERE received_on <= due_on) AS timely,
           count(*) FILTER (WHERE due_provisional)      AS provisional
    FROM core.{table} c
    WHERE received_on <= %(as_of)s
      AND {decided} BETWEEN %(first)s AND %(last)s
      AND state <> 'withdrawn'
    GROUP BY unit
),
duties AS (  -- ledger lines whose deadline has passed: the denominator of 瞒报率
    SELECT l.{ledger_authority} AS authority,
           EXISTS (SELECT 1 FROM core.{table} c
                   WHERE {authority} = l.{ledger_authority} AND {document} = l.{ledger_document}
                     AND {decided} = l.{ledger_decided} AND c.received_on <= %(as_of)s
                     AND c.state <> 'withdrawn')                                              AS reported,
           EXISTS (SELECT 1 FROM landing.event e
                   WHERE e.dataset = %(dataset)s AND e.state = 'rejected' AND e.unit = l.unit
                     AND e.authority_code = l.{ledger_authority} AND e.document_no = l.{ledger_document}
                     AND e.decision_date = l.{ledger_decided}
                     AND (e.received_at AT TIME ZONE %(zone)s)::date <= %(as_of)s)            AS returned
    FROM core.{ledger} l
    WHERE l.{ledger_kind} = %(kind)s
      AND l.state IN ('active', 'disputed')
      AND l.due_on < %(as_of)s
      AND l.{ledger_decided} BETWEEN %(first)s AND %(last)s
),
owed AS (
    SELECT authority,
           count(*)                                             AS should_report,
           count(*) FILTER (WHERE NOT reported AND NOT returned) AS unreported,
           count(*) FILTER (WHERE NOT reported AND returned)     AS returned_not_mended
    FROM duties
    GROUP BY authority
)
SELECT 'sent', unit, NULL, rows, accepted, rejected, 0 FROM arrivals
UNION ALL
SELECT 'held', unit, NULL, distinct_records, late, timely, provisional FROM records
UNION ALL
SELECT 'owed', NULL, authority, should_report, unreported, returned_not_mended, 0 FROM owed
