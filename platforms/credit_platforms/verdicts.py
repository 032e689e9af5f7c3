"""The destination's verdicts, row by row, written into our books and onto receipts.

Verdicts may come in parts, twice, or for rows that are long settled: only a row that is still out in this batch, under
this number, takes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from . import receipts
from .books import MAX_ATTEMPTS
from .receipts import Copied
from .rendering import Source
from .session import Session
from .transports.answers import Copy, Op, Verdict
from .work_items import cannot_end_rule, close, open_cannot_end

AWAITED = (
    "SELECT record_no::text, unit, want, want_digest, sent_want, sent_digest, sent_revision, sent_record_revision,"
    " sent_ce_id::text, attempts FROM exchange.delivery WHERE batch_id = %s AND state IN ('sent', 'unknown')"
)
WRITE = """
UPDATE exchange.delivery d SET state = v.state, sent_want = v.sent_want, sent_digest = v.sent_digest,
    sent_revision = v.sent_revision, acked_want = coalesce(v.acked_want, d.acked_want),
    acked_digest = coalesce(v.acked_digest, d.acked_digest),
    acked_revision = coalesce(v.acked_revision, d.acked_revision),
    acked_at = CASE WHEN v.acked_want IS NULL THEN d.acked_at ELSE now() END,
    external_no = coalesce(v.external_no, d.external_no), code = v.code, message = v.message, attempts = v.attempts,
    due_since = CASE WHEN v.state = 'due' THEN now() ELSE d.due_since END, updated_at = now()
FROM (VALUES %s) AS v (destination, record_no, state, sent_want, sent_digest, sent_revision, acked_want, acked_digest,
    acked_revision, external_no, code, message, attempts)
