"""Forwarding: what is due goes out, ends first, a canary before the crowd; then the verdicts are fetched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from psycopg2 import sql

from credit_warehouse.settings import Settings

from .due import expand
from .errors import Interrupted, NothingMoved, TransportError, UnknownTable
from .gate import HELD, OPEN, UNCHECKED
from .outbox import Prepared, prepare
from .pausing import pause_for, paused_why, resume, too_many_rejected
from .session import Session, open_session
from .settle import hand_over, open_batches, settle
from .transports.answers import Op
from .verdicts import Tally
from .work_items import open_unknown_table

__all__ = ["collect", "forward", "resume"]

DUE = sql.SQL(
    "SELECT d.dataset, d.want, count(*) FILTER (WHERE d.want = 'end' OR {open}),"
    " count(*) FILTER (WHERE d.want = 'put' AND {held}),"
    " count(*) FILTER (WHERE d.want = 'put' AND NOT {held} AND {unchecked})"
    " FROM exchange.delivery d WHERE d.destination = %s AND d.state = 'due' GROUP BY 1, 2"
).format(open=sql.SQL(OPEN), held=sql.SQL(HELD), unchecked=sql.SQL(UNCHECKED))
DATASETS = "SELECT DISTINCT dataset FROM exchange.delivery WHERE destination = %s AND state = 'due'"
AWAITING = "SELECT count(*) FROM exchange.delivery WHERE destination = %s AND state IN ('sent', 'unknown')"
CANARY = "SELECT rows, coalesce(accepted, 0), coalesce(rejected, 0), state FROM exchange.batch WHERE batch_id = %s"
# Batches that may wait for verdicts at once. More would only move the queue from our side to theirs, and a flood of
# rejections would be noticed that much later.
MAX_OPEN = 4
POLL_S = 0.5

# (dataset, want) to rows that may leave, rows held, rows that quality has not seen.
Due = Mapping[tuple[str, str], tuple[int, int, int]]
# State and reason.
Stop = tuple[str, str] | None


def forward(destination: str, as_of: date | None = None, settings: Settings | None = None) -> dict[str, Any]:
    """Send what is due to one destination.

    Args:
        destination: Its id.
        as_of: The day to go by (publicity periods); today in the county without it.
        settings: The center's settings; those of this process without it.

    Returns:
        Counts of rows: `due` at the start (able to leave), `held`, `unchecked`, `sent`, `settled` (needed no sending),
        `accepted`, `rejected`, `manual`, `renumbered`, `lost`, `batches`, `unknown_tables` (datasets of which the
        destination has no table; each has a work item), `remaining` (still able to leave),
        `awaiting` (out, no verdict yet); and `state`: `done`, `paused`, `waiting` (for verdicts: the rest goes in a
        later run) or `disabled`, with `why` in Chinese.

    Raises:
        NothingMoved: Rows were due and none went out.
        Interrupted: Some went out before the destination stopped answering.
        DestinationBusy: Another run has this destination.
        AccessRefused, UnknownDestination, SettingMissing, InsecureAddress: Something must be set right first.
    """
    with open_session(destination, as_of, settings) as s:
        if not s.destination.enabled:
            return {"destination": destination, "state": "disabled", "why": "该去向未启用。"}
        tally = Tally()
        expand(s)
        before = _due(s)
        try:
            state, why = _run(s, before, tally)
        except TransportError as e:
            counts = _counts(s, before, tally, "interrupted", e.reason)
            if tally.sent + tally.settled == 0 and counts["due"]:
                raise NothingMoved(destination, counts, e.reason) from None
            raise Interrupted(destination, counts, e.reason) from None
        counts = _counts(s, before, tally, state, why)
        if state == "done" and counts["due"] and tally.sent + tally.settled == 0:
            lost = "应报的记录在数据仓库中已找不到，请让报送单位重发"
            raise NothingMoved(destination, counts, "对方没有应报的表，见工单" if tally.unknown_tables else lost)
        return counts


def collect(destination: str, settings: Settings | None = None) -> dict[str, Any]:
    """Fetch the verdicts on everything that is out, waiting as long as the destination's file says.

    Returns:
        Counts of rows: `accepted`, `rejected`, `manual`, `renumbered`, `lost`; `open`, the batches without all their
        verdicts; `state`, `done` or `paused`, and `why`.

    Raises:
        TransportError: The destination does not answer; what is out stays out.
        DestinationBusy, AccessRefused, UnknownDestination, SettingMissing, InsecureAddress: As `forward`.
    """
    with open_session(destination, None, settings) as s:
        tally = Tally()
        still = settle(s, tally, s.destination.sending.verdict_wait_s)
        stop = _stop(s, tally)
        why = stop[1] if stop else ""
        return {
            "destination": destination,
            "state": "paused" if why else "done",
            "why": why,
            **asdict(tally),
            "open": len(still),
        }


def _run(s: Session, due: Due, tally: Tally) -> tuple[str, str]:
    """Send; returns state and reason. What is out is settled first, so that nothing is sent over it."""
    why = paused_why(s)
    if why:
        return "paused", why
    canaries = [b.batch_id for b in open_batches(s) if b.canary]
    settle(s, tally)
    stop = _stop(s, tally, canaries)
    for dataset in _datasets(s):
        stop = stop or _ends(s, dataset, tally)
    for dataset in _datasets(s):
        stop = stop or _puts(s, dataset, due.get((dataset, "put"), (0, 0, 0))[0], tally)
    for dataset in _datasets(s):
        # A put that turned into an end while it was being rendered.
        stop = stop or _ends(s, dataset, tally)
    return stop or ("done", "")


def _ends(s: Session, dataset: str, tally: Tally) -> Stop:
    try:
        return _send(s, dataset, "end", tally)
    except UnknownTable as e:
        _tell_of_table(s, dataset, e.table, tally)
        return None


def _puts(s: Session, dataset: str, rows: int, tally: Tally) -> Stop:
    try:
        stop = _canary(s, dataset, tally) if rows > s.destination.sending.canary_rows else None
        return stop or _send(s, dataset, "put", tally)
    except UnknownTable as e:
        _tell_of_table(s, dataset, e.table, tally)
        return None


def _tell_of_table(s: Session, dataset: str, table: str, tally: Tally) -> None:
    """One dataset that the destination does not know holds up no other; a person is asked to see to it."""
    with s.con, s.con.cursor() as cur:
        open_unknown_table(cur, s.destination, dataset, table)
    tally.unknown_tables += 1


def _canary(s: Session, dataset: str, tally: Tally) -> Stop:
    batch = prepare(s, dataset, "put", s.destination.sending.canary_rows, canary=True)
    if not batch or not batch.rows:
        return None
    _hand_over(s, batch, tally)
    patience = time.monotonic() + s.destination.sending.verdict_wait_s
    settle(s, tally)
    while (stop := _stop(s, tally, [batch.batch_id])) and stop[0] == "waiting" and time.monotonic() < patience:
        settle(s, tally, POLL_S)
    return stop


def _send(s: Session, dataset: str, op: Op, tally: Tally) -> Stop:
    """Send all that is due of a kind; returns why it stopped, None when it did not."""
    while batch := prepare(s, dataset, op, s.destination.sending.batch_rows):
        _hand_over(s, batch, tally)
        still = settle(s, tally)
        stop = _stop(s, tally)
        if stop:
            return stop
        if len(still) >= MAX_OPEN and len(settle(s, tally, s.destination.sending.verdict_wait_s)) >= MAX_OPEN:
            return "waiting", f"对方还有 {len(still)} 批没有给出结果，其余的下次再报。"
    return None


def _hand_over(s: Session, batch: Prepared, tally: Tally) -> None:
    tally.settled += batch.settled
    if batch.rows and hand_over(s, batch.batch_id, batch.dataset, batch.body):
        tally.sent += batch.rows
        tally.batches += 1


def _stop(s: Session, tally: Tally, canaries: Sequence[UUID] = ()) -> Stop:
    """Whether the rest must stay back: too much came back, or a canary is not judged yet; None lets it go."""
    limit = s.destination.sending.pause_percent
    waiting = None
    for batch_id in canaries:
        with s.con, s.con.cursor() as cur:
            cur.execute(CANARY, [str(batch_id)])
            rows, accepted, rejected, state = cur.fetchone() or (0, 0, 0, "done")
        if rejected * 100 > limit * rows:
            return "paused", pause_for(s, rejected, rows, "试报的")
        if accepted * 100 < (100 - limit) * rows and state not in ("done", "refused"):
            waiting = ("waiting", f"试报的 {rows} 行还没有全部结果，其余的等结果出来再报。")
    if too_many_rejected(s, tally.rejected, tally.accepted + tally.rejected):
        return "paused", pause_for(s, tally.rejected, tally.accepted + tally.rejected, "本次已有结果的")
    why = paused_why(s)
    return ("paused", why) if why else waiting


def _due(s: Session) -> Due:
    with s.con, s.con.cursor() as cur:
        cur.execute(DUE, [s.destination.id])
        return {(r[0], r[1]): (r[2], r[3], r[4]) for r in cur.fetchall()}


def _datasets(s: Session) -> list[str]:
    """The datasets of which anything is due, in the order of the destination's routes."""
    with s.con, s.con.cursor() as cur:
        cur.execute(DATASETS, [s.destination.id])
        due = {row[0] for row in cur.fetchall()}
    return [dataset for dataset in s.renderers if dataset in due]


def _awaiting(s: Session) -> int:
    with s.con, s.con.cursor() as cur:
        cur.execute(AWAITING, [s.destination.id])
        row = cur.fetchone()
    return int(row[0]) if row else 0


def _counts(s: Session, before: Due, tally: Tally, state: str, why: str) -> dict[str, Any]:
    due, held, unchecked = (sum(n[i] for n in before.values()) for i in range(3))
    return {
        "destination": s.destination.id,
        "state": state,
        "why": why,
        "due": due,
        "held": held,
        "unchecked": unchecked,
        **asdict(tally),
        "remaining": sum(n[0] for n in _due(s).values()),
        "awaiting": _awaiting(s),
    }
