"""Publicity: how long a decision is public, or that it is not, versioned by the decision's date (STANDARDS 3.4).

The numbers and their bases are in `data/publicity.json`. To be published and to be shared are two things: what may not
be published still goes to the platforms above, until the longest period of its degree is over.
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from .dataset import Dataset
from .forms import JOINED_BY

_DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "publicity.json").read_text(encoding="utf-8"))
_GENERATIONS: list[tuple[date, date, dict[str, Any]]] = [
    (date.fromisoformat(g["from"]), date.fromisoformat(g["to"]) if g["to"] else date.max, g)
    for g in _DATA["generations"]
]
# Some datasets say row by row who may see it (公开类型); a row that says nothing is as public as its dataset.
_PUBLIC = (None, *_DATA["public_scopes"])
# A dataset with a column for the degree may leave it empty; of one that names no default this is the ordinary case.
ORDINARY = "一般"


class Span(NamedTuple):
    """What the law says of one decision.

    Attributes:
        first: The first day a publication may end (before it nothing can be repaired).
        last: The day publication, sharing and use end by themselves.
        published: False when such a decision is not published.
        on_request: True when, not being published as a rule, it is when the unit asks for a day within the span.
    """

    first: date
    last: date
    published: bool = True
    on_request: bool = False

    def allows(self, told: date | None) -> bool:
        """True for a reported end of publicity that the law allows."""
        return told is not None and self.first <= told <= self.last and (self.published or self.on_request)


class Publicity(NamedTuple):
    """Of one record: the last day it is public and shared (None: no end is known), and whether it is public at all."""

    ends: date | None
    published: bool


def legal_span(decided: date, degree: str, kinds: Collection[str] = (), offence: str = "") -> Span | None:
    """The legal span of a decision of that day.

    Args:
        decided: When it was made; a decision keeps the rules of its day.
        degree: 轻微, 一般 or 严重.
        kinds: The kinds of penalty it imposes.
        offence: What was done, in the words of its column (违法行为类型).

    Returns:
        None for an unknown degree, and for days before there were such rules.
    """
    generation = next((g for since, until, g in _GENERATIONS if since <= decided <= until), None)
    if generation is None or degree not in generation["spans"]:
        return None
    shortest, longest = generation["spans"][degree]
    for longer in generation.get("longer", ()):
        if any(word in offence for word in longer["words"]):
            shortest = max(shortest, longer["first"])
    withheld = next((w for w in generation.get("withheld", ()) if _falls_under(w, degree, kinds)), None)
    return Span(
        first=add_months(decided, shortest),
        last=add_months(decided, longest),
        published=withheld is None,
        on_request=bool(withheld and withheld.get("on_request")),
    )


def _falls_under(withheld: dict[str, Any], degree: str, kinds: Collection[str]) -> bool:
    if "degree" in withheld:
        return bool(withheld["degree"] == degree)
    return bool(kinds) and set(kinds) <= set(withheld["kinds"])


def span_of(dataset: Dataset, values: dict[str, Any]) -> Span | None:
    """The legal span of a row; None where the dataset knows no degrees, or the row no day or no such degree."""
    decided, degree = dataset.value(values, "decision.date"), dataset.by_role.get("legal.severity")
    if decided is None or degree is None:
        return None
    return legal_span(
        decided,
        values.get(degree.column) or degree.blank_means or ORDINARY,
        (dataset.value(values, "kind") or "").split(JOINED_BY),
        dataset.value(values, "offence.kind") or "",
    )


def publicity_of(dataset: Dataset, values: dict[str, Any]) -> Publicity:
    """How long a row is public: till the reported day if the law allows that day, else as long as the law allows.

    Only what has a column for that day is published for a time; a repair, too, names the degree of what it is about.
    """
    may = dataset.value(values, "publicity.scope") in _PUBLIC
    if dataset.column("publicity.until") is None:
        return Publicity(None, published=may)
    told: date | None = dataset.value(values, "publicity.until")
    span = span_of(dataset, values)
    if span is None:
        return Publicity(told, published=may)
    allowed = span.allows(told)
    published = may and (span.published or (span.on_request and allowed))
    return Publicity(told if allowed else span.last, published=published)


def add_months(day: date, months: int) -> date:
    """The same day some months later, or the last of that month where it has no such day.

    Beyond the year 9999, which people write for "for ever", it is the last day there is.
    """
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, monthrange(year, month)[1]))
