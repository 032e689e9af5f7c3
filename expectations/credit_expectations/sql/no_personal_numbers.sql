-- One row per record in scope that the public view shows: how many citizen numbers its texts hold, and in which columns.
SELECT unit, record_no::text AS record_no, CASE WHEN numbers > 0 THEN concat_ws('、', {where}) ELSE '' END AS reference, '' AS detail, numbers
FROM (
    SELECT v.*,
           quality.person_numbers(concat_ws(chr(10), {texts})) + quality.person_numbers(concat_ws(chr(10), {codes}), true) AS numbers
    FROM quality.{view} v
    JOIN quality.scope_record r ON r.dataset = '{dataset}' AND r.record_no = v.record_no
) q
