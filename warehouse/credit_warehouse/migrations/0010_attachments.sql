-- Attachments of work reports: photos and documents, stored once by content, encrypted, beside the database.
-- depends: 0009_acts

-- One row per content. The file lies at ab/cdef… of its digest below the store; a row is there only when its file is.
-- gone_at: deleted, because no record named it any more; the row stays as the account of it.
CREATE TABLE core.attachment (
    digest      bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    size        bigint NOT NULL CHECK (size > 0),
    kind        text NOT NULL,
    key_version integer NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    gone_at     timestamptz
);
COMMENT ON TABLE core.attachment IS '附件：同样的内容只存一份';

-- Who handed it over, and when first. Several units may: a document of the county is attached by each of them.
CREATE TABLE core.attachment_handover (
    digest     bytea NOT NULL REFERENCES core.attachment,
    unit       text NOT NULL,
    handed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (digest, unit)
);
COMMENT ON TABLE core.attachment_handover IS '附件由哪个单位在何时交来';

-- What was handed over and not taken. Closed when the same content comes fit.
CREATE TABLE core.attachment_refusal (
    unit       text NOT NULL,
    digest     bytea NOT NULL,
    reason     text NOT NULL,
    told       text NOT NULL,
    times      integer NOT NULL DEFAULT 1,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    closed_at  timestamptz,
    PRIMARY KEY (unit, digest)
);
COMMENT ON TABLE core.attachment_refusal IS '没有收下的附件和原因';

GRANT USAGE ON SCHEMA core, quality, audit TO credit_attachments;
GRANT SELECT, INSERT ON core.attachment, core.attachment_handover TO credit_attachments;
GRANT UPDATE (size, kind, key_version, stored_at, gone_at) ON core.attachment TO credit_attachments;
GRANT SELECT, INSERT, UPDATE ON core.attachment_refusal TO credit_attachments;
GRANT INSERT ON audit.act TO credit_attachments;
GRANT SELECT ON core.attachment, core.attachment_handover, core.attachment_refusal TO credit_quality, credit_reader;
