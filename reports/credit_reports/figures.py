"""The figures: 合格率, 迟报率, 疑似瞒报 per unit and dataset, counts first, rates from counts.

Definitions: STANDARDS 9, rows 19 to 22. Two things they are not: a row that changed nothing is not a reported row, and
a decision whose row was refused and not mended is not hidden but 退回未改.
"""

from __future__ import annotations

import calendar
from dataclasses import asdict, dataclass
from datetime import date
from importlib import resources
from typing import Any

from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset

SQL = resources.files(__package__) / "figures.sql"
EARLIEST, LATEST = date(1900, 1, 1), date(9999, 12, 31)
# Printed where there is nothing to divide by (DESIGN promise 5).
NO_RATE = "—"


@dataclass
class Figure:
    """The counts of one unit and dataset. Rates are functions of these and never stored."""

    unit: str
    name: str
    dataset: str
    month: str | None
    as_of: str
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    distinct: int = 0
    late: int = 0
    timely: int = 0
    should_report: int = 0
    unreported: int = 0
    returned_not_mended: int = 0
    # Deadlines that rest on a year whose holidays are not published yet: good for a reminder, not to be signed.
    provisional: int = 0
    # Whose clock: the broker's, or in a test stack the producer's.
    clock: str = "broker"

    def record(self) -> dict[str, Any]:
        """Counts and rates as plain values."""
        return {
            **asdict(self),
            "pass_rate": rate(self.accepted, self.rows),
            "late_rate": rate(self.late, self.late + self.timely),
            "unreported_rate": rate(self.unreported, self.should_report),
        }


def rate(part: int, whole: int) -> str:
    """A percentage with two decimals, `—` when there is nothing to divide by."""
    return f"{100 * part / whole:.2f}%" if whole else NO_RATE


def figures(
    con: connection,
    catalogue: Catalogue,
    *,
    as_of: date,
    month: str | None = None,
    unit: str | None = None,
    clock: str = "broker",
) -> list[Figure]:
    """The figures of every unit and dataset that sent or owed anything.

    Args:
        con: as the role `reader`.
        as_of: arrivals and deadlines after this day do not count.
        month: `YYYY-MM` of the decision date; without it all decisions count.
        unit: only this unit code.
        clock: `broker`, or `producer` on a test stack that trusts the producer's time.
    """
    first, last = month_span(month) if month else (EARLIEST, LATEST)
    found: list[Figure] = []
    for dataset in catalogue.datasets.values():
        if dataset.kind != "denominator":
            found += _of_dataset(con, catalogue, dataset, as_of, month, first, last, clock)
    return [f for f in sorted(found, key=lambda f: (f.unit, f.dataset)) if unit in (None, f.unit)]


def month_span(month: str) -> tuple[date, date]:
    """First and last day of a month written `YYYY-MM`. Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _of_dataset(
    con: connection,
    catalogue: Catalogue,
    dataset: Dataset,
    as_of: date,
    month: str | None,
    first: date,
    last: date,
    clock: str,
) -> list[Figure]:
    ledger = catalogue.datasets["ledger"]
    names = {
        "table": dataset.table,
        "authority": _expression(dataset, "authority.code", "NULL::text"),
        "document": _expression(dataset, "document.no", "NULL::text"),
        # What has no deciding day counts in the month in which it came.
        "decided": f"coalesce({_expression(dataset, 'decision.date', 'NULL::date')}, c.received_on)",
        "ledger": ledger.table,
        "ledger_authority": _column(ledger, "authority.code"),
        "ledger_document": _column(ledger, "document.no"),
        "ledger_decided": _column(ledger, "decision.date"),
        "ledger_kind": _column(ledger, "kind"),
    }
    units = catalogue.county.units
    made: dict[str, Figure] = {}

    def of(code: str) -> Figure:
        if code not in made:
            known = units.get(code)
            made[code] = Figure(code, known.name if known else code, dataset.id, month, as_of.isoformat(), clock=clock)
        return made[code]

    with con.cursor() as cur:
        cur.execute(
            SQL.read_text(encoding="utf-8").format(**names),
            {
                "dataset": dataset.id,
                "kind": dataset.cn,
                "zone": catalogue.county.time_zone,
                "as_of": as_of,
                "first": first,
                "last": last,
            },
        )
        for what, code, authority, a, b, c, d in cur.fetchall():
            if what == "sent":
                f = of(code)
                f.rows, f.accepted, f.rejected = a, b, c
            elif what == "held":
                f = of(code)
                f.distinct, f.late, f.timely, f.provisional = a, b, c, d
            else:
                owner = units.by_uscc(authority)
                f = of(owner.code if owner else authority)
                f.should_report += a
                f.unreported += b
                f.returned_not_mended += c
    return list(made.values())


def _expression(dataset: Dataset, role: str, otherwise: str) -> str:
    """The column of a role over `core.<dataset> c`, or what stands for it where a dataset has none."""
    return f"c.{_column(dataset, role)}" if role in dataset.by_role else otherwise


def _column(dataset: Dataset, role: str) -> str:
    return dataset.by_role[role].column.lower()
