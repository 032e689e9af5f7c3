-- Acts on records: what was done, what waits for its record, and what the unit that reported it is told.
-- depends: 0008_subjects

-- Everything that was done to a record, in the words of whoever did it. revision: the one it made.
CREATE TABLE core.record_act (
    ce_id        uuid PRIMARY KEY,
    dataset      text NOT NULL,
    record_no    uuid NOT NULL,
    revision     integer NOT NULL,
    unit         text NOT NULL,
    act          text NOT NULL CHECK (act IN ('revoke', 'withdraw', 'repair', 'dispute_open', 'dispute_close', 'reinstate')),
    upheld       boolean NOT NULL DEFAULT false,
    reason       text NOT NULL,
    basis        text,
    effective_on date NOT NULL,
    received_at  timestamptz NOT NULL,
    loaded_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX record_act_record ON core.record_act (record_no);
GRANT SELECT, INSERT ON core.record_act TO credit_consumer;
GRANT SELECT ON core.record_act TO credit_quality, credit_forward, credit_reader;

-- Corrections and acts whose record has not come yet, with what they say of it; settled when it comes. owner: the unit
-- that is to have reported it.
CREATE TABLE ingest.waiting (
    ce_id       uuid PRIMARY KEY,
    unit        text NOT NULL,
    dataset     text NOT NULL,
    act         text NOT NULL,
    owner       text NOT NULL,
    record_no   uuid,
    source_key  text,
    natural_key bytea,
    received_at timestamptz NOT NULL,
    settled_at  timestamptz,
    came_to     text
);
CREATE INDEX waiting_open ON ingest.waiting (dataset) WHERE settled_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON ingest.waiting TO credit_consumer;
GRANT SELECT (ce_id, unit, dataset, act, owner, record_no, source_key, received_at, settled_at, came_to)
    ON ingest.waiting TO credit_quality, credit_reader;

-- What waited comes to something else once, and nothing in landing ever changes besides.
GRANT UPDATE (state, record_no, revision, problems) ON landing.event TO credit_consumer;
CREATE FUNCTION landing.only_what_waited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event that has landed does not change' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER only_what_waited BEFORE UPDATE ON landing.event
    FOR EACH ROW WHEN (OLD.state <> 'waiting') EXECUTE FUNCTION landing.only_what_waited();

-- changed: somebody else did something to the unit's record.
ALTER TABLE exchange.receipt DROP CONSTRAINT receipt_status_check;
ALTER TABLE exchange.receipt ADD CONSTRAINT receipt_status_check
    CHECK (status IN ('loaded', 'rejected', 'unchanged', 'duplicate', 'waiting', 'forwarded', 'accepted', 'returned',
                      'resend', 'changed'));
