-- One row per unit of the slice that has reported before: days since anything of it came, of this dataset or a ledger.
SELECT unit, NULL::text AS record_no, '' AS reference, '上一次为 ' || last_day AS detail, DATE '{as_of}' - last_day AS silent_days
FROM (
    SELECT s.unit, greatest(
        (SELECT max(b.day) FROM quality.day_book b
         WHERE b.dataset = '{dataset}' AND b.unit = s.unit AND b.day <= DATE '{as_of}' AND b.arrived > 0),
        (SELECT max(b.day) FROM quality.day_book b
         WHERE b.dataset = '{ledger_dataset}' AND b.unit = s.unit AND b.day <= DATE '{as_of}' AND b.arrived > 0)) AS last_day
    FROM {slice} s
) q
WHERE last_day IS NOT NULL
