"""The rules of a dataset by columns: which rows surely break none.

Beside the one evaluator (`credit_schemas.rules`), never instead of it: a row in doubt here is judged there, row by row.
So the screen may suspect too many, and must never let one pass that the evaluator would object to
(`tests/unit/test_screen.py` compares both on generated rows).

Three ways to look at a rule: an expression over columns; a test over all values at once (check digits, in numpy); or
the rule's own test, asked once for each distinct combination of the values it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_schemas.amounts import FEN_PER_WAN
from credit_schemas.dataset import Dataset
from credit_schemas.forms import JOINED_BY
from credit_schemas.rule_kinds import ODD, Context
from credit_schemas.rules import Rule, compiled_rules

from .codes import org_parts_fine, usccs_fine
from .frames import filled

# What a resident's number looks like before anything is checked, full-width digits included (`personal.LONG`).
_LONG = r"[0-9０-９](?:[\s\-\x{2010}-\x{2015}]*[0-9XxＸｘ０-９]){14}"
_CONTROL = r"\p{Cc}"
# Stands between cells that are searched together: in no number, and no control character.
_BETWEEN = "|"

# Rules whose test asks what is known beyond the row; the others are given a context that says nothing.
_CONTEXTUAL = ("mandate", "annex_row")
_NO_CONTEXT = Context(date.min)

# On what the legal span of a publication depends (`credit_schemas.publicity.span_of`).
SPAN_ROLES = ("decision.date", "legal.severity", "kind", "offence.kind")

# By unit and day.
Contexts = Mapping[tuple[Any, ...], Context]


class Screen:
    """The rules of one dataset, made ready to look at many rows."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._texts = [f.column for f in dataset.fields if f.form not in ("date", "amount", "integer")]
        rules = compiled_rules(dataset)
        self._free = [r.column for r in rules if r.kind == "no_personal_number"]
        expressions: list[pl.Expr] = []
        self._tests: list[tuple[Rule, pl.Expr]] = []
        for rule in rules:
            if rule.kind == "no_personal_number":
                continue  # all columns at once, see `doubts`
            active = self._active(rule)
            broken = self._broken(rule)
            if broken is not None:
                expressions.append(active & broken)
            else:
                self._tests.append((rule, active & pl.col(rule.column).is_not_null()))
        self._expression = pl.any_horizontal(*expressions) if expressions else pl.lit(value=False)

    def doubts(self, frame: pl.DataFrame, contexts: Contexts) -> pl.Series:
        """Which rows may break a rule, or hold what no column may (True); the others break none.

        Args:
            frame: The dataset's columns, sealed numbers in clear; `unit`, `received_on`.
            contexts: What is known beyond the row, by unit and day.
        """
        texts, free = filled(frame, self._texts), [*filled(frame, self._free), "source_key"]
        blank = [pl.col(c).str.strip_chars() == "" for c in texts]
        text = pl.concat_str(texts, separator=_BETWEEN, ignore_nulls=True).str.contains(_CONTROL)
        number = pl.concat_str(free, separator=_BETWEEN, ignore_nulls=True).str.contains(_LONG)
        said = [self._expression, *blank, text, number]
        doubt = frame.select(pl.any_horizontal(*[e.fill_null(value=False) for e in said]).alias("doubt"))["doubt"]
        # Which rows each rule's own test concerns, all in one go: every look at a frame has its price.
        asked = frame.select(active.fill_null(value=False).alias(str(i)) for i, (_, active) in enumerate(self._tests))
        concerned = asked.select(pl.all().any()).row(0) if self._tests else ()
        found = doubt.to_numpy().copy()
        for (rule, _), active, any_row in zip(self._tests, asked, concerned, strict=True):
            if any_row:
                self._test(rule, frame, np.flatnonzero(active.to_numpy()), contexts, found)
        return pl.Series("doubt", found)

    def _active(self, rule: Rule) -> pl.Expr:
        """Where the rule's conditions hold. The dates it is in force are passed over: that only suspects more."""
        found = pl.lit(value=True)
        for raw in rule.raw.get("when", ()):
            found = found & self._condition(raw)
        return found

    def _condition(self, raw: dict[str, Any]) -> pl.Expr:
        column = pl.col(raw["column"])
        assumed = self._dataset.by_column[raw["column"]].blank_means
        if "in" in raw:
            meant = column.fill_null(assumed) if assumed is not None else column
            return meant.is_in(raw["in"]).fill_null(value=False)
        if "filled" in raw:
            return column.is_not_null() if raw["filled"] else column.is_null()
        if "has" in raw:
            return _holds(column, raw["has"]).fill_null(value=False)
        return (~_holds(column, raw["lacks"])).fill_null(value=False)

    def _broken(self, rule: Rule) -> pl.Expr | None:
        """The rule as an expression, or None when it takes the rule's own test."""
        column, raw = pl.col(rule.column), rule.raw
        match rule.kind:
            case "required":
                return column.is_null()
            case "blank":
                return column.is_not_null() & (column != 0) if raw.get("zero_is_blank") else column.is_not_null()
            case "refuse":
                return pl.lit(value=True)
            case "assumed":
                return pl.any_horizontal(*[pl.col(c).is_null() for c in raw["columns"]])
            case "length":
                return column.str.len_chars() > raw["max"]
            case "code_set":
                codes = self._dataset.by_column[rule.column].code_set
                # Of several kinds in one cell the rule's own test takes the parts.
                alone = self._dataset.by_column[rule.column].form != "choices"
                return ~column.is_in(list(codes.values)) if codes and alone else None
            case "characters":
                return column.str.contains(ODD.pattern)
            case "starts_with":
                wanted, banned = raw.get("prefixes", ()), raw.get("not_prefixes", ())
                bad = pl.any_horizontal(*[column.str.starts_with(p) for p in banned]) if banned else pl.lit(value=False)
                return bad | ~pl.any_horizontal(*[column.str.starts_with(p) for p in wanted]) if wanted else bad
            case "not_after" | "not_before":
                bound = pl.col("received_on") if raw["other"] == "today" else pl.col(raw["other"])
                return column > bound if rule.kind == "not_after" else column < bound
            case "decimal":
                limit = next(b for b in ("min", "max", "above") if b in raw)
                fen = raw[limit] * FEN_PER_WAN
                return column < fen if limit == "min" else column > fen if limit == "max" else column <= fen
            case "whole":
                above = column > raw["max"] if raw.get("max") is not None else pl.lit(value=False)
                return (column < raw.get("min", 0)) | above
            case _:
                return None

    def _others(self, rule: Rule) -> list[str]:
        """The other columns a rule's test looks at."""
        named = [rule.raw[key] for key in ("other", "type_column") if key in rule.raw]
        if rule.kind == "publicity_span":
            named += [c for c in map(self._dataset.column, SPAN_ROLES) if c]
        return [c for c in dict.fromkeys(named) if c != rule.column]

    def _test(
        self,
        rule: Rule,
        frame: pl.DataFrame,
        asked: npt.NDArray[np.int64],
        contexts: Contexts,
        doubt: npt.NDArray[np.bool_],
    ) -> None:
        """Put a rule to the rows `asked`, and note in `doubt` which of them break it."""
        fine = _AT_ONCE.get(rule.raw.get("algorithm", "") if rule.kind == "checksum" else "")
        if fine is not None:
            column = frame[rule.column]
            asked = asked[~fine(column if len(asked) == len(frame) else column.gather(asked))]
        if not len(asked):
            return
        looked_at = [rule.column, *self._others(rule)]
        told = ["unit", "received_on"] if rule.kind in _CONTEXTUAL else []
        cells = frame.select(*looked_at, *told)
        cells = cells if len(asked) == len(frame) else cells[asked]
        distinct = cells.unique()
        broken = [_breaks(rule, looked_at, row, contexts if told else None) for row in distinct.rows()]
        if any(broken):
            found = distinct.with_columns(pl.Series("broken", broken))
            joined = cells.join(found, on=cells.columns, how="left", nulls_equal=True, maintain_order="left")
            doubt[asked] |= joined["broken"].to_numpy()


def _breaks(rule: Rule, columns: list[str], row: tuple[Any, ...], contexts: Contexts | None) -> bool:
    """What the rule's own test says of these cells (behind them, unit and day when there are contexts)."""
    values = {c: v for c, v in zip(columns, row, strict=False) if v is not None}
    context = contexts[row[len(columns) :]] if contexts is not None else _NO_CONTEXT
    return rule.test(row[0], values, context) is not None


def _holds(column: pl.Expr, kinds: list[str]) -> pl.Expr:
    """Whether one of the kinds is among those a cell joins."""
    return (JOINED_BY + column + JOINED_BY).str.contains_any([JOINED_BY + k + JOINED_BY for k in kinds])


# Check digits of many codes at once: True where the code is surely right.
_AT_ONCE: dict[str, Callable[[pl.Series], npt.NDArray[np.bool_]]] = {
    "uscc": usccs_fine,
    "uscc_org_part": org_parts_fine,
}
