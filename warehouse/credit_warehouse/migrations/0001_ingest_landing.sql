-- What came in: where we are in each topic, every arrival as it came, and what could not be understood.
-- depends:

CREATE SCHEMA ingest;
CREATE SCHEMA landing;

-- A topic deleted and created again has another id: it opens a new epoch instead of meeting old offsets.
CREATE TABLE ingest.topic (
    topic_id    uuid PRIMARY KEY,
    name        text NOT NULL,
    unit        text NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    halted      text
);
CREATE INDEX topic_name ON ingest.topic (name, first_seen DESC);

-- The fence of the load transaction: UPDATE ... WHERE next_offset = :before. No row updated means that somebody
-- else was here; that is a normal answer, not an error.
CREATE TABLE ingest.position (
    topic_id    uuid NOT NULL REFERENCES ingest.topic,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, partition)
) WITH (fillfactor = 50);

-- Offsets that were gone (retention, truncation) before we had read them, or that a person skipped; repaired by asking
-- the unit to re-send. Where a person went back, to_offset is the smaller: those offsets are read twice.
CREATE TABLE ingest.gap (
    gap_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id    uuid NOT NULL REFERENCES ingest.topic,
    partition   integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic_id, partition, from_offset)
);

-- state: dead (cannot be decoded), parked (unknown schema id, replayed in order when known), replayed, discarded.
CREATE TABLE ingest.dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id       uuid NOT NULL REFERENCES ingest.topic,
    topic          text NOT NULL,
    unit           text NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    key            bytea,
    value          bytea,
    headers        jsonb NOT NULL,
    received_at    timestamptz NOT NULL,
    schema_id      integer,
    reason         text NOT NULL,
    detail         text NOT NULL,
    state          text NOT NULL CHECK (state IN ('dead', 'parked', 'replayed', 'discarded')),
    attempts       integer NOT NULL DEFAULT 1,
    first_seen     timestamptz NOT NULL DEFAULT now(),
    last_seen      timestamptz NOT NULL DEFAULT now(),
    closed_by      text,
    closed_why     text,
    UNIQUE (topic_id, partition, "offset")
);
CREATE INDEX dead_letter_open ON ingest.dead_letter (unit, state) WHERE state IN ('dead', 'parked');

-- Rows that by law may not be reported and came all the same: a count is all that is kept.
CREATE TABLE ingest.not_reportable (
    unit    text NOT NULL,
    dataset text NOT NULL,
    day     date NOT NULL,
    rows    integer NOT NULL,
    PRIMARY KEY (unit, dataset, day)
);

-- Every arrival, as it came (value is the Avro message, personal numbers sealed). ce_id is a UUIDv7, so a range of it
-- is a range of time: partitions by month keep the index that finds duplicates small. act: report, correct, refusal ...
CREATE TABLE landing.event (
    ce_id          uuid NOT NULL,
    unit           text NOT NULL,
    dataset        text NOT NULL,
    act            text NOT NULL,
    schema_id      integer NOT NULL,
    topic_id       uuid NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    key            bytea,
    value          bytea NOT NULL,
    produced_at    timestamptz NOT NULL,
    received_at    timestamptz NOT NULL,
    loaded_at      timestamptz NOT NULL DEFAULT now(),
    state          text NOT NULL CHECK (state IN ('accepted', 'unchanged', 'rejected', 'waiting')),
    record_no      uuid,
    revision       integer,
    -- what the figures need of a row whether it was accepted or not
    authority_code text,
    document_no    text,
    decision_date  date,
    content_digest bytea,
    problems       jsonb,
    -- the event of an earlier row of the same file about the same record: the later row wins
    replaces       uuid,
    PRIMARY KEY (ce_id)
) PARTITION BY RANGE (ce_id);
CREATE TABLE landing.event_other PARTITION OF landing.event DEFAULT;
CREATE INDEX event_figures ON landing.event (unit, dataset, decision_date);
CREATE INDEX event_record ON landing.event (record_no) WHERE record_no IS NOT NULL;
CREATE INDEX event_refused ON landing.event (unit, dataset, content_digest) WHERE state = 'rejected';
CREATE INDEX event_document ON landing.event (authority_code, document_no) WHERE state = 'rejected';
