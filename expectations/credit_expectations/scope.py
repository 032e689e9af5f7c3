"""What a run looks at: written down before anything is checked, so that what arrives meanwhile stays unchecked.

Due are slices (dataset x unit) with new marks, with refused arrivals that no run has seen, and with open holds; on the
first run of a day every slice, because deadlines and silence come with the date and no event announces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import cursor

from credit_schemas.catalogue import Catalogue
from credit_warehouse.tables import column_name

from . import statements as sql
from .questions import LEDGER


@dataclass(frozen=True)
class Scope:
    """The slices in scope per dataset, those of them with records in scope, and how many marks will be stamped."""

    slices: dict[str, frozenset[str]]
    with_records: dict[str, frozenset[str]]
    marks: int

    @property
    def size(self) -> int:
        """How many slices."""
        return sum(map(len, self.slices.values()))


def open_scope(cur: cursor, catalogue: Catalogue, as_of: date) -> Scope:
    """Fill `quality.scope_*` (the transaction is the caller's) and say what is in it."""
    known = sorted(catalogue.datasets)
    for statement in sql.CLEAR_SCOPE:
        cur.execute(statement)
    cur.execute(sql.TAKE_MARKS, [known])
    marks = cur.rowcount
    cur.execute(sql.SCOPE_MARKED_RECORDS)
    cur.execute(sql.SCOPE_SLICES_OF_RECORDS)
    cur.execute(sql.SCOPE_REFUSED, [known])
    cur.execute(sql.SCOPE_HELD, [known])
    cur.execute(sql.SCOPE_HELD_RECORDS, [known])
    _widen_by_ledger(cur, catalogue)
    cur.execute(sql.FIRST_OF_DAY, [as_of])
    if cur.fetchone() == (True,):
        # Also what has no record of its own: a unit that sends its ledger and nothing else.
        cur.execute(sql.SCOPE_KNOWN, [known])
        for name in known:
            cur.execute(sql.scope_all(catalogue.datasets[name].table), [name])
    cur.execute(sql.COUNT_REFUSED)
    slices, with_records = _read(cur, sql.READ_SLICES), _read(cur, sql.READ_SLICES_WITH_RECORDS)
    return Scope(slices, with_records, marks)


def _widen_by_ledger(cur: cursor, catalogue: Catalogue) -> None:
    """A new ledger line speaks of the decisions of its authority: those slices are due as well."""
    ledger = catalogue.datasets.get(LEDGER)
    if ledger is None:
        return
    records = [d for d in catalogue.datasets.values() if d.kind == "record" and d.deadline]
    cur.execute(sql.ledger_lines_in_scope(ledger.table, column_name(ledger.by_role["authority.code"])), [LEDGER])
    for code, sender in cur.fetchall():
        unit = catalogue.county.units.by_uscc(code or "")
        for dataset in records:
            cur.execute(sql.ADD_SLICE, [dataset.id, unit.code if unit else sender])


def _read(cur: cursor, statement: str) -> dict[str, frozenset[str]]:
    cur.execute(statement)
    found: dict[str, set[str]] = {}
    for dataset, unit in cur.fetchall():
        found.setdefault(dataset, set()).add(unit)
    return {name: frozenset(units) for name, units in sorted(found.items())}


def datasets_in(scope: Scope) -> Sequence[str]:
    """The datasets with a slice in scope."""
    return list(scope.slices)
