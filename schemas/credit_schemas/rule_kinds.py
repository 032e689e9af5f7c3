"""The closed vocabulary of rules: each kind makes, from its JSON object, a test of one column's value.

required, blank, length, code_set, format, checksum, starts_with, embeds, decimal, whole, not_after, not_before, near,
characters, agrees_with, mandate, annex_row, publicity_span, no_personal_number, assumed, refuse. A test answers None
when the rule holds, else the key of its message in `data/rules.json` and the message's parameters; no parameter is a
personal value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from . import identifiers
from .amounts import FEN_PER_WAN, wan
from .dataset import ContractError, Dataset, Field
from .documents import HALF
from .forms import JOINED_BY
from .masking import quote
from .personal import holds_resident_number
from .publicity import span_of

SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "rules.json").read_text(encoding="utf-8"))
MESSAGES: dict[str, str] = SPEC["messages"]
REASONS: dict[str, str] = SPEC["reasons"]
ODD = re.compile(SPEC["odd_characters"])
PERMITS = {name: re.compile(pattern) for name, pattern in SPEC["permits"].items()}
# No fine has more digits than this; a number of thousands of digits cannot even be told.
FINE_IN_TEXT = re.compile(r"罚款(?:人民币)?[:：]?([0-9][0-9,，]{0,24}(?:\.[0-9]{1,12})?)(万)?元")
# Codes of deciding bodies and source units recur in every row of a file; a county has far fewer than this.
CODES_REMEMBERED = 4096

Values = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a rule may know beyond the row: today, and whose report it is.

    `unit_uscc` is the unified code of the reporting unit (None: unknown, then nobody's mandate is doubted),
    `mandates` the codes of the other bodies it may report for, `annex_rows` the rows of the county's yearly plan (none:
    it has no plan, then none is asked for).
    """

    today: date
    unit_uscc: str | None = None
    mandates: frozenset[str] = field(default_factory=frozenset)
    annex_rows: frozenset[int] = field(default_factory=frozenset)


Failure = tuple[str, dict[str, Any]]
# (the value of the rule's column, the whole row, what is known beyond it)
Test = Callable[[Any, Values, Context], Failure | None]
Maker = Callable[[Dataset, Field, dict[str, Any]], Test]


class Kind(NamedTuple):
    """One kind of rule: its maker, and whether an empty cell, a filled cell can break it."""

    make: Maker
    of_empty: bool = False
    of_filled: bool = True


def spoken(dataset: Dataset, when: list[dict[str, Any]]) -> str:
    """Conditions in a clerk's words."""
    said = []
    for c in when:
        name = dataset.by_column[c["column"]].cn
        if "in" in c:
            said.append(f"{name}为“{'”或“'.join(map(str, c['in']))}”")
        elif "has" in c:
            said.append(f"{name}有“{'”或“'.join(c['has'])}”")
        elif "lacks" in c:
            said.append(f"{name}没有“{'”或“'.join(c['lacks'])}”")
        else:
            said.append(f"填写了「{name}」" if c["filled"] else f"没有填写「{name}」")
    return "且".join(said)


