"""A dataset in a clerk's words: what the instruction sheet, the comments of the template and the pages say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .cells import SPEC as FORMS
from .codesets import CodeSet
from .dataset import Dataset, Field
from .rule_kinds import SPEC, spoken
from .rules import Rule, compiled_rules

CONVENTIONS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "conventions.json").read_text(encoding="utf-8")
)["items"]
SEVERITIES = {"reject": "退回", "warn": "提醒"}


class Said(NamedTuple):
    """One rule in words, what happens when it is broken (退回, 提醒), and its source."""

    rule: Rule
    text: str
    severity: str
    source: str


def duty(f: Field) -> str:
    """必填, 条件必填 or 选填."""
    return "必填" if f.mandatory else "条件必填" if f.conditional else "选填"


def form_name(f: Field) -> str:
    """The form of a column, such as 日期."""
    return str(FORMS["described"][f.form]["name"])


def accepts(f: Field) -> str:
    """Which spellings a column reads, and what becomes of them."""
    described, codes = FORMS["described"][f.form], codes_of(f)
    return str(described["accepts"]) + (str(described["other"]) if codes and codes.other else "")


def size(f: Field) -> str:
    """The width in characters; a date and an amount have none."""
    return str(f.width) if f.width else "—"


def codes_of(f: Field) -> CodeSet | None:
    """The code set of a column."""
    return f.code_set


def said_of(dataset: Dataset, column: str | None = None) -> Iterator[Said]:
    """The rules of one column, or of all, in words."""
    for rule in compiled_rules(dataset):
        if column in (None, rule.column):
            yield Said(rule, _text(dataset, rule), SEVERITIES[rule.severity], _source(dataset, rule))


def _text(dataset: Dataset, rule: Rule) -> str:
    raw = rule.raw
    template = SPEC["words"][_key(dataset, rule)]
    when = spoken(dataset, raw["when"]) if raw.get("when") else ""
    known: dict[str, Any] = {
        **raw,
        "when": when,
        "other": dataset.by_column[raw["other"]].cn if raw.get("other") in dataset.by_column else "",
        "prefixes": " 或 ".join(raw.get("prefixes", ())),
        "not_prefixes": " 或 ".join(raw.get("not_prefixes", ())),
        "columns": "」「".join(dataset.by_column[c].cn for c in raw.get("columns", ())),
        "message": (rule.message or "").replace("{name}", rule.name),
    }
    codes = codes_of(dataset.by_column[rule.column])
    if codes:
        known["allowed"] = codes.shown
    text = template.format(**known)
    return f"{when}时，{text}" if when and "{when}" not in template else text


def _key(dataset: Dataset, rule: Rule) -> str:
    """The words of a rule go by its kind and, where that says too little, by what is in it."""
    kind, raw = rule.kind, rule.raw
    if kind == "required" and raw.get("when"):
        return "required.when"
    if kind == "blank" and raw.get("zero_is_blank"):
        return "blank.zero"
    if kind == "code_set" and dataset.by_column[rule.column].form == "choices":
        return "code_set.many"
    if kind == "checksum":
        return f"checksum.{raw['algorithm']}" + (".placeholder" if raw.get("allow_placeholder") else "")
    if kind == "starts_with" and "not_prefixes" in raw:
        return "starts_with.not"
    if kind == "whole":
        return (
            "whole" if raw.get("max") is not None and raw.get("min") else "whole.max" if "max" in raw else "whole.min"
        )
    if kind == "decimal":
        return next(f"decimal.{bound}" for bound in ("min", "max", "above") if bound in raw)
    return "not_after.today" if kind == "not_after" and raw["other"] == "today" else kind


def _source(dataset: Dataset, rule: Rule) -> str:
    if rule.raw.get("basis"):
        return str(rule.raw["basis"])
    key, sources = _key(dataset, rule), SPEC["sources"]
    for known in (key, key.removesuffix(".placeholder"), rule.kind):
        if known in sources:
            return str(sources[known])
    return dataset.basis
