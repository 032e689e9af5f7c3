"""From an expectation, a dataset and a destination to one question: a query, and what is expected of its rows.

Every query gives `unit`, `record_no` (text or NULL) and `reference`, which together name the row, `detail` (numbers
for a work item's text) and the columns that are tested. Columns of datasets come from roles; no value of a record is
ever spliced in.
"""

# ruff: noqa: S608 - no value is ever spliced in, only names and literals of our own data files
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import SCOPES, Dataset, Field
from credit_schemas.destination_terms import DatasetTerms, Limit, Terms, load_terms
from credit_warehouse.tables import column_name, column_type

from .suites import Expectation, load_suites

SQL = resources.files(__package__) / "sql"
LEDGER = "ledger"
# Separates the values of a column of several choices (as normalisation writes them).
LIST_SEPARATOR = "；"


@dataclass(frozen=True)
class Test:
    """One expectation of Great Expectations on the rows of a question; `reference` says what failed if no row does."""

    type: str
    arguments: Mapping[str, Any]
    reference: str = ""


@dataclass(frozen=True)
class Question:
    """One query and what is expected of its rows. `destination` is empty where the expectation speaks of all."""

    rule: Expectation
    dataset: str
    destination: str
    destination_name: str
    query: str
    tests: tuple[Test, ...]

    @property
    def name(self) -> str:
        """Unique within a run."""
        return "-".join(filter(None, (self.rule.id, self.dataset, self.destination)))


def build_questions(
    catalogue: Catalogue, datasets: Sequence[str], as_of: date, *, whole: bool = False, compared: bool = False
) -> list[Question]:
    """The questions of a run over these datasets. Raises SuiteError, CountyDataError.

    Args:
        whole: Of every record of the slices in scope; else of what the scope says is to be looked at.
        compared: Also of the books, which were compared with what is there.
    """
    rules = load_suites(catalogue.county.parameters.get("quality"))
    terms = load_terms(catalogue.county, catalogue.datasets)
    found: list[Question] = []
    for name in datasets:
        dataset = catalogue.datasets[name]
        for rule in rules:
            if rule.fits(dataset) and not _pointless(rule, dataset, catalogue) and (compared or rule.kind != "books"):
                found += _questions(rule, dataset, catalogue, terms, as_of, whole)
    return found


def _pointless(rule: Expectation, dataset: Dataset, catalogue: Catalogue) -> bool:
    """A ledger tells of decisions with a deadline only, and only what is public has a public view."""
    if rule.kind in _LEDGER_KINDS:
        return LEDGER not in catalogue.datasets or dataset.deadline is None
    return rule.kind == "no_personal_numbers" and dataset.scope != SCOPES[0]


_LEDGER_KINDS = ("ledger_completeness", "unledgered", "freshness")


def _questions(
    rule: Expectation, dataset: Dataset, catalogue: Catalogue, terms: Mapping[str, Terms], as_of: date, whole: bool
) -> Iterator[Question]:
    if not rule.per_destination:
        tests = tuple(Test(str(e["type"]), rule.arguments(e)) for e in rule.expect)
        yield Question(rule, dataset.id, "", "", _query(rule, dataset, catalogue, as_of, whole), tests)
        return
    for destination in terms.values():
        own = destination.datasets.get(dataset.id)
        if own and own.limits:
            names = _names(rule, dataset, catalogue, as_of, whole)
            columns = ", ".join(f"c.{column_name(dataset.by_column[c])}" for c in own.limits)
            query = _text(rule.kind).format(**names, columns=columns, wanted=_wanted(dataset, own, as_of))
            tests = tuple(t for c, limit in own.limits.items() for t in _limit_tests(destination, dataset, c, limit))
            yield Question(rule, dataset.id, destination.id, destination.name, query, tests)


def _limit_tests(destination: Terms, dataset: Dataset, column: str, limit: Limit) -> Iterator[Test]:
    field = dataset.by_column[column]
    at = column_name(field)
    if limit.max_length is not None:
        yield Test(
            "expect_column_value_lengths_to_be_between",
            {"column": at, "max_value": limit.max_length},
            f"{destination.name}：{field.cn}最长 {limit.max_length} 字",
        )
    if limit.values is not None:
        reference = f"{destination.name}：{field.cn}的取值不在接收范围内"
        if field.form == "choices":
            one = "(" + "|".join(map(re.escape, limit.values)) + ")"
            pattern = f"^{one}({LIST_SEPARATOR}{one})*$"
            yield Test("expect_column_values_to_match_regex", {"column": at, "regex": pattern}, reference)
        else:
            yield Test("expect_column_values_to_be_in_set", {"column": at, "value_set": list(limit.values)}, reference)


def _wanted(dataset: Dataset, terms: DatasetTerms, as_of: date) -> str:
    """The rows a destination should hold, as a condition on `c`."""
    conditions = [_among("c.state", terms.states)]
    if terms.until_publicity_ends:
        conditions.append(f"coalesce(c.publicity_ends >= DATE '{as_of}', true)")
    for role, values in terms.only.items():
        if role in dataset.by_role:
            conditions.append(_among(f"coalesce(c.{column_name(dataset.by_role[role])}, '')", values))
    return " AND ".join(conditions)


