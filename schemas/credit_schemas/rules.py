"""The one evaluator: rules as data, in a closed vocabulary, over the typed values of one row.

Rule kinds: required, blank, length, code_set, checksum, starts_with, decimal, not_after, not_before, near, agrees_with,
characters, mandate, publicity_span, refuse. (`numeric`, `date`, `amount`, `decimals` and `negative` are found when a
cell is read, see `forms`.) A rule is a JSON object in the dataset's file: `kind`, and optionally `id`, `severity`
(`reject` unless said), `when` (all conditions hold), `from`/`to` (dates of decision it applies to), `message`, `basis`.
No third-party import: the portal, the SDK and the consumer run the same code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from . import identifiers
from .codesets import load_codesets
from .dataset import ContractError, Dataset, Field
from .documents import HALF
from .forms import FEN_PER_WAN, wan
from .problems import NOT_REPORTABLE, Problem
from .publicity import legal_span

SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "rules.json").read_text(encoding="utf-8"))
MESSAGES: dict[str, str] = SPEC["messages"]
REASONS: dict[str, str] = SPEC["reasons"]
ODD = re.compile(SPEC["odd_characters"])
PERMITS = {name: re.compile(pattern) for name, pattern in SPEC["permits"].items()}
FINE_IN_TEXT = re.compile(r"罚款(?:人民币)?[:：]?(\d[\d,，]*(?:\.\d+)?)(万)?元")
# A message quotes at most this much of a cell: enough to find it, too little to fill a screen.
QUOTE = 30

Values = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a rule may know beyond the row: today, and whose report it is."""

    today: date
    unit_uscc: str | None = None
    mandates: frozenset[str] = field(default_factory=frozenset)


# A test answers None when the rule holds, else the key and parameters of the message.
Failure = tuple[str, dict[str, Any]]
Test = Callable[[Values, Context], Failure | None]


@dataclass(frozen=True)
class Rule:
    """One compiled rule."""

    column: str
    id: str
    severity: str
    applies: Callable[[Values], bool] | None
    test: Test
    message: str | None
    name: str
    since: date | None
    until: date | None


def evaluate(dataset: Dataset, values: Values, context: Context, unread: Iterable[str] = ()) -> list[Problem]:
    """All broken rules of one row.

    `values` holds the typed values of the non-empty columns, personal numbers in clear (in memory only).
    `unread` names columns whose cell could not be read: their rules are silent, the reading problem says it all.
    A row that may not be reported at all gets that one problem and no other.
    """
    silent = frozenset(unread)
    refusals, rules, dated_by = _compiled(dataset)
    for rule in refusals:
        if rule.applies is None or rule.applies(values):
            return [Problem(rule.column, rule.id, "reject", rule.message or "")]
    found: list[Problem] = []
    rejected: set[str] = set()
    for rule in rules:
        if rule.column in silent or (rule.applies and not rule.applies(values)):
            continue
        if rule.severity == "warn" and rule.column in rejected:
            continue  # a value that is refused anyway needs no doubts beside it
        if (rule.since or rule.until) and not _in_force(rule, values.get(dated_by or "") or context.today):
            continue
        failure = rule.test(values, context)
        if failure:
            key, params = failure
            text = (rule.message or MESSAGES[key]).format(name=rule.name, **params)
            found.append(Problem(rule.column, rule.id, rule.severity, text))  # type: ignore[arg-type]
            if rule.severity == "reject":
                rejected.add(rule.column)
    return found


def _in_force(rule: Rule, day: date) -> bool:
    return (rule.since is None or rule.since <= day) and (rule.until is None or day <= rule.until)


_CACHE: dict[int, tuple[Dataset, tuple[list[Rule], list[Rule], str | None]]] = {}


def _compiled(dataset: Dataset) -> tuple[list[Rule], list[Rule], str | None]:
    # Keyed by identity, holding the dataset itself so that the id cannot be given to another object.
    known = _CACHE.get(id(dataset))
    if known:
        return known[1]
    rules = [_compile(dataset, f, r) for f in dataset.fields for r in _all_rules(f)]
    whole = [_compile(dataset, dataset.by_column[r["column"]], r) for r in dataset.rules]
    refusals = [r for r, raw in zip(whole, dataset.rules, strict=True) if raw["kind"] == "refuse"]
    others = [r for r, raw in zip(whole, dataset.rules, strict=True) if raw["kind"] != "refuse"]
    made = (refusals, rules + others, dataset.column("decision.date"))
    _CACHE[id(dataset)] = (dataset, made)
    return made


def _all_rules(f: Field) -> list[dict[str, Any]]:
    width = [{"kind": "length", "max": f.width}] if f.width else []
    return width + list(f.rules)


