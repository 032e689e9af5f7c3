"""The SQL of this room, in one place. `%s` are parameters; names of tables come from our own schema files."""

# ruff: noqa: S608 - no value is ever spliced in, only names from our schema files, checked by `dataset.NAME`
from __future__ import annotations

from credit_schemas.dataset import Dataset
from credit_warehouse.tables import columns

# A list of digests or ids as one text parameter: comma-separated hex, which the server splits again.
_HEX_LIST = "(SELECT decode(h, 'hex') FROM unnest(string_to_array(%s, ',')) h)"
_UUID_LIST = "(SELECT h::uuid FROM unnest(string_to_array(%s, ',')) h)"

# --- positions ---------------------------------------------------------------------------------------------------

# The fence (DESIGN, promise 1): no row means that somebody else was here.
MOVE_POSITION = (
    "UPDATE ingest.position SET next_offset = %s, updated_at = now()"
    " WHERE topic_id = %s AND partition = %s AND next_offset = %s"
)
# The same for all partitions of a batch (lists of equal length: topic, partition, before, after) at once; returns what
# was moved. They are locked in one order, so that two consumers never wait for each other in a ring.
MOVE_POSITIONS = (
    "WITH wanted AS (SELECT * FROM unnest(%s::uuid[], %s::int[], %s::bigint[], %s::bigint[])"
    " w (topic_id, partition, before, after)), held AS (SELECT p.topic_id, p.partition, w.after FROM ingest.position p"
    " JOIN wanted w ON p.topic_id = w.topic_id AND p.partition = w.partition AND p.next_offset = w.before"
    " ORDER BY p.topic_id, p.partition FOR UPDATE OF p)"
    " UPDATE ingest.position p SET next_offset = held.after, updated_at = now() FROM held"
    " WHERE p.topic_id = held.topic_id AND p.partition = held.partition RETURNING p.topic_id, p.partition"
)
# A replay writes outside the fence; holding the row keeps the topic's loads apart from it.
HOLD_POSITION = "SELECT 1 FROM ingest.position WHERE topic_id = %s AND partition = %s FOR UPDATE"
ADD_TOPIC = "INSERT INTO ingest.topic (topic_id, name, unit) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
HALTED = "SELECT halted FROM ingest.topic WHERE topic_id = %s"
HALT = "UPDATE ingest.topic SET halted = %s WHERE topic_id = %s AND halted IS NULL"
RESUME = "UPDATE ingest.topic SET halted = NULL WHERE topic_id = %s AND halted IS NOT NULL"
EARLIER_EPOCH = "SELECT 1 FROM ingest.topic WHERE name = %s AND topic_id <> %s LIMIT 1"
LAST_READ = "SELECT max(p.updated_at) FROM ingest.position p JOIN ingest.topic t USING (topic_id) WHERE t.name = %s"
TOPIC_NAME = "SELECT name FROM ingest.topic WHERE topic_id = %s"
POSITION = "SELECT next_offset FROM ingest.position WHERE topic_id = %s AND partition = %s"
ADD_POSITION = (
    "INSERT INTO ingest.position (topic_id, partition, next_offset) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING RETURNING next_offset"
)
SET_POSITION = "UPDATE ingest.position SET next_offset = %s, updated_at = now() WHERE topic_id = %s AND partition = %s"
ADD_GAP = (
    "INSERT INTO ingest.gap (topic_id, partition, from_offset, to_offset) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
# A session of ours that holds rows in an open transaction while its process stands still (SIGSTOP, a frozen virtual
# machine) would block the new owner for as long as it sleeps. Ending it is safe: its transaction never happened.
END_SLEEPERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
    " AND xact_start IS NOT NULL AND wait_event = 'ClientRead' AND state_change < now() - %s * interval '1 second'"
)

# --- landing -----------------------------------------------------------------------------------------------------

