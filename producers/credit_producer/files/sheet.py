"""One worksheet as a stream of raw rows: true types, every row, one bad cell costs one row.

The `dimension` element is never believed, rows out of order and rows or cells without a reference are read as
Excel would place them, hidden rows are read and marked. A row or column beyond Excel's own limits refuses the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from .model import FileRefused
from .places import MAX_SHEET_COLUMNS, MAX_SHEET_ROWS, column_index, column_letters
from .strings import SharedStrings, tags, unescape
from .styles import date_of
from .table import RawRow
from .wire import Value, WireFault
from .xml_stream import Attributes, feed, new_parser

_TAGS = tags("sheetData", "row", "c", "v", "t", "is", "rPh", "f", "mergeCell", "col")
_INTEGER = re.compile(r"-?[0-9]{1,15}")  # beyond 15 digits Excel itself no longer knows the number
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAMAGED = "请用 Excel 或 WPS 打开，另存为新的 .xlsx 后再提交。"


@dataclass(frozen=True, slots=True)
class Book:
    """What the sheets of one workbook share."""

    strings: SharedStrings
    date_styles: frozenset[int]
    date1904: bool
    cell_chars: int


@dataclass(slots=True)
class SheetFacts:
    """What is learnt while reading; complete when the rows are exhausted."""

    rows_seen: int = 0  # every <row> the parser met, wherever it stood
    rows_given: int = 0
    out_of_order: int = 0
    uncached: list[str] = field(default_factory=list)  # formula cells without a stored result
    merged: list[tuple[str, int]] = field(default_factory=list)  # reference, last line; the first ones
    merged_count: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)


class _Damaged(Exception):
    """A cell that cannot be read; `code` and Chinese `reason` for its row."""

    retriable = False

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Handlers:
    """Expat's call-backs for one sheet; finished rows wait in `ready` until the chunk is drained.

    They run five times a cell, 15 million times for 100,000 rows: hence cells are opened and closed in place.
    """

    def __init__(self, book: Book, facts: SheetFacts) -> None:
        self.book = book
        self.facts = facts
        self.ready: list[RawRow] = []
        self._in_data = self._in_row = self._in_cell = self._taking = self._phonetic = self._formula = False
        self._line = 0
        self._column = -1
        self._hidden = False
        self._cell: Attributes = {}
        self._values: dict[int, Value] = {}
        self._faults: list[WireFault] = []
        self._pieces: list[str] = []
        self._size = 0

    def start(self, name: str, attributes: Attributes) -> None:
        tag = _TAGS.get(name)
        if tag == "c":
            if self._in_row:
                reference = attributes.get("r")
                column = self._column + 1 if reference is None else column_index(reference.rstrip("0123456789"))
                if not 0 <= column < MAX_SHEET_COLUMNS:
                    raise FileRefused(
                        "out_of_bounds", f"表格里出现了 Excel 不存在的列号，文件已损坏或被篡改。{_DAMAGED}"
                    )
                self._column = column
                self._cell = attributes
                self._in_cell = True
                self._formula = False
        elif tag == "v" or tag == "t":
            self._taking = self._in_cell and not self._phonetic
        elif tag == "row":
            self.facts.rows_seen += 1
            if self._in_data:
                self._open_row(attributes)
        elif tag == "f":
            self._formula = True
        elif tag == "rPh":
            self._phonetic = True
        elif tag == "sheetData":
            self._in_data = True
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))
        elif tag == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal() and len(self.facts.hidden_columns) < MAX_SHEET_COLUMNS:
                self.facts.hidden_columns.append((int(first) - 1, int(last) - 1))

    def end(self, name: str) -> None:
        tag = _TAGS.get(name)
        if tag == "v" or tag == "t":
            self._taking = False
        elif tag == "c":
            if self._in_cell:
                self._in_cell = False
                if self._pieces:
                    text = "".join(self._pieces)
                    self._pieces.clear()
                    self._size = 0
                    self._keep(text)
                elif self._formula and self._cell.get("t") != "str":  # "str" without text: the result is empty
                    self.facts.uncached.append(self._where())
        elif tag == "row":
            if self._in_row:
                self._close_row()
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "sheetData":
            self._in_data = False

    def text(self, piece: str) -> None:
        if self._taking and self._size <= self.book.cell_chars:
            self._pieces.append(piece[: self.book.cell_chars + 1 - self._size])
            self._size += len(piece)

    def _open_row(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        if reference is None:
            line = self._line + 1
        else:
            line = int(reference) if reference.isascii() and reference.isdigit() and len(reference) < 12 else 0
        if not 1 <= line <= MAX_SHEET_ROWS:
            raise FileRefused("out_of_bounds", f"表格里出现了 Excel 不存在的行号，文件已损坏或被篡改。{_DAMAGED}")
        if line <= self._line:
            self.facts.out_of_order += 1
        self._line = line
        self._column = -1
        self._hidden = attributes.get("hidden") in ("1", "true")
        self._in_row = True

    def _where(self) -> str:
        return f"{column_letters(self._column)}{self._line}"

    def _keep(self, text: str) -> None:
        """The value of the cell that just ended, or the fault of its row."""
        values = self._values
        if self._column in values:
            where = self._where()
            self._faults.append(
                ("cell_twice", f"单元格 {where} 在文件里出现了两次，无法确定以哪个为准。{_DAMAGED}", where)
            )
            return
        try:
            value = _value(self._cell.get("t", "n"), self._cell.get("s", ""), text, self.book)
        except _Damaged as damaged:
            where = self._where()
            self._faults.append((damaged.code, f"单元格 {where} {damaged.reason}", where))
            value = ["e", None]
        if value != "":
            values[self._column] = value

    def _close_row(self) -> None:
        self._in_row = False
        self.facts.rows_given += 1
        self.ready.append(RawRow(self._line, self._values, self._faults, hidden=self._hidden))
        self._values = {}
        self._faults = []

    def _merge(self, reference: str) -> None:
        last = reference.rpartition(":")[2].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ$")
        self.facts.merged_count += 1
        if len(self.facts.merged) < 1000 and last.isdecimal() and len(last) < 12:
            self.facts.merged.append((reference[:30], int(last)))


def _value(kind: str, style: str, text: str, book: Book) -> Value:
    if kind == "s":
        try:
            text = book.strings[int(text)]
        except (ValueError, IndexError):
            raise _Damaged("cell_damaged", f"的内容在文件里找不到。{_DAMAGED}") from None
    elif kind in ("str", "inlineStr"):
        text = unescape(text) if "_x" in text else text
    else:
        return _typed(kind, style, text.strip(), book)
    if len(text) > book.cell_chars:
        raise _Damaged("cell_too_long", f"的文字超过 {book.cell_chars} 个字符。请缩短后再提交。")
    return text


def _typed(kind: str, style: str, text: str, book: Book) -> Value:
    if kind == "n":
        if _INTEGER.fullmatch(text):
            number: int | float = int(text)
        elif len(text) < 400 and _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
            number = float(text)
            if number.is_integer() and abs(number) < 1e15:
                number = int(number)
        else:
            raise _Damaged("cell_damaged", f"应是数字，但文件里存的不是数字。{_DAMAGED}")
        styled = style.isascii() and style.isdigit() and len(style) < 9
        return date_of(number, book.date1904) if styled and int(style) in book.date_styles else number
    if kind == "b" and text in ("0", "1", "true", "false"):
        return text in ("1", "true")
    if kind == "e":
        return ["e", text[:20]]
    if kind == "d":
        match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.\d+)?Z?)?", text, re.ASCII)
        if match:
            return ["d", match[1]] if match[2] in (None, "00:00:00") else ["t", f"{match[1]}T{match[2]}"]
    raise _Damaged("cell_damaged", f"的类型或内容无法识别。{_DAMAGED}")


def sheet_rows(stream: IO[bytes], book: Book, facts: SheetFacts) -> Iterator[RawRow]:
    """The rows of a worksheet part, in file order; `facts` fills up on the way.

    Raises:
        FileRefused: `out_of_bounds`, `doctype`, `markup_too_long`.
    """
    handlers = _Handlers(book, facts)
    parser = new_parser()
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.text
    for _ in feed(parser, stream):
        yield from handlers.ready
        handlers.ready.clear()
