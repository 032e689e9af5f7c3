"""What the warehouse knows about duties: arrivals, nil returns, decisions and the ledger. Read as `reader`."""

# ruff: noqa: S608 - names of tables and columns come from our own schema files, checked by `dataset.NAME`
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from importlib import resources
from typing import Any, NamedTuple

from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.forms import JOINED_BY
from credit_schemas.obligations import Obligation
from credit_schemas.periods import Period, read_label
from credit_schemas.units import Unit

from .errors import UnfitForDuty

_FILES = resources.files(__package__)
NIL_RETURN = "nil_return"
LEDGER = "ledger"
# Platforms above send down what concerns the county; they owe it nothing.
ABOVE = ("province", "city")


class Span(NamedTuple):
    """A period of a duty with the last timely day for it, and that of the period before."""

    period: Period
    due_on: date
    provisional: bool
    due_before: date

    @property
    def label(self) -> str:
        """The label of the period."""
        return self.period.label


@dataclass
class Got:
    """What came of one dataset from one unit for one period."""

    rows: int = 0
    first_day: date | None = None
    materials: set[str] = field(default_factory=set)

    def add(self, rows: int, day: date, materials: Iterable[str]) -> None:
        """Add what came of a unit that this one has succeeded."""
        self.rows += rows
        self.first_day = min(day, self.first_day or day)
        self.materials.update(materials)


class Nil(NamedTuple):
    """A nil return."""

    unit: str
    annex_row: int
    period: Period
    day: date


@dataclass
class Month:
    """The decisions of a unit in a month, counted over licences and penalties."""

    lines: int = 0
    overdue: int = 0
    pending: int = 0
    records: int = 0
    late: int = 0
    first_day: date | None = None
    unmet: date | None = None
    provisional: bool = False
    missing: list[str] = field(default_factory=list)


