"""Publicity periods, versioned by the date of the decision (STANDARDS 3.4)."""

from __future__ import annotations

import json
from calendar import monthrange
from datetime import date
from pathlib import Path
from typing import NamedTuple

_GENERATIONS = [
    (date.fromisoformat(g["from"]), date.fromisoformat(g["to"]) if g["to"] else date.max, g["spans"])
    for g in json.loads((Path(__file__).parent / "data" / "publicity.json").read_text(encoding="utf-8"))["generations"]
]


class Span(NamedTuple):
    """The first day a publication may end and the day it ends by itself."""

    first: date
    last: date


def legal_span(decided: date, degree: str) -> Span | None:
    """The legal span of a decision of that day and degree (轻微, 一般, 严重); None for an unknown degree."""
    for since, until, spans in _GENERATIONS:
        if since <= decided <= until:
            months = spans.get(degree)
            return Span(add_months(decided, months[0]), add_months(decided, months[1])) if months else None
    return None


def add_months(day: date, months: int) -> date:
    """The same day some months later, or the last of that month where it has no such day.

    Beyond the year 9999, which people write for "for ever", it is the last day there is.
    """
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, monthrange(year, month)[1]))
