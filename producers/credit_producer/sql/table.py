"""A table or query as checked rows: which column is which, and rows with addresses `列名@主键`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.import_map import ImportMap, import_map
from credit_schemas.rules import Context

from ..files import Cell, Fault, Heading, SourceRow
from ..files.headings import normal_heading
from ..files.model import Layout
from ..files.places import listed
from ..old_layouts import headings, layout, notices
from ..pipeline import CheckedRows, make_importer
from .cells import BadKey, cell, key_text, shown_key
from .database import Database
from .errors import SourceError
from .settings import SourceSettings


class _Plan(NamedTuple):
    """Database columns to read, the codes of all but the key and watermark behind them, and what was left out."""

    wanted: list[str]
    codes: list[str]
    keys: list[str]
    watermark: str | None
    left: list[str]


class TableSource:
    """The rows of one pass."""

    def __init__(self, database: Database, plan: _Plan, constants: dict[str, str], since: Any, zone: tzinfo) -> None:
        self._database = database
        self._plan = plan
        self._constants = {code: Cell(value, "text", "[constants]") for code, value in constants.items()}
        self._since = since
        self._zone = zone
        self.notices: list[str] = []

    def __iter__(self) -> Iterator[SourceRow]:
        """The rows, oldest watermark first. Raises SourceError when the database fails."""
        plan = self._plan
        seen: set[int] = set()
        width = len(plan.codes)
        found = self._database.rows(plan.wanted, plan.keys, plan.watermark, self._since)
        for number, values in enumerate(found, 1):
            parts = values[width : width + len(plan.keys)]
            mark = values[-1] if plan.watermark else None
            faults: list[Fault] = []
            try:
                key = key_text(parts)
            except BadKey as bad:
                key = shown_key(parts)
                faults.append(Fault(bad.code, bad.message, f"{'+'.join(plan.keys)}@{key}"))
            else:
                if hash(key) in seen:
                    said = f"主键 {key} 在这次读到的行里不止一个，无法辨认是哪一条；请换用唯一的列做 key，或检查查询。"
                    faults.append(Fault("key_twice", said, f"{'+'.join(plan.keys)}@{key}"))
                seen.add(hash(key))
            cells = dict(self._constants)
            for name, code, value in zip(plan.wanted, plan.codes, values, strict=False):
                cells[code], fault = cell(value, f"{name}@{key}", self._zone)
                if fault:
                    faults.append(fault)
            yield SourceRow(number, number, cells, tuple(faults), key, mark)

    def close(self) -> None:
        """Hang up."""
        self._database.close()


class CheckedTable(CheckedRows):
    """A database source that could be opened, as its outcomes in order."""

    def __init__(
        self,
        settings: SourceSettings,
        dataset: Dataset,
        context: Context,
        unit: str,
        catalogue: Catalogue,
        since: Any = None,
    ) -> None:
        """Connect and match the columns.

        Args:
            settings: what to read.
            dataset: what its rows are.
            context: what the rules may know (`pipeline.row_context`).
            unit: code of the unit.
            catalogue: of the county.
            since: watermark from which on to read; None for everything.

        Raises:
            SourceError: it cannot be read, or its columns do not make the dataset.
        """
        self.settings = settings
        generation = _generation(settings, dataset)
        database = Database(settings)
        try:
            plan = _plan(settings, dataset, generation, database)
        except BaseException:
            database.close()
            raise
        source = TableSource(database, plan, settings.constants, since, catalogue.county.zone)
        importer = make_importer(generation, unit, catalogue) if generation else None
        super().__init__(source, settings.source.shown, dataset, context, unit, importer=importer)
        if generation:
            source.notices += notices(generation, (*plan.codes, *settings.constants))
        if plan.left:
            source.notices.append(f"这些列没有对应的数据项，没有读取：{listed([f'“{c}”' for c in plan.left])}。")

    def source_key(self, key: str) -> str:
        """The department's own key of a row: tables of one department may count alike."""
        return f"{self.settings.source.name}:{key}"


def _generation(settings: SourceSettings, dataset: Dataset) -> ImportMap | None:
    name = settings.source.import_map
    if name is None:
        return None
    found = import_map(dataset, name)
    if found is None:
        raise SourceError("import_map", f"数据集“{dataset.cn}”没有名为“{name}”的旧列对照；请核对 source.import_map。")
    return found


def _plan(settings: SourceSettings, dataset: Dataset, generation: ImportMap | None, database: Database) -> _Plan:
    found = layout(generation) if generation else Layout("", "", tuple(headings(dataset)))
    by_name = {normal_heading(text): h.code for h in found.headings for text in (h.code, h.name, *h.aliases)}
    codes: dict[str, str] = {}
    for name, meant in settings.columns.items():
        column, code = database.column(name), by_name.get(normal_heading(meant))
        if column is None:
            raise SourceError("no_column", f"{settings.source.shown} 没有列“{name}”；请核对 columns 里的列名。")
        if code is None:
            raise SourceError("no_code", f"columns 里的“{meant}”不是“{dataset.cn}”的数据项；请写列代码或中文名称。")
        codes[column] = code
    for column in database.columns:
        code = by_name.get(normal_heading(column))
        if column not in codes and code is not None and code not in codes.values():
            codes[column] = code
    wrong = [code for code in settings.constants if code not in by_name.values()]
    if wrong:
        raise SourceError("no_code", f"constants 里的“{wrong[0]}”不是“{dataset.cn}”的列代码。")
    present = [*codes.values(), *settings.constants]
    twice = sorted({code for code in present if present.count(code) > 1})
    if twice:
        raise SourceError("twice", f"数据项 {'、'.join(twice)} 有两个来源；请在 columns、constants 里只留一个。")
    _complete(found, present)
    keys = [_named(database, settings, name, "key") for name in settings.source.key]
    mark = settings.source.watermark
    watermark = _named(database, settings, mark, "watermark") if mark else None
    behind = [*keys, *([watermark] if watermark else [])]
    left = [c for c in database.columns if c not in codes and c not in behind]
    return _Plan([*codes, *behind], list(codes.values()), keys, watermark, left)


def _named(database: Database, settings: SourceSettings, name: str, what: str) -> str:
    column = database.column(name)
    if column is None:
        raise SourceError("no_column", f"{settings.source.shown} 没有列“{name}”；请核对 source.{what}。")
    return column


def _complete(found: Layout, present: Sequence[str]) -> None:
    """Raises SourceError when a mandatory column is missing, or two columns stand for one."""
    names = {h.code: h.name for h in found.headings}
    needs = found.needs or tuple((h.code,) for h in found.headings if h.mandatory)
    missing = [_spoken(names, group[0]) for group in needs if not set(group) & set(present)]
    if missing:
        raise SourceError(
            "missing_column", f"缺少必填的数据项：{listed(missing, 40)}。请在 columns 里写明是哪一列，或在查询里补上。"
        )
    mixed = [f"{h.code} 和 {x}" for h in _present(found.headings, present) for x in h.excludes if x in present]
    if mixed:
        raise SourceError(
            "column_mix",
            f"{found.title}的列和现行标准的列说的是同一件事，不知道以哪个为准：{listed(mixed, 5)}。请只留一个。",
        )


def _present(found: Sequence[Heading], present: Sequence[str]) -> list[Heading]:
    return [h for h in found if h.code in present]


def _spoken(names: dict[str, str], code: str) -> str:
    return code if names[code] == code else f"“{names[code]}”（{code}）"
