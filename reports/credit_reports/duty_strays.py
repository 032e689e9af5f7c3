"""Reports that name a row of the annex and count for no duty: the row is not the unit's, or asks for other data.

The door only refuses rows that the plan does not have; who is bound by a row depends on the day and may change, and so
may the plan. So what counts for nothing is told here and not passed over.
"""

# ruff: noqa: S608 - names of tables and columns come from our own schema files, checked by `dataset.NAME`
from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.obligations import responsible
from credit_schemas.periods import read_label

from .duty_sources import NIL_RETURN


@dataclass(frozen=True)
class Stray:
    """Reports of one unit in a dataset for a row and a period, and why they count for nothing."""

    unit: str
    dataset: str
    annex_row: int
    period: str
    rows: int
    why: str


def strays(con: connection, catalogue: Catalogue, as_of: date, unit: str | None = None) -> list[Stray]:
    """What came in the year of a day, up to it, names a row and counts for none. `con` as the role `reader`."""
    found: list[Stray] = []
    for dataset in catalogue.datasets.values():
        row, label = dataset.column("annex_row"), dataset.column("period")
        if not row or not label:
            continue
        with con.cursor() as cur:
            cur.execute(
                f"SELECT unit, {row}, {label}, count(*) FROM core.{dataset.table} WHERE state <> 'withdrawn'"
                " AND received_on BETWEEN %s AND %s AND (%s IS NULL OR unit = %s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                [date(as_of.year, 1, 1), as_of, unit, unit],
            )
            for code, number, text, rows in cur.fetchall():
                why = _why(catalogue, dataset, code, number, text)
                found += [Stray(code, dataset.id, number, text, rows, why)] if why else []
    return found


def _why(catalogue: Catalogue, dataset: Dataset, code: str, number: int, label: str) -> str | None:
    county = catalogue.county
    obligation = next((o for o in county.obligations if o.annex_row == number), None)
    if obligation is None:
        return "分解表没有这一行"
    period = read_label(label)
    if period is None:
        return "期间看不懂"
    if dataset.id != NIL_RETURN and dataset.id not in obligation.datasets:
        return f"这一行要报的是{'、'.join(catalogue.dataset(d).cn for d in obligation.datasets)}"
    # Of a unit that is gone by the period's end, its successor of the same name answers.
    bound = {u.code for on in (period.first, period.last) for u in responsible(obligation, county, on)}
    return None if code in bound or obligation.open_list else "这一行的责任单位里没有它"
