-- What the sandbox platform keeps. No content of a row stays after it was judged: only digests, versions, verdicts.
CREATE TABLE IF NOT EXISTS setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS nonce (
    client     TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (client, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonce_expires ON nonce (expires_at);

CREATE TABLE IF NOT EXISTS batch (
    seq         INTEGER PRIMARY KEY,
    client      TEXT NOT NULL,
    batch_id    TEXT NOT NULL,
    digest      TEXT NOT NULL,
    table_id    TEXT NOT NULL,
    row_count   INTEGER NOT NULL,
    received_at REAL NOT NULL,
    due_at      REAL NOT NULL,
    -- The rows while they wait for their time; NULL once judged.
    pending     TEXT,
    UNIQUE (client, batch_id)
) STRICT;
CREATE INDEX IF NOT EXISTS batch_due ON batch (due_at, seq) WHERE pending IS NOT NULL;

CREATE TABLE IF NOT EXISTS verdict (
    batch_seq   INTEGER NOT NULL REFERENCES batch (seq),
    line        INTEGER NOT NULL,
    record_no   TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    result      TEXT NOT NULL CHECK (result IN ('accepted', 'rejected')),
    code        TEXT NOT NULL,
    message     TEXT NOT NULL,
    problems    TEXT NOT NULL,
    external_no TEXT,
    PRIMARY KEY (batch_seq, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS record (
    seq         INTEGER PRIMARY KEY,
    client      TEXT NOT NULL,
    record_no   TEXT NOT NULL,
    table_id    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('live', 'ended')),
    revision    INTEGER NOT NULL,
    -- NULL for a record that was ended before it was ever put.
    digest      TEXT,
    natural_key TEXT,
    external_no TEXT,
    updated_at  TEXT NOT NULL,
    UNIQUE (client, record_no)
) STRICT;
-- One decision, one live record, whoever sent it.
CREATE UNIQUE INDEX IF NOT EXISTS record_natural ON record (natural_key) WHERE state = 'live';
CREATE INDEX IF NOT EXISTS record_page ON record (client, table_id, record_no) WHERE state = 'live';
