"""Which cell styles mean a date. Excel keeps a date as a number; only its style tells them apart."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zipfile import ZipFile

from .wire import Value
from .xml_stream import Attributes, scan

# ECMA-376 part 1, 18.8.30: built-in formats that are dates. 27-36 and 50-58 are those of the East Asian editions
# (31 = yyyy年m月d日, 57 = yyyy年m月); 18-21 and 45-47 are times of day without a date and stay numbers.
_BUILT_IN = frozenset([14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)]) - {32, 33, 34, 35, 55, 56}
# zh-CN gives 32-35 and 55-56 to times (h时mm分 …): ECMA-376 18.8.30, zh-cn and zh-tw tables.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DURATION = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_LAST_SERIAL = 2_958_465  # 9999-12-31


def is_date_format(code: str) -> bool:
    """Whether a custom number format shows a calendar date: a year or a day, or a month without a time of day."""
    if _DURATION.search(code):
        return False
    letters = _LITERAL.sub("", code).split(";")[0].lower()
    if letters.startswith(("general", "g/", "standard")):
        return False
    if "y" in letters or "d" in letters:
        return True
    return "m" in letters and "h" not in letters and "s" not in letters and "/p" not in letters


def date_styles(archive: ZipFile, part: str) -> frozenset[int]:
    """Indices into cellXfs (a cell's `s`) whose format is a date. Everything else in the part is ignored, so a
    defective font or fill refuses no file."""
    custom: dict[int, bool] = {}
    formats: list[int] = []
    inside = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal inside
        if name == "numFmt":
            custom[_number(attributes.get("numFmtId"))] = is_date_format(attributes.get("formatCode", ""))
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            formats.append(_number(attributes.get("numFmtId")))

    def end(name: str) -> None:
        nonlocal inside
        if name == "cellXfs":
            inside = False

    if part:
        with archive.open(part) as stream:
            scan(stream, start, end)
    return frozenset(i for i, number in enumerate(formats) if custom.get(number, number in _BUILT_IN))


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else -1


def date_of(serial: float, date1904: bool) -> Value:
    """A date serial as wire value, to the second; a number that is no date (Excel shows ####) stays a number."""
    days = int(serial // 1)
    seconds = round((serial - days) * 86_400)
    if seconds == 86_400:
        days, seconds = days + 1, 0
    if date1904:
        first, lowest, highest = date(1904, 1, 1), 0, _LAST_SERIAL - 1462
    elif days < 60:  # Excel believes in 29 February 1900 (serial 60): days before it are one off
        first, lowest, highest = date(1899, 12, 31), 1, 59
    else:
        first, lowest, highest = date(1899, 12, 30), 61, _LAST_SERIAL
    if not lowest <= days <= highest:
        return serial
    day = first + timedelta(days=days)
    if not seconds:
        return ["d", day.isoformat()]
    return ["t", (datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)).isoformat()]
