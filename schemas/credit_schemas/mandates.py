"""Mandates: which unit may report decisions of another body, for which datasets, on which days.

河南省社会信用条例 art. 17 makes whoever provides a row answer for it, so a row about another body's decision raises a
doubt (rule kind `mandate`, STANDARDS 9, row 12) unless the county's `mandates.csv` says that somebody asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .county_errors import UnknownUnit
from .county_files import Defects, Row, read_table
from .county_units import USCC_PROBLEMS
from .identifiers import uscc_problem
from .units import Unit, Units

ALL = "全部"
_DATASET = re.compile(r"[a-z][a-z0-9_]*")
_SEPARATORS = re.compile(r"[；;、,，\s]+")


@dataclass(frozen=True)
class Mandate:
    """One unit's right to report what another body has decided.

    Attributes:
        unit: Code of the unit that reports.
        uscc: Unified code of the body it reports for; need not be a unit of the county.
        datasets: Dataset ids; None stands for all.
        valid_from: First day, None for no limit; `valid_to` is the last.
        basis: The document it rests on.
    """

    unit: str
    uscc: str
    datasets: frozenset[str] | None
    valid_from: date | None
    valid_to: date | None
    basis: str

    def covers(self, dataset: str, on: date) -> bool:
        """True when rows of that dataset may be reported under it on that day."""
        return (
            (self.datasets is None or dataset in self.datasets)
            and (self.valid_from is None or self.valid_from <= on)
            and (self.valid_to is None or on <= self.valid_to)
        )

    def repeats(self, other: Mandate) -> bool:
        """True when both say the same of some dataset on some day."""
        of_one = self.datasets is None or other.datasets is None or bool(self.datasets & other.datasets)
        return (
            of_one
            and (self.unit, self.uscc) == (other.unit, other.uscc)
            and (self.valid_from or date.min) <= (other.valid_to or date.max)
            and (other.valid_from or date.min) <= (self.valid_to or date.max)
        )


def read_mandates(folder: Path, units: Units, defects: Defects) -> tuple[Mandate, ...]:
    """The mandates in `mandates.csv`, in file order; a county may do without.

    Args:
        folder: The county folder.
        units: Its units; who reports, and whom it reports for unless a unified code names that body.
        defects: Where mistakes are noted.
    """
    required, optional = ("unit", "datasets", "basis"), ("for_unit", "for_uscc", "valid_from", "valid_to", "note")
    found: list[tuple[int, Mandate]] = []
    for row in read_table(folder / "mandates.csv", required, optional, defects, may_miss=True):
        mandate = _mandate(row, units)
        if mandate is None:
            continue
        for line, other in found:
            if mandate.repeats(other):
                row.bad("unit", f"与第 {line} 行重复：同一单位、同一被代报单位，数据集和有效期有重叠。")
        found.append((row.line, mandate))
    return tuple(mandate for _, mandate in found)


def mandated(mandates: Iterable[Mandate], unit: str, dataset: str, on: date) -> frozenset[str]:
    """Unified codes of the bodies whose rows of a dataset a unit may report on a day."""
    return frozenset(m.uscc for m in mandates if m.unit == unit and m.covers(dataset, on))


def _mandate(row: Row, units: Units) -> Mandate | None:
    """The mandate of a line, or None (and the mistakes noted) when it makes none."""
    before = len(row.defects.found)
    unit = _unit(row, units, "unit", row.text("unit"))
    uscc = _uscc(row, units)
    datasets = _datasets(row)
    since, until = row.day("valid_from"), row.day("valid_to")
    basis = row.text("basis")
    if since and until and since > until:
        row.bad("valid_to", f"有效期止 {until} 早于有效期起 {since}。")
    if unit and uscc and unit.uscc == uscc:
        row.bad("unit", f"“{unit.name}”报送自己的数据不用委托。")
    if unit is None or uscc is None or len(row.defects.found) > before:
        return None
    return Mandate(unit.code, uscc, datasets, since, until, basis)


def _unit(row: Row, units: Units, column: str, spelling: str) -> Unit | None:
    if not spelling:
        return None
    try:
        return units.resolve(spelling)
    except UnknownUnit as error:
        row.bad(column, str(error))
        return None


def _uscc(row: Row, units: Units) -> str | None:
    """The unified code of the body reported for, named by one of two columns."""
    spelling, code = row.text("for_unit", required=False), row.text("for_uscc", required=False)
    if bool(spelling) == bool(code):
        row.bad("for_unit", "for_unit（本县单位）和 for_uscc（县外机关的统一社会信用代码）填且只填一个。")
        return None
    if code:
        problem = uscc_problem(code)
        if problem:
            row.bad("for_uscc", f"统一社会信用代码“{code}”不正确：{USCC_PROBLEMS[problem]}。")
        return None if problem else code
    unit = _unit(row, units, "for_unit", spelling)
    return unit.uscc if unit else None


def _datasets(row: Row) -> frozenset[str] | None:
    text = row.text("datasets")
    names = [n for n in _SEPARATORS.split(text) if n] or [text] * bool(text)
    for name in names:
        if name != ALL and not _DATASET.fullmatch(name):
            row.bad("datasets", f"“{name}”不是数据集代码（小写字母、数字、下划线）；所有数据集写“{ALL}”。")
    return None if ALL in names else frozenset(names)