KNOWN_EVENTS = (
    "SELECT ce_id, unit, state, record_no, revision, problems FROM landing.event"
    f" WHERE ce_id BETWEEN %s AND %s AND ce_id IN {_UUID_LIST}"
)
# The same of new ids, as their 16 bytes: bounds, and an array as text.
LANDED = "SELECT uuid_send(ce_id) FROM landing.event WHERE ce_id BETWEEN %s AND %s AND ce_id = ANY(%s::uuid[])"
PREPARE_MONTHS = "SELECT landing.prepare_months()"
LANDING_COLUMNS = (
    *("ce_id", "unit", "dataset", "act", "schema_id", "topic_id", "partition", "offset", "key", "value"),
    *("produced_at", "received_at", "state", "record_no", "revision"),
    *("authority_code", "document_no", "decision_date", "content_digest", "problems", "replaces", "period"),
)
# Refusals that landed before with the same content: three lists of equal length.
REFUSED_BEFORE = (
    "SELECT unit, dataset, content_digest FROM landing.event WHERE state = 'rejected' AND (unit, dataset,"
    " content_digest) IN (SELECT u, d, decode(h, 'hex') FROM unnest(%s::text[], %s::text[], %s::text[]) t (u, d, h))"
)
# Contents of records that a later row of the same file replaced, and by what.
REPLACED = (
    "SELECT a.record_no, a.content_digest, b.content_digest FROM landing.event a JOIN landing.event b"
    f" ON b.record_no = a.record_no AND b.replaces = a.ce_id WHERE a.record_no IN {_UUID_LIST}"
)
# Of records (numbers as text): the last event of each unit whose content, or act, holds or held. What was refused, or
# refused again ("unchanged"), is not among them.
NEWEST = (
    "SELECT record_no, unit, act IN ('report', 'correct'), max(ce_id::text) FROM landing.event"
    f" WHERE record_no IN {_UUID_LIST} AND state IN ('accepted', 'unchanged')"
    """ AND (problems IS NULL OR NOT problems @> '[{"severity": "reject"}]') GROUP BY 1, 2, 3"""
)
COUNT_NOT_REPORTABLE = (
    "INSERT INTO ingest.not_reportable AS t (unit, dataset, day, rows) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (unit, dataset, day) DO UPDATE SET rows = t.rows + excluded.rows"
)

# --- records -----------------------------------------------------------------------------------------------------

# In the order of `identity.Record`.
_RECORD = (
    "record_no, unit, revision, source_key, natural_key, content_digest, revised_at, withdrawn, ended_why, disputed,"
    " closed_by, acted_at"
)


def records_by_key(dataset: Dataset) -> str:
    """Records that have one of these natural keys."""
    return f"SELECT {_RECORD} FROM core.{dataset.table} WHERE natural_key IN {_HEX_LIST}"


def records_by_no(dataset: Dataset) -> str:
    """Records of these numbers."""
    return f"SELECT {_RECORD} FROM core.{dataset.table} WHERE record_no IN {_UUID_LIST}"


def records_by_source(dataset: Dataset) -> str:
    """Records of these units under these source keys (two lists of equal length)."""
    return (
        f"SELECT {_RECORD} FROM core.{dataset.table} WHERE (unit, source_key) IN"
        " (SELECT * FROM unnest(%s::text[], %s::text[]))"
    )


def keys_taken(dataset: Dataset) -> str:
    """Natural keys (an array as text) that are a record's."""
    return f"SELECT natural_key FROM core.{dataset.table} WHERE natural_key = ANY(%s::bytea[])"


# Whether a dataset has keys that were a record's once, and events that wait: mostly neither, and nobody asks which.
ANY_FORMER_OR_WAITING = (
    "SELECT EXISTS (SELECT 1 FROM core.former_key WHERE dataset = %(dataset)s),"
    " EXISTS (SELECT 1 FROM ingest.waiting WHERE settled_at IS NULL AND dataset = %(dataset)s)"
)
KEYS_FORMER = "SELECT natural_key FROM core.former_key WHERE dataset = %s AND natural_key = ANY(%s::bytea[])"


