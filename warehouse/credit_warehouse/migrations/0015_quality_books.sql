-- Quality costs what is new, not what is stored: which transaction brought each arrival, and the books of what was seen.
-- depends: 0012_duties

-- The transaction that brought an arrival or settled it when it had waited. A quality run looks at what its last look
-- could not see (a snapshot tells exactly, also of a transaction that began before it and committed after it; an id or a
-- moment would lose that one). bigint and txid_current() because BRIN has no operators for xid8. Rows from before this
-- migration are 0: the first run counts them all.
ALTER TABLE landing.event ADD COLUMN changed_xid bigint NOT NULL DEFAULT 0;
ALTER TABLE landing.event ALTER COLUMN changed_xid SET DEFAULT txid_current();
-- Rows of one time stand together, so an index of a few kilobytes finds the newest; it costs the loader next to nothing.
CREATE INDEX event_changed ON landing.event USING brin (changed_xid) WITH (autosummarize = on);

CREATE FUNCTION landing.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_xid := txid_current();
    RETURN NEW;
END
$$;
CREATE TRIGGER zz_note_change BEFORE UPDATE ON landing.event FOR EACH ROW EXECUTE FUNCTION landing.note_change();

-- Pages that were filled since the last VACUUM are in no summary and would be read each time. Only an owner may have them
-- summarised, hence the owner's rights; whoever is in the way (VACUUM, a new partition) goes first.
CREATE FUNCTION landing.summarize_changes() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'landing.event_changed'::regclass LOOP
        BEGIN
            PERFORM brin_summarize_new_values(part);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION landing.summarize_changes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION landing.summarize_changes() TO credit_quality;

-- The books ------------------------------------------------------------------------------------------------------------

-- One row: what the books have seen (a snapshot of this cluster), up to which day ledger lines were looked at as overdue,
-- and whether everything must be looked at because the books were begun anew.
CREATE TABLE quality.books (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    snapshot  txid_snapshot NOT NULL,
    cluster   bigint NOT NULL,
    kept_at   timestamptz NOT NULL DEFAULT now(),
    due_to    date NOT NULL DEFAULT '-infinity',
    full_due  boolean NOT NULL DEFAULT true,
    full_at   timestamptz
);
-- Arrivals per slice.
CREATE TABLE quality.slice_book (
    dataset text NOT NULL,
    unit    text NOT NULL,
    landed  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, unit)
);
-- Per slice and day (of the county): arrivals, first reports that became a record, and of these who has a code to have
-- (no persons, nothing withdrawn) and who has none.
CREATE TABLE quality.day_book (
    dataset    text NOT NULL,
    unit       text NOT NULL,
    day        date NOT NULL,
    arrived    bigint NOT NULL DEFAULT 0,
    records    bigint NOT NULL DEFAULT 0,
    identified bigint NOT NULL DEFAULT 0,
    codeless   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, unit, day)
);
-- Per slice and day: the values of a role's column, as they were when the record came or at the last full run.
CREATE TABLE quality.mix_book (
    dataset text NOT NULL,
    unit    text NOT NULL,
    role    text NOT NULL,
    day     date NOT NULL,
    value   text NOT NULL,
    records bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, unit, role, day, value)
);
-- The days an authority's ledger covers, now and when the records of those days were last looked at.
CREATE TABLE quality.coverage (
    dataset     text NOT NULL,
    authority   text NOT NULL,
    first       date,
    last        date,
    seen_first  date,
    seen_last   date,
    PRIMARY KEY (dataset, authority)
);
-- Counted while it waited: not counted again when it is settled.
CREATE TABLE quality.waiting_event (ce_id uuid PRIMARY KEY);
-- In the books, and no run has looked at it yet. born: its record's first report. stranger: refused because the record is
-- another unit's.
CREATE TABLE quality.pending_event (
    ce_id          uuid PRIMARY KEY,
    dataset        text NOT NULL,
    unit           text NOT NULL,
    act            text NOT NULL,
    state          text NOT NULL,
    record_no      uuid,
    born           boolean NOT NULL,
    stranger       boolean NOT NULL,
    authority_code text,
    document_no    text,
    decision_date  date
);
CREATE INDEX pending_event_record ON quality.pending_event (record_no);

-- The run in hand ------------------------------------------------------------------------------------------------------

-- new_event: what the books had not seen. scope_touched: records to look at, beside those that changed: they share a key
-- with them, have an open work item, or came under a ledger. scope_key: those keys, former ones too. scope_book: what the
-- books said and what was counted, in a full run.
CREATE UNLOGGED TABLE quality.new_event (LIKE quality.pending_event INCLUDING ALL, received_on date NOT NULL, again boolean NOT NULL);
CREATE UNLOGGED TABLE quality.scope_touched (
    dataset   text NOT NULL,
    record_no uuid NOT NULL,
    unit      text NOT NULL,
    PRIMARY KEY (dataset, record_no)
);
CREATE UNLOGGED TABLE quality.scope_key (
    document  text NOT NULL,
    decided   date NOT NULL,
    authority text NOT NULL,
    PRIMARY KEY (document, decided, authority)
);
CREATE UNLOGGED TABLE quality.scope_subject (subject_id bigint PRIMARY KEY);
CREATE UNLOGGED TABLE quality.scope_arrival (unit text PRIMARY KEY, arrived bigint NOT NULL, accounted bigint NOT NULL);
CREATE UNLOGGED TABLE quality.scope_book (
    dataset text NOT NULL,
    unit    text NOT NULL,
    what    text NOT NULL,
    booked  bigint NOT NULL DEFAULT 0,
    counted bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, unit, what)
);

-- What a run has seen of refusals is in the books now.
ALTER TABLE quality.slice DROP COLUMN rejected;
ALTER TABLE quality.scope_slice DROP COLUMN rejected;

-- The last result of each rule and slice, kept instead of sought among the results of all runs.
CREATE TABLE quality.latest (LIKE quality.result, PRIMARY KEY (rule_id, unit, dataset, destination));
INSERT INTO quality.latest
    SELECT DISTINCT ON (r.rule_id, r.unit, r.dataset, r.destination) r.*
    FROM quality.result r JOIN quality.run n USING (run_id) WHERE n.state = 'done'
    ORDER BY r.rule_id, r.unit, r.dataset, r.destination, r.run_id DESC;
CREATE OR REPLACE VIEW quality.latest_result AS
    SELECT r.rule_id, r.unit, r.dataset, r.destination, r.severity, r.success, r.checked, r.unexpected, r.observed,
           r.run_id, n.as_of, n.finished_at
    FROM quality.latest r JOIN quality.run n USING (run_id);
CREATE INDEX latest_failed ON quality.latest (rule_id) WHERE NOT success;

CREATE INDEX work_item_open_record ON quality.work_item (dataset, unit) WHERE gone_at IS NULL;
-- Counted per unit without reading the messages.
CREATE INDEX dead_letter_unit ON ingest.dead_letter (unit) WHERE state <> 'replayed';

ALTER TABLE quality.run ADD COLUMN whole boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN quality.run.whole IS '是否全面检查（credit quality run --full）';

GRANT SELECT, INSERT, UPDATE, DELETE ON quality.books, quality.slice_book, quality.day_book, quality.mix_book,
    quality.coverage, quality.waiting_event, quality.pending_event, quality.latest TO credit_quality;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON quality.new_event, quality.scope_touched, quality.scope_key,
    quality.scope_subject, quality.scope_arrival, quality.scope_book TO credit_quality;
GRANT TRUNCATE ON quality.scope_slice, quality.scope_record, quality.scope_mark TO credit_quality;
