"""What leaves the load transaction: marks for quality and forwarding, receipts for the units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg2.extensions import cursor

from credit_schemas.acts import STATE_NAMES
from credit_schemas.uuid7 import uuid7

from . import statements as sql
from .copying import copy_rows, problems_json
from .identity import Book, Outcome, Record, changed
from .normalise import Act, Ready


def write_marks(cur: cursor, books: Mapping[str, Book]) -> None:
    """What changed is marked: quality looks at it, and every destination takes it in its own time."""
    rows = [(name, r.unit, r.record_no, r.revision) for name, book in sorted(books.items()) for r in changed([book])]
    copy_rows(cur, "exchange.mark", sql.MARK_COLUMNS, rows)


def write_receipts(cur: cursor, receipts: Iterable[tuple[Ready, str, Outcome]]) -> None:
    """What each unit hears of its events: (event, status, outcome)."""
    rows = (
        (uuid7(), e.unit, e.ce_id, o.record_no, e.dataset, status, o.revision, problems_json(o.problems), o.note)
        for e, status, o in receipts
    )
    copy_rows(cur, "exchange.receipt", sql.RECEIPT_COLUMNS, rows)


def tell_owners(cur: cursor, books: Mapping[str, Book]) -> None:
    """A unit hears what others did to its records."""
    rows = [
        (uuid7(), record.unit, None, record.record_no, name, "changed", revision, None, _told(act, record))
        for name, book in sorted(books.items())
        for record in changed([book])
        for event, act, revision in record.acts
        if event.unit != record.unit
    ]
    copy_rows(cur, "exchange.receipt", sql.RECEIPT_COLUMNS, rows)


def _told(act: Act, record: Record) -> str:
    basis = f"，依据：{act.basis}" if act.basis else ""
    said = f"{act.by}办理了{act.word}（{act.effective_on} 起），原因：{act.reason}{basis}。"
    return f"{said}这条记录现在是{STATE_NAMES[record.state]}。"
