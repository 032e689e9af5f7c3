"""Dead letters in and out of their table, byte for byte."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from psycopg2 import Binary
from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from . import statements as sql
from .decode import DeadLetter, Message


def bury(cur: cursor, dead: Iterable[DeadLetter]) -> None:
    """Keep dead letters; one that is there already counts one more attempt."""
    rows = [_row(d) for d in dead]
    if rows:
        execute_values(cur, sql.ADD_DEAD_LETTERS, rows)


def unearth(row: Mapping[str, Any]) -> Message:
    """The message of a dead letter as it came, arrival time included."""
    return stored_message(row, [(name, base64.b64decode(v) if v is not None else None) for name, v in row["headers"]])


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
