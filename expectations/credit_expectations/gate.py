"""The gate: which slices may not leave, and who lets them go. SQL that asks for holds: `quality.is_held`, `open_hold`.

A released hold covers the failures (rule, record, reference) it had then: they open no new hold as long as they last,
whatever else arrives. Another failure of the slice does; and a covered failure that was mended and comes back does too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg2.extensions import connection
from psycopg2.extras import Json, RealDictCursor

from credit_schemas.personal import holds_resident_number

from . import statements as sql
from .errors import HoldNotFound, NameAndReasonNeeded, NumberInReason, WorkItemNotFound

# What a console shows at once; more open items than this want a filter.
LIST_LIMIT = 1000


class Slice(NamedTuple):
    """A held slice; `destination` is empty when it is held for all."""

    unit: str
    dataset: str
    destination: str


def open_holds(con: connection) -> set[Slice]:
    """The slices that are held now."""
    return {Slice(h["unit"], h["dataset"], h["destination"]) for h in list_holds(con)}


def is_held(con: connection, unit: str, dataset: str, destination: str) -> bool:
    """Whether a slice may not leave for a destination now."""
    with con.cursor() as cur:
        cur.execute(sql.IS_HELD, [unit, dataset, destination])
        return cur.fetchone() == (True,)


def list_holds(con: connection) -> list[dict[str, Any]]:
    """The open holds: hold_id, unit, dataset, destination, rule_id, run_id, why, opened_at."""
    with con.cursor(cursor_factory=RealDictCursor) as cur:
        cur.execute(sql.LIST_HOLDS)
        return [dict(row) for row in cur.fetchall()]


def list_work_items(
    con: connection, *, unit: str | None = None, dataset: str | None = None, limit: int = LIST_LIMIT
) -> list[dict[str, Any]]:
    """The open work items (work_item_id, unit, dataset, rule_id, record_no, reference, what, mend …)."""
    with con.cursor(cursor_factory=RealDictCursor) as cur:
        cur.execute(sql.LIST_ITEMS, {"unit": unit, "dataset": dataset, "limit": limit})
        return [dict(row) for row in cur.fetchall()]


def release(con: connection, hold_id: int, who: str, reason: str) -> None:
    """Let a held slice go. Commits.

    Raises:
        NameAndReasonNeeded: `who` or `reason` is blank.
        HoldNotFound: No open hold has that number.
    """
    who, reason = _said(who, reason)
    with con, con.cursor() as cur:
        cur.execute(sql.RELEASE, [who, reason, hold_id])
        row = cur.fetchone()
        if row is None:
            raise HoldNotFound(hold_id)
        unit, dataset, destination, rule_id = row
        detail = {"reason": reason, "unit": unit, "dataset": dataset, "destination": destination, "rule_id": rule_id}
        cur.execute(sql.RECORD_ACT, [who, "quality.release", f"hold {hold_id}", Json(detail)])


def close_work_item(con: connection, work_item_id: int, who: str, reason: str) -> None:
    """Close a work item by hand: it is not opened again while the failure lasts; a hold it belongs to stays. Commits.

    Raises:
        NameAndReasonNeeded: `who` or `reason` is blank.
        WorkItemNotFound: No open work item has that number.
    """
    who, reason = _said(who, reason)
    with con, con.cursor() as cur:
        cur.execute(sql.CLOSE_ITEM, [who, work_item_id])
        row = cur.fetchone()
        if row is None:
            raise WorkItemNotFound(work_item_id)
        unit, dataset, rule_id = row
        detail = {"reason": reason, "unit": unit, "dataset": dataset, "rule_id": rule_id}
        cur.execute(sql.RECORD_ACT, [who, "quality.close_work_item", f"work item {work_item_id}", Json(detail)])


def _said(who: str, reason: str) -> tuple[str, str]:
    if not who.strip() or not reason.strip():
        raise NameAndReasonNeeded
    if holds_resident_number(who) or holds_resident_number(reason):
        raise NumberInReason
    return who.strip(), reason.strip()
