-- Forwarding: a mark is taken by each destination in its own time; a delivery knows what exactly it was last sent.
-- depends: 0005_grants

-- The destinations that have turned this mark into a delivery. It may go when every enabled one has: so a destination
-- that is down, paused or new loses none.
ALTER TABLE exchange.mark ADD COLUMN taken text[] NOT NULL DEFAULT '{}';
GRANT UPDATE (taken) ON exchange.mark TO credit_forward;
-- A record that quality has not looked at since it changed may not leave.
CREATE INDEX mark_record_unchecked ON exchange.mark (record_no) WHERE checked_run IS NULL;

-- want_revision and sent_revision number the copies at that destination: the record's own revision, or the next free
-- number when that one was spent on other content (a filter or column map that changed, a copy that came back).
-- sent_record_revision is the record's own, sent_ce_id the event it came from: receipts speak of those.
ALTER TABLE exchange.delivery
    ADD COLUMN sent_want text CHECK (sent_want IN ('put', 'end')),
    ADD COLUMN sent_record_revision integer,
    ADD COLUMN sent_ce_id uuid;
CREATE INDEX delivery_batch ON exchange.delivery (batch_id) WHERE state IN ('sent', 'unknown');

-- Who resumed a destination or had rejected rows sent again.
GRANT USAGE ON SCHEMA audit TO credit_forward;
GRANT INSERT ON audit.act TO credit_forward;
