"""What a run looks at: written down before anything is checked, so that what arrives meanwhile stays unchecked.

Due are slices (dataset x unit) with new marks, with arrivals that no run has looked at, and with open holds; on the
first run of a day every slice, because deadlines and silence come with the date and no event announces them.

Within its slices a run looks at the records that changed, at those that share a key with them now or formerly, at what
came due or came under a ledger, and at every failure that is still open. Of any other record nothing has changed that
could change a verdict. Counts come from the books. A full run looks at everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import cursor

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset

from . import scope_statements as sql
from .questions import LEDGER, by_role

KEY = ("document.no", "decision.date", "authority.code")


@dataclass(frozen=True)
class Scope:
    """The slices in scope per dataset, those of them with records in scope, and how many marks will be stamped.

    `whole`: every record of the slices is looked at.
    """

    slices: dict[str, frozenset[str]]
    with_records: dict[str, frozenset[str]]
    marks: int
    whole: bool

    @property
    def size(self) -> int:
        """How many slices."""
        return sum(map(len, self.slices.values()))


def open_scope(cur: cursor, catalogue: Catalogue, as_of: date, *, whole: bool) -> Scope:
    """Fill `quality.scope_*` and say what is in it.

    The transaction is the caller's: of one moment, in which the books were kept.
    """
    known = sorted(catalogue.datasets)
    cur.execute(sql.CLEAR)
    cur.execute(sql.TAKE_MARKS, [known])
    marks = cur.rowcount
    cur.execute(sql.MARKED_RECORDS)
    cur.execute(sql.SLICES_OF_RECORDS)
    cur.execute(sql.PENDING_SLICES, [known])
    cur.execute(sql.HELD_SLICES, [known])
    cur.execute(sql.HELD_RECORDS, [known])
    _widen_by_ledger(cur, catalogue)
    cur.execute(sql.FIRST_OF_DAY, [as_of])
    if whole or cur.fetchone() == (True,):
        cur.execute(sql.KNOWN_SLICES, [known])
    if whole:
        cur.execute(sql.SLICES_WITH_RECORDS, [known])
        _cover(cur, catalogue, whole=True)
    else:
        _touch(cur, catalogue, as_of)
    cur.execute(sql.COUNT_ARRIVALS)
    slices, with_records = _read(cur, sql.READ_SLICES), _read(cur, sql.READ_SLICES_WITH_RECORDS)
    return Scope(slices, with_records, marks, whole)


def _touch(cur: cursor, catalogue: Catalogue, as_of: date) -> None:
    """Find what else to look at, and whose it is."""
    known = sorted(catalogue.datasets)
    keyed = [d for d in catalogue.datasets.values() if all(role in d.by_role for role in KEY)]
    ledger = catalogue.datasets.get(LEDGER)
    cur.execute(sql.TOUCH_RECORDS)
    cur.execute(sql.TOUCH_PENDING, [known])
    if ledger:
        cur.execute(sql.touch_due_lines(ledger.table, LEDGER), [as_of])
    cur.execute(sql.KEYS_LANDED)
    cur.execute(sql.KEYS_REFUSED)
    for dataset in keyed:
        cur.execute(sql.keys_of(dataset.table, by_role(dataset), dataset.id))
    for dataset in keyed:
        cur.execute(sql.touch_by_key(dataset.table, by_role(dataset), dataset.id))
    _cover(cur, catalogue, whole=False)
    cur.execute(sql.SLICES_TOUCHED, [[name for name in known if name != LEDGER]])
    if ledger:
        _widen_by_lines(cur, catalogue, ledger)
    cur.execute(sql.TOUCH_OPEN)
    if ledger:
        cur.execute(sql.touch_open_lines(ledger.table, by_role(ledger), LEDGER))
    for name in known:
        if "subject.code" in catalogue.datasets[name].by_role:
            cur.execute(sql.touch_subjects(catalogue.datasets[name].table, name))
    cur.execute(sql.SUBJECTS_OPEN)


def _cover(cur: cursor, catalogue: Catalogue, *, whole: bool) -> None:
    """Write down which days the ledger covers; records under days that are new are looked at."""
    ledger = catalogue.datasets.get(LEDGER)
    if ledger is None:
        return
    lines = by_role(ledger)
    for dataset in _with_deadline(catalogue):
        if not all(role in dataset.by_role for role in KEY):
            continue
        names = {"dataset": dataset.id, "kind": dataset.cn}
        if whole:
            cur.execute(sql.cover_all(ledger.table, lines), names)
        else:
            cur.execute(sql.cover_touched(ledger.table, lines), names)
            cur.execute(sql.touch_covered(dataset.table, by_role(dataset)), names)


def _widen_by_ledger(cur: cursor, catalogue: Catalogue) -> None:
    """A ledger line that changed speaks of the decisions of its authority: those slices are due as well."""
    ledger = catalogue.datasets.get(LEDGER)
    if ledger is None:
        return
    cur.execute(sql.ledger_lines_changed(ledger.table, by_role(ledger), LEDGER))
    for code, sender in cur.fetchall():
        for dataset in _with_deadline(catalogue):
            cur.execute(sql.ADD_SLICE, [dataset.id, _unit_of(catalogue, code, sender)])


def _widen_by_lines(cur: cursor, catalogue: Catalogue, ledger: Dataset) -> None:
    """A line that is looked at is a matter of whoever is to report the decision."""
    kinds = {d.cn: d for d in _with_deadline(catalogue)}
    cur.execute(sql.ledger_lines_touched(ledger.table, by_role(ledger), LEDGER))
    for code, sender, kind in cur.fetchall():
        if kind in kinds:
            cur.execute(sql.ADD_SLICE, [kinds[kind].id, _unit_of(catalogue, code, sender)])


def _with_deadline(catalogue: Catalogue) -> list[Dataset]:
    return [d for d in catalogue.datasets.values() if d.kind == "record" and d.deadline]


def _unit_of(catalogue: Catalogue, code: str | None, sender: str) -> str:
    unit = catalogue.county.units.by_uscc(code or "")
    return unit.code if unit else sender


def _read(cur: cursor, statement: str) -> dict[str, frozenset[str]]:
    cur.execute(statement)
    found: dict[str, set[str]] = {}
    for dataset, unit in cur.fetchall():
        found.setdefault(dataset, set()).add(unit)
    return {name: frozenset(units) for name, units in sorted(found.items())}


def datasets_in(scope: Scope) -> Sequence[str]:
    """The datasets with a slice in scope."""
    return list(scope.slices)
