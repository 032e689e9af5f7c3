-- One row per unit and book (full runs only): what the books said and what was counted in the tables at the same moment.
SELECT unit, NULL::text AS record_no, CASE what WHEN 'landing' THEN '入库账' ELSE '记录表' END AS reference,
       '账上 ' || booked || '，实有 ' || counted AS detail, booked, counted
FROM quality.scope_book WHERE dataset = '{dataset}' AND unit IN (SELECT unit FROM {slice} s)
