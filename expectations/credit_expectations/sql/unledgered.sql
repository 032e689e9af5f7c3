-- One row per record decided within the days that the authority's ledger covers: its ledger line.
SELECT * FROM (
    SELECT c.unit, c.record_no::text AS record_no,
           c.{role[document.no]} || '（' || c.{role[decision.date]} || '）' AS reference, '' AS detail,
           (SELECT min(l.record_no::text) FROM core.{ledger_table} l
            WHERE l.{ledger[authority.code]} = c.{role[authority.code]} AND l.{ledger[document.no]} = c.{role[document.no]}
              AND l.{ledger[decision.date]} = c.{role[decision.date]} AND l.{ledger[kind]} = '{cn}' AND l.state = 'active'
           ) AS in_ledger
    FROM core.{table} c
    JOIN (
        SELECT {ledger[authority.code]} AS authority, min({ledger[decision.date]}) AS first, max({ledger[decision.date]}) AS last
        FROM core.{ledger_table} WHERE {ledger[kind]} = '{cn}' AND state = 'active' GROUP BY 1
    ) covered ON covered.authority = c.{role[authority.code]} AND c.{role[decision.date]} BETWEEN covered.first AND covered.last
    WHERE c.state <> 'withdrawn' AND c.unit IN (SELECT unit FROM {slice} s)
) q