def _required(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    when = raw.get("when")
    failure: Failure = ("required.when", {"when": spoken(dataset, when)}) if when else ("required", {})
    return lambda _value, _values, _ctx: failure


def _blank(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    failure: Failure = ("blank", {"when": spoken(dataset, raw["when"])})
    if raw.get("zero_is_blank"):
        return lambda value, _values, _ctx: failure if value != 0 else None
    return lambda _value, _values, _ctx: failure


def _length(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    limit = raw["max"]

    def test(value: str, _values: Values, _ctx: Context) -> Failure | None:
        found = len(value)
        return None if found <= limit else ("length", {"limit": limit, "found": found})

    return test


def _code_set(_dataset: Dataset, f: Field, _raw: dict[str, Any]) -> Test:
    codes = f.code_set
    if codes is None:
        raise ContractError(f"{f.column}: rule code_set without a code set")
    listed = frozenset(codes.values)
    many = f.form == "choices"

    def test(value: str, _values: Values, _ctx: Context) -> Failure | None:
        if value in listed:
            return None
        for part in value.split(JOINED_BY) if many else (value,):
            if not codes.has(part):
                if part == codes.other:
                    return "code_set.explain", {"other": codes.other}
                return "code_set", {"value": quote(part), "allowed": codes.shown}
        return None

    return test


def _checksum(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    algorithm = raw["algorithm"]
    if algorithm == "permit":
        return partial(_permit, raw["type_column"])
    reason_of = CHECKSUMS[algorithm]
    message = f"checksum.{algorithm}"
    allowed = identifiers.USCC_PLACEHOLDER if algorithm == "uscc_org_part" or raw.get("allow_placeholder") else None

    def test(value: str, _values: Values, _ctx: Context) -> Failure | None:
        if value == allowed:
            return None
        reason = reason_of(value)
        return (message, {"reason": REASONS.get(reason, reason)}) if reason else None

    return test


# Only codes of organisations are remembered: numbers of persons are not to linger in memory.
CHECKSUMS: dict[str, Callable[[str], str | None]] = {
    "uscc": lru_cache(CODES_REMEMBERED)(identifiers.uscc_problem),
    "uscc_org_part": lambda v: None if len(v) != 18 or identifiers.uscc_org_part_ok(v) else "checksum",
    "registration": identifiers.registration_no_problem,
    "org": identifiers.org_code_problem,
    "ric": identifiers.ric_problem,
    "ric_region": lambda v: None if identifiers.known_region(v[:6]) else "region",
}


def _permit(type_column: str, value: str, values: Values, _ctx: Context) -> Failure | None:
    kind = values.get(type_column)
    shape = PERMITS.get(kind or "")
    if shape is None or shape.fullmatch(value):
        return None
    return "checksum.permit", {"type": kind}


def _starts_with(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    wanted, banned = tuple(raw.get("prefixes", ())), tuple(raw.get("not_prefixes", ()))

    def test(value: str, _values: Values, _ctx: Context) -> Failure | None:
        if (wanted and not value.startswith(wanted)) or (banned and value.startswith(banned)):
            return "starts_with", {}
        return None

    return test


def _decimal(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    bound = next(b for b in ("min", "max", "above") if b in raw)
    limit = raw[bound]
    fen = limit * FEN_PER_WAN
    broken: dict[str, Callable[[int], bool]] = {
        "min": lambda v: v < fen,
        "max": lambda v: v > fen,
        "above": lambda v: v <= fen,
    }
    breaks = broken[bound]

    def test(value: int, _values: Values, _ctx: Context) -> Failure | None:
        return (f"decimal.{bound}", {"limit": limit, "value": wan(value)}) if breaks(value) else None

    return test


def _whole(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    lowest, highest = raw.get("min", 0), raw.get("max")

    def test(value: int, _values: Values, _ctx: Context) -> Failure | None:
        if value < lowest:
            return "whole.min", {"limit": lowest, "value": value}
        return ("whole.max", {"limit": highest, "value": value}) if highest is not None and value > highest else None

    return test


def _format(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    if not raw.get("message"):
        raise ContractError("a rule of kind format says what is expected, in a message of its own")
    pattern = re.compile(raw["pattern"])
    return lambda value, _values, _ctx: None if pattern.fullmatch(value) else ("", {})


def _embeds(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    """Characters of a code that repeat a date of the row (承诺编码, STANDARDS 2)."""
    other, start, end = raw["other"], raw["start"], raw["end"]
    other_name = dataset.by_column[other].cn

    def test(value: str, values: Values, _ctx: Context) -> Failure | None:
        day = values.get(other)
        if day is None or value[start:end] == f"{day:%Y%m%d}":
            return None
        return "embeds", {"start": start + 1, "end": end, "other": day, "other_name": other_name}

    return test


def _ordered(dataset: Dataset, _f: Field, raw: dict[str, Any], *, after: bool) -> Test:
    other = raw["other"]
    key = "not_after.today" if other == "today" else "not_after" if after else "not_before"
    other_name = "" if other == "today" else dataset.by_column[other].cn

    def test(value: date, values: Values, ctx: Context) -> Failure | None:
        bound = ctx.today if other == "today" else values.get(other)
        if bound is None or (value <= bound if after else value >= bound):
            return None
        return key, {"value": value, "other": bound, "other_name": other_name}

    return test


def _near(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    other, days = raw["other"], raw["days"]
    other_name = dataset.by_column[other].cn

    def test(value: date, values: Values, _ctx: Context) -> Failure | None:
        bound = values.get(other)
        if bound is None or abs((value - bound).days) <= days:
            return None
        return "near", {"value": value, "other": bound, "other_name": other_name, "days": days}

    return test


def _characters(_dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    def test(value: str, _values: Values, _ctx: Context) -> Failure | None:
        odd = ODD.search(value)
        return ("characters", {"odd": odd.group()}) if odd else None

    return test


def _agrees_with(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    """The fine named in the decision's text against the amount column (STANDARDS 1.3, last row: 70 of 70 agree)."""
    other = raw["other"]
    other_name = dataset.by_column[other].cn

    def test(value: int, values: Values, _ctx: Context) -> Failure | None:
        text = values.get(other)
        if not text:
            return None
        said = [
            Decimal(n.replace(",", "").replace("，", "")) * (FEN_PER_WAN if ten_thousand else 100)
            for n, ten_thousand in FINE_IN_TEXT.findall(text.translate(HALF))
        ]
        if not said or value in said or value == sum(said):
            return None
        return "agrees_with", {"other_name": other_name, "text_wan": wan(int(said[0])), "value": wan(value)}

    return test


def _mandate(_dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    def test(value: str, _values: Values, ctx: Context) -> Failure | None:
        if ctx.unit_uscc is None or value == ctx.unit_uscc or value in ctx.mandates:
            return None
        return "mandate", {}

    return test


def _annex_row(_dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    """A row of the county's own plan: how many it has is the county's data."""

    def test(value: int, _values: Values, ctx: Context) -> Failure | None:
        if not ctx.annex_rows or value in ctx.annex_rows:
            return None
        return "annex_row", {"value": value, "last": max(ctx.annex_rows)}

    return test


def _publicity_span(dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    def test(value: date, values: Values, _ctx: Context) -> Failure | None:
        span = span_of(dataset, values)
        if span is None or span.allows(value):
            return None
        if not span.published and not span.on_request:
            return "publicity_span.withheld", {}
        return "publicity_span", {"value": value, "first": span.first, "last": span.last}

    return test


def _assumed(dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    """One doubt a row for all its empty county columns, whatever stands in the rule's own one."""
    fields = [dataset.by_column[c] for c in raw["columns"]]

    def test(_value: Any, values: Values, _ctx: Context) -> Failure | None:
        empty = [f for f in fields if values.get(f.column) is None]
        if not empty:
            return None
        return "assumed", {"assumptions": "，".join(f"「{f.cn}」没有填，按“{f.blank_means}”处理" for f in empty)}

    return test


def _no_personal_number(_dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    """No resident's number in a column that travels unsealed and is published (DESIGN, "Sealed at the edge")."""
    failure: Failure = ("no_personal_number", {})
    return lambda value, _values, _ctx: failure if holds_resident_number(value) else None


def _refuse(_dataset: Dataset, _f: Field, raw: dict[str, Any]) -> Test:
    if not raw.get("message"):
        raise ContractError("a rule of kind refuse says why, in a message of its own")
    return lambda _value, _values, _ctx: ("", {})


KINDS: dict[str, Kind] = {
    "required": Kind(_required, of_empty=True, of_filled=False),
    "blank": Kind(_blank),
    "length": Kind(_length),
    "code_set": Kind(_code_set),
    "checksum": Kind(_checksum),
    "starts_with": Kind(_starts_with),
    "decimal": Kind(_decimal),
    "not_after": Kind(partial(_ordered, after=True)),
    "not_before": Kind(partial(_ordered, after=False)),
    "near": Kind(_near),
    "characters": Kind(_characters),
    "agrees_with": Kind(_agrees_with),
    "mandate": Kind(_mandate),
    "annex_row": Kind(_annex_row),
    "publicity_span": Kind(_publicity_span),
    "no_personal_number": Kind(_no_personal_number),
    "assumed": Kind(_assumed, of_empty=True),
    "refuse": Kind(_refuse),
    "format": Kind(_format),
    "embeds": Kind(_embeds),
    "whole": Kind(_whole),
}
