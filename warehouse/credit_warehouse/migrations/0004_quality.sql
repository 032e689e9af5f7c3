-- What one row cannot show: runs and results of the checks, holds, work items; and an account of who did what.
-- depends: 0003_exchange

CREATE SCHEMA quality;
CREATE SCHEMA audit;

CREATE TABLE quality.run (
    run_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of       date NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    slices      integer NOT NULL DEFAULT 0,
    marks       integer NOT NULL DEFAULT 0,
    failures    integer NOT NULL DEFAULT 0
);

-- One line per expectation and slice (unit x dataset, and the destination where the check speaks in its terms).
CREATE TABLE quality.result (
    run_id      bigint NOT NULL REFERENCES quality.run,
    rule_id     text NOT NULL,
    unit        text NOT NULL,
    dataset     text NOT NULL,
    destination text NOT NULL DEFAULT '',
    severity    text NOT NULL CHECK (severity IN ('critical', 'warning')),
    success     boolean NOT NULL,
    checked     bigint NOT NULL,
    unexpected  bigint NOT NULL,
    observed    text NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, rule_id, unit, dataset, destination)
);

-- A held slice does not leave until the failure is gone (closed) or a named person lets it go with a reason.
-- destination '' holds every destination.
CREATE TABLE quality.hold (
    hold_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit           text NOT NULL,
    dataset        text NOT NULL,
    destination    text NOT NULL DEFAULT '',
    rule_id        text NOT NULL,
    run_id         bigint NOT NULL REFERENCES quality.run,
    why            text NOT NULL,
    opened_at      timestamptz NOT NULL DEFAULT now(),
    released_at    timestamptz,
    released_by    text,
    release_reason text,
    closed_at      timestamptz,
    CHECK (released_at IS NULL OR (released_by <> '' AND release_reason <> ''))
);
CREATE UNIQUE INDEX hold_open ON quality.hold (unit, dataset, destination, rule_id)
    WHERE released_at IS NULL AND closed_at IS NULL;

CREATE TABLE quality.work_item (
    work_item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id       bigint REFERENCES quality.run,
    hold_id      bigint REFERENCES quality.hold,
    kind         text NOT NULL,
    unit         text NOT NULL,
    dataset      text NOT NULL,
    rule_id      text NOT NULL,
    record_no    uuid,
    reference    text NOT NULL DEFAULT '',
    what         text NOT NULL,
    mend         text NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz,
    closed_by    text
);
CREATE INDEX work_item_open ON quality.work_item (unit, dataset) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX work_item_once ON quality.work_item (rule_id, unit, dataset, coalesce(record_no::text, ''), reference)
    WHERE closed_at IS NULL;

CREATE TABLE audit.act (
    act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text NOT NULL,
    act    text NOT NULL,
    about  text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
