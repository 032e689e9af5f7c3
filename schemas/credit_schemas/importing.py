"""One row of an older generation in, the cells of the dataset out (the words of an import map, carried out).

Nothing is done in silence: what is supplied or translated is a change, what is doubtful a warning, and what cannot be
brought over rejects the row, each at the cell the person wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .cells import EMPTY, NUMBER, controls_out, halfwidth, is_missing, plain
from .county_errors import UnknownUnit
from .forms import JOINED_BY
from .import_map import Case, ImportMap, OldColumn, Supply
from .masking import quote
from .personal import hide_resident_number
from .problems import Change, Problem, Severity
from .units import Unit, Units

# Longer texts in a column that is merely kept (codes, time stamps) are a slip; an event is no place for them.
KEPT_MAX = 200
WAN = Decimal(10_000)
# Bodies named in one file: a county has far fewer.
NAMES_REMEMBERED = 4096


@dataclass
class Imported:
    """A row in the dataset's columns.

    Attributes:
        cells: As a file of the dataset would have them; personal numbers in clear (memory only).
        origin: Column of the dataset to the old column whose cell it came from.
        kept: Texts of old columns that have no place in the dataset.
        refused: Columns the import itself rejects: their own rules have nothing to add.
    """

    cells: dict[str, Any] = field(repr=False)
    origin: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def tell(self, column: str, severity: Severity, text: str, **params: str) -> None:
        """Add a problem of the import."""
        self.problems.append(Problem(column, f"{column}.import", severity, text.format(**params)))
        if severity == "reject":
            self.refused.add(column)


class Importer:
    """Brings rows of an older generation over, for one reporting unit."""

    def __init__(self, generation: ImportMap, units: Units, own: Unit | None) -> None:
        """Prepare.

        Args:
            generation: What the rows are written in.
            units: The catalogue's units, for codes of the bodies named.
            own: The reporting unit; None when it is not in the catalogue.
        """
        self._generation = generation
        self._old = {c.code: c for c in generation.columns}
        # Cells whose place depends on the row come last: the row must stand before it can be asked.
        self._order = sorted(generation.columns, key=lambda c: any(case.when for case in c.cases))
        self._kinds = generation.dataset.column("kind") or ""
        self._units = units
        self._own = own
        # Looking for who might be meant by an unknown name is slow, and files repeat their names.
        self._codes: dict[str, str] = {}

    def row(self, cells: Mapping[str, Any]) -> Imported:
        """One row by the codes of its headings, old and new; a column the file does not have is absent."""
        out = Imported({code: cell for code, cell in cells.items() if code not in self._old})
        fed = set(out.cells)
        for column in self._order:
            if column.code in cells:
                fed.update(column.targets)
                _bring(out, column, cells[column.code])
        for supply in self._generation.supplies:
            if supply.column not in fed:
                self._supply(out, supply, cells)
        return out

    def _supply(self, out: Imported, supply: Supply, cells: Mapping[str, Any]) -> None:
        value, source = self._supplied(out, supply, cells)
        if value is None:
            return
        where = out.origin.get(source, source)
        if where:
            out.origin[supply.column] = where
        said = str(value)
        if value and supply.unit_of:
            value = self._code_of(said)
        if value:
            _fill(out, supply.column, value, where)
        if supply.warn if value else supply.missing:
            old = self._old.get(where)
            columns = self._generation.dataset.by_column
            params = {"name": old.cn if old else columns[where].cn if where else "", "value": quote(said)}
            params["cn"] = columns[supply.column].cn
            severity: Severity = "warn" if value else "reject"
            out.tell(supply.column, severity, supply.warn if value else supply.missing, **params)

    def _supplied(self, out: Imported, supply: Supply, cells: Mapping[str, Any]) -> tuple[Any, str]:
        """What a supply gives and the column it is taken from: empty when it looked and found none, None when it
        does not apply to this row."""
        if supply.own:
            return (str(getattr(self._own, supply.own)) or None if self._own else None), ""
        if supply.copy:
            source = next((c for c in supply.copy if text_of(cells.get(c))), "")
            return (cells[source] if source else ""), source
        if supply.unit_of:
            return text_of(out.cells.get(supply.unit_of)) or None, supply.unit_of
        if supply.amount_in:
            kinds = text_of(out.cells.get(self._kinds))
            if not any(kind in kinds for kind in supply.kinds):
                return None, ""
            return _amount(text_of(out.cells.get(supply.amount_in)), supply.pattern), supply.amount_in
        case = _first(out, supply.cases)
        return (case.value, case.source) if case else (None, "")

    def _code_of(self, name: str) -> str:
        """The unified code of the unit a name means; empty when the catalogue does not know it."""
        if name not in self._codes:
            if len(self._codes) >= NAMES_REMEMBERED:
                self._codes.clear()
            try:
                self._codes[name] = self._units.resolve(name).uscc
            except UnknownUnit:
                self._codes[name] = ""
        return self._codes[name]


def text_of(cell: Any) -> str:
    """A cell as text to compare, empty for the words that mean empty."""
    if cell is None or is_missing(cell):
        return ""
    if isinstance(cell, NUMBER) and not isinstance(cell, bool):
        return plain(cell)
    text = halfwidth(controls_out(str(cell))).strip()
    return "" if text in EMPTY else text


def _bring(out: Imported, column: OldColumn, cell: Any) -> None:
    text = text_of(cell)
    value = _translated(out, column, cell, text)
    if column.keep and text:
        out.kept[column.code] = hide_resident_number(text[:KEPT_MAX])
    if column.code in out.refused or not text_of(value):
        for target in column.targets[:1]:  # the empty cell, too, has an address
            out.cells.setdefault(target, None)
            out.origin.setdefault(target, column.code)
        return
    if column.join:
        before = out.cells.get(column.join)
        out.cells[column.join] = f"{before}{JOINED_BY}{value}" if text_of(before) else value
        out.origin.setdefault(column.join, column.code)
        return
    chosen = _first(out, column.cases)
    if chosen is None:
        return
    present = text_of(out.cells.get(chosen.to))
    if present and column.yields:
        return
    if present and present != text_of(value):
        out.tell(
            column.code,
            "reject",
            "「{name}」和另一列说的是同一件事，内容却不一样；请只留下正确的一列，再重新提交。",
            name=column.cn,
        )
        return
    out.cells[chosen.to] = value
    out.origin[chosen.to] = column.code
    for beside, constant in chosen.beside:
        if not text_of(out.cells.get(beside)):
            _fill(out, beside, constant, column.code)
    if chosen.warn:
        out.tell(chosen.to, "warn", chosen.warn, name=column.cn, value=quote(text))


def _translated(out: Imported, column: OldColumn, cell: Any, text: str) -> Any:
    """What a column's `values` make of its cell; problems are told at the old column."""
    if not column.values:
        return cell
    known = column.values.get(column.spelled.get(text, text))
    rule = known if known is not None else column.other
    if rule is None:
        return cell
    params = {"name": column.cn, "value": quote(text)}
    severities: tuple[Severity, ...] = ("warn", "reject")
    for severity in severities:
        if severity in rule:
            out.tell(column.code, severity, rule[severity], **params)
    value = rule.get("to")
    if value is not None and value != text:
        target = column.join or column.cases[0].to
        out.changes.append(Change(target, f"{target}.import", hide_resident_number(text), value))
        out.origin.setdefault(target, column.code)
    return value


def _amount(text: str, pattern: str) -> str:
    """The one amount a text tells, in 万元; empty when it tells none or several."""
    found = re.findall(pattern, text)
    if len(found) != 1:
        return ""
    number, ten_thousands = found[0]
    amount = Decimal(number.replace(",", ""))
    return plain(amount if ten_thousands else amount / WAN)


def _fill(out: Imported, column: str, value: Any, source: str) -> None:
    out.cells[column] = value
    if source:
        out.origin[column] = source
    out.changes.append(Change(column, f"{column}.import", "", hide_resident_number(str(value))))


def _first(out: Imported, cases: tuple[Case, ...]) -> Case | None:
    return next((case for case in cases if all(_holds(out, w) for w in case.when)), None)


def _holds(out: Imported, when: dict[str, Any]) -> bool:
    if "any_filled" in when:
        return any(text_of(out.cells.get(column)) for column in when["any_filled"])
    text = text_of(out.cells.get(when["column"]))
    return text.startswith(tuple(when["starts"])) if "starts" in when else text in when["in"]