def _query(rule: Expectation, dataset: Dataset, catalogue: Catalogue, as_of: date, whole: bool) -> str:
    names = _names(rule, dataset, catalogue, as_of, whole)
    # Where looking at everything wants another way through the tables, it is written down beside the usual one.
    other = f"whole/{rule.kind}"
    return _text(other if whole and (SQL / f"{other}.sql").is_file() else rule.kind).format(**names)


def _names(rule: Expectation, dataset: Dataset, catalogue: Catalogue, as_of: date, whole: bool) -> dict[str, Any]:
    """What the placeholders of a query stand for."""
    ledger = catalogue.datasets.get(LEDGER)
    names: dict[str, Any] = {
        "dataset": dataset.id,
        "table": dataset.table,
        "view": f"public_{dataset.table}",
        "cn": dataset.cn,
        "rule": rule.id,
        "role": by_role(dataset),
        "ledger": by_role(ledger) if ledger else {},
        "ledger_table": ledger.table if ledger else "",
        "ledger_dataset": LEDGER,
        "slice": f"(SELECT unit FROM quality.scope_slice WHERE dataset = '{dataset.id}')",
        "touched": f"(SELECT record_no, unit FROM quality.scope_touched WHERE dataset = '{dataset.id}')",
        **_looked_at(dataset, whole),
        "unit_codes": f"{_unit_codes(catalogue)} u",
        "as_of": as_of.isoformat(),
        "zone": catalogue.county.time_zone,
        "p": rule.parameters or {},
    }
    if rule.role:
        field = dataset.by_role[rule.role]
        names |= {"column": column_name(field), "column_cn": field.cn, "column_role": rule.role}
    if rule.kind == "volume":
        names["weekly"] = _text("weekly").format(**names)
    if rule.kind == "no_personal_numbers":
        names |= _public_texts(dataset)
    return names


def _looked_at(dataset: Dataset, whole: bool) -> dict[str, str]:
    """What a query looks at, as conditions: on records `c`, ledger lines `l`, names `a` of subjects, `n` of units;
    and which of the records in scope are in the book."""
    in_slice = f"IN (SELECT unit FROM quality.scope_slice WHERE dataset = '{dataset.id}')"
    if whole:
        # The books were made from what core holds now, new records with it.
        return {
            "record": f"c.unit {in_slice}",
            "line": "true",
            "subject": "true",
            "named_by": f"n.unit {in_slice}",
            "booked": "true",
        }
    touched = "IN (SELECT record_no FROM quality.scope_touched WHERE dataset = '{}')"
    return {
        "record": f"c.record_no {touched.format(dataset.id)}",
        "line": f"l.record_no {touched.format(LEDGER)}",
        "subject": "a.subject_id IN (SELECT subject_id FROM quality.scope_subject)",
        "named_by": "true",
        "booked": "EXISTS (SELECT FROM quality.pending_event p WHERE p.record_no = c.record_no AND p.born)",
    }


def _public_texts(dataset: Dataset) -> dict[str, str]:
    """The text columns of the public view: free text, codes, and how a finding names its columns."""
    shown = [f for f in dataset.fields if not f.personal and not f.extension and column_type(f) == "text"]
    codes = [f for f in shown if f.form == "code"]
    texts = [f for f in shown if f.form != "code"]
    return {
        "texts": ", ".join(map(column_name, texts)) or "''",
        "codes": ", ".join(map(column_name, codes)) or "''",
        "where": ", ".join(_named_if_found(f, f in codes) for f in shown) or "''",
    }


def _named_if_found(field: Field, code: bool) -> str:
    name = column_name(field)
    return f"CASE WHEN quality.person_numbers({name}, {str(code).lower()}) > 0 THEN {_literal(field.cn)} END"


def _unit_codes(catalogue: Catalogue) -> str:
    """Unified codes of authorities and our codes of them, as a table `(code, unit)`."""
    codes = sorted({u.uscc for u in catalogue.county.units if u.uscc})
    found = [(code, catalogue.county.units.by_uscc(code)) for code in codes]
    rows = ", ".join(f"({_literal(code)}, {_literal(unit.code)})" for code, unit in found if unit)
    return f"(SELECT * FROM (VALUES {rows or '(NULL, NULL)'}) v (code, unit))"


def by_role(dataset: Dataset) -> dict[str, str]:
    """The warehouse column of each role."""
    return {role: column_name(f) for role, f in dataset.by_role.items()}


def _among(expression: str, values: Sequence[str]) -> str:
    return f"{expression} IN ({', '.join(map(_literal, values))})" if values else "false"


def _literal(text: str) -> str:
    """A literal of our own data files. SQLAlchemy reads `:name` as a parameter: a colon is written as its code."""
    return "(" + " || chr(58) || ".join(f"'{part}'" for part in text.replace("'", "''").split(":")) + ")"


@cache
def _text(kind: str) -> str:
    """A query of `sql/` without its comments: Great Expectations wants it to begin with SELECT."""
    lines = (SQL / f"{kind}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
