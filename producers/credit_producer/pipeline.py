"""A file in, one outcome a row out, in a single pass: what `check` and `send` and the portal share.

The whole file is never held as rows: the reader keeps it compressed, and of the rows gone by only two digests stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from credit_schemas.catalogue import Catalogue
from credit_schemas.check import Checked, check_row
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import Dataset
from credit_schemas.forms import render
from credit_schemas.identifiers import uscc_problem
from credit_schemas.keys import content_digest, producer_key
from credit_schemas.personal import discreet
from credit_schemas.problems import NOT_REPORTABLE, Problem, Severity, Verdict, verdict_of
from credit_schemas.rules import Context

from .files import FileRefused, Heading, OpenedFile, SourceRow, open_source

REPEATED = "file.repeated_key"


class Told(NamedTuple):
    """A problem with the address of its cell (`C7`, `第7行第3列`; empty where the file has no such column)."""

    column: str
    cell: str
    rule: str
    severity: Severity
    message: str


class Altered(NamedTuple):
    """A value that normalisation changed, with the address of its cell; personal values are masked."""

    column: str
    cell: str
    rule: str
    before: str
    after: str


@dataclass(frozen=True)
class Outcome:
    """What the check says of one data row. `checked` and `cells` hold personal numbers in clear: memory only."""

    file: str
    row: int
    line: int
    verdict: Verdict
    problems: list[Told]
    changes: list[Altered]
    normalised: dict[str, str]
    checked: Checked = field(repr=False)
    cells: Mapping[str, Any] = field(repr=False)
    # The data row that said something else of the same record; this one counts.
    replaces: int | None = None

    @property
    def not_reportable(self) -> bool:
        """True for a row that by law must not be sent at all."""
        return not_reportable(self.checked)


def headings(dataset: Dataset) -> list[Heading]:
    """The headings a file of this dataset may have."""
    return [Heading(f.column, f.cn, mandatory=f.mandatory) for f in dataset.file_fields]


class CheckedFile:
    """A file that could be opened, as its outcomes in file order. A context manager; iterate it once."""

    def __init__(self, path: Path, dataset: Dataset, context: Context, unit: str) -> None:
        """Read the file.

        Args:
            path: .xlsx or CSV.
            dataset: what its rows are.
            context: what the rules may know (`row_context`).
            unit: code of the unit (part of the key of subjects without any number).

        Raises:
            FileRefused: the file is refused whole; one without a data row, too, lest "sent, 0 rows" pass for success.
        """
        self.path = path
        self.dataset = dataset
        self._context = context
        self._source: OpenedFile = open_source(path, headings(dataset))
        if not self._source.rows:
            raise FileRefused("no_rows", "表头下面没有一行数据。请填写后保存，再提交。")
        self._repeats = _Repeats(dataset, unit)

    def __enter__(self) -> CheckedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    @property
    def rows(self) -> int:
        """How many data rows there are."""
        return self._source.rows

    @property
    def notices(self) -> list[str]:
        """Remarks on the file as a whole, Chinese."""
        unknown = self._source.unknown_columns
        known = [f"这些列不在标准里，没有读取：{'、'.join(unknown)}。"] if unknown else []
        said = list(self._source.notices)
        return said if any(name in text for text in said for name in unknown) else said + known

    def __iter__(self) -> Iterator[Outcome]:
        """Check row after row. Raises FileRefused `rows_lost` if the reader lost one."""
        for row in self._source:
            yield self._judge(row)

    def _judge(self, row: SourceRow) -> Outcome:
        cells = {column: cell.value for column, cell in row.cells.items()}
        if row.faults:
            # Positions or contents cannot be trusted: no rule is run and no value is shown.
            told = [Told("", fault.address, f"file.{fault.code}", "reject", fault.message) for fault in row.faults]
            problems = [Problem(t.column, t.rule, t.severity, t.message) for t in told]
            checked = Checked("reject", problems, [], {}, {})
            return Outcome(str(self.path), row.row, row.line, "reject", told, [], {}, checked, cells)
        checked = check_row(self.dataset, cells, self._context)
        replaces = None
        if checked.verdict != "reject":
            repeated, replaces = self._repeats.look(checked.values, row)
            if repeated:
                problems = [*checked.problems, repeated]
                checked = checked._replace(problems=problems, verdict=verdict_of(problems))
        return Outcome(
            file=str(self.path),
            row=row.row,
            line=row.line,
            verdict=checked.verdict,
            problems=[Told(p.column, self._address(row, p.column), *p[1:]) for p in checked.problems],
            changes=[Altered(c.column, self._address(row, c.column), *c[1:]) for c in checked.changes],
            normalised=shown(self.dataset, checked),
            checked=checked,
            cells=cells,
            replaces=replaces,
        )

    def _address(self, row: SourceRow, column: str) -> str:
        """Where a column's cell stands; a moved value's is where the person wrote it."""
        cell = row.cells.get(column) or row.cells.get(self.dataset.moved_from.get(column, ""))
        return cell.address if cell else ""


def row_context(catalogue: Catalogue, unit: str, dataset: Dataset, as_of: date | None = None) -> Context:
    """What the rules may know of a unit's rows of a dataset: the day, the unit's own code, whom it may report for.

    A unit outside the catalogue has no code of its own to compare.
    """
    county = catalogue.county
    today = as_of or datetime.now(county.zone).date()
    try:
        return Context(today, county.units.get(unit).uscc, county.mandated(unit, dataset.id, today))
    except UnknownUnit:
        return Context(today)


def shown(dataset: Dataset, checked: Checked) -> dict[str, str]:
    """The values of a row as a person may see them: personal numbers masked.

    In a rejected row the columns may be shifted: there an ID number is masked wherever it stands, except that a sound
    unified code is no ID number even if it has digits only.
    """
    values = render(dataset.fields, checked.values)
    if checked.verdict != "reject":
        return values
    return {c: v if uscc_problem(v) is None else discreet(v) for c, v in values.items()}


def not_reportable(checked: Checked) -> bool:
    """True for a row that by law must not be sent at all."""
    return any(p.rule == NOT_REPORTABLE for p in checked.problems)


class _Repeats:
    """Finds the record that stands twice in a file (STANDARDS 9, row 2)."""

    def __init__(self, dataset: Dataset, unit: str) -> None:
        self._dataset = dataset
        self._unit = unit
        # Drawn for this pass only: the digests never leave memory.
        self._salt = secrets.token_bytes(16)
        self._seen: dict[bytes, tuple[int, int, bytes]] = {}
        self._column = dataset.column("document.no") or dataset.fields[0].column

    def look(self, values: dict[str, Any], row: SourceRow) -> tuple[Problem | None, int | None]:
        """A warning when an earlier accepted row has the same natural key, and its number if its content differs.

        This row is then the one that counts.
        """
        key = bytes.fromhex(producer_key(self._salt, self._dataset, values, self._unit, None).decode())
        content = content_digest(self._salt, self._dataset, values)[:16]
        earlier = self._seen.get(key)
        self._seen[key] = (row.row, row.line, content)
        if earlier is None:
            return None, None
        number, line, before = earlier
        both = f"第 {number} 条（第 {line} 行）和第 {row.row} 条（第 {row.line} 行）是同一条记录"
        end = "内容相同，只算一条" if before == content else "内容不同，以后面这条为准"
        warning = Problem(self._column, REPEATED, "warn", f"{both}，{end}；请核对是否重复填写。")
        return warning, None if before == content else number
