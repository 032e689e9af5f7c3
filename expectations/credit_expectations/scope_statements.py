"""The SQL of the scope (`scope.py`). Names of tables and columns come from our own schema files.

Every statement reads what is new, what is open, or what shares a key with either, through an index; none reads a table
of records or of arrivals as a whole.
"""

# ruff: noqa: S608 - no value is ever spliced in, only names from our schema files, checked by `dataset.NAME`
from __future__ import annotations

from collections.abc import Mapping

_SCRATCH = ("mark", "record", "slice", "touched", "key", "subject", "arrival")
CLEAR = f"TRUNCATE {', '.join(f'quality.scope_{name}' for name in _SCRATCH)}"

# --- slices and records due --------------------------------------------------------------------------------------

TAKE_MARKS = (
    "INSERT INTO quality.scope_mark SELECT mark_id FROM exchange.mark WHERE checked_run IS NULL AND dataset = ANY(%s)"
)
MARKED_RECORDS = (
    "INSERT INTO quality.scope_record (dataset, record_no, unit)"
    " SELECT DISTINCT m.dataset, m.record_no, m.unit FROM exchange.mark m JOIN quality.scope_mark USING (mark_id)"
    " WHERE m.checked_run IS NULL ON CONFLICT DO NOTHING"
)
SLICES_OF_RECORDS = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.scope_record"
    " ON CONFLICT DO NOTHING"
)
# Refused arrivals, and accepted ones that left no mark. An act may be somebody else's: its record's slice counts.
PENDING_SLICES = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.pending_event"
    " WHERE dataset = ANY(%s) AND (state = 'rejected' OR act IN ('report', 'correct')) ON CONFLICT DO NOTHING"
)
HELD_SLICES = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.open_hold"
    " WHERE dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
