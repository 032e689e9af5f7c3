"""Duties: which rows of the plan's annex each unit owes for which period, and what has come (DESIGN, "obligations").

A duty is due at the end of each of its periods plus the county's days of grace (`duty_grace_workdays`, working days by
the catalogue's calendar; provisional beyond its table). Months, quarters and years are those of the county's clock.

Which period an arrival counts for (reports that were accepted, or said nothing new; every one for exactly one period of
a duty, and none whose record was withdrawn):

- It names a period (role `period`): for that one. A month named for a quarterly duty counts for its quarter, a quarter
  for its year. A wider one than the duty's counts for the duty's period in which it came, within what was named.
- With a row of the annex (role `annex_row`) it counts for that row only.
- Otherwise for the period of the local day on which it came, but within the days of grace for the period before, when
  what it reports was decided in or before that period.

A nil return (dataset `nil_return`) makes `nil` for every period that has a day in common with the one it names, unless
something came too; where several datasets are due, it stands for those that are missing.

A duty that runs from each decision (7 working days) is told by months of decision, by the rules of figures.sql: overdue
when lines of the ledger past their deadline have no record, due while lines wait for theirs, received when records are
there. Without a ledger and without a record nobody can say that anything was decided: due, with a remark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue
from credit_schemas.county import County
from credit_schemas.obligations import GRACE_WORKDAYS, Obligation, reckoned_by, responsible
from credit_schemas.periods import Period, period_of, periods, previous
from credit_schemas.units import Unit
from credit_schemas.workdays import Deadline

from .duty_rates import Ratio, ratios
from .duty_sources import Got, Month, Nil, Sources, Span

STATUSES = {
    "due": "应报未到期",
    "received": "已报",
    "overdue": "逾期",
    "nil": "零报告",
    "not_bound": "不适用",
}
# The first generation of public credit data; nobody owed anything before.
EARLIEST = date(2015, 1, 1)
NO_LEDGER = "没有台账，也没有记录：说不清有没有决定。请报应报台账；确实没有的，报零报告"


@dataclass(frozen=True)
class Duty:
    """What one unit owes for one row of the annex and one period.

    Attributes:
        period: Label (`2026Q3`, `2026-09`, `2026`), with `first` and `last` day.
        due_on: The last timely day; for decisions that of the earliest one which has not come, if there is one.
        provisional: The calendar does not reach that far yet: good for a reminder, not to be signed.
        status: One of STATUSES.
        rows: Records that came.
        first_received: The local day on which the first came, or the nil return.
        missing: Datasets that are still to come, where all are due or decisions are unreported.
        materials_missing: Materials of the plan's words that no report named; told, and no part of `status`.
        late: It was complete only after `due_on`; of decisions: records came late.
        voluntary: The unit is not named; the plan's list is open-ended, and it reported.
        ratio: The rate of the whole county, where the row asks for one.
    """

    annex_row: int
    title: str
    unit: str
    name: str
    period: str
    first: date
    last: date
    due_on: date
    provisional: bool
    status: str
    rows: int = 0
    first_received: date | None = None
    missing: tuple[str, ...] = ()
    materials_missing: tuple[str, ...] = ()
    late: bool = False
    voluntary: bool = False
    ratio: Ratio | None = None
    remark: str = ""

    def record(self) -> dict[str, Any]:
        """Plain JSON values: days in ISO form, the status in both words."""
        days = ("first", "last", "due_on", "first_received")
        plain = {k: v.isoformat() if k in days and v else v for k, v in vars(self).items()}
        return {
            **plain,
            "status_cn": STATUSES[self.status],
            "missing": list(self.missing),
            "materials_missing": list(self.materials_missing),
            "ratio": self.ratio.record() if self.ratio else None,
        }


@dataclass
class Tally:
    """The duties of one row and period, counted; units that report unasked stand apart."""

    annex_row: int
    title: str
    period: str
    due_on: date
    provisional: bool
    bound: int = 0
    received: int = 0
    nil: int = 0
    overdue: int = 0
    due: int = 0
    late: int = 0
    voluntary: int = 0
    ratio: Ratio | None = None


def duties(
    con: connection,
    catalogue: Catalogue,
    as_of: date,
    unit: str | None = None,
    annex_row: int | None = None,
    *,
    since: date | None = None,
    until: date | None = None,
) -> list[Duty]:
    """The duties of every unit up to a day, in the order of the annex, of the periods and of the plan's units.

    Args:
        con: as the role `reader`.
        catalogue: The county and its datasets.
        as_of: What is taken for today; what came later does not count.
        unit: Only this unit code.
        annex_row: Only this row.
        since: From the period this day lies in; without it the period before the current one.
        until: To the period this day lies in; never beyond `as_of`.

    Raises:
        UnfitForDuty: obligations.toml names a dataset that lacks what the duty needs.
        UnknownDataset: It names one that does not exist.
    """
    sources = Sources(con, catalogue, as_of, unit)
    nils = sources.nils()
    found: list[Duty] = []
    for obligation in catalogue.county.obligations:
        if annex_row not in (None, obligation.annex_row):
            continue
        spans = _spans(catalogue, obligation, as_of, since, until)
        if not spans:
            continue
        found += _of_obligation(sources, catalogue, obligation, spans, nils, as_of, unit)
    return found


def tally(found: Iterable[Duty]) -> list[Tally]:
    """Counts per row and period: how many units are bound, how many have reported, sent a nil return, are overdue."""
    made: dict[tuple[int, str], Tally] = {}
    for d in found:
        t = made.setdefault(
            (d.annex_row, d.period), Tally(d.annex_row, d.title, d.period, d.last, d.provisional, ratio=d.ratio)
        )
        t.due_on, t.provisional = max(t.due_on, d.due_on), t.provisional or d.provisional
        if d.voluntary:
            t.voluntary += 1
        elif d.status != "not_bound":
            t.bound += 1
            t.late += d.late
            setattr(t, d.status, getattr(t, d.status) + 1)
    return list(made.values())


def _spans(
    catalogue: Catalogue, obligation: Obligation, as_of: date, since: date | None, until: date | None
) -> tuple[Span, ...]:
    """The periods asked for, with their deadlines."""
    county = catalogue.county
    kind = reckoned_by(obligation, county)
    first = max(since, EARLIEST) if since else previous(kind, period_of(kind, as_of)).first
    grace = int(county.parameters.get(GRACE_WORKDAYS, 0)) if obligation.workdays is None else obligation.workdays
    # Of a period's last day nothing is counted; a decision of that day is reckoned as the county reckons decisions.
    counted = obligation.workdays is not None and county.count_decision_day

    def due(period: Period) -> Deadline:
        return catalogue.calendar.add_workdays(period.last, grace, count_decision_day=counted)

    return tuple(
        Span(period, *due(period), due(previous(kind, period)).day)
        for period in periods(kind, first, min(until or as_of, as_of))
    )


def _of_obligation(
    sources: Sources,
    catalogue: Catalogue,
    obligation: Obligation,
    spans: tuple[Span, ...],
    nils: list[Nil],
    as_of: date,
    unit_code: str | None,
) -> list[Duty]:
    county, by_decision = catalogue.county, obligation.workdays is not None
    cases = [
        (span, unit, voluntary)
        for span in spans
        for unit, voluntary in _units(county, obligation, span)
        if unit_code in (None, unit.code)
    ]
    if not cases:
        return []
    decided = sources.decisions(obligation, spans) if by_decision else {}
    got = {} if by_decision else {name: sources.arrivals(obligation, name, spans) for name in obligation.datasets}
    binding = {b for name in obligation.condition_datasets for b in sources.listing_units(name, spans)}
    rates = ratios(sources, obligation, spans)
    made: list[Duty] = []
    for span, unit, voluntary in cases:
        key, parts = (unit.code, span.label), dict[str, Got]()
        nil = _nil(nils, unit.code, obligation.annex_row, span.period)
        if by_decision:
            said = _of_decisions(decided.get(key, Month()), nil, span)
        else:
            parts = {name: found[key] for name, found in got.items() if key in found}
            free = bool(obligation.condition_datasets) and key not in binding
            said = _of_period(obligation, parts, nil, span, as_of, free=free)
        if voluntary and not said["rows"]:
            continue
        said = {"due_on": span.due_on, "provisional": span.provisional, **said}
        if said["status"] == "received" and not by_decision:
            said["materials_missing"] = _materials_missing(catalogue, obligation, parts)
        made.append(
            Duty(
                annex_row=obligation.annex_row,
                title=obligation.title,
                unit=unit.code,
                name=unit.name,
                period=span.label,
                first=span.period.first,
                last=span.period.last,
                voluntary=voluntary,
                ratio=rates.get(span.label),
                **said,
            )
        )
    return made


def _units(county: County, obligation: Obligation, span: Span) -> list[tuple[Unit, bool]]:
    """The units of a duty on the last day of a period; of an open list everybody else too, as volunteers (True)."""
    bound = responsible(obligation, county, span.period.last)
    others = [u for u in county.units if u not in bound] if obligation.open_list else []
    return [(u, False) for u in bound] + [(u, True) for u in others]


def _nil(nils: list[Nil], unit: str, row: int, period: Period) -> Nil | None:
    """The first nil return of a unit for a row whose period has a day in common with this one."""
    held = (n for n in nils if (n.unit, n.annex_row) == (unit, row))
    return next((n for n in held if n.period.first <= period.last and period.first <= n.period.last), None)


def _of_period(
    obligation: Obligation, parts: dict[str, Got], nil: Nil | None, span: Span, as_of: date, *, free: bool
) -> dict[str, Any]:
    """What is to be said of a duty that is due at the end of a period; `free`: the unit is not bound by it."""
    together = obligation.fulfil == "all"
    missing = tuple(name for name in obligation.datasets if name not in parts) if together else ()
    days = [got.first_day for got in parts.values() if got.first_day]
    complete = bool(parts) and not missing
    if complete or (parts and nil):
        status = "received"
    elif nil:
        status = "nil"
    elif free and not parts:
        status = "not_bound"
    else:
        status = "overdue" if as_of > span.due_on else "due"
    # The first day that was enough: all parts, or any one; a nil return stands for what is missing.
    enough = (max(days) if together else min(days)) if days else None
    if nil and not complete:
        enough = max(nil.day, enough or nil.day)
    return {
        "status": status,
        "rows": sum(got.rows for got in parts.values()),
        "first_received": min(days, default=nil.day if nil else None),
        "missing": () if status == "nil" else missing,
        "late": status in ("received", "nil") and enough is not None and enough > span.due_on,
        "remark": _remark(parts, nil, missing),
    }


def _remark(parts: dict[str, Got], nil: Nil | None, missing: tuple[str, ...]) -> str:
    if not (parts and nil):
        return ""
    return "缺的部分另有零报告" if missing else "另有零报告，以实报为准"


def _materials_missing(catalogue: Catalogue, obligation: Obligation, parts: dict[str, Got]) -> tuple[str, ...]:
    """What the plan wants handed in and no report named among its materials; words no code set knows are left out."""
    missing: list[str] = []
    for name, got in parts.items():
        column = catalogue.dataset(name).by_role.get("content.material")
        codes = column.code_set if column else None
        if codes:
            wanted = {word: codes.canonical(word) for word in obligation.hand_in}
            missing += [w for w, code in wanted.items() if codes.has(code) and code not in got.materials]
    return tuple(missing)


def _of_decisions(month: Month, nil: Nil | None, span: Span) -> dict[str, Any]:
    """What is to be said of the decisions of a unit in a month."""
    told = []
    if month.overdue:
        status = "overdue"
        told.append(f"台账上 {month.overdue} 条已过期限没有记录")
    elif month.pending:
        status = "due"
        told.append(f"台账上 {month.pending} 条还在期限内")
    elif month.records or month.lines:
        status = "received"
    elif nil:
        status = "nil"
    else:
        status = "due"
        told.append(NO_LEDGER)
    if month.late:
        told.append(f"迟报 {month.late} 条")
    if nil and status != "nil":
        told.append("与零报告不符")
    return {
        "status": status,
        "rows": month.records,
        "first_received": month.first_day or (nil.day if nil else None),
        "missing": tuple(month.missing),
        "late": month.late > 0,
        "remark": "；".join(told),
        "due_on": month.unmet or span.due_on,
        "provisional": month.provisional if month.records or month.lines else span.provisional,
    }
