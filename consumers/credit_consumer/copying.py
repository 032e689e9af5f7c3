"""COPY in text format: the quickest way from Python rows into PostgreSQL that needs no other library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from io import StringIO
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor

from credit_schemas.problems import Problem

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# Below this a batch is sent in one piece; the driver reads the buffer in blocks of this size.
_BLOCK = 1 << 20


def copy_rows(cur: cursor, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows (str, int, bool, date, datetime, UUID, bytes or None per column) into a table."""
    text = "".join("\t".join(map(_cell, row)) + "\n" for row in rows)
    if text:
        names = ", ".join(f'"{c}"' for c in columns)
        cur.copy_expert(f"COPY {table} ({names}) FROM STDIN", StringIO(text), _BLOCK)


def problems_json(problems: Iterable[Problem]) -> str | None:
    """Problems as the JSON that landing and receipts keep; None when there are none."""
    listed = [p._asdict() for p in problems]
    return json.dumps(listed, ensure_ascii=False) if listed else None


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    kind = type(value)
    if kind is str:
        return value.translate(_ESCAPES) if "\\" in value or not value.isprintable() else value
    if kind is bytes:
        return "\\\\x" + value.hex()
    if kind is bool:
        return "t" if value else "f"
    if kind in (int, UUID):
        return str(value)
    if kind in (date, datetime):
        return value.isoformat()
    raise TypeError(f"no COPY form for {kind.__name__}")
