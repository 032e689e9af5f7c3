-- One row per record of the slice: how many other units report the same decision (authority, document, day) or were
-- refused when they tried to change it; and one per decision that only the refused unit's rows show.
SELECT * FROM (
    SELECT c.unit, c.record_no::text AS record_no,
           c.{role[document.no]} || '（' || c.{role[decision.date]} || '）' AS reference, '' AS detail,
           coalesce(o.others, 0) + coalesce(f.others, 0) AS others
    FROM core.{table} c
    LEFT JOIN (
        SELECT {role[authority.code]} AS authority, {role[document.no]} AS document, {role[decision.date]} AS decided,
               count(DISTINCT unit) - 1 AS others
        FROM core.{table} WHERE state <> 'withdrawn' GROUP BY 1, 2, 3 HAVING count(DISTINCT unit) > 1
    ) o ON o.authority = c.{role[authority.code]} AND o.document = c.{role[document.no]} AND o.decided = c.{role[decision.date]}
    LEFT JOIN (
        SELECT authority_code AS authority, document_no AS document, decision_date AS decided, count(DISTINCT unit) AS others
        FROM landing.event
        WHERE state = 'rejected' AND dataset = '{dataset}' AND problems @> jsonb_build_array(jsonb_build_object('rule', 'record.other_unit'))
        GROUP BY 1, 2, 3
    ) f ON f.authority = c.{role[authority.code]} AND f.document = c.{role[document.no]} AND f.decided = c.{role[decision.date]}
    WHERE c.state <> 'withdrawn' AND c.unit IN (SELECT unit FROM {slice} s)
    UNION ALL
    SELECT DISTINCT e.unit, NULL, coalesce(e.document_no, '') || '（' || coalesce(e.decision_date::text, '') || '）', '', 1
    FROM landing.event e
    WHERE e.state = 'rejected' AND e.dataset = '{dataset}' AND e.problems @> jsonb_build_array(jsonb_build_object('rule', 'record.other_unit'))
      AND e.unit IN (SELECT unit FROM {slice} s)
) q