def _compile(dataset: Dataset, f: Field, raw: dict[str, Any]) -> Rule:
    kind = raw["kind"]
    if kind not in KINDS:
        raise ContractError(f"{dataset.id}.{f.column}: unknown rule kind {kind!r}")
    when = raw.get("when")
    short = raw.get("id") or (f"{kind}.{raw['algorithm']}" if kind == "checksum" else kind)
    return Rule(
        column=f.column,
        id=NOT_REPORTABLE if kind == "refuse" else f"{f.column}.{short}",
        severity=raw.get("severity", "reject"),
        applies=partial(_holds, [_condition(dataset, c) for c in when]) if when else None,
        test=KINDS[kind](dataset, f, raw),
        message=raw.get("message"),
        name=f.cn,
        since=date.fromisoformat(raw["from"]) if "from" in raw else None,
        until=date.fromisoformat(raw["to"]) if "to" in raw else None,
    )


def _holds(conditions: list[Callable[[Values], bool]], values: Values) -> bool:
    return all(c(values) for c in conditions)


def _condition(dataset: Dataset, raw: dict[str, Any]) -> Callable[[Values], bool]:
    column = raw["column"]
    if column not in dataset.by_column:
        raise ContractError(f"{dataset.id}: a condition names the unknown column {column}")
    assumed = dataset.by_column[column].blank_means
    if "in" in raw:
        wanted = frozenset(raw["in"])
        return lambda values: values.get(column, assumed) in wanted
    if "filled" in raw:
        return lambda values: (values.get(column) is not None) is raw["filled"]
    if "has" in raw:
        kinds = frozenset(raw["has"])
        return lambda values: not kinds.isdisjoint((values.get(column) or "").split("；"))
    if "lacks" in raw:
        kinds = frozenset(raw["lacks"])
        return lambda values: bool(values.get(column)) and kinds.isdisjoint(values[column].split("；"))
    raise ContractError(f"{dataset.id}: unknown condition {raw}")


def _spoken(dataset: Dataset, when: list[dict[str, Any]]) -> str:
    """A condition in a clerk's words."""
    said = []
    for c in when:
        name = dataset.by_column[c["column"]].cn
        if "in" in c:
            said.append(f"{name}为“{'”或“'.join(c['in'])}”")
        elif "has" in c:
            said.append(f"{name}有“{'”或“'.join(c['has'])}”")
        elif "lacks" in c:
            said.append(f"{name}没有“{'”或“'.join(c['lacks'])}”")
        else:
            said.append(f"填写了「{name}」" if c["filled"] else f"没有填写「{name}」")
    return "且".join(said)


