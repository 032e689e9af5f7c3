"""What every form shares: the words that mean empty, invisible characters, full width, and the unreadable cell."""

from __future__ import annotations

import json
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "forms.json").read_text(encoding="utf-8"))
EMPTY = frozenset(SPEC["empty"])
EXCEL_ERRORS = frozenset(SPEC["excel_errors"])

HALFWIDTH = {c + 0xFEE0: c for c in range(0x21, 0x7F)} | {0x3000: 0x20}
NUMBER = int | float | Decimal


class Unreadable(Exception):
    """A cell whose content cannot become a value of its form; `text` says in Chinese what to mend."""

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        self.text = text
        super().__init__(text)


def controls_out(text: str) -> str:
    """NBSP, zero-width and control characters go (STANDARDS 9, row 3), and what UTF-8 cannot carry."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c != "\u00a0" and unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def halfwidth(text: str) -> str:
    """Full-width letters, digits and punctuation become half-width."""
    return text if text.isascii() else text.translate(HALFWIDTH)


def plain(number: NUMBER) -> str:
    """A number as a person writes it: no exponent, no trailing zeros."""
    if isinstance(number, int):
        return str(number)
    exact = number if isinstance(number, Decimal) else Decimal(repr(number))
    return format(exact.normalize(), "f")


def is_missing(cell: Any) -> bool:
    """True for the "not a number" (NaN, NaT) that data frames put where a database has NULL."""
    if isinstance(cell, Decimal):
        return cell.is_nan()  # a signalling one cannot even be compared
    return bool(cell != cell)


def kind_of(cell: Any) -> str:
    """The kind of a cell that is no text, in a clerk's words."""
    if isinstance(cell, bool):
        return "逻辑值"
    return "日期" if isinstance(cell, date | datetime) else "数字" if isinstance(cell, NUMBER) else "特殊"
