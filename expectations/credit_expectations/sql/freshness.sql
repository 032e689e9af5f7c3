-- One row per unit of the slice that has reported before: days since anything of it came, of this dataset or a ledger.
SELECT unit, NULL::text AS record_no, '' AS reference, '上一次为 ' || last_day AS detail, DATE '{as_of}' - last_day AS silent_days
FROM (
    SELECT e.unit, max((e.received_at AT TIME ZONE '{zone}')::date) AS last_day
    FROM landing.event e
    WHERE e.dataset IN ('{dataset}', '{ledger_dataset}') AND e.unit IN (SELECT unit FROM {slice} s)
      AND (e.received_at AT TIME ZONE '{zone}')::date <= DATE '{as_of}'
    GROUP BY e.unit
) q