def _required(dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    when = raw.get("when")
    failure: Failure = ("required.when", {"when": _spoken(dataset, when)}) if when else ("required", {})
    column = f.column
    return lambda values, _ctx: failure if values.get(column) is None else None


def _blank(dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    failure: Failure = ("blank", {"when": _spoken(dataset, raw["when"])})
    empty = (None, 0) if raw.get("zero_is_blank") else (None,)
    column = f.column
    return lambda values, _ctx: None if values.get(column) in empty else failure


def _length(_dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    column, limit = f.column, raw["max"]

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None or len(value) <= limit:
            return None
        return "length", {"limit": limit, "found": len(value)}

    return test


def _code_set(_dataset: Dataset, f: Field, _raw: dict[str, Any]) -> Test:
    if not f.codes:
        raise ContractError(f"{f.column}: rule code_set without a code set")
    codes = load_codesets()[f.codes]
    many = f.form == "choices"
    column = f.column

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None:
            return None
        for part in value.split("；") if many else (value,):
            if not codes.has(part):
                if part == codes.other:
                    return "code_set.explain", {"other": codes.other}
                return "code_set", {"value": part[:QUOTE], "allowed": codes.shown}
        return None

    return test


def _checksum(_dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    algorithm, column = raw["algorithm"], f.column
    if algorithm == "permit":
        return partial(_permit, column, raw["type_column"])
    reason_of = CHECKSUMS[algorithm]
    allowed = identifiers.USCC_PLACEHOLDER if algorithm == "uscc_org_part" or raw.get("allow_placeholder") else None

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None or value == allowed:
            return None
        reason = reason_of(value)
        return (f"checksum.{algorithm}", {"reason": REASONS.get(reason, reason)}) if reason else None

    return test


CHECKSUMS: dict[str, Callable[[str], str | None]] = {
    "uscc": identifiers.uscc_problem,
    "uscc_org_part": lambda v: None if len(v) != 18 or identifiers.uscc_org_part_ok(v) else "checksum",
    "registration": identifiers.registration_no_problem,
    "org": identifiers.org_code_problem,
    "ric": identifiers.ric_problem,
    "ric_region": lambda v: None if identifiers.known_region(v[:6]) else "region",
}


def _permit(column: str, type_column: str, values: Values, _ctx: Context) -> Failure | None:
    value, kind = values.get(column), values.get(type_column)
    shape = PERMITS.get(kind or "")
    if value is None or shape is None or shape.fullmatch(value):
        return None
    return "checksum.permit", {"type": kind}


def _starts_with(_dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    column = f.column
    wanted, banned = tuple(raw.get("prefixes", ())), tuple(raw.get("not_prefixes", ()))

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None or not ((wanted and not value.startswith(wanted)) or (banned and value.startswith(banned))):
            return None
        return "starts_with", {}

    return test


def _decimal(_dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    column = f.column
    bound = next(b for b in ("min", "max", "above") if b in raw)
    limit = raw[bound]
    fen = limit * FEN_PER_WAN
    broken: dict[str, Callable[[int], bool]] = {
        "min": lambda v: v < fen,
        "max": lambda v: v > fen,
        "above": lambda v: v <= fen,
    }
    breaks = broken[bound]

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None or not breaks(value):
            return None
        return f"decimal.{bound}", {"limit": limit, "value": wan(value)}

    return test


def _ordered(dataset: Dataset, f: Field, raw: dict[str, Any], *, after: bool) -> Test:
    column, other = f.column, raw["other"]
    key = "not_after.today" if other == "today" else "not_after" if after else "not_before"
    other_name = "" if other == "today" else dataset.by_column[other].cn

    def test(values: Values, ctx: Context) -> Failure | None:
        value, bound = values.get(column), ctx.today if other == "today" else values.get(other)
        if value is None or bound is None or (value <= bound if after else value >= bound):
            return None
        return key, {"value": value, "other": bound, "other_name": other_name}

    return test


def _near(dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    column, other, days = f.column, raw["other"], raw["days"]
    other_name = dataset.by_column[other].cn

    def test(values: Values, _ctx: Context) -> Failure | None:
        value, bound = values.get(column), values.get(other)
        if value is None or bound is None or abs((value - bound).days) <= days:
            return None
        return "near", {"value": value, "other": bound, "other_name": other_name, "days": days}

    return test


def _characters(_dataset: Dataset, f: Field, _raw: dict[str, Any]) -> Test:
    column = f.column

    def test(values: Values, _ctx: Context) -> Failure | None:
        value = values.get(column)
        odd = ODD.search(value) if value else None
        return ("characters", {"odd": odd.group()}) if odd else None

    return test


def _agrees_with(dataset: Dataset, f: Field, raw: dict[str, Any]) -> Test:
    """The fine named in the decision's text against the amount column (STANDARDS 1.3, last row: 70 of 70 agree)."""
    column, other = f.column, raw["other"]
    other_name = dataset.by_column[other].cn

    def test(values: Values, _ctx: Context) -> Failure | None:
        value, text = values.get(column), values.get(other)
        if value is None or not text:
            return None
        said = [
            Decimal(n.replace(",", "").replace("，", "")) * (FEN_PER_WAN if ten_thousand else 100)
            for n, ten_thousand in FINE_IN_TEXT.findall(text.translate(HALF))
        ]
        if not said or value in said or value == sum(said):
            return None
        return "agrees_with", {"other_name": other_name, "text_wan": wan(int(said[0])), "value": wan(value)}

    return test


def _mandate(_dataset: Dataset, f: Field, _raw: dict[str, Any]) -> Test:
    column = f.column

    def test(values: Values, ctx: Context) -> Failure | None:
        value = values.get(column)
        if value is None or ctx.unit_uscc is None or value == ctx.unit_uscc or value in ctx.mandates:
            return None
        return "mandate", {}

    return test


def _publicity_span(dataset: Dataset, f: Field, _raw: dict[str, Any]) -> Test:
    column, decided = f.column, dataset.column("decision.date")
    degree = dataset.column("legal.severity")

    def test(values: Values, _ctx: Context) -> Failure | None:
        value, day = values.get(column), values.get(decided or "")
        if value is None or day is None:
            return None
        span = legal_span(day, values.get(degree or "") or "一般")
        if span is None or span.first <= value <= span.last:
            return None
        return "publicity_span", {"value": value, "first": span.first, "last": span.last}

    return test


def _refuse(_dataset: Dataset, _f: Field, _raw: dict[str, Any]) -> Test:
    return lambda _values, _ctx: None


KINDS: dict[str, Callable[[Dataset, Field, dict[str, Any]], Test]] = {
    "required": _required,
    "blank": _blank,
    "length": _length,
    "code_set": _code_set,
    "checksum": _checksum,
    "starts_with": _starts_with,
    "decimal": _decimal,
    "not_after": partial(_ordered, after=True),
    "not_before": partial(_ordered, after=False),
    "near": _near,
    "characters": _characters,
    "agrees_with": _agrees_with,
    "mandate": _mandate,
    "publicity_span": _publicity_span,
    "refuse": _refuse,
}
