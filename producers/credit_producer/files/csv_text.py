"""Reading CSV: encoding, separator and heading row found together, then record by record.

Python's csv module would lose the rest of the file at a long field and swallow following rows after an unclosed
quote (TRAPS, "Files from people"), so records are cut here, by RFC 4180 with the leniency people need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .csv_lines import MAX_LINE, NAMES, REPLACED, Lines, choose_encoding, wrong_encoding
from .headings import SEARCH_ROWS, HeadingRow, Matcher, best_heading, known_headings
from .layouts import read_heading
from .model import FileRefused, Limits
from .table import RawRow, Table
from .wire import FrameWriter, Value, WireFault

_DELIMITERS = {",": "逗号", ";": "分号", "\t": "制表符"}
# A cell with line breaks: facts of an offence run to some 40 lines. Beyond it a quote is taken as never closed.
_MAX_CELL_LINES = 60
_NARROW = 4  # from this width on, a line with exactly the heading's number of fields is a row, not part of a cell


def split_record(text: str, delimiter: str) -> tuple[list[str], bool, bool]:
    """Cut one record into fields.

    Returns:
        The fields; whether the text ends inside quotes; whether something stands between a closing quote and the
        next separator. A quote inside an unquoted field is an ordinary character (5" 水管).
    """
    if '"' not in text:
        return text.split(delimiter), False, False
    fields: list[str] = []
    at, ragged = 0, False
    while True:
        if text.startswith('"', at):
            end = at + 1
            while True:
                end = text.find('"', end)
                if end < 0:
                    fields.append(text[at + 1 :].replace('""', '"'))
                    return fields, True, ragged
                if not text.startswith('"', end + 1):
                    break
                end += 2
            value = text[at + 1 : end].replace('""', '"')
            after = text.find(delimiter, end + 1)
            rest = text[end + 1 :] if after < 0 else text[end + 1 : after]
            ragged = ragged or bool(rest.strip(" "))
            fields.append(value + rest.rstrip(" "))
        else:
            after = text.find(delimiter, at)
            fields.append(text[at:] if after < 0 else text[at:after])
        if after < 0:
            return fields, False, ragged
        at = after + 1


def records(lines: Lines, delimiter: str, heading_width: Callable[[], int | None], cell_chars: int) -> Iterator[RawRow]:
    """Records as raw rows. `heading_width` tells the heading's number of fields as it is at that moment (a joined
    file may bring a new heading), None while the heading is being searched for.

    An unclosed quote costs one row: the lines it would have swallowed are read again as rows of their own.
    """
    while (text := lines.next_line()) is not None:
        line = lines.number
        if line in lines.too_long:
            yield RawRow(
                line, {}, [("line_too_long", f"第{line}行太长，无法读取。请检查换行和双引号。", "")], broken=True
            )
            continue
        record = _strip_end(text)
        fields, open_quote, ragged = split_record(record, delimiter)
        if open_quote:
            joined = _join(lines, text, delimiter, heading_width())
            if joined is None:
                yield RawRow(line, {}, [_unclosed(line)], len(fields), broken=True)
                continue
            record, (fields, _, ragged) = joined, split_record(joined, delimiter)
        if ragged:
            yield RawRow(line, {}, [_unclosed(line)], len(fields), broken=True)
            continue
        yield _raw_row(line, record, fields, cell_chars)


def _no_width() -> None:
    return None


def _raw_row(line: int, record: str, fields: list[str], cell_chars: int) -> RawRow:
    faults: list[WireFault] = []
    cells: dict[int, Value] = {column: value for column, value in enumerate(fields) if value}
    if REPLACED in record:
        faults.append(
            (
                "undecodable",
                f"第{line}行有无法识别的字符（编码错误或已丢失的字）。请在原系统里重新导出或改正这一行。",
                "",
            )
        )
    if "\x00" in record:
        faults.append(("nul", f"第{line}行含有空字节（NUL），文件可能已损坏。请重新导出。", ""))
    if len(record) > cell_chars:
        for column, value in cells.items():
            if isinstance(value, str) and len(value) > cell_chars:
                where = f"第{line}行第{column + 1}列"
                faults.append(("cell_too_long", f"{where}的文字超过 {cell_chars} 个字符。请缩短后再提交。", where))
                cells[column] = ["e", None]
    return RawRow(line, cells, faults, len(fields))


def _strip_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text[:-1] if text.endswith(("\n", "\r")) else text


def _unclosed(line: int) -> WireFault:
    return (
        "unclosed_quote",
        f"第{line}行的双引号没有成对，本行无法读取（后面各行不受影响）。"
        '请补上缺少的双引号；内容里的双引号要写两个（""），或改用中文引号“”。',
        "",
    )


def _join(lines: Lines, text: str, delimiter: str, width: int | None) -> str | None:
    """Lengthen `text` by the lines up to its closing quote; None (and nothing consumed) if that is no sound record.

    It is none if the quote closes too late or never, if the record is ragged or has another number of fields than
    the heading, or if a swallowed line would by itself be a whole row.
    """
    taken: list[str] = []
    joined = text
    while len(taken) < _MAX_CELL_LINES and len(joined) <= MAX_LINE:
        following = lines.next_line()
        if following is None:
            break
        taken.append(following)
        if lines.number in lines.too_long:
            break
        # An odd number of quotes: here ends the quoted cell (perhaps), so this is no row of its own.
        closing = following.count('"') % 2 == 1
        if width is not None and width >= _NARROW and not closing:
            own, still_open, ragged = split_record(_strip_end(following), delimiter)
            if len(own) == width and not still_open and not ragged:
                break
        joined += following
        if closing:
            record = _strip_end(joined)
            fields, still_open, ragged = split_record(record, delimiter)
            if ragged:
                break
            if not still_open:
                if width is None or len(fields) == width:
                    return record
                break
    lines.push_back(taken)
    return None


class _Found(NamedTuple):
    """Separator, the heading's index among the records, its layout, the heading, its width, whether text is above."""

    delimiter: str
    at: int
    matcher: Matcher
    heading: HeadingRow
    width: int
    above: bool


