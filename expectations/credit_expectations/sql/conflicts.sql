-- One row per record looked at: how many other units report the same decision (authority, document, day) or were refused
-- when they tried to change it; and one per decision that only the refused unit's rows show. What was refused stays so:
-- what is known of it needs no second look.
SELECT * FROM (
    SELECT c.unit, c.record_no::text AS record_no,
           c.{role[document.no]} || '（' || c.{role[decision.date]} || '）' AS reference, '' AS detail,
           (SELECT count(DISTINCT o.unit) FROM core.{table} o
            WHERE o.{role[authority.code]} = c.{role[authority.code]} AND o.{role[document.no]} = c.{role[document.no]}
              AND o.{role[decision.date]} = c.{role[decision.date]} AND o.state <> 'withdrawn' AND o.unit <> c.unit)
         + (SELECT count(DISTINCT f.unit) FROM landing.event f
            WHERE f.state = 'rejected' AND f.authority_code = c.{role[authority.code]}
              AND f.document_no = c.{role[document.no]} AND f.decision_date = c.{role[decision.date]}
              AND f.dataset = '{dataset}' AND f.problems @> jsonb_build_array(jsonb_build_object('rule', 'record.other_unit'))) AS others
    FROM core.{table} c
    WHERE c.state <> 'withdrawn' AND {record}
    UNION ALL
    SELECT DISTINCT e.unit, NULL, coalesce(e.document_no, '') || '（' || coalesce(e.decision_date::text, '') || '）', '', 1
    FROM quality.pending_event e
    WHERE e.stranger AND e.dataset = '{dataset}' AND e.unit IN (SELECT unit FROM {slice} s)
    UNION ALL
    SELECT w.unit, NULL, w.reference, '', 1
    FROM quality.work_item w
    WHERE w.rule_id = '{rule}' AND w.dataset = '{dataset}' AND w.gone_at IS NULL AND w.record_no IS NULL
      AND w.unit IN (SELECT unit FROM {slice} s)
) q