class Sources:
    """Reads for a set of periods; each dataset is read once for each kind of period.

    Args:
        con: as the role `reader`.
        catalogue: The county whose duties they are.
        as_of: What came after this day is not known yet.
    """

    def __init__(self, con: connection, catalogue: Catalogue, as_of: date, unit: str | None = None) -> None:
        self._con, self._catalogue, self._as_of = con, catalogue, as_of
        units = [u for u in catalogue.county.units if u.kind not in ABOVE]
        # A unit answers for what its predecessor of the same name has sent.
        self._units = [u.code for u in units if unit is None or unit in (u.code, self._heir(u.code, as_of))]
        self._arrivals: dict[tuple[str, int | None, tuple[Span, ...]], dict[tuple[str, str], Got]] = {}

    def arrivals(self, obligation: Obligation, name: str, spans: tuple[Span, ...]) -> dict[tuple[str, str], Got]:
        """What came of a dataset, by (unit, label of the period)."""
        dataset = self._catalogue.dataset(name)
        row = obligation.annex_row if dataset.column("annex_row") else None
        key = (dataset.id, row, spans)
        if key not in self._arrivals:
            self._arrivals[key] = self._read_arrivals(dataset, row, spans)
        return self._arrivals[key]

    def nils(self) -> list[Nil]:
        """The nil returns that hold."""
        dataset = self._catalogue.datasets[NIL_RETURN]
        row, label = _column(dataset, "annex_row"), _column(dataset, "period")
        query = (
            f"SELECT unit, {row}, {label}, received_on FROM core.{dataset.table}"
            " WHERE state <> 'withdrawn' AND received_on <= %s AND unit = ANY (%s) ORDER BY received_on"
        )
        with self._con.cursor() as cur:
            cur.execute(query, [self._as_of, self._units])
            named = [(unit, number, read_label(text), day) for unit, number, text, day in cur.fetchall()]
        return [Nil(self._heir(unit, p.last), number, p, day) for unit, number, p, day in named if p]

    def decisions(self, obligation: Obligation, spans: Sequence[Span]) -> dict[tuple[str, str], Month]:
        """The decisions of a duty that runs from each of them, by (unit, month)."""
        found: dict[tuple[str, str], Month] = {}
        for name in obligation.datasets:
            dataset = self._catalogue.dataset(name)
            for what, sender, authority, month, n, a, b, day, provisional in self._read_decisions(dataset, spans):
                last = next(s.period.last for s in spans if s.label == month)
                body = self._catalogue.county.units.by_uscc(authority, last) if authority else None
                m = found.setdefault((body.code if body else self._heir(sender, last), month), Month())
                m.provisional = m.provisional or bool(provisional)
                if what == "record":
                    m.records, m.late = m.records + n, m.late + a
                    m.first_day = min(day, m.first_day or day)
                    continue
                m.lines, m.overdue, m.pending = m.lines + n, m.overdue + a, m.pending + b
                if a + b:
                    m.unmet = min(day, m.unmet or day)
                    m.missing += [dataset.id] if dataset.id not in m.missing else []
        return found

    def listing_units(self, name: str, spans: Sequence[Span]) -> set[tuple[str, str]]:
        """Units somebody of whom stood on a list on any day of a period: (unit, label of the period)."""
        lasts = {s.label: s.period.last for s in spans}
        since = [s.period.first for s in spans]
        rows = self._read_listed(name, spans, since, what="l.unit", which="l.unit = ANY (%(units)s)", units=self._units)
        return {(self._heir(unit, lasts[label]), label) for label, unit in rows}

    def listed_codes(self, name: str, spans: Sequence[Span], prefixes: Iterable[str]) -> set[tuple[str, str]]:
        """Unified codes on a list at the end of a period (now, if it still runs): (label of the period, code)."""
        ends = [min(s.period.last, self._as_of) for s in spans]
        which = "l.code LIKE ANY (%(prefixes)s)"
        return set(
            self._read_listed(name, spans, ends, what="l.code", which=which, prefixes=[f"{p}%" for p in prefixes])
        )

    def totals(self, name: str) -> list[tuple[str, Period, int]]:
        """Totals of a dataset of counts: kind, period, count; those that came last first."""
        dataset = self._catalogue.dataset(name)
        kind, label, count = (_column(dataset, role) for role in ("kind", "period", "content.count"))
        query = (
            f"SELECT {kind}, {label}, {count} FROM core.{dataset.table} WHERE state <> 'withdrawn'"
            " AND received_on <= %s ORDER BY revised_at DESC"
        )
        with self._con.cursor() as cur:
            cur.execute(query, [self._as_of])
            return [(k, p, n) for k, text, n in cur.fetchall() if (p := read_label(text))]

    @property
    def _common(self) -> dict[str, object]:
        return {"zone": self._catalogue.county.time_zone, "as_of": self._as_of}

    def _heir(self, code: str, on: date) -> str:
        """Who bears the unit's name on a day, the unit itself if nobody else does."""
        units = self._catalogue.county.units
        known: Unit | None = next((u for u in units if u.code == code), None)
        standing = units.standing_for(known, on) if known else None
        return standing.code if standing else code

    def _read_listed(
        self, name: str, spans: Sequence[Span], ats: list[date], *, what: str, which: str, **values: object
    ) -> list[tuple[str, str]]:
        dataset = self._catalogue.dataset(name)
        removed = dataset.column("removal.date")
        names = {
            "table": dataset.table,
            "code": _column(dataset, "subject.code"),
            "decided": _column(dataset, "decision.date"),
            "removed": f"c.{removed.lower()}" if removed else "NULL::date",
            "what": what,
            "which": which,
        }
        days = {"labels": [s.label for s in spans], "lasts": [s.period.last for s in spans], "ats": ats}
        with self._con.cursor() as cur:
            cur.execute(_sql("duty_listed.sql", names), {**self._common, **days, **values})
            return list(cur.fetchall())

    def _read_arrivals(self, dataset: Dataset, row: int | None, spans: tuple[Span, ...]) -> dict[tuple[str, str], Got]:
        label, material = dataset.column("period"), dataset.column("content.material")
        if label is None:
            named = "NULL::text"
        elif "period" in dataset.natural_key:
            named = f"c.{label.lower()}"  # part of what the record is: a corrected label is a correction
        else:
            named = f"coalesce(e.period, c.{label.lower()})"
        names = {
            "table": dataset.table,
            "named": named,
            "material": f"c.{material.lower()}" if material else "NULL::text",
            "row": f"c.{_column(dataset, 'annex_row')} = %(row)s" if row is not None else "true",
            # What names its period may come long before or after it.
            "since": "true" if label else "e.received_at >= %(since)s",
        }
        values = {
            "dataset": dataset.id,
            "row": row,
            "units": self._units,
            "joined_by": JOINED_BY,
            "since": datetime.combine(min(s.period.first for s in spans), time.min, self._catalogue.county.zone),
            "labels": [s.label for s in spans],
            "firsts": [s.period.first for s in spans],
            "lasts": [s.period.last for s in spans],
            "dues": [s.due_on for s in spans],
            "dues_before": [s.due_before for s in spans],
        }
        lasts = {s.label: s.period.last for s in spans}
        found: dict[tuple[str, str], Got] = {}
        with self._con.cursor() as cur:
            cur.execute(_sql("duty_arrivals.sql", names), {**self._common, **values})
            for unit, period, rows, day, materials in cur.fetchall():
                got = found.setdefault((self._heir(unit, lasts[period]), period), Got())
                got.add(rows, day, materials.split(JOINED_BY) if materials else ())
        return found

    def _read_decisions(self, dataset: Dataset, spans: Sequence[Span]) -> list[tuple[Any, ...]]:
        ledger = self._catalogue.datasets[LEDGER]
        names = {
            "table": dataset.table,
            "authority": _column(dataset, "authority.code"),
            "document": _column(dataset, "document.no"),
            "decided": _column(dataset, "decision.date"),
            "ledger": ledger.table,
            "ledger_authority": _column(ledger, "authority.code"),
            "ledger_document": _column(ledger, "document.no"),
            "ledger_decided": _column(ledger, "decision.date"),
            "ledger_kind": _column(ledger, "kind"),
        }
        first, last = min(s.period.first for s in spans), max(s.period.last for s in spans)
        with self._con.cursor() as cur:
            cur.execute(
                _sql("duty_decisions.sql", names),
                {**self._common, "kind": dataset.cn, "first": first, "last": last},
            )
            return list(cur.fetchall())


def _sql(file: str, names: dict[str, str]) -> str:
    return (_FILES / file).read_text(encoding="utf-8").format(**names)


def _column(dataset: Dataset, role: str) -> str:
    column = dataset.column(role)
    if column is None:
        raise UnfitForDuty(dataset.cn, role)
    return column.lower()