WHERE d.destination = v.destination AND d.record_no = v.record_no
"""
WRITE_TYPES = (
    "(%s, %s::uuid, %s, %s::text, %s::bytea, %s::integer, %s::text, %s::bytea, %s::integer,"
    " %s::text, %s::text, %s::text, %s::integer)"
)
COUNT = (
    "UPDATE exchange.batch SET accepted = coalesce(accepted, 0) + %s, rejected = coalesce(rejected, 0) + %s"
    " WHERE batch_id = %s"
)
CLOSE = "UPDATE exchange.batch SET state = 'done', done_at = now(), answer = %s WHERE batch_id = %s"
SOURCES = "SELECT {columns} FROM {table} c {joins} WHERE c.record_no = ANY({numbers}::uuid[])"


@dataclass
class Tally:
    """What one run did, in rows."""

    sent: int = 0
    settled: int = 0
    accepted: int = 0
    rejected: int = 0
    manual: int = 0
    renumbered: int = 0
    lost: int = 0
    batches: int = 0
    unknown_tables: int = 0
    """Datasets, not rows: the destination does not have their tables."""


class Awaited(NamedTuple):
    """A row that is out: what is wanted now, and what was sent."""

    record_no: str
    unit: str
    want: Op
    want_digest: bytes
    sent_want: Op
    sent_digest: bytes
    sent_revision: int
    record_revision: int | None
    ce_id: str | None
    attempts: int

    @property
    def about(self) -> Copied:
        """What a receipt says it is about."""
        return Copied(self.record_no, self.unit, self.ce_id, self.record_revision, self.sent_want)

    def unless_moved_on(self, state: str) -> str:
        """`state`, or due when the record moved on while this was out."""
        return state if (self.want, self.want_digest) == (self.sent_want, self.sent_digest) else "due"


class Settled(NamedTuple):
    """A delivery row after its verdict."""

    row: Awaited
    state: str
    acked: tuple[str, bytes, int] | None = None
    sent: tuple[str | None, bytes | None, int] | None = None
    external_no: str | None = None
    code: str | None = None
    message: str | None = None
    agreed: bool = False
    """The destination took what was sent: whatever is sent next starts counting its attempts anew."""


def awaited_rows(s: Session, batch_id: UUID) -> dict[str, Awaited]:
    """The rows of a batch that still wait for their verdict."""
    with s.con, s.con.cursor() as cur:
        cur.execute(AWAITED, [str(batch_id)])
        rows = (Awaited._make(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in cur.fetchall())
        return {r.record_no: r for r in rows}


def apply_verdicts(s: Session, batch_id: UUID, dataset: str, verdicts: Sequence[Verdict], tally: Tally) -> None:
    """Write the verdicts on a batch that are new."""
    waiting = awaited_rows(s, batch_id)
    new = [
        (waiting[v.record_no], v)
        for v in verdicts
        if v.record_no in waiting and v.revision == waiting[v.record_no].sent_revision
    ]
    if not new:
        return
    codes = s.destination.version_conflict
    copies = {r.record_no: s.transport.record(r.record_no) for r, v in new if not v.accepted and v.code in codes}
    personal = _personal(s, dataset, [r.record_no for r, v in new if not v.accepted])
    settled, notes, manual = [], [], []
    accepted = rejected = 0
    for row, v in new:
        message, code = (receipts.struck(text, personal.get(row.record_no, ())) for text in (v.message, v.code))
        if v.accepted:
            settled.append(_accepted(row, v._replace(code=code)))
            notes.append(receipts.accepted(s.destination, row.about, v.external_no))
            accepted += 1
        elif v.code in codes and _agrees(s, row, copies[row.record_no]):
            # It holds this very content already, under a higher number.
            settled.append(_as_held(s, row, copies[row.record_no], "accepted"))
            notes.append(receipts.accepted(s.destination, row.about, v.external_no))
            accepted += 1
        elif v.code in codes and row.attempts < MAX_ATTEMPTS:
            settled.append(_as_held(s, row, copies[row.record_no], "due"))
            tally.renumbered += 1
        elif v.code in s.destination.cannot:
            settled.append(Settled(row, row.unless_moved_on("manual"), code=code, message=message))
            manual.append(row)
        else:
            faults = [f._replace(message=receipts.struck(f.message, personal.get(row.record_no, ()))) for f in v.faults]
            settled.append(Settled(row, row.unless_moved_on("rejected"), code=code, message=message))
            notes.append(receipts.returned(s.destination, row.about, code, message, faults))
            rejected += 1
    with s.con, s.con.cursor() as cur:
        _write(cur, s, dataset, settled, notes)
        open_cannot_end(cur, s.destination, dataset, [_named(r) for r in manual])
        cur.execute(COUNT, [accepted, rejected, str(batch_id)])
    tally.accepted += accepted
    tally.rejected += rejected
    tally.manual += len(manual)


def close_batch(s: Session, batch_id: UUID, dataset: str, tally: Tally) -> None:
    """Close a batch to which no more verdicts will come.

    Rows without one are settled by what the destination holds. A row that is not there is due again: under the same
    number and with the same content, so that the lost one, should it be processed after all, changes nothing.
    """
    waiting = awaited_rows(s, batch_id)
    settled, notes = [], []
    for row in waiting.values():
        copy = s.transport.record(row.record_no)
        if _agrees(s, row, copy):
            settled.append(_as_held(s, row, copy, "accepted"))
            notes.append(receipts.accepted(s.destination, row.about, copy.external_no if copy else None))
        elif copy and copy.revision >= row.sent_revision:
            settled.append(_as_held(s, row, copy, "due"))
        else:
            settled.append(Settled(row, "due"))
    lost = len(settled) - len(notes)
    with s.con, s.con.cursor() as cur:
        _write(cur, s, dataset, settled, notes)
        cur.execute(COUNT, [len(notes), 0, str(batch_id)])
        answer = f"{len(settled)} 行没有结果，按对方持有的记录处理：{len(notes)} 行已有，{lost} 行重新待报"
        cur.execute(CLOSE, [answer if settled else None, str(batch_id)])
    tally.accepted += len(notes)
    tally.lost += lost


def _accepted(row: Awaited, v: Verdict) -> Settled:
    acked = (row.sent_want, row.sent_digest, row.sent_revision)
    return Settled(row, row.unless_moved_on("accepted"), acked, None, v.external_no, v.code, agreed=True)


def _agrees(s: Session, row: Awaited, copy: Copy | None) -> bool:
    """True when the destination holds what was sent, whatever it answered."""
    if copy is None:
        return False
    if row.sent_want == "end":
        return not copy.live
    return copy.live and s.digests.of_copy(copy.digest) == row.sent_digest


def _as_held(s: Session, row: Awaited, copy: Copy | None, state: str) -> Settled:
    """The books brought in line with a copy; when due, its number counts as spent and the next one is taken."""
    if copy is None:
        return Settled(row, "due", sent=(None, None, row.sent_revision))
    acked = (
        ("put", s.digests.of_copy(copy.digest), copy.revision) if copy.live else ("end", s.digests.end, copy.revision)
    )
    number = max(copy.revision, row.sent_revision)
    if state == "accepted":
        sent = (row.sent_want, row.sent_digest, number)
        return Settled(row, row.unless_moved_on(state), acked, sent, copy.external_no, agreed=True)
    return Settled(row, "due", acked, (None, None, number), copy.external_no)


def _write(cur: cursor, s: Session, dataset: str, settled: Iterable[Settled], notes: Iterable[receipts.Note]) -> None:
    rows = []
    for x in settled:
        sent = x.sent or (x.row.sent_want, x.row.sent_digest, x.row.sent_revision)
        acked = x.acked or (None, None, None)
        attempts = 0 if x.agreed else x.row.attempts
        rows.append(
            (s.destination.id, x.row.record_no, x.state, *sent, *acked, x.external_no, x.code, x.message, attempts)
        )
    if rows:
        execute_values(cur, WRITE, rows, template=WRITE_TYPES, page_size=len(rows))
    receipts.write(cur, s.destination, dataset, notes)
    ended = [x.row.record_no for x in settled if x.acked and x.acked[0] == "end"]
    if ended:
        close(cur, cannot_end_rule(s.destination.id), ended)


def _personal(s: Session, dataset: str, record_nos: Sequence[str]) -> Mapping[str, list[str]]:
    """The personal values of rejected rows, to strike them out of the destination's words."""
    renderer = s.renderers.get(dataset)
    if not record_nos or renderer is None:
        return {}
    query = sql.SQL(SOURCES).format(
        columns=renderer.columns,
        table=renderer.table,
        joins=renderer.joins,
        numbers=sql.Literal(list(record_nos)),
    )
    with s.con, s.con.cursor() as cur:
        cur.execute(query)
        found = [renderer.source(row) for row in cur.fetchall()]
    return {source.record_no: renderer.personal(source) for source in found}


def _named(row: Awaited) -> Source:
    return Source(row.record_no, row.record_revision or 0, "", row.unit, row.ce_id or "", False, False)
