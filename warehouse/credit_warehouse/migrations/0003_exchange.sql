-- What goes out: marks of what changed, what each destination holds, receipts on their way back.
-- depends: 0002_core

CREATE SCHEMA exchange;

-- Loading only marks. The quality run stamps the marks it has checked; forwarding takes checked marks only.
CREATE TABLE exchange.mark (
    mark_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset     text NOT NULL,
    unit        text NOT NULL,
    record_no   uuid NOT NULL,
    revision    integer NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT now(),
    checked_run bigint
);
CREATE INDEX mark_unchecked ON exchange.mark (dataset, unit) WHERE checked_run IS NULL;
CREATE INDEX mark_checked ON exchange.mark (dataset, unit) WHERE checked_run IS NOT NULL;

-- One row per copy: what the destination should hold, what it was last sent, what it last acknowledged.
-- want: put (hold this revision) or end (hold nothing). state: due, sent (an answer is awaited), unknown (sent, and
-- whether it arrived must be asked), accepted, rejected, manual (the destination cannot do it; a person must).
CREATE TABLE exchange.delivery (
    destination    text NOT NULL,
    record_no      uuid NOT NULL,
    dataset        text NOT NULL,
    unit           text NOT NULL,
    want           text NOT NULL CHECK (want IN ('put', 'end')),
    want_revision  integer NOT NULL,
    want_digest    bytea NOT NULL,
    state          text NOT NULL CHECK (state IN ('due', 'sent', 'unknown', 'accepted', 'rejected', 'manual')),
    batch_id       uuid,
    sent_revision  integer,
    sent_digest    bytea,
    sent_at        timestamptz,
    acked_revision integer,
    acked_digest   bytea,
    acked_want     text,
    acked_at       timestamptz,
    external_no    text,
    code           text,
    message        text,
    attempts       integer NOT NULL DEFAULT 0,
    due_since      timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (destination, record_no)
);
CREATE INDEX delivery_open ON exchange.delivery (destination, state, due_since) WHERE state IN ('due', 'sent', 'unknown');

CREATE TABLE exchange.batch (
    batch_id    uuid PRIMARY KEY,
    destination text NOT NULL,
    dataset     text NOT NULL,
    rows        integer NOT NULL,
    canary      boolean NOT NULL DEFAULT false,
    state       text NOT NULL CHECK (state IN ('prepared', 'sent', 'unknown', 'done', 'refused')),
    body_digest bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,
    done_at     timestamptz,
    accepted    integer,
    rejected    integer,
    answer      text
);
CREATE INDEX batch_open ON exchange.batch (destination) WHERE state IN ('prepared', 'sent', 'unknown');

CREATE TABLE exchange.destination (
    destination  text PRIMARY KEY,
    paused       boolean NOT NULL DEFAULT false,
    paused_why   text,
    paused_at    timestamptz,
    resumed_by   text,
    reconciled_at timestamptz
);

-- What a department hears of its rows. One relay publishes by state and SKIP LOCKED, never by id > last.
CREATE TABLE exchange.receipt (
    receipt_id   uuid PRIMARY KEY,
    unit         text NOT NULL,
    ce_id        uuid,
    record_no    uuid,
    dataset      text NOT NULL,
    status       text NOT NULL CHECK (status IN ('loaded', 'rejected', 'unchanged', 'duplicate', 'waiting',
                                                 'forwarded', 'accepted', 'returned', 'resend')),
    destination  text,
    revision     integer,
    problems     jsonb,
    note         text NOT NULL DEFAULT '',
    at           timestamptz NOT NULL DEFAULT now(),
    -- status resend: everything made since then is to be sent again, what was answered too
    since        timestamptz,
    published_at timestamptz
);
CREATE INDEX receipt_unpublished ON exchange.receipt (at) WHERE published_at IS NULL;
CREATE INDEX receipt_record ON exchange.receipt (record_no);
