"""Rows in, one outcome a row out, in a single pass: what `check` and `send` and the portal share.

A whole file is never held as rows: the reader keeps it compressed, and of the rows gone by only two digests stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.check import Checked
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import Dataset
from credit_schemas.forms import render
from credit_schemas.identifiers import uscc_problem
from credit_schemas.import_map import ImportMap, import_maps
from credit_schemas.importing import Imported, Importer
from credit_schemas.obligations import annex_rows
from credit_schemas.personal import discreet
from credit_schemas.problems import NOT_REPORTABLE, Problem, Severity, Verdict, verdict_of
from credit_schemas.rules import Context

from .attachments import AttachmentFolder, Held, check_with_files
from .files import FileRefused, OpenedFile, SourceRow, open_source
from .files.model import place_of
from .old_layouts import headings, layout
from .old_layouts import notices as layout_notices
from .repeats import REPEATED, Repeats

__all__ = ["REPEATED", "Altered", "CheckedFile", "CheckedRows", "Outcome", "Source", "Told", "headings", "row_context"]


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
    # The primary key of a database row; empty for a row of a file.
    key: str = ""
    # The department's own key of the record, and the row's watermark; None for a row of a file.
    source_key: str | None = None
    mark: object = None
    # The files the row names, found fit; empty for a rejected row.
    held: tuple[Held, ...] = ()

    @property
    def not_reportable(self) -> bool:
        """True for a row that by law must not be sent at all."""
        return not_reportable(self.checked)

    @property
    def where(self) -> str:
        """Where the row stands, as a clerk looks for it."""
        return place_of(self.line, self.key)


class Source(Protocol):
    """Rows to check, wherever they come from; closed when done with."""

    @property
    def notices(self) -> list[str]:
        """Remarks for a person, Chinese."""

    def __iter__(self) -> Iterator[SourceRow]:
        """The rows, in order."""

    def close(self) -> None:
        """Let go of the source."""


class CheckedRows:
    """Rows of a source as their outcomes, in order. A context manager; iterate it once."""

    def __init__(
        self,
        source: Source,
        name: str,
        dataset: Dataset,
        context: Context,
        unit: str,
        *,
        importer: Importer | None = None,
        folder: AttachmentFolder | None = None,
    ) -> None:
        """Prepare.

        Args:
            source: the rows.
            name: what outcomes call their source.
            dataset: what its rows are.
            context: what the rules may know (`row_context`).
            unit: code of the unit (part of the key of subjects without any number).
            importer: brings rows of an older generation over.
            folder: where the files are that rows name.
        """
        self.name = name
        self.dataset = dataset
        self._source = source
        self._context = context
        self._importer = importer
        self._folder = folder
        self._repeats = Repeats(dataset, unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    @property
    def rows(self) -> int | None:
        """How many data rows there are, where that is known."""
        return None

    @property
    def notices(self) -> list[str]:
        """Remarks on the source as a whole, Chinese."""
        return list(self._source.notices)

    def source_key(self, key: str) -> str | None:
        """The department's own key of a row with this primary key; None where rows have none."""
        return None

    def __iter__(self) -> Iterator[Outcome]:
        """Check row after row. Raises what reading the source raises."""
        for row in self._source:
            yield self._judge(row)

    def _judge(self, row: SourceRow) -> Outcome:
        cells = {column: cell.value for column, cell in row.cells.items()}
        if row.faults:
            # Positions or contents cannot be trusted: no rule is run and no value is shown.
            told = [Told("", fault.address, f"file.{fault.code}", "reject", fault.message) for fault in row.faults]
            problems = [Problem(t.column, t.rule, t.severity, t.message) for t in told]
            checked = Checked("reject", problems, [], {}, {})
            return Outcome(
                self.name, row.row, row.line, "reject", told, [], {}, checked, cells, key=row.key, mark=row.mark
            )
        imported = self._importer.row(cells) if self._importer else None
        brought = imported.cells if imported else cells
        checked, held = check_with_files(self.dataset, brought, self._context, self._folder)
        if imported:
            checked = _with_import(checked, imported)
        replaces = None
        # Acts on one record follow one another: none of them replaces an earlier one.
        if checked.verdict != "reject" and self.dataset.kind != "act":
            repeated, replaces = self._repeats.look(checked.values, row)
            if repeated:
                problems = [*checked.problems, repeated]
                checked = checked._replace(problems=problems, verdict=verdict_of(problems))
        origin = imported.origin if imported else {}
        return Outcome(
            file=self.name,
            row=row.row,
            line=row.line,
            verdict=checked.verdict,
            problems=[Told(p.column, self._address(row, origin, p.column), *p[1:]) for p in checked.problems],
            changes=[Altered(c.column, self._address(row, origin, c.column), *c[1:]) for c in checked.changes],
            normalised=shown(self.dataset, checked.verdict, checked.values),
            checked=checked,
            cells=cells,
            replaces=replaces,
            key=row.key,
            source_key=self.source_key(row.key),
            mark=row.mark,
            held=held if checked.verdict != "reject" else (),
        )

    def _address(self, row: SourceRow, origin: Mapping[str, str], column: str) -> str:
        """Where a column's cell stands; an imported or moved value's is where the person wrote it."""
        written = origin.get(column, column)
        cell = row.cells.get(written) or row.cells.get(self.dataset.moved_from.get(column, ""))
        return cell.address if cell else ""


