"""Dead letters in and out of their table, byte for byte; the unit is told when one comes and when one is given up."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from psycopg2 import Binary
from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from credit_schemas.envelope import EnvelopeError, read_headers
from credit_schemas.problems import Problem
from credit_schemas.uuid7 import uuid7

from . import letter_statements as sql
from .copying import copy_rows, problems_json
from .decode import REASONS, DeadLetter, Message
from .letter_words import UNIT
from .statements import RECEIPT_COLUMNS


def bury(cur: cursor, dead: Iterable[DeadLetter]) -> None:
    """Keep dead letters; one that is there already counts one more attempt.

    Of a new one its unit hears at once (receipt `waiting`: its spool keeps the event until it is loaded or given up).
    """
    letters = list(dead)
    if not letters:
        return
    kept = execute_values(cur, sql.ADD, [_row(d) for d in letters], fetch=True)
    new = {(topic_id, partition, offset) for topic_id, partition, offset, attempts in kept if attempts == 1}
    tell(
        cur,
        (
            (d.message.unit, d.message.headers, "waiting", _kept(d.message), _problem(d.reason, d.detail))
            for d in letters
            if (str(d.message.topic_id), d.message.partition, d.message.offset) in new
        ),
    )


def unearth(row: Mapping[str, Any]) -> Message:
    """The message of a dead letter as it came, arrival time included."""
    return stored_message(row, stored_headers(row["headers"]))


def stored_headers(kept: Iterable[Any]) -> list[tuple[str, bytes | None]]:
    """The headers of a letter as they came."""
    return [(name, base64.b64decode(v) if v is not None else None) for name, v in kept]


def stored_message(row: Mapping[str, Any], headers: list[tuple[str, bytes | None]]) -> Message:
    """The message of a row that keeps what it came with under the names of `Message`."""
    return Message(
        topic=row["topic"],
        topic_id=UUID(row["topic_id"]),
        unit=row["unit"],
        partition=row["partition"],
        offset=row["offset"],
        received_at=row["received_at"],
        key=_bytes(row["key"]),
        value=_bytes(row["value"]),
        headers=headers,
    )


def tell(cur: cursor, told: Iterable[tuple[str, list[tuple[str, bytes | None]], str, str, Problem]]) -> None:
    """Receipts to units: (unit, headers of the letter, status, note, problem)."""
    rows = []
    for unit, headers, status, note, problem in told:
        ce_id, dataset = _named(headers)
        rows.append((uuid7(), unit, ce_id, None, dataset, status, None, problems_json([problem]), note))
    copy_rows(cur, "exchange.receipt", RECEIPT_COLUMNS, rows)


def _kept(m: Message) -> str:
    return f"中心读不懂主题 {m.topic} 分区 {m.partition} 位置 {m.offset} 的这条消息，已原样保留。"


def _problem(reason: str, detail: str) -> Problem:
    # The reason in a program's word is for programs; what stands behind it is told by a person of the center.
    text = f"{REASONS.get(reason, reason)}（{detail}）。{UNIT.get(reason, '')}"
    return Problem("", f"event.{reason}", "reject", text)


def _named(headers: list[tuple[str, bytes | None]]) -> tuple[UUID | None, str]:
    """The event's id and dataset as far as its headers tell: the spool finds its event by the id."""
    try:
        envelope = read_headers(headers)
        return envelope.id, envelope.dataset
    except EnvelopeError:
        pass
    try:
        return UUID((dict(headers).get("ce_id") or b"").decode("ascii")), ""
    except ValueError:
        return None, ""


def _row(dead: DeadLetter) -> tuple[Any, ...]:
    m = dead.message
    # JSON knows no bytes, and the server's jsonb no NUL.
    headers = [[k.replace("\0", ""), base64.b64encode(v).decode() if v is not None else None] for k, v in m.headers]
    return (
        str(m.topic_id),
        m.topic,
        m.unit,
        m.partition,
        m.offset,
        Binary(m.key) if m.key is not None else None,
        Binary(m.value) if m.value is not None else None,
        json.dumps(headers),
        m.received_at,
        # bigint on the wire, integer in the table: a frame may claim any four bytes.
        dead.schema_id if dead.schema_id is not None and dead.schema_id < 1 << 31 else None,
        dead.reason,
        dead.detail,
        dead.state,
    )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
