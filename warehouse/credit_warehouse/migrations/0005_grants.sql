-- Least rights: each service may do what its work needs and no more. Roles are made before migrations (roles.py).
-- depends: 0004_quality

GRANT USAGE ON SCHEMA ingest, landing, core, exchange TO credit_consumer;
GRANT SELECT, INSERT, UPDATE ON ingest.topic, ingest.position, ingest.gap, ingest.dead_letter, ingest.not_reportable TO credit_consumer;
GRANT SELECT, INSERT ON landing.event TO credit_consumer;
GRANT SELECT, INSERT ON core.person, core.subject, core.former_key TO credit_consumer;
GRANT SELECT, INSERT, UPDATE ON core.subject_name TO credit_consumer;
GRANT SELECT, INSERT ON exchange.mark TO credit_consumer;
GRANT SELECT, INSERT ON exchange.receipt TO credit_consumer;

GRANT USAGE ON SCHEMA exchange TO credit_relay;
GRANT SELECT ON exchange.receipt TO credit_relay;
GRANT UPDATE (published_at) ON exchange.receipt TO credit_relay;

GRANT USAGE ON SCHEMA ingest, landing, core, exchange, quality, audit TO credit_quality;
GRANT SELECT ON ALL TABLES IN SCHEMA ingest, landing, exchange TO credit_quality;
GRANT SELECT ON core.subject, core.subject_name, core.former_key TO credit_quality;
GRANT UPDATE (checked_run) ON exchange.mark TO credit_quality;
GRANT SELECT, INSERT, UPDATE ON quality.run, quality.result, quality.hold, quality.work_item TO credit_quality;
GRANT INSERT ON audit.act TO credit_quality;

GRANT USAGE ON SCHEMA core, exchange, quality, landing TO credit_forward;
GRANT SELECT ON core.person, core.subject, core.subject_name TO credit_forward;
GRANT SELECT, DELETE ON exchange.mark TO credit_forward;
GRANT SELECT, INSERT, UPDATE ON exchange.delivery, exchange.batch, exchange.destination TO credit_forward;
GRANT SELECT, INSERT ON exchange.receipt TO credit_forward;
GRANT SELECT ON quality.hold TO credit_forward;
GRANT SELECT, INSERT, UPDATE ON quality.work_item TO credit_forward;
GRANT SELECT (ce_id, record_no, unit, act, state, revision, received_at) ON landing.event TO credit_forward;

-- Readers see everything but person numbers and raw messages.
GRANT USAGE ON SCHEMA ingest, landing, core, exchange, quality TO credit_reader;
GRANT SELECT ON ingest.topic, ingest.position, ingest.gap, ingest.not_reportable TO credit_reader;
GRANT SELECT (dead_letter_id, topic_id, topic, unit, partition, "offset", received_at, schema_id, reason, detail, state,
              attempts, first_seen, last_seen, closed_by, closed_why) ON ingest.dead_letter TO credit_reader;
GRANT SELECT (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", produced_at, received_at, loaded_at,
              state, record_no, revision, authority_code, document_no, decision_date, problems, replaces) ON landing.event TO credit_reader;
GRANT SELECT ON core.subject, core.subject_name TO credit_reader;
GRANT SELECT ON exchange.mark, exchange.delivery, exchange.batch, exchange.destination, exchange.receipt TO credit_reader;
GRANT SELECT ON quality.run, quality.result, quality.hold, quality.work_item TO credit_reader;
