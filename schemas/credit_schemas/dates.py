"""Dates as people write them (STANDARDS 9, row 5): five spellings, real date cells, 长期; anything else is refused."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from .cells import EMPTY, EXCEL_ERRORS, NUMBER, SPEC, Unreadable, controls_out, halfwidth, kind_of, plain
from .masking import quote

LONG_TERM_WORDS = frozenset(SPEC["long_term"]["words"])
LONG_TERM = date.fromisoformat(SPEC["long_term"]["day"])
# Registrations reach back to 1949; an earlier year is a slip (0026) or a spreadsheet's zero (1899-12-31).
FIRST_YEAR = 1900

SPELLINGS = (
    re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})"),
    re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"),
    re.compile(r"([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})"),
    re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})"),
    re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日"),
)
# 10:30, 10:30:00.000, 上午10:30, 10时30分, 9:05 PM, T00:00:00Z, 00:00:00+08:00: when on that day, dropped.
TIME_PART = re.compile(
    r"(?:T|\s|(?<=日))\s*(?:上午|下午|[AP]M)?\s*[0-9]{1,2}"
    r"(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?|时(?:[0-9]{1,2}分(?:[0-9]{1,2}秒)?)?)"
    r"\s*(?:[AP]M)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$",
    re.IGNORECASE,
)
# The spelling nearly every cell has; it needs none of the mending below.
ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BLANKS_AT_SEPARATORS = re.compile(r"\s*([年月/.-])\s*|\s+(日)")


def read_date(name: str, cell: Any) -> tuple[date | None, list[str]]:
    """A cell of the column called `name` to (day or None, the steps that altered it). Raises Unreadable."""
    if isinstance(cell, datetime):
        return _day(name, cell.year, cell.month, cell.day, cell.date().isoformat()), []
    if isinstance(cell, date):
        return _day(name, cell.year, cell.month, cell.day, cell.isoformat()), []
    if isinstance(cell, NUMBER) and not isinstance(cell, bool):
        return _from_number(name, cell), ["date"]
    if not isinstance(cell, str):
        raise Unreadable("date", f"「{name}」是{kind_of(cell)}格式的单元格，不是日期；请写成 2026-05-06 这样的日期。")
    if ISO.fullmatch(cell):
        return _from_text(name, cell), []
    # A line break or a no-break space may stand between day and time: it parts them before it goes.
    text = controls_out(" ".join(halfwidth(cell).split())).strip()
    if text in EXCEL_ERRORS:
        raise Unreadable("cell_error", f"「{name}」的单元格是错误值 {text}；请改正公式或直接填写日期。")
    if text in EMPTY:
        return None, ["empty"] if text else []
    if text in LONG_TERM_WORDS:
        return LONG_TERM, ["date"]
    day = _from_text(name, BLANKS_AT_SEPARATORS.sub(r"\1\2", TIME_PART.sub("", text)))
    return day, [] if day.isoformat() == cell else ["date"]


def _from_number(name: str, number: NUMBER) -> date:
    """An eight-digit whole number is a date; a serial number without a date format could be anything."""
    text = plain(number)
    if len(text) == 8 and text.isdigit():
        return _from_text(name, text)
    raise Unreadable(
        "date",
        f"「{name}」是数字 {quote(text)}，没有日期格式，无法确定是哪一天；请写成 2026-05-06 这样的日期。",
    )


def _from_text(name: str, text: str) -> date:
    for spelling in SPELLINGS:
        found = spelling.fullmatch(text)
        if found:
            year, month, day = (int(g) for g in found.groups())
            return _day(name, year, month, day, text)
    raise Unreadable(
        "date",
        f"「{name}」的内容“{quote(text)}”不是日期；"
        "请写成 2026-05-06、2026/5/6、2026.5.6、20260506 或 2026年5月6日，年份要四位。",
    )


def _day(name: str, year: int, month: int, day: int, written: str) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise Unreadable("date", f"「{name}」的日期 {written} 在日历上不存在；请核对。") from None
    if year < FIRST_YEAR:
        raise Unreadable("date", f"「{name}」的日期 {written} 早于 {FIRST_YEAR} 年；请核对年份。")
    return found
