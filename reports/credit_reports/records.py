"""The records the warehouse holds, for readers: no personal number, natural persons' names masked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from psycopg2.extensions import connection

from credit_schemas.dataset import Dataset
from credit_schemas.forms import render_value
from credit_schemas.keys import PERSON
from credit_schemas.masking import mask_name

# Stands for a number that is on file: readers may know that there is one, not what it is.
HIDDEN = "******"
# Rows fetched at a time: a million records pass through a bounded memory.
FETCH = 2000


def records(con: connection, dataset: Dataset, *, unit: str | None = None) -> Iterator[dict[str, Any]]:
    """Every record of a dataset, oldest first: record_no, key, state, revision, late, values (national codes)."""
    columns = [f.column.lower() + ("_person" if f.sealed else "") for f in dataset.fields]
    category = dataset.column("subject.category")
    with con.cursor(name="records") as cur:
        cur.itersize = FETCH
        cur.execute(
            f"SELECT record_no, unit, source_key, state, revision, received_at, received_on, due_on, due_provisional,"
            f" {', '.join(columns)} FROM core.{dataset.table} WHERE %(unit)s IS NULL OR unit = %(unit)s"
            " ORDER BY received_at, record_no",
            {"unit": unit},
        )
        for row in cur:
            governing, content = row[:9], row[9:]
            values: dict[str, str] = {}
            person = dict(zip((f.column for f in dataset.fields), content, strict=True)).get(category or "") == PERSON
            for f, value in zip(dataset.fields, content, strict=True):
                if value is None:
                    continue
                text = HIDDEN if f.sealed else render_value(f, value)
                values[f.column] = mask_name(text) if person and f.role == "subject.name" else text
            yield _record(dataset, governing, values)


def _record(dataset: Dataset, governing: tuple[Any, ...], values: dict[str, str]) -> dict[str, Any]:
    record_no, unit, source_key, state, revision, received_at, received_on, due_on, provisional = governing
    return {
        "record_no": str(record_no),
        "dataset": dataset.id,
        "unit": unit,
        "key": source_key or _natural(dataset, values),
        "state": state,
        "revision": revision,
        "received_at": received_at.isoformat(),
        "due_on": _day(due_on),
        "late": bool(due_on and received_on > due_on),
        "provisional": provisional,
        "values": values,
    }


def _natural(dataset: Dataset, values: dict[str, str]) -> str:
    """The natural key as a person reads it, without the subject: that may be a natural person."""
    columns = [dataset.column(role) for role in dataset.natural_key if role != "subject"]
    return "/".join(values.get(c or "", "") for c in columns)


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None
