"""Reading the files of a county folder, keeping the line of everything so that a mistake can be pointed at."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from .county_errors import CountyDataError, Defect

_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")  # spreadsheets rewrite 2026-01-05 as 2026/1/5
_FLAGS = {"true": True, "是": True, "1": True, "false": False, "否": False, "0": False}


@dataclass
class Defects:
    """Collects the mistakes of one folder, so that they are told all at once."""

    folder: Path
    found: list[Defect] = field(default_factory=list)

    def add(self, file: str, line: int, column: str, message: str) -> None:
        """Notes one mistake."""
        self.found.append(Defect(file, line, column, message))

    def stop(self) -> None:
        """Raises CountyDataError when anything was noted."""
        if self.found:
            raise CountyDataError(str(self.folder), self.found)


@dataclass(frozen=True)
class Row:
    """One data line of a CSV file; `line` is where it starts in the file, counted from 1."""

    file: str
    line: int
    cells: dict[str, str]
    defects: Defects

    def bad(self, column: str, message: str) -> None:
        """Notes a mistake in this line."""
        self.defects.add(self.file, self.line, column, message)

    def text(self, column: str, *, required: bool = True) -> str:
        """The trimmed cell; an empty required one is a mistake."""
        value = self.cells.get(column, "").strip()
        if required and not value:
            self.bad(column, "不能为空。")
        return value

    def day(self, column: str) -> date | None:
        """The cell as a date; empty means no limit."""
        value = self.text(column, required=False)
        parts = _DATE.fullmatch(value)
        try:
            if parts:
                return date(*map(int, parts.groups()))
        except ValueError:
            parts = None
        if value:
            self.bad(column, f"“{value}”不是日期，请写成 2026-01-31 的样子，或留空表示不限。")
        return None

    def flag(self, column: str) -> bool:
        """The cell as true or false (是/否 and 1/0 are read as well)."""
        value = self.text(column)
        if value and value.casefold() not in _FLAGS:
            self.bad(column, f"“{value}”应为 true 或 false。")
        return _FLAGS.get(value.casefold(), False)


def _decoded(path: Path, defects: Defects) -> str | None:
    """File text; GB18030 is read too, since spreadsheet programs on Chinese Windows save CSV that way."""
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    defects.add(path.name, 0, "", "文字编码既不是 UTF-8 也不是 GB18030，请另存为 UTF-8。")
    return None


def read_table(
    path: Path, required: Iterable[str], optional: Iterable[str], defects: Defects, *, may_miss: bool
) -> list[Row]:
    """Data lines of a CSV file with a heading line, blank lines left out.

    Args:
        path: The file.
        required: Columns that must stand in the heading.
        optional: Further columns that may; any other is taken for a misspelling.
        defects: Where mistakes are noted.
        may_miss: True when a county may do without the file (then no rows).
    """
    if not path.is_file():
        if not may_miss:
            defects.add(path.name, 0, "", "缺少这个文件。")
        return []
    text = _decoded(path, defects)
    if text is None:
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    heading: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if heading is None:
                heading = [cell.strip() for cell in cells]
                if not _heading_fits(path.name, line, heading, set(required), set(optional), defects):
                    return []
            elif len(cells) != len(heading):
                defects.add(path.name, line, "", f"有 {len(cells)} 格，表头有 {len(heading)} 列，请检查逗号和引号。")
            else:
                rows.append(Row(path.name, line, dict(zip(heading, cells, strict=True)), defects))
    except csv.Error as error:
        defects.add(path.name, start, "", f"不是正确的 CSV（{error}），请检查引号。")
    if heading is None:
        defects.add(path.name, 1, "", "文件是空的，至少要有表头。")
    return rows


def _heading_fits(
    file: str, line: int, heading: list[str], required: set[str], optional: set[str], defects: Defects
) -> bool:
    """Whether the columns are the right ones; when not, the lines below are not worth judging."""
    before = len(defects.found)
    for column in sorted(required - set(heading)):
        defects.add(file, line, column, "表头缺少这一列。")
    for column in sorted(set(heading) - required - optional):
        known = "、".join(sorted(required | optional))
        defects.add(file, line, column, f"没有这一列；可用的列：{known}。")
    for column in sorted({c for c in heading if heading.count(c) > 1}):
        defects.add(file, line, column, "表头里这一列出现了两次。")
    return len(defects.found) == before


@dataclass(frozen=True)
class Toml:
    """A TOML file with the text kept, since the parser tells no lines for values."""

    file: str
    data: dict[str, Any]
    lines: tuple[str, ...]
    defects: Defects

    def line(self, table: str, index: int = 0, key: str = "") -> int:
        """Line of `key` in the `index`-th `[table]` or `[[table]]` (of its heading when the key is absent)."""
        seen, heading = -1, 0
        for number, text in enumerate(self.lines, 1):
            stripped = text.strip()
            if stripped.startswith("["):
                if seen == index:
                    break
                if re.match(rf"\[\[?\s*{re.escape(table)}\s*\]", stripped):
                    seen += 1
                    heading = number if seen == index else heading
            elif seen == index and key and re.match(rf"{re.escape(key)}\s*=", stripped):
                return number
        return heading

    def bad(self, table: str, index: int, key: str, message: str) -> None:
        """Notes a mistake at a key."""
        self.defects.add(self.file, self.line(table, index, key), key, message)

    def tables(self, name: str) -> list[dict[str, Any]]:
        """The array of tables `[[name]]`."""
        value = self.data.get(name, [])
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.defects.add(self.file, 0, name, f"应写成 [[{name}]]。")
        return []

    def table(self, name: str) -> dict[str, Any]:
        """The table `[name]`, empty when absent."""
        value = self.data.get(name, {})
        if isinstance(value, dict):
            return value
        self.defects.add(self.file, 0, name, f"应写成 [{name}]。")
        return {}

    def typed(self, table: str, index: int, values: dict[str, Any], kinds: dict[str, tuple[type, bool]]) -> bool:
        """Whether `values` has the required keys, each of its type, and no others; notes what is wrong.

        Args:
            table: Name of the table, for the line.
            index: Which of several tables of that name.
            values: What stands there.
            kinds: Key to (type, whether required).
        """
        before = len(self.defects.found)
        for key, (kind, required) in kinds.items():
            if key not in values:
                if required:
                    self.bad(table, index, key, "缺少这一项。")
            elif not _is(values[key], kind):
                self.bad(table, index, key, f"应为{_KINDS[kind]}。")
            elif required and values[key] in ("", []):
                self.bad(table, index, key, "不能为空。")
        for key in values:
            if key not in kinds:
                self.bad(table, index, key, f"没有这一项；可用的：{'、'.join(kinds)}。")
        return len(self.defects.found) == before


_KINDS: dict[type, str] = {
    str: "文字（加引号）",
    int: "整数",
    bool: "true 或 false",
    list: '文字列表，如 ["甲", "乙"]',
}


def _is(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def read_toml(path: Path, defects: Defects, *, may_miss: bool) -> Toml:
    """A TOML file; a missing one is empty when the county may do without it."""
    empty = Toml(path.name, {}, (), defects)
    if not path.is_file():
        if not may_miss:
            defects.add(path.name, 0, "", "缺少这个文件。")
        return empty
    text = _decoded(path, defects)
    if text is None:
        return empty
    try:
        return Toml(path.name, tomllib.loads(text), tuple(text.splitlines()), defects)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+), column (\d+)", str(error))
        line, column = (int(at[1]), f"{at[2]}（字符）") if at else (len(text.splitlines()), "")
        defects.add(path.name, line, column, f"不是正确的 TOML：{error}。")
        return empty
