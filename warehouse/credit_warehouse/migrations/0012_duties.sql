-- Duties: which period an arrival names.
-- depends: 0011_contract

-- Of an accepted row of a dated report (2026Q3, 2026-09, 2026). It stands here and not only in core, because the next
-- report about the same record (arrears still owed, somebody still to be repaired) names the next period.
ALTER TABLE landing.event ADD COLUMN period text;
GRANT SELECT (period) ON landing.event TO credit_reader;
