"""From the raw rows of a sheet or text file to numbered data rows under one heading row.

Everything that is left out is counted and said: rows above the heading, repeated headings, columns nobody knows.
Wholly empty rows are the one exception; they are no data and take no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .footer import MOST, word_of_footer
from .headings import HeadingRow, Matcher, is_repeated
from .layouts import read_heading
from .model import FileRefused, Limits
from .places import FileKind, address, listed
from .wire import FrameWriter, Layout, Value, WireFault


class RawRow(NamedTuple):
    """A physical row: its line, the non-empty values by column (from 0), faults.

    `width` is the number of fields (text files), None where rows have no width. `broken` says that positions
    cannot be trusted, so no cell is handed out. `hidden` as in the sheet.
    """

    line: int
    cells: dict[int, Value]
    faults: list[WireFault]
    width: int | None = None
    broken: bool = False
    hidden: bool = False


def is_blank(value: Value) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


class Table:
    """Takes raw rows after the heading row, writes data rows, remembers what a person must be told."""

    def __init__(
        self,
        kind: FileKind,
        heading: HeadingRow,
        width: int | None,
        matcher: Matcher,
        limits: Limits,
        matchers: Sequence[Matcher],
    ) -> None:
        if len(heading.columns) + len(heading.unknown) > limits.columns:
            raise FileRefused("too_many_columns", f"表头超过 {limits.columns} 列。请删去多余的列后重新提交。")
        self.kind = kind
        self.heading = heading
        self.first = heading
        self.width = width
        self.matcher = matcher
        self.matchers = matchers
        self.limits = limits
        self.layout: Layout = tuple(heading.columns.items())
        self.disordered = 0  # line of a repeated heading that could not be followed; 0: none
        self.hidden: list[int] = []
        self.repeated: list[int] = []
        self.remapped: list[int] = []
        self.stray: list[str] = []
        self.stray_count = 0
        self.only_unknown: list[int] = []
        self.footers: dict[int, str] = {}  # line → the word that shows it

    def take(self, rows: Iterable[RawRow], out: FrameWriter) -> None:
        below: list[tuple[RawRow, str]] = []  # perhaps a footer: held back until it is clear that no data follows
        for raw in rows:
            filled = sorted(column for column, value in raw.cells.items() if not is_blank(value))
            if not filled and not raw.faults:
                continue
            word = word_of_footer([raw.cells[c] for c in filled], len(self.heading.columns))
            if word and out.written and len(below) < MOST:
                below.append((raw, word))
                continue
            for held, _ in below:
                self._take(held, out)
            below.clear()
            self._take(raw, out)
        self.footers = {raw.line: word for raw, word in below}

    def _take(self, raw: RawRow, out: FrameWriter) -> None:
        cells = raw.cells
        filled = [column for column, value in cells.items() if not is_blank(value)]
        if not raw.broken and self._repeats_heading(raw):
            return
        faults = list(raw.faults)
        broken = raw.broken
        if self.disordered:
            broken = True
            faults.append(
                (
                    "heading_order",
                    f"第{self.disordered}行又出现一行表头，但列不全、有重复，或是另一种标准的列名，无法确定本行各列的含义。请拆成两个文件提交。",
                    "",
                )
            )
        elif not broken and self._misaligned(raw, filled):
            broken = True
            faults.append(
                (
                    "field_count",
                    f"本行有 {raw.width} 个字段，表头有 {self.width} 个，各列可能已错位。"
                    "请检查本行是否多了或少了分隔符，含分隔符的内容要用英文双引号括起来。",
                    "",
                )
            )
        known = set(self.heading.columns.values())
        if not broken:
            for column in filled:
                if column not in known and column not in self.heading.unknown:
                    self.stray_count += 1
                    if len(self.stray) < 3:
                        self.stray.append(address(self.kind, column, raw.line))
            if not faults and known.isdisjoint(filled):
                self.only_unknown.append(raw.line)
                return
        if out.written >= self.limits.rows:
            raise FileRefused(
                "too_many_rows", f"数据超过 {self.limits.rows} 行。请拆分成几个文件，每个都带表头，分别提交。"
            )
        if raw.hidden:
            self.hidden.append(raw.line)
        get = cells.get
        out.row(self.layout, raw.line, None if broken else [get(c) for _, c in self.layout], faults)

    def _misaligned(self, raw: RawRow, filled: list[int]) -> bool:
        """Fewer fields than the heading, or something filled in beyond it (empty trailing fields are harmless)."""
        if raw.width is None or self.width is None or raw.width == self.width:
            return False
        return raw.width <= self.heading.last or max(filled, default=0) >= self.width

    def _repeats_heading(self, raw: RawRow) -> bool:
        found = is_repeated(raw.cells, self.heading, self.matcher)
        if found is None:
            return self._foreign_heading(raw)
        if {code: column for column, code in found.items()} == dict(self.heading.columns):
            self.repeated.append(raw.line)
            self.disordered = 0
            return True
        try:
            layout, heading = read_heading(raw.line, raw.cells, self.matchers, self.kind)
        except FileRefused:
            self.disordered = raw.line
            return True
        if layout is not self.matcher:
            self.disordered = raw.line
            return True
        self.heading = heading
        self.disordered = 0
        self.layout = tuple(self.heading.columns.items())
        self.width = raw.width
        self.remapped.append(raw.line)
        return True

    def _foreign_heading(self, raw: RawRow) -> bool:
        """Whether a row is a heading row of another layout (files joined that were written by different standards)."""
        if not any(is_repeated(raw.cells, self.heading, other) for other in self.matchers if other is not self.matcher):
            return False
        self.disordered = raw.line
        return True

    def notices(self) -> list[str]:
        """What the person should know about what was read and what was left out, in Chinese."""
        said = []
        if self.first.unknown:
            names = [f"“{text}”（{address(self.kind, c, self.first.line)}）" for c, text in self.first.unknown.items()]
            said.append(f"有 {len(names)} 列无法识别，内容未读取：{listed(names)}。列名写错时请改正后重新提交。")
        if self.repeated:
            said.append(f"第 {listed(self.repeated)} 行是重复的表头，已跳过。")
        if self.remapped:
            said.append(f"第 {listed(self.remapped)} 行是列顺序不同的表头，其后各行已按新的顺序读取。")
        if self.hidden:
            said.append(f"有 {len(self.hidden)} 行处于隐藏状态，已照常读取：第 {listed(self.hidden)} 行。")
        if self.only_unknown:
            said.append(
                f"有 {len(self.only_unknown)} 行只在无法识别的列里有内容，已当作空行跳过："
                f"第 {listed(self.only_unknown)} 行。"
            )
        if self.footers:
            words = dict.fromkeys(f"“{word}”" for word in self.footers.values())
            said.append(
                f"数据下面的第 {listed(list(self.footers))} 行是表尾（{listed(list(words))}），没有当作数据读取。"
            )
        if self.stray_count:
            said.append(
                f"有 {self.stray_count} 个单元格在没有列名的列里，内容未读取：{listed(self.stray)}"
                f"{' 等' if self.stray_count > len(self.stray) else ''}。"
            )
        return said
