-- One row per ledger line looked at, of this kind, whose deadline has passed: the record or the refused row that answers it.
-- A refused row is a matter of mending, not of hiding (STANDARDS 9).
SELECT * FROM (
    SELECT coalesce(u.unit, l.unit) AS unit, NULL::text AS record_no,
           l.{ledger[document.no]} || '（' || l.{ledger[decision.date]} || '）' AS reference, '' AS detail,
           coalesce(
               (SELECT min(c.record_no::text) FROM core.{table} c
                WHERE c.{role[authority.code]} = l.{ledger[authority.code]} AND c.{role[document.no]} = l.{ledger[document.no]}
                  AND c.{role[decision.date]} = l.{ledger[decision.date]} AND c.state <> 'withdrawn'),
               (SELECT min(e.ce_id::text) FROM landing.event e
                WHERE e.state = 'rejected' AND e.dataset = '{dataset}'
                  AND e.authority_code = l.{ledger[authority.code]} AND e.document_no = l.{ledger[document.no]}
                  AND e.decision_date = l.{ledger[decision.date]})
           ) AS handed_in
    FROM core.{ledger_table} l
    LEFT JOIN {unit_codes} ON u.code = l.{ledger[authority.code]}
    WHERE l.{ledger[kind]} = '{cn}' AND l.state = 'active' AND l.due_on < DATE '{as_of}'
      AND {line} AND coalesce(u.unit, l.unit) IN (SELECT unit FROM {slice} s)
) q
