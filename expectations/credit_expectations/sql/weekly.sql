-- New records per unit and week back from the day (week 0: the last seven days), weeks without any included; units
-- with too few weeks of history left out.
(
    SELECT f.unit, week, (
        SELECT coalesce(sum(b.records), 0) FROM quality.day_book b WHERE b.dataset = '{dataset}' AND b.unit = f.unit
        AND b.day BETWEEN DATE '{as_of}' - 7 * week - 6 AND DATE '{as_of}' - 7 * week)::double precision AS n
    FROM (
        SELECT unit, (DATE '{as_of}' - (
            SELECT min(b.day) FROM quality.day_book b WHERE b.dataset = '{dataset}' AND b.unit = s.unit AND b.records > 0)) / 7 AS weeks
        FROM {slice} s
    ) f
    CROSS JOIN LATERAL generate_series(0, least(f.weeks - 1, {p[weeks]})) week
    WHERE f.weeks > {p[min_weeks]}
)