# The records that hold a slice, a person having closed their work items or not.
HELD_RECORDS = (
    "INSERT INTO quality.scope_record (dataset, record_no, unit)"
    " SELECT DISTINCT w.dataset, w.record_no, w.unit FROM quality.work_item w JOIN quality.open_hold h USING (hold_id)"
    " WHERE w.record_no IS NOT NULL AND w.gone_at IS NULL AND w.dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
FIRST_OF_DAY = "SELECT NOT EXISTS (SELECT FROM quality.run WHERE state = 'done' AND as_of = %s)"
# Also what has no record of its own: a unit that sends its ledger and nothing else.
KNOWN_SLICES = (
    "INSERT INTO quality.scope_slice (dataset, unit)"
    " SELECT dataset, unit FROM (SELECT dataset, unit FROM quality.slice UNION SELECT dataset, unit FROM"
    " quality.slice_book) s WHERE dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
SLICES_WITH_RECORDS = (
    "INSERT INTO quality.scope_slice (dataset, unit)"
    " SELECT DISTINCT dataset, unit FROM quality.day_book WHERE records > 0 AND dataset = ANY(%s)"
    " ON CONFLICT DO NOTHING"
)
ADD_SLICE = "INSERT INTO quality.scope_slice (dataset, unit) VALUES (%s, %s) ON CONFLICT DO NOTHING"
READ_SLICES = "SELECT dataset, unit FROM quality.scope_slice"
READ_SLICES_WITH_RECORDS = "SELECT DISTINCT dataset, unit FROM quality.scope_record"

# --- what else to look at ------------------------------------------------------------------------------------------

_TOUCH = "INSERT INTO quality.scope_touched (dataset, record_no, unit)"
TOUCH_RECORDS = f"{_TOUCH} SELECT dataset, record_no, unit FROM quality.scope_record ON CONFLICT DO NOTHING"
TOUCH_PENDING = (
    f"{_TOUCH} SELECT DISTINCT ON (dataset, record_no) dataset, record_no, unit FROM quality.pending_event"
    " WHERE state = 'accepted' AND record_no IS NOT NULL AND dataset = ANY(%s)"
    " ORDER BY dataset, record_no, act NOT IN ('report', 'correct') ON CONFLICT DO NOTHING"
)
# Landing keeps what each report said: keys from before a correction are among them.
KEYS_LANDED = (
    "INSERT INTO quality.scope_key (document, decided, authority)"
    " SELECT DISTINCT e.document_no, e.decision_date, e.authority_code FROM quality.scope_touched t"
    " JOIN landing.event e ON e.record_no = t.record_no"
    " WHERE e.document_no IS NOT NULL AND e.decision_date IS NOT NULL AND e.authority_code IS NOT NULL"
    " ON CONFLICT DO NOTHING"
)
KEYS_REFUSED = (
    "INSERT INTO quality.scope_key (document, decided, authority)"
    " SELECT DISTINCT document_no, decision_date, authority_code FROM quality.pending_event WHERE state = 'rejected'"
    " AND document_no IS NOT NULL AND decision_date IS NOT NULL AND authority_code IS NOT NULL ON CONFLICT DO NOTHING"
)
# Every failure still open in a slice that is looked at is looked at again.
TOUCH_OPEN = (
    f"{_TOUCH} SELECT DISTINCT w.dataset, w.record_no, w.unit FROM quality.work_item w"
    " JOIN quality.scope_slice s USING (dataset, unit) WHERE w.gone_at IS NULL AND w.record_no IS NOT NULL"
    " ON CONFLICT DO NOTHING"
)
SLICES_TOUCHED = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.scope_touched"
    " WHERE dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
SUBJECTS_OPEN = (
    "INSERT INTO quality.scope_subject SELECT DISTINCT s.subject_id FROM quality.work_item w"
    " JOIN quality.scope_slice USING (dataset, unit) JOIN core.subject s ON s.code = w.reference"
    " WHERE w.gone_at IS NULL AND w.record_no IS NULL ON CONFLICT DO NOTHING"
)


def keys_of(table: str, role: Mapping[str, str], dataset: str) -> str:
    """The keys that records in scope have now."""
    return (
        "INSERT INTO quality.scope_key (document, decided, authority)"
        f" SELECT DISTINCT c.{role['document.no']}, c.{role['decision.date']}, c.{role['authority.code']}"
        f" FROM core.{table} c JOIN quality.scope_touched t ON t.record_no = c.record_no"
        f" WHERE t.dataset = '{dataset}' AND c.{role['document.no']} IS NOT NULL"
        f" AND c.{role['decision.date']} IS NOT NULL AND c.{role['authority.code']} IS NOT NULL ON CONFLICT DO NOTHING"
    )


def touch_by_key(table: str, role: Mapping[str, str], dataset: str) -> str:
    """Records that have one of the keys in scope, whoever reported them."""
    return (
        f"{_TOUCH} SELECT '{dataset}', c.record_no, c.unit FROM quality.scope_key k JOIN core.{table} c"
        f" ON c.{role['document.no']} = k.document AND c.{role['decision.date']} = k.decided"
        f" AND c.{role['authority.code']} = k.authority ON CONFLICT DO NOTHING"
    )


def touch_subjects(table: str, dataset: str) -> str:
    """Whom the records in scope are about."""
    return (
        "INSERT INTO quality.scope_subject SELECT DISTINCT c.subject_id"
        f" FROM quality.scope_touched t JOIN core.{table} c ON c.record_no = t.record_no"
        f" WHERE t.dataset = '{dataset}' AND c.subject_id IS NOT NULL ON CONFLICT DO NOTHING"
    )


# --- the ledger --------------------------------------------------------------------------------------------------


def touch_due_lines(table: str, dataset: str) -> str:
    """Ledger lines whose deadline has passed since lines were last looked at."""
    return (
        f"{_TOUCH} SELECT '{dataset}', record_no, unit FROM core.{table}"
        " WHERE due_on >= (SELECT due_to FROM quality.books) AND due_on < %s AND state = 'active'"
        " ON CONFLICT DO NOTHING"
    )


def touch_open_lines(table: str, role: Mapping[str, str], dataset: str) -> str:
    """Ledger lines of open work items: the reference is `document（day）`, as `ledger_completeness.sql` writes it."""
    number, decided = f"l.{role['document.no']}", f"l.{role['decision.date']}"
    return (
        f"{_TOUCH} SELECT DISTINCT '{dataset}', l.record_no, l.unit FROM quality.work_item w"
        " JOIN quality.scope_slice s USING (dataset, unit)"
        f" JOIN core.{table} l ON {number} = left(w.reference, length(w.reference) - length('（2026-01-01）'))"
        f" AND w.reference = {number} || '（' || {decided} || '）'"
        " WHERE w.gone_at IS NULL AND w.record_no IS NULL ON CONFLICT DO NOTHING"
    )


def ledger_lines_changed(table: str, role: Mapping[str, str], dataset: str) -> str:
    """Authorities of the ledger lines that changed, and who sent them."""
    return (
        f"SELECT DISTINCT c.{role['authority.code']}, c.unit FROM core.{table} c JOIN quality.scope_record r"
        f" ON r.record_no = c.record_no WHERE r.dataset = '{dataset}'"
    )


def ledger_lines_touched(table: str, role: Mapping[str, str], dataset: str) -> str:
    """Authority, sender and kind of the ledger lines looked at."""
    return (
        f"SELECT DISTINCT c.{role['authority.code']}, c.unit, c.{role['kind']} FROM core.{table} c"
        f" JOIN quality.scope_touched t ON t.record_no = c.record_no WHERE t.dataset = '{dataset}'"
    )


def cover_all(table: str, role: Mapping[str, str]) -> str:
    """The days the ledger covers of a kind, of every authority."""
    return (
        "INSERT INTO quality.coverage (dataset, authority, first, last)"
        f" SELECT %(dataset)s, {role['authority.code']}, min({role['decision.date']}), max({role['decision.date']})"
        f" FROM core.{table} WHERE {role['kind']} = %(kind)s AND state = 'active'"
        f" AND {role['authority.code']} IS NOT NULL GROUP BY 2"
    )


def cover_touched(table: str, role: Mapping[str, str]) -> str:
    """The same for the authorities of lines in scope, now or formerly theirs: two steps into an index each."""
    day, edge = role["decision.date"], f"FROM core.{table} l WHERE l.{role['authority.code']} = a.authority"
    edge += f" AND l.{role['kind']} = %(kind)s AND l.state = 'active' AND l.{day} IS NOT NULL ORDER BY l.{day}"
    return (
        "INSERT INTO quality.coverage AS c (dataset, authority, first, last)"
        f" SELECT %(dataset)s, a.authority, (SELECT l.{day} {edge} LIMIT 1), (SELECT l.{day} {edge} DESC LIMIT 1)"
        " FROM (SELECT DISTINCT authority FROM quality.scope_key) a"
        " ON CONFLICT (dataset, authority) DO UPDATE SET first = excluded.first, last = excluded.last"
        " WHERE (c.first, c.last) IS DISTINCT FROM (excluded.first, excluded.last)"
    )


def touch_covered(table: str, role: Mapping[str, str]) -> str:
    """Records decided on days that the ledger did not cover when its records were last looked at."""
    day = f"c.{role['decision.date']}"
    return (
        f"{_TOUCH} SELECT %(dataset)s, c.record_no, c.unit FROM quality.coverage v"
        " CROSS JOIN (SELECT unit FROM quality.slice_book WHERE dataset = %(dataset)s) u"
        " CROSS JOIN LATERAL (VALUES (v.first, CASE WHEN v.seen_first IS NULL THEN v.last ELSE v.seen_first - 1 END),"
        " (v.seen_last + 1, v.last)) days (first, last)"
        f" JOIN core.{table} c ON c.unit = u.unit AND {day} BETWEEN days.first AND days.last"
        f" AND c.{role['authority.code']} = v.authority"
        " WHERE v.dataset = %(dataset)s AND (v.seen_first, v.seen_last) IS DISTINCT FROM (v.first, v.last)"
        " ON CONFLICT DO NOTHING"
    )


# --- arrivals ----------------------------------------------------------------------------------------------------

# Messages read (every epoch, gaps left out) and where they went, of the units in scope and of one moment: the books are
# of the same transaction.
COUNT_ARRIVALS = """
INSERT INTO quality.scope_arrival
SELECT s.unit,
       (SELECT coalesce(sum(p.next_offset), 0) FROM ingest.position p JOIN ingest.topic t USING (topic_id) WHERE t.unit = s.unit)
     - (SELECT coalesce(sum(g.to_offset - g.from_offset), 0) FROM ingest.gap g JOIN ingest.topic t USING (topic_id) WHERE t.unit = s.unit),
       (SELECT coalesce(sum(b.landed), 0) FROM quality.slice_book b WHERE b.unit = s.unit)
     + (SELECT count(*) FROM ingest.dead_letter d WHERE d.unit = s.unit AND d.state <> 'replayed')
     + (SELECT coalesce(sum(n.rows), 0) FROM ingest.not_reportable n WHERE n.unit = s.unit)
     + (SELECT count(*) FROM exchange.receipt r WHERE r.unit = s.unit AND r.status = 'duplicate')
FROM (SELECT DISTINCT unit FROM quality.scope_slice) s
"""  # noqa: E501
