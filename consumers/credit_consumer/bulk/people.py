"""Persons and subjects of many rows: the statements of `credit_consumer.people`, fed with columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
from psycopg2.extensions import cursor

from credit_warehouse.tables import column_name

from .. import people_statements as sql
from ..people import enter_persons, enter_subjects
from .copying import copy_frame
from .normalise import Bulk

_SUBJECT = {
    "lookup": pl.Binary,
    "kind": pl.String,
    "code": pl.String,
    "registration_no": pl.String,
    "person_id": pl.Int64,
    "unit": pl.String,
}


def enter(cur: cursor, rows: pl.DataFrame, bulk: Bulk) -> pl.DataFrame:
    """Enter whom the rows are about and what the units say of them.

    Returns:
        The rows with `subject_id` and, for each sealed column, the person's number in the warehouse's column.
    """
    sealed = [f for f in bulk.dataset.fields if f.sealed]
    seen = {p for f in sealed for p in rows[f.column].drop_nulls().unique().to_list()}
    persons = enter_persons(cur, [bulk.persons[p] for p in seen])
    about = {k: bulk.subjects[k] for k in rows["subject"].drop_nulls().unique().to_list()}
    subjects, ours = enter_subjects(cur, about, persons, _copy_subjects)
    numbers = [subjects.get(s) for s in rows["subject"].to_list()]
    rows = rows.with_columns(
        pl.Series("subject_id", numbers, dtype=pl.Int64),
        *[
            pl.Series(column_name(f), [persons.get(p) for p in rows[f.column].to_list()], dtype=pl.Int64)
            for f in sealed
        ],
    )
    told = rows.filter(pl.col("subject_id").is_not_null())
    new = pl.col("subject_id").is_in(list(ours.values()))
    _dated(cur, told, "subject_name", "name", new, sql.ADD_NAMES)
    # Of a subject known by its registration number alone that is no history, it is what it is.
    coded = [k for k, s in bulk.subjects.items() if s.kind == "code"]
    numbered = told.filter(pl.col("registration_no").is_not_null())
    if not numbered.is_empty():
        numbered = numbered.filter(pl.col("subject").is_in(coded))
        _dated(cur, numbered, "subject_registration", "registration_no", new, sql.ADD_REGISTRATIONS)
    return rows


def _copy_subjects(cur: cursor, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    copy_frame(cur, table, columns, pl.DataFrame(list(rows), schema=_SUBJECT, orient="row"))


def _dated(cur: cursor, about: pl.DataFrame, table: str, column: str, new: pl.Expr, add: str) -> None:
    """Dated history, see `credit_consumer.people`; of subjects that are new it goes in straight."""
    said = pl.col("subject_name" if column == "name" else column).alias(column)
    day = pl.col("received_on")
    told = about.filter(said.is_not_null() & (said != "")).group_by("subject_id", said, "unit")
    spans = told.agg(day.min().alias("first_seen"), day.max().alias("last_seen"))
    copy_frame(cur, f"core.{table}", sql.STAGED[table], spans.filter(new))
    rest = spans.filter(~new)
    if not rest.is_empty():
        copy_frame(cur, f"pg_temp.stage_{table}", sql.STAGED[table], rest)
        cur.execute(add)