def sources_taken(dataset: Dataset) -> str:
    """Source keys of units (two lists of equal length) that are a record's."""
    return (
        f"SELECT unit, source_key FROM core.{dataset.table} WHERE (unit, source_key) IN"
        " (SELECT * FROM unnest(%s::text[], %s::text[]))"
    )


FORMER_KEYS = f"SELECT natural_key, record_no FROM core.former_key WHERE dataset = %s AND natural_key IN {_HEX_LIST}"
ADD_FORMER_KEY = (
    "INSERT INTO core.former_key (dataset, natural_key, record_no) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
)

# What a new revision of its content leaves alone: its number, its unit, when it first came, and what acts did to it.
STANDING = ("state", "withdrawn", "ended_why", "disputed", "closed_by", "acted_at")
KEPT = frozenset({"record_no", "unit", "received_at", "received_on", *STANDING})


def locked(dataset: Dataset) -> str:
    """Records about to change, held until the transaction ends, with the revision they have now."""
    return (
        f"SELECT record_no, revision FROM core.{dataset.table} WHERE record_no IN {_UUID_LIST}"
        " ORDER BY record_no FOR UPDATE"
    )


def set_standing(dataset: Dataset) -> str:
    """What acts did to a record; its content stays."""
    return (
        f"UPDATE core.{dataset.table} SET revision = %s, state = %s, withdrawn = %s, ended_why = %s, disputed = %s,"
        " closed_by = %s, acted_at = %s, last_ce_id = coalesce(%s, last_ce_id) WHERE record_no = %s"
    )


ACT_COLUMNS = (
    *("ce_id", "dataset", "record_no", "revision", "unit", "act", "upheld", "reason", "basis", "effective_on"),
    "received_at",
)


def stage(dataset: Dataset) -> str:
    """Name of the temporary table that takes a batch of a dataset."""
    return f"pg_temp.stage_{dataset.table}"


def create_stage(dataset: Dataset) -> str:
    """The temporary table of a dataset, without the constraints of the real one."""
    return (
        f"CREATE TEMP TABLE IF NOT EXISTS stage_{dataset.table} ON COMMIT DELETE ROWS"
        f" AS SELECT {_names(dataset)} FROM core.{dataset.table} WITH NO DATA"
    )


def upsert(dataset: Dataset) -> str:
    """Stage to core; never backwards."""
    changes = ", ".join(f"{c} = excluded.{c}" for c in columns(dataset) if c not in KEPT)
    return (
        f"INSERT INTO core.{dataset.table} AS t ({_names(dataset)}) SELECT {_names(dataset)} FROM {stage(dataset)}"
        f" ON CONFLICT (record_no) DO UPDATE SET {changes} WHERE t.revision < excluded.revision"
    )


def free_keys(dataset: Dataset) -> str:
    """Take records off their natural keys, so that two may swap theirs within one statement that follows."""
    return (
        f"UPDATE core.{dataset.table} SET natural_key = decode('00', 'hex') || uuid_send(record_no)"
        f" WHERE record_no IN {_UUID_LIST}"
    )


def adopt_source_key(dataset: Dataset) -> str:
    """Give a record the source key its department has begun to use."""
    return f"UPDATE core.{dataset.table} SET source_key = %s WHERE record_no = %s AND source_key IS NULL"


def _names(dataset: Dataset) -> str:
    return ", ".join(columns(dataset))


# --- what waits for its record ------------------------------------------------------------------------------------

