"""The books: what arrived and what became a record, counted once, so that a run need not count what is stored.

They are kept by the quality run itself and in one transaction with the snapshot they are of. What a snapshot could not
see is what the next look counts: no arrival is missed or counted twice, whenever its transaction began or ended. What a
run has not finished looking at stays in `quality.pending_event`. A full run counts everything again, tells where the
books were wrong, and puts them right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection, cursor

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_warehouse.tables import column_name

from . import book_statements as sql
from .suites import load_suites


def summarize(con: connection) -> None:
    """Have the newest pages of landing entered in the index that finds them; commits. Only a matter of speed."""
    try:
        with con, con.cursor() as cur:
            cur.execute(sql.SUMMARIZE)
    except psycopg2.errors.LockNotAvailable:
        pass


class Kept(NamedTuple):
    """Whether everything was counted, and so must be looked at; and whether there were books to compare it with."""

    whole: bool
    compared: bool


def keep_books(cur: cursor, catalogue: Catalogue, *, whole: bool) -> Kept:
    """Bring the books up to this moment; the transaction (of one moment) is the caller's.

    Args:
        whole: Count everything again. It is done in any case when there are no books, or they are of another cluster.

    If not everything is counted, the transaction goes by indexes from here on.
    """
    cur.execute(sql.STATE)
    snapshot, begin, xmin = cur.fetchone() or (None, True, None)
    cur.execute(sql.CLEAR_NEW)
    cur.execute(sql.CLEAR_SAID)
    if not begin:
        cur.execute(sql.BY_INDEX)
        _add_new(cur, catalogue, snapshot, xmin)
    if begin or whole:
        cur.execute(sql.ANY_WAY)
        _count_all(cur, catalogue, compare=not begin)
    cur.execute(sql.ADVANCE, [begin])
    return Kept(begin or whole, whole and not begin)


def close_books(cur: cursor, day: date, *, whole: bool) -> None:
    """Everything pending was looked at; the transaction is the caller's."""
    cur.execute(sql.CLOSE, {"day": day, "whole": whole})
    cur.execute(sql.NOTHING_PENDING)
    cur.execute(sql.COVERAGE_SEEN)


def _add_new(cur: cursor, catalogue: Catalogue, snapshot: str, xmin: int) -> None:
    cur.execute(sql.TAKE_NEW, {"zone": catalogue.county.time_zone, "xmin": xmin, "snapshot": snapshot})
    for statement in (*sql.COUNT_NEW, sql.SETTLED, sql.WAITS, sql.PENDING):
        cur.execute(statement)
    cur.execute(sql.BORN_DATASETS)
    born = [catalogue.datasets[name] for (name,) in cur.fetchall() if name in catalogue.datasets]
    _count_records(cur, catalogue, born, only_new=True)


def _count_all(cur: cursor, catalogue: Catalogue, *, compare: bool) -> None:
    if compare:
        cur.execute(sql.SAID)
    for statement in (*sql.FORGET, sql.ALL_WAITING, *sql.COUNT_LANDED):
        cur.execute(statement, {"zone": catalogue.county.time_zone})
    _count_records(cur, catalogue, catalogue.datasets.values(), only_new=False)
    if compare:
        cur.execute(sql.COUNTED)


def _count_records(cur: cursor, catalogue: Catalogue, datasets: Iterable[Dataset], *, only_new: bool) -> None:
    for dataset in datasets:
        cur.execute(sql.count_records(dataset.table, only_new), {"dataset": dataset.id})
        for role in mixed_roles(catalogue, dataset):
            column = column_name(dataset.by_role[role])
            cur.execute(sql.count_values(dataset.table, column, only_new), {"dataset": dataset.id, "role": role})


def mixed_roles(catalogue: Catalogue, dataset: Dataset) -> Iterator[str]:
    """The roles whose mix of values an expectation watches."""
    for rule in load_suites(catalogue.county.parameters.get("quality")):
        if rule.kind == "mix" and rule.fits(dataset):
            yield rule.role