def _find(path: Path, encoding: str, matchers: Sequence[Matcher], limits: Limits) -> _Found | None:
    best: tuple[int, str, int, list[RawRow]] | None = None
    for delimiter in _DELIMITERS:
        lines = Lines(path, encoding)
        try:
            first = list(islice(records(lines, delimiter, _no_width, limits.cell_chars), SEARCH_ROWS))
        finally:
            lines.close()
        at = best_heading([row.cells for row in first], matchers)
        if at is not None:
            known = known_headings(first[at].cells, matchers)
            if best is None or known > best[0]:
                best = (known, delimiter, at, first)
    if best is None:
        return None
    _, delimiter, at, first = best
    chosen = first[at]
    matcher, heading = read_heading(chosen.line, chosen.cells, matchers, "csv")
    return _Found(delimiter, at, matcher, heading, chosen.width or 0, any(row.cells for row in first[:at]))


def read_csv(path: Path, matchers: Sequence[Matcher], limits: Limits, out: FrameWriter) -> tuple[Table, list[str]]:
    """Write the data rows of a text file; return its table and the notices.

    Raises:
        FileRefused: `wrong_encoding`, `no_heading`, and those of the heading row.
    """
    encoding = choose_encoding(path)
    found = _find(path, encoding, matchers, limits)
    if found is None:
        if encoding == "gb18030" and not _looks_chinese(path):
            raise wrong_encoding()
        raise FileRefused(
            "no_heading",
            f"前 {SEARCH_ROWS} 行里没有找到表头。请检查第一行是不是列名、列名是否与模板一致、"
            "分隔符是不是逗号，再重新提交。",
        )
    delimiter, at, matcher, heading, width, above = found
    table = Table("csv", heading, width, matcher, limits, matchers)
    lines = Lines(path, encoding)
    try:
        # The rows above the heading are cut without a width, exactly as when the heading was found.
        for _ in islice(records(lines, delimiter, _no_width, limits.cell_chars), at + 1):
            pass
        table.take(records(lines, delimiter, lambda: table.width, limits.cell_chars), out)
    finally:
        lines.close()
    said = [f"按 {NAMES[encoding]} 编码、{_DELIMITERS[delimiter]}分隔读取，表头在第 {heading.line} 行。"]
    if above:
        said.append(f"表头上面的 {heading.line - 1} 行没有当作数据读取。")
    return table, said + table.notices()


def _looks_chinese(path: Path) -> bool:
    """Whether GB18030 makes everyday characters of the file's start: mojibake falls into the rare upper half.

    The first level of GB 2312 (lead bytes B0-D7, ordered by pronunciation) holds the 3,755 everyday characters.
    """
    with path.open("rb") as handle:
        text = handle.read(1 << 16).decode("gb18030", "replace")
    han = [char for char in text if "\u4e00" <= char <= "\u9fff"]
    everyday = 0
    for char in han:
        code = char.encode("gb18030")
        everyday += len(code) == 2 and 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1
    return 10 * everyday >= 8 * len(han) > 0
