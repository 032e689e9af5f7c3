"""The one table that the peers and our own upsert alone write: record number as key, the columns of `penalty`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from bench.stack import Bench, Event
from credit_schemas.dataset import Dataset
from credit_schemas.envelope import Headers

KEY = "record_no"
_EPOCH = date(1970, 1, 1).toordinal()
# In Kafka Connect's JSON schema: type and, where it has one, logical name.
_CONNECT = {
    "date": ("int32", "org.apache.kafka.connect.data.Date"),
    "bigint": ("int64", None),
    "text": ("string", None),
}


def columns(dataset: Dataset) -> dict[str, str]:
    """Column and SQL type, without the key. Sealed numbers are base64 text: Debezium's UNNEST cannot take bytes."""
    kinds = {"date": "date", "amount": "bigint", "integer": "bigint"}
    return {f.column.lower(): kinds.get(f.form, "text") for f in dataset.fields}


def create(bench: Bench, name: str) -> None:
    """Make the table, empty, with its primary key alone."""
    made = ", ".join(f"{c} {kind}" for c, kind in columns(bench.world.dataset("penalty")).items())
    bench.execute(f"DROP TABLE IF EXISTS public.{name}")
    bench.execute(f"CREATE TABLE public.{name} ({KEY} text PRIMARY KEY, {made})")
    bench.settle()


def avro_messages(events: Iterable[Event]) -> Iterator[tuple[bytes | None, bytes, Headers]]:
    """The very messages of the road."""
    return ((e.key, e.value, e.headers) for e in events)


def json_messages(
    events: Iterable[Event], dataset: Dataset, *, iso: bool
) -> Iterator[tuple[bytes | None, bytes, Headers]]:
    """The rows as JSON objects of all columns; `iso`: dates as text, else as days since 1970 (Kafka Connect)."""
    names = [f.column for f in dataset.fields]
    for e in events:
        row: dict[str, Any] = {KEY: str(e.ce_id)} | {c.lower(): _plain(e.row.get(c), iso) for c in names}
        yield None, json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(), []


def connect_schema(dataset: Dataset) -> str:
    """Kafka Connect's schema of those objects, for the converter's own `schema.content`."""
    fields: list[dict[str, Any]] = [{"field": KEY, "type": "string", "optional": False}]
    for name, kind in columns(dataset).items():
        connect, logical = _CONNECT[kind]
        fields.append({"field": name, "type": connect, "optional": True} | ({"name": logical} if logical else {}))
    return json.dumps({"type": "struct", "name": "penalty", "optional": False, "fields": fields})


def _plain(value: Any, iso: bool) -> Any:
    if isinstance(value, date):
        return value.isoformat() if iso else value.toordinal() - _EPOCH
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
