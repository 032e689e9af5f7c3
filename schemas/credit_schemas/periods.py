"""Reporting periods: months, quarters and years with their labels, as the dated reports write them.

A label is `2026-09`, `2026Q3` or `2026` (role `period` of a dataset). Days are the county's own calendar days: whoever
asks turns moments into days of the county's time zone first, so an arrival of 30 September 16:30 UTC is of October.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

# Kind to its length in months; each is made of whole ones of the kind before it.
MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
_LABEL = re.compile(r"([12][0-9]{3})(?:Q([1-4])|-(0[1-9]|1[0-2]))?")
_ONE_DAY = timedelta(days=1)


class Period(NamedTuple):
    """A period: its label, its first and its last day."""

    label: str
    first: date
    last: date


def period_of(kind: str, day: date) -> Period:
    """The period of a kind (`monthly`, `quarterly`, `yearly`) that a day lies in."""
    length = MONTHS[kind]
    month = (day.month - 1) // length * length + 1
    first = date(day.year, month, 1)
    following = month + length
    last = date(day.year + (following > 12), (following - 1) % 12 + 1, 1) - _ONE_DAY
    label = {1: f"{day.year:04}-{month:02}", 3: f"{day.year:04}Q{month // 3 + 1}", 12: f"{day.year:04}"}[length]
    return Period(label, first, last)


def previous(kind: str, period: Period) -> Period:
    """The period of the kind that ends the day before another begins."""
    return period_of(kind, period.first - _ONE_DAY)


def periods(kind: str, since: date, until: date) -> Iterator[Period]:
    """The periods of a kind that have a day in common with `since` to `until`, in order."""
    day = since
    while day <= until:
        found = period_of(kind, day)
        yield found
        day = found.last + _ONE_DAY


def read_label(label: str | None) -> Period | None:
    """The period a label names, or None when it names none."""
    match = _LABEL.fullmatch(label or "")
    if not match:
        return None
    year, quarter, month = int(match[1]), match[2], match[3]
    if quarter:
        return period_of("quarterly", date(year, int(quarter) * 3, 1))
    return period_of("monthly", date(year, int(month), 1)) if month else period_of("yearly", date(year, 1, 1))
