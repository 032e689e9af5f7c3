"""Our books on one destination: an entry per copy, and the rule by which an entry becomes due.

Pure logic and the statements that read and write entries. Whoever writes holds the destination's lock (session.py),
so reading, deciding and writing need no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from .rendering import Source, Want

# A content that comes back with a version conflict this often is no longer a matter of numbering.
MAX_ATTEMPTS = 8
IN_FLIGHT = ("sent", "unknown")


class Entry(NamedTuple):
    """What a delivery row says: wanted, last sent, last acknowledged. Digests are keyed (rendering.Digests)."""

    state: str = "due"
    want: str | None = None
    want_revision: int = 0
    want_digest: bytes | None = None
    sent_want: str | None = None
    sent_digest: bytes | None = None
    sent_revision: int | None = None
    acked_want: str | None = None
    acked_digest: bytes | None = None
    acked_revision: int | None = None
    external_no: str | None = None
    attempts: int = 0

    @property
    def answered(self) -> bool:
        """True when what was last sent is what is wanted now."""
        return (self.sent_want, self.sent_digest) == (self.want, self.want_digest)


# As ENTRY_COLUMNS reads it, over `exchange.delivery AS d`.
ENTRY_COLUMNS = ", ".join(f"d.{name}" for name in Entry._fields)
ENTRY_WIDTH = len(Entry._fields)


def read_entry(row: Sequence[Any]) -> Entry | None:
    """An entry from the columns ENTRY_COLUMNS; None where an outer join found none."""
    if row[0] is None:
        return None
    return Entry._make(bytes(v) if isinstance(v, memoryview) else v for v in row)


def next_revision(entry: Entry, want: Want, record_revision: int) -> int:
    """The number under which this content may travel: a number that was spent on other content is spent."""
    if (entry.sent_want, entry.sent_digest) == (want.op, want.digest) and entry.sent_revision is not None:
        return entry.sent_revision
    return max(record_revision, (entry.sent_revision or 0) + 1)


def plan(entry: Entry | None, want: Want, record_revision: int) -> Entry | None:
    """The entry as it should be, given what is wanted now; None when nothing changes (or none is needed)."""
    if entry is None:
        if want.op == "end":
            return None
        return Entry("due", want.op, record_revision, want.digest)
    made = entry._replace(
        want=want.op, want_digest=want.digest, want_revision=next_revision(entry, want, record_revision)
    )
    if entry.state in IN_FLIGHT:
        pass
    elif want.op == "end" and entry.sent_revision is None and entry.acked_want is None:
        # It never left: there is nothing to end.
        made = made._replace(state="accepted", acked_want="end", acked_digest=want.digest)
    elif (entry.acked_want, entry.acked_digest) == (want.op, want.digest):
        made = made._replace(state="accepted")
    elif entry.state == "rejected" and made.answered:
        pass  # the same content would come back rejected again
    elif entry.state == "manual" and entry.want == want.op == "end":
        pass
    else:
        made = made._replace(state="due")
    return made if made != entry else None


UPSERT = """
INSERT INTO exchange.delivery AS d (destination, record_no, dataset, unit, state, want, want_revision, want_digest,
    sent_want, sent_digest, sent_revision, acked_want, acked_digest, acked_revision, external_no, attempts, acked_at)
SELECT v.destination, v.record_no::uuid, v.dataset, v.unit, v.state, v.want, v.want_revision, v.want_digest,
    v.sent_want, v.sent_digest, v.sent_revision::integer, v.acked_want, v.acked_digest,
    v.acked_revision::integer, v.external_no, v.attempts, CASE WHEN v.acked_want IS NOT NULL THEN now() END
FROM (VALUES %s) AS v (destination, record_no, dataset, unit, state, want, want_revision, want_digest, sent_want,
    sent_digest, sent_revision, acked_want, acked_digest, acked_revision, external_no, attempts)
ON CONFLICT (destination, record_no) DO UPDATE SET
    dataset = EXCLUDED.dataset, unit = EXCLUDED.unit, state = EXCLUDED.state, want = EXCLUDED.want,
    want_revision = EXCLUDED.want_revision, want_digest = EXCLUDED.want_digest, sent_want = EXCLUDED.sent_want,
    sent_digest = EXCLUDED.sent_digest, sent_revision = EXCLUDED.sent_revision, acked_want = EXCLUDED.acked_want,
    acked_digest = EXCLUDED.acked_digest, acked_revision = EXCLUDED.acked_revision,
    external_no = EXCLUDED.external_no, attempts = EXCLUDED.attempts,
    acked_at = CASE WHEN (d.acked_want, d.acked_digest) IS DISTINCT FROM (EXCLUDED.acked_want, EXCLUDED.acked_digest)
        THEN now() ELSE d.acked_at END,
    due_since = CASE WHEN d.state = 'due' THEN d.due_since ELSE now() END,
    updated_at = now()
"""
UPSERT_TYPES = (
    "(%s, %s, %s, %s, %s, %s, %s, %s::bytea, %s::text, %s::bytea, %s::integer, %s::text, %s::bytea, %s::integer,"
    " %s::text, %s::integer)"
)
PAGE = 500


def write_entries(cur: cursor, destination: str, dataset: str, entries: Iterable[tuple[Source, Entry]]) -> None:
    """Insert or replace entries."""
    rows = [
        (
            destination,
            s.record_no,
            dataset,
            s.unit,
            e.state,
            e.want,
            e.want_revision,
            e.want_digest,
            e.sent_want,
            e.sent_digest,
            e.sent_revision,
            e.acked_want,
            e.acked_digest,
            e.acked_revision,
            e.external_no,
            e.attempts,
        )
        for s, e in entries
    ]
    if rows:
        execute_values(cur, UPSERT, rows, template=UPSERT_TYPES, page_size=PAGE)
