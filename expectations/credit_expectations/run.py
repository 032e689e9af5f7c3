"""One quality run: take what is due, check it, settle what was found, stamp exactly the marks that were read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_warehouse.connect import connect
from credit_warehouse.contract import require_step
from credit_warehouse.settings import Settings, load_settings

from . import statements as sql
from .book_statements import BY_INDEX, ONE_MOMENT
from .books import close_books, keep_books, summarize
from .data_docs import docs_root, keep_last
from .errors import Busy
from .page import write_page
from .questions import Question, build_questions
from .scope import Scope, datasets_in, open_scope
from .settle import Answer, settle

log = logging.getLogger(__name__)

# A run takes seconds; one that holds the lock for longer than this hangs, and a person must look.
LOCK_WAIT = "10min"


def run_due(as_of: date | None = None, settings: Settings | None = None, *, whole: bool = False) -> dict[str, Any]:
    """Check every slice that is due; safe to repeat, and quick when nothing is.

    Args:
        as_of: What counts as today; without it today in the county's time zone.
        settings: Where the warehouse is; without them those of this process.
        whole: Look at every record of every slice and count everything again, as the very first run does in any case:
            this proves the books that other runs count by, and finds what no event announces.

    Returns:
        whole (whether everything was looked at), run_id (None when nothing was due), slices, marks (stamped), checked
        (result lines), failed (of them), holds_opened, holds_closed, work_items (new).

    Raises:
        Busy: Another run holds the lock.
        OutOfStep: This program and the database are not of one age.
        CheckBroken: An expectation could not be evaluated; nothing was stamped.
        SuiteError, CountyDataError: The rules or the county folder are wrong; nothing was stamped.
        psycopg2.Error: The warehouse failed; nothing was stamped.
    """
    settings = settings or load_settings()
    catalogue = load_catalogue()
    day = as_of or datetime.now(catalogue.county.zone).date()
    with closing(connect(settings, "quality")) as con:
        _lock(con)
        require_step(con, catalogue.datasets.values())
        with con, con.cursor() as cur:
            cur.execute(sql.BURY_DEAD_RUNS)
        summarize(con)
        with con.cursor() as cur:
            cur.execute(ONE_MOMENT)
            kept = keep_books(cur, catalogue, whole=whole)
            scope = open_scope(cur, catalogue, day, whole=kept.whole)
            if not scope.size:
                close_books(cur, day, whole=kept.whole)
                con.commit()
                return _summary(None, scope)
            cur.execute(sql.OPEN_RUN, [day, kept.whole])
            (run_id,) = cur.fetchone() or (0,)
        # Committed before the checks: they read through connections of their own.
        con.commit()
        with _failing_marked(con, run_id):
            datasets = datasets_in(scope)
            questions = build_questions(catalogue, datasets, day, whole=kept.whole, compared=kept.compared)
            return _checked(con, run_id, scope, settings, catalogue, questions, day)


def _checked(
    con: connection,
    run_id: int,
    scope: Scope,
    settings: Settings,
    catalogue: Catalogue,
    questions: list[Question],
    day: date,
) -> dict[str, Any]:
    from .checker import ask  # not at the top: Great Expectations takes seconds to import

    root = docs_root(settings.home)
    with con.cursor() as cur:
        if not scope.whole:
            cur.execute(BY_INDEX)
        answers: list[Answer] = ask(cur, settings, questions, root / str(run_id), whole=scope.whole)
    con.rollback()
    with con, con.cursor() as cur:
        if not scope.whole:
            cur.execute(BY_INDEX)
        tally = settle(cur, run_id, scope, answers)
        cur.execute(sql.STAMP, [run_id])
        marks = cur.rowcount
        cur.execute(sql.REMEMBER_SLICES, [run_id])
        close_books(cur, day, whole=scope.whole)
        cur.execute(sql.CLOSE_RUN, [scope.size, marks, tally.failed, run_id])
    write_page(con, root, catalogue, keep_last(root))
    log.info("quality run %d: %d slices, %d marks, %d failures", run_id, scope.size, marks, tally.failed)
    return {**_summary(run_id, scope), "marks": marks, **tally.__dict__}


def _summary(run_id: int | None, scope: Scope) -> dict[str, Any]:
    zero = dict.fromkeys(("marks", "checked", "failed", "holds_opened", "holds_closed", "work_items"), 0)
    return {"run_id": run_id, "whole": scope.whole, "slices": scope.size, **zero}


def _lock(con: connection) -> None:
    """One run at a time; the lock goes with the connection."""
    with con.cursor() as cur:
        cur.execute(sql.LOCK_TIMEOUT, [LOCK_WAIT])
        try:
            cur.execute(sql.LOCK)
        except psycopg2.errors.LockNotAvailable as error:
            raise Busy from error
    con.commit()


@contextmanager
def _failing_marked(con: connection, run_id: int) -> Iterator[None]:
    """Note a run that did not end well. A killed process cannot: the next run notes it."""
    try:
        yield
    except BaseException:
        if not con.closed:
            con.rollback()
            with con, con.cursor() as cur:
                cur.execute(sql.FAIL_RUN, [run_id])
        raise
