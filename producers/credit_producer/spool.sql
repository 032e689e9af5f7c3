-- The spool of one unit on one machine. Values are Avro with every personal number sealed.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of sending, never reused
    ce_id      TEXT NOT NULL UNIQUE,
    topic      TEXT NOT NULL,
    key        BLOB NOT NULL,
    value      BLOB,                              -- NULL once a settled event has outlived its retention
    headers    TEXT NOT NULL,                     -- JSON list of [name, ASCII value]
    time_ms    INTEGER NOT NULL,                  -- the event's own time, kept by every attempt
    dataset    TEXT NOT NULL,
    act        TEXT NOT NULL,
    digest     BLOB NOT NULL,                     -- of the content, keyed with the unit's salt
    file       TEXT,
    row        INTEGER,
    line       INTEGER,
    state      TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'settled')),
    attempts   INTEGER NOT NULL DEFAULT 0,        -- how often Kafka has acknowledged it
    receipt    TEXT,                              -- the status told last, the final one once settled
    created_at TEXT NOT NULL,
    sent_at    TEXT,
    settled_at TEXT
);
CREATE INDEX event_queued ON event (seq) WHERE state = 'queued';
CREATE INDEX event_key ON event (key, seq);
CREATE INDEX event_settled ON event (settled_at) WHERE state = 'settled' AND value IS NOT NULL;
CREATE TABLE receipt (
    receipt_id TEXT PRIMARY KEY,
    ce_id      TEXT,
    record_no  TEXT,
    status     TEXT NOT NULL,
    at         TEXT NOT NULL,
    body       TEXT NOT NULL                      -- the receipt as it came, JSON
);
CREATE INDEX receipt_at ON receipt (at);
