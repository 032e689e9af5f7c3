-- New records per unit and week back from the day (week 0: the last seven days), weeks without any included; units
-- with too few weeks of history left out.
(
    SELECT f.unit, week, count(c.record_no)::double precision AS n
    FROM (
        SELECT unit, (DATE '{as_of}' - min(received_on)) / 7 AS weeks FROM core.{table}
        WHERE unit IN (SELECT unit FROM {slice} s) GROUP BY unit
    ) f
    CROSS JOIN LATERAL generate_series(0, least(f.weeks - 1, {p[weeks]})) week
    LEFT JOIN core.{table} c ON c.unit = f.unit
        AND c.received_on BETWEEN DATE '{as_of}' - 7 * week - 6 AND DATE '{as_of}' - 7 * week
    WHERE f.weeks > {p[min_weeks]}
    GROUP BY f.unit, week
)
