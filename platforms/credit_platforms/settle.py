"""What became of the batches that are out: ask, and write the answers down.

A batch is asked about before anything of it is sent again. Only a batch that never arrived goes out once more, under
the same id and with the same bytes; if those can no longer be made, it is given up and its rows are due again.
"""

from __future__ import annotations

import time
from typing import NamedTuple
from uuid import UUID

from . import outbox, pausing, receipts
from .errors import TransportError, UnknownTable
from .session import Session
from .verdicts import Tally, apply_verdicts, awaited_rows, close_batch

OPEN = (
    "SELECT batch_id::text, dataset, canary, state, body_digest,"
    " coalesce(sent_at, created_at) < now() - make_interval(secs => %s) FROM exchange.batch"
    " WHERE destination = %s AND state IN ('prepared', 'sent', 'unknown') ORDER BY created_at, batch_id"
)
RECEIVED = (
    "UPDATE exchange.batch SET state = 'sent', sent_at = coalesce(sent_at, now()), answer = NULL"
    " WHERE batch_id = %s AND state <> 'sent'"
)
UNKNOWN = (
    "UPDATE exchange.batch SET state = 'unknown', sent_at = coalesce(sent_at, now()), answer = %s WHERE batch_id = %s"
)
ROWS = (
    "UPDATE exchange.delivery SET state = %s, updated_at = now() WHERE batch_id = %s AND state IN ('sent', 'unknown')"
)
GIVE_UP = "UPDATE exchange.batch SET state = 'refused', done_at = now(), answer = %s WHERE batch_id = %s"
# Polling: soon at first, because most batches are judged at once.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
RESENDS = 2


class Batch(NamedTuple):
    """A batch that is out. `overdue`: its missing verdicts will not come any more."""

    batch_id: UUID
    dataset: str
    canary: bool
    state: str
    body_digest: bytes
    overdue: bool


def open_batches(s: Session) -> list[Batch]:
    """The batches whose rows have not all been settled, oldest first."""
    with s.con, s.con.cursor() as cur:
        cur.execute(OPEN, [s.destination.sending.lost_after_s, s.destination.id])
        return [Batch(UUID(r[0]), r[1], r[2], r[3], bytes(r[4]), r[5]) for r in cur.fetchall()]


def hand_over(s: Session, batch_id: UUID, dataset: str, body: bytes) -> bool:
    """Send a batch; True when the destination has it, False when it refused it whole (then it is paused).

    Raises:
        TransportError: Nothing left, or the outcome is unknown and cannot be asked about now. The batch stays open.
        AccessRefused: The destination does not accept who we are. The batch stays open.
        UnknownTable: It has no such table. The rows are due again.
    """
    for _ in range(RESENDS):
        answer = s.transport.send(batch_id, body)
        if answer.outcome == "refused":
            reason = receipts.struck(f"{answer.code} {answer.message}".strip(), ())
            _give_up(s, batch_id, f"整批被拒：{reason}")
            if answer.code in s.destination.unknown_table:
                raise UnknownTable(s.destination.id, s.renderers[dataset].route.table)
            pausing.pause(s, f"整批被拒收（{reason}）；这通常是程序或配置与对方接口不符，请核对后恢复。")
            return False
        if answer.outcome == "unknown":
            with s.con, s.con.cursor() as cur:
                words = receipts.struck(f"{answer.code} {answer.message}".strip(), ())
                cur.execute(UNKNOWN, [f"结果不明：{words}", str(batch_id)])
                cur.execute(ROWS, ["unknown", str(batch_id)])
            if s.transport.batch(batch_id) is None:
                continue
        _received(s, batch_id, dataset)
        return True
    raise TransportError(s.destination.id, "发送后没有答复，查询得知对方没有收到")


def settle(s: Session, tally: Tally, wait_s: float = 0.0) -> list[Batch]:
    """Ask about every open batch, for at most `wait_s` seconds; returns those that are still open.

    Raises TransportError, AccessRefused.
    """
    patience, pause = time.monotonic() + wait_s, FIRST_PAUSE_S
    while True:
        still = [b for b in open_batches(s) if not _ask(s, b, tally)]
        left = patience - time.monotonic()
        if not still or left <= 0:
            return still
        time.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _ask(s: Session, batch: Batch, tally: Tally) -> bool:
    """Ask about one batch; True when it is settled."""
    answer = s.transport.batch(batch.batch_id)
    if answer is None:
        return not _again(s, batch)
    if batch.state != "sent":
        _received(s, batch.batch_id, batch.dataset)
    apply_verdicts(s, batch.batch_id, batch.dataset, answer.verdicts, tally)
    if not answer.done and not batch.overdue:
        return False
    close_batch(s, batch.batch_id, batch.dataset, tally)
    return True


def _again(s: Session, batch: Batch) -> bool:
    """A batch that never arrived: send the very same once more, or give it up; True when it is out again."""
    stopped = not s.destination.enabled or batch.dataset not in s.renderers or pausing.paused_why(s) is not None
    body = None if stopped else outbox.rebuild(s, batch.batch_id, batch.dataset, batch.body_digest)
    if body is None:
        _give_up(s, batch.batch_id, "对方没有收到；记录已有变化或暂不能上报，改由新的批次发送")
        return False
    try:
        return hand_over(s, batch.batch_id, batch.dataset, body)
    except UnknownTable:
        return False  # given up; the next run that sends of this dataset tells a person


def _received(s: Session, batch_id: UUID, dataset: str) -> None:
    """The destination has the batch: the units hear that their rows are there (once)."""
    rows = awaited_rows(s, batch_id)
    with s.con, s.con.cursor() as cur:
        cur.execute(RECEIVED, [str(batch_id)])
        if cur.rowcount:
            cur.execute(ROWS, ["sent", str(batch_id)])
            receipts.write(
                cur, s.destination, dataset, [receipts.forwarded(s.destination, r.about) for r in rows.values()]
            )


def _give_up(s: Session, batch_id: UUID, why: str) -> None:
    """Close a batch of which the destination has nothing; its rows are due again."""
    with s.con, s.con.cursor() as cur:
        cur.execute(GIVE_UP, [why, str(batch_id)])
        cur.execute(ROWS, ["due", str(batch_id)])
