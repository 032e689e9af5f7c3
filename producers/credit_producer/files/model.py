"""What reading a file from a person yields: cells, rows, faults, limits, and the refusal of a whole file.

Nothing here knows a dataset: the caller says which headings it expects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

CellKind = Literal["text", "number", "date", "bool", "error", "empty"]
CellValue = str | int | float | bool | date | datetime | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it stands in the file; nothing is trimmed, repaired or guessed.

    `kind` is the truth about the cell: a number typed into an ID column stays `number` (an Excel number keeps
    15 digits only, so it cannot be turned back). `error` carries Excel's own text (`#REF!`) or None where the
    cell could not be read (its row then has a fault). `address` is `C7` in Excel, `第7行第3列` in CSV.
    """

    value: CellValue
    kind: CellKind
    address: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be trusted. A row with faults is to be rejected without running any rule on it.

    `code` is one of `field_count`, `unclosed_quote`, `undecodable`, `nul`, `cell_too_long`, `line_too_long`,
    `cell_damaged`, `cell_twice`, `heading_order`. `message` is Chinese and quotes no value of the row.
    """

    code: str
    message: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One data row.

    Attributes:
        row: counts the non-empty data rows, the first one being 1. An empty line between two data rows takes
            no number.
        line: the row's number as the clerk sees it: in the sheet, or the line of the file where it begins.
        cells: by national column code; has every known column the file has a heading for (empty cells
            included, so that a message can give an address), and none for a column the file lacks. Empty where
            a fault makes the positions untrustworthy (`field_count`, `unclosed_quote`, `line_too_long`,
            `heading_order`).
        faults: row-level faults, empty for a sound row.
        key: the primary key of a database row; empty for a row of a file.
        mark: the watermark of a database row.
    """

    row: int
    line: int
    cells: Mapping[str, Cell]
    faults: tuple[Fault, ...] = ()
    key: str = ""
    mark: object = None

    @property
    def where(self) -> str:
        """Where the row stands, as a clerk looks for it."""
        return place_of(self.line, self.key)


def place_of(line: int, key: str) -> str:
    """Where a row stands: its line in a file, or its primary key in a table."""
    return f"主键 {key}" if key else f"第 {line} 行"


@dataclass(frozen=True, slots=True)
class Heading:
    """A column the caller expects: national code (`CF_WSH`), Chinese name, other accepted headings.

    Attributes:
        tells: a file with this heading is of the layout it stands in (see `Layout`).
        excludes: codes whose headings cannot stand beside this one: nobody could say which one counts.
    """

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    mandatory: bool = False
    tells: bool = False
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Another way the columns of a file may be called, such as an older standard's.

    Attributes:
        name: what the program calls it (`2015`).
        title: what a person calls it (`2015 年旧标准`).
        headings: all columns such a file may have.
        needs: columns it must have; of each group one is enough, the first names it in messages.
    """

    name: str
    title: str
    headings: tuple[Heading, ...]
    needs: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the reader's machine one file may take. Each number says what it protects.

    Attributes:
        file_bytes: 100,000 penalties make 25 MB of .xlsx or 80 MB of CSV; twice that is no county's file.
        members: parts in the .xlsx container; Excel writes about a dozen and one or two per sheet.
        unpacked_bytes: 100,000 rows unpack to 270 MB; 1 GiB is parsed in about 30 s.
        ratio: deflate reaches 1032:1; real sheets stay below 60:1. Only looked at above 64 MiB unpacked.
        rows: data rows in one file; three times the largest upload seen, keeps the parent below 150 MB.
        columns: width of the heading row; the widest dataset has about 40 columns.
        cell_chars: what Excel itself can hold in a cell.
        seconds: wall clock for the whole file; 100,000 rows × 30 columns take about 15 s on one slow core.
        memory_bytes: address space of the reading process (POSIX); 100,000 rows need about 200 MB of it.
    """

    file_bytes: int = 200 << 20
    members: int = 2000
    unpacked_bytes: int = 1 << 30
    ratio: int = 200
    rows: int = 300_000
    columns: int = 512
    cell_chars: int = 32_767
    seconds: float = 180.0
    memory_bytes: int = 640 << 20


DEFAULT_LIMITS = Limits()


class FileRefused(Exception):
    """The file is refused whole; not one row of it has been handed out.

    Attributes:
        code: stable and short, for programs (`duplicate_heading`, `password`, `zip_bomb` …).
        message: Chinese, for the person: what is wrong and what to do. Quotes headings, never cell contents.
    """

    retriable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
