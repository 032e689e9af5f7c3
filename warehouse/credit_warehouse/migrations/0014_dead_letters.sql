-- Who takes dead letters through again, or sets them aside, stands in the audit log.
-- depends: 0012_duties

GRANT USAGE ON SCHEMA audit TO credit_consumer;
GRANT INSERT ON audit.act TO credit_consumer;
