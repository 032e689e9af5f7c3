"""The short way of reading a cell: nearly every cell is written as it should be and needs no step of `forms`.

A quick reader answers with the value of a text that no step would alter, or None for every other text: that one goes
the long way, which alone decides. So a quick reader may know less than the long way, never something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from .amounts import FEN_PER_WAN
from .cells import EMPTY, EXCEL_ERRORS, SPEC
from .codesets import CodeSet
from .dataset import Field
from .dates import FIRST_YEAR, ISO
from .documents import NORMAL

Quick = Callable[[str], Any]
LongWay = Callable[[Field, str], tuple[str | None, list[str]]]

# No word that means "empty" is longer.
EMPTY_MAX = max(map(len, EMPTY))
ERROR_MARKS = frozenset(e[0] for e in EXCEL_ERRORS)
# At most six decimals, no sign, no leading zero, far from the limit of an amount.
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,6}))?")
INTEGER = re.compile(r"0|[1-9][0-9]{0,9}")
JOINED_BY: str = SPEC["forms"]["choices"]["joined_by"]
# Combinations of kinds remembered; a list of a dozen kinds has thousands, a county uses a few.
COMBINATIONS = 1024


def quick_reader(f: Field, long_way: LongWay) -> Quick:
    """The quick reader of a field, by its form."""
    if f.form == "choice" and f.code_set:
        return _listed(f, f.code_set, long_way).get
    if f.form == "choices" and f.code_set:
        return _several(f, f.code_set, long_way)
    return _BY_FORM.get(f.form, _never)


def _never(_cell: str) -> None:
    return None


def _text(cell: str) -> str | None:
    if len(cell) <= EMPTY_MAX and cell in EMPTY:
        return None
    if cell[0] in ERROR_MARKS or cell[0] == " " or cell[-1] == " " or not cell.isprintable():
        return None  # of all blanks only the plain one is printable
    return cell


def _code(cell: str) -> str | None:
    return cell if cell.isascii() and cell.isalnum() and cell == cell.upper() else None


def _code_text(cell: str) -> str | None:
    return _text(cell) if cell.isascii() else None


def _document_no(cell: str) -> str | None:
    if len(cell) <= EMPTY_MAX and cell in EMPTY:
        return None
    return cell if NORMAL.fullmatch(cell) else None


def _date(cell: str) -> date | None:
    if not ISO.fullmatch(cell):
        return None
    try:
        found = date.fromisoformat(cell)
    except ValueError:
        return None
    return found if found.year >= FIRST_YEAR else None


def _amount(cell: str) -> int | None:
    found = AMOUNT.fullmatch(cell)
    if found is None:
        return None
    whole, part = found.groups()
    return int(whole) * FEN_PER_WAN + (int(part.ljust(6, "0")) if part else 0)


def _integer(cell: str) -> int | None:
    return int(cell) if INTEGER.fullmatch(cell) else None


_BY_FORM: dict[str, Quick] = {
    "text": _text,
    "code": _code,
    "id_number": _code,
    "code_text": _code_text,
    "document_no": _document_no,
    "date": _date,
    "amount": _amount,
    "integer": _integer,
}


def _listed(f: Field, codes: CodeSet, long_way: LongWay) -> dict[str, str]:
    """The listed values that the long way leaves as they are."""
    return {v: v for v in codes.values if v not in EXCEL_ERRORS and long_way(f, v) == (v, [])}


def _several(f: Field, codes: CodeSet, long_way: LongWay) -> Quick:
    known = _listed(f, codes, long_way)

    def read(cell: str) -> str | None:
        found = known.get(cell)
        if found is None and len(known) < COMBINATIONS and all(map(known.__contains__, cell.split(JOINED_BY))):
            # Of listed words alone: what a person wrote in his own words is not to linger in memory.
            value, steps = long_way(f, cell)
            if value == cell and not steps:
                found = known[cell] = cell
        return found

    return read
