-- Who the records are about. The tables of the datasets (core.licence, core.penalty, ...) are made from their schemas.
-- depends: 0001_ingest_landing

CREATE SCHEMA core;

-- The only table that holds numbers of natural persons, sealed at rest; other tables refer to person_id.
-- lookup is HMAC-SM3 of (type, canonical number) under a key of the center.
CREATE TABLE core.person (
    person_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_type     text NOT NULL,
    lookup      bytea NOT NULL UNIQUE,
    sealed      bytea NOT NULL,
    -- a 15-digit number is kept as written beside its 18-digit form
    as_written  bytea,
    key_version integer NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now()
);

-- kind: code (unified code), person, registration, scoped (code-less 个体工商户, known only to one unit).
-- Names never identify: they are dated history.
CREATE TABLE core.subject (
    subject_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('code', 'person', 'registration', 'scoped')),
    lookup          bytea NOT NULL UNIQUE,
    code            text,
    registration_no text,
    person_id       bigint REFERENCES core.person,
    unit            text,
    first_seen      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE core.subject_name (
    subject_id bigint NOT NULL REFERENCES core.subject,
    name       text NOT NULL,
    unit       text NOT NULL,
    first_seen date NOT NULL,
    last_seen  date NOT NULL,
    PRIMARY KEY (subject_id, name, unit)
);

-- Natural keys a record had before a correction of the very fields that identify it: they still find it.
CREATE TABLE core.former_key (
    dataset     text NOT NULL,
    natural_key bytea NOT NULL,
    record_no   uuid NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dataset, natural_key)
);