WAITING_COLUMNS = ("ce_id", "unit", "dataset", "act", "owner", "record_no", "source_key", "natural_key", "received_at")
WAITING_DATASETS = "SELECT DISTINCT dataset FROM ingest.waiting WHERE settled_at IS NULL"
WAITING_AMONG = (
    "SELECT d FROM unnest(%s::text[]) d"
    " WHERE EXISTS (SELECT 1 FROM ingest.waiting w WHERE w.dataset = d AND w.settled_at IS NULL)"
)
# The number is arbitrary, and this place's alone; let go at the end of the transaction.
SETTLE_ALONE = "SELECT pg_try_advisory_xact_lock(7301)"
_WAITING = (
    "SELECT w.ce_id, t.name AS topic, e.topic_id, e.unit, e.dataset, e.partition, e.offset, e.received_at, e.key,"
    " e.value, e.act, e.produced_at, e.replaces FROM ingest.waiting w JOIN landing.event e USING (ce_id)"
    " JOIN ingest.topic t ON t.topic_id = e.topic_id WHERE w.settled_at IS NULL AND w.dataset = %s AND"
)
# The oldest first, but those that could not be done before behind the others.
_IN_LINE = " ORDER BY w.came_to NULLS FIRST, w.received_at, e.offset LIMIT %s FOR UPDATE OF w SKIP LOCKED"
# By natural keys, numbers, and (unit, source key) in two lists of equal length.
WAITING_FOR = (
    f"{_WAITING} (w.natural_key IN {_HEX_LIST} OR w.record_no IN {_UUID_LIST}"
    f" OR (w.owner, w.source_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))){_IN_LINE}"
)


# Whether anybody waits for one of these: natural keys and numbers (arrays as text), units and source keys.
ANY_WAITING = (
    "SELECT EXISTS (SELECT 1 FROM ingest.waiting w WHERE w.settled_at IS NULL AND w.dataset = %s AND"
    " (w.natural_key = ANY(%s::bytea[]) OR w.record_no = ANY(%s::uuid[])"
    " OR (w.owner, w.source_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))))"
)


def take_waiting(dataset: Dataset) -> str:
    """Events whose record has come meanwhile, oldest first, each with the message it came as."""
    table = f"core.{dataset.table}"
    return (
        f"{_WAITING} (EXISTS (SELECT 1 FROM {table} c WHERE c.record_no = w.record_no)"
        f" OR EXISTS (SELECT 1 FROM {table} c WHERE c.unit = w.owner AND c.source_key = w.source_key)"
        f" OR EXISTS (SELECT 1 FROM {table} c WHERE c.natural_key = w.natural_key)"
        " OR EXISTS (SELECT 1 FROM core.former_key f WHERE f.dataset = w.dataset AND f.natural_key = w.natural_key))"
        f"{_IN_LINE}"
    )


SETTLE_WAITING = "UPDATE ingest.waiting SET settled_at = now(), came_to = %s WHERE ce_id = %s"
# Still waiting: what stood in the way, a word of `decode.REASONS`. Written once, not at each look.
TROUBLED = "UPDATE ingest.waiting SET came_to = %s WHERE came_to IS DISTINCT FROM %s AND ce_id = %s"
SETTLE_LANDING = (
    "UPDATE landing.event SET state = %s, record_no = %s, revision = %s, problems = %s"
    " WHERE ce_id = %s AND state = 'waiting'"
)
LIST_WAITING = (
    "SELECT ce_id, unit, dataset, act, owner, record_no, source_key, received_at, came_to AS trouble"
    " FROM ingest.waiting WHERE settled_at IS NULL AND (%(unit)s IS NULL OR unit = %(unit)s)"
    " ORDER BY received_at, ce_id LIMIT %(limit)s"
)

# --- marks and receipts ------------------------------------------------------------------------------------------

MARK_COLUMNS = ("dataset", "unit", "record_no", "revision")
RECEIPT_COLUMNS = ("receipt_id", "unit", "ce_id", "record_no", "dataset", "status", "revision", "problems", "note")
_RESEND_COLUMNS = "receipt_id, unit, dataset, status, note, since"
ADD_RESEND = f"INSERT INTO exchange.receipt ({_RESEND_COLUMNS}) VALUES (%s, %s, '', 'resend', %s, %s)"
TAKE_RECEIPTS = (
    "SELECT receipt_id, ce_id, record_no, unit, dataset, status, destination, problems, revision, at, note, since"
    " FROM exchange.receipt WHERE published_at IS NULL AND unit <> ALL(%s)"
    " ORDER BY at, receipt_id LIMIT %s FOR UPDATE SKIP LOCKED"
)
PUBLISHED = f"UPDATE exchange.receipt SET published_at = now() WHERE receipt_id IN {_UUID_LIST}"
