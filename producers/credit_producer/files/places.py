"""Cell addresses and lists of things, as a clerk reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

FileKind = Literal["xlsx", "csv"]

MAX_SHEET_ROWS = 1_048_576  # ECMA-376 implementations: Excel's own limits, row 1048576 and column XFD
MAX_SHEET_COLUMNS = 16_384


@lru_cache(maxsize=MAX_SHEET_COLUMNS)
def column_letters(index: int) -> str:
    """0 → `A`, 26 → `AA`, 16383 → `XFD`."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@lru_cache(maxsize=MAX_SHEET_COLUMNS)
def column_index(letters: str) -> int:
    """`A` → 0, `XFD` → 16383; -1 for what is no column at all."""
    if not (0 < len(letters) <= 3):
        return -1
    number = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            return -1
        number = number * 26 + ord(letter) - 64
    return number - 1


def address(kind: FileKind, column: int, line: int) -> str:
    """The address of a cell (`column` from 0): `C7` in a sheet, `第7行第3列` in a text file."""
    return f"{column_letters(column)}{line}" if kind == "xlsx" else f"第{line}行第{column + 1}列"


def listed(items: Sequence[object], most: int = 10) -> str:
    """`甲、乙、丙`; beyond `most`: `甲、乙 等 12 个`."""
    shown = "、".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} 等 {len(items)} 个"
