-- One row per record looked at that was decided within the days that the authority's ledger covers: its ledger line.
SELECT * FROM (
    SELECT c.unit, c.record_no::text AS record_no,
           c.{role[document.no]} || '（' || c.{role[decision.date]} || '）' AS reference, '' AS detail,
           (SELECT min(l.record_no::text) FROM core.{ledger_table} l
            WHERE l.{ledger[authority.code]} = c.{role[authority.code]} AND l.{ledger[document.no]} = c.{role[document.no]}
              AND l.{ledger[decision.date]} = c.{role[decision.date]} AND l.{ledger[kind]} = '{cn}' AND l.state = 'active'
           ) AS in_ledger
    FROM core.{table} c
    JOIN quality.coverage v ON v.dataset = '{dataset}' AND v.authority = c.{role[authority.code]}
        AND c.{role[decision.date]} BETWEEN v.first AND v.last
    WHERE c.state <> 'withdrawn' AND {record}
) q