class CheckedFile(CheckedRows):
    """A file that could be opened, as its outcomes in file order."""

    def __init__(
        self, path: Path, dataset: Dataset, context: Context, unit: str, catalogue: Catalogue | None = None
    ) -> None:
        """Read the file, in today's columns or those of an older generation.

        Args:
            path: .xlsx or CSV.
            dataset: what its rows are.
            context: what the rules may know (`row_context`).
            unit: code of the unit (part of the key of subjects without any number).
            catalogue: where an older generation's rows find codes of units; without it the one of CREDIT_COUNTY.

        Raises:
            FileRefused: the file is refused whole; one without a data row, too, lest "sent, 0 rows" pass for success.
        """
        generations = import_maps(dataset)
        self._file: OpenedFile = open_source(path, headings(dataset), layouts=[layout(g) for g in generations])
        if not self._file.rows:
            raise FileRefused("no_rows", "表头下面没有一行数据。请填写后保存，再提交。")
        self._generation = next((g for g in generations if g.id == self._file.layout), None)
        importer = make_importer(self._generation, unit, catalogue) if self._generation else None
        folder = AttachmentFolder(path.parent)
        super().__init__(self._file, str(path), dataset, context, unit, importer=importer, folder=folder)
        self.path = path

    @property
    def rows(self) -> int:
        """How many data rows there are."""
        return self._file.rows

    @property
    def notices(self) -> list[str]:
        """Remarks on the file as a whole, Chinese."""
        unknown = self._file.unknown_columns
        known = [f"这些列不在标准里，没有读取：{'、'.join(unknown)}。"] if unknown else []
        said = list(self._file.notices)
        if self._generation:
            said += layout_notices(self._generation, self._file.columns)
        return said if any(name in text for text in said for name in unknown) else said + known


def make_importer(generation: ImportMap, unit: str, catalogue: Catalogue | None = None) -> Importer:
    """What brings rows of an older generation over for a unit (by code)."""
    units = (catalogue or load_catalogue()).county.units
    try:
        return Importer(generation, units, units.get(unit))
    except UnknownUnit:
        return Importer(generation, units, None)


def _with_import(checked: Checked, imported: Imported) -> Checked:
    """A checked row with what its import has to say; a row that must not be sent at all keeps its one problem."""
    if not_reportable(checked):
        return checked
    problems = imported.problems + [p for p in checked.problems if p.column not in imported.refused]
    original = {**imported.kept, **checked.original}
    return checked._replace(
        problems=problems, verdict=verdict_of(problems), changes=imported.changes + checked.changes, original=original
    )


def row_context(catalogue: Catalogue, unit: str, dataset: Dataset, as_of: date | None = None) -> Context:
    """What the rules may know of a unit's rows of a dataset: the day, the unit's own code, whom it may report for.

    A unit outside the catalogue has no code of its own to compare.
    """
    county = catalogue.county
    today = as_of or datetime.now(county.zone).date()
    rows = annex_rows(county.obligations)
    try:
        return Context(today, county.units.get(unit).uscc, county.mandated(unit, dataset.id, today), rows)
    except UnknownUnit:
        return Context(today, annex_rows=rows)


def shown(dataset: Dataset, verdict: Verdict, typed: dict[str, Any]) -> dict[str, str]:
    """The values of a row as a person may see them: personal numbers masked.

    In a rejected row the columns may be shifted: there an ID number is masked wherever it stands, except that a sound
    unified code is no ID number even if it has digits only.
    """
    values = render(dataset.fields, typed)
    if verdict != "reject":
        return values
    return {c: v if uscc_problem(v) is None else discreet(v) for c, v in values.items()}


def not_reportable(checked: Checked) -> bool:
    """True for a row that by law must not be sent at all."""
    return any(p.rule == NOT_REPORTABLE for p in checked.problems)
