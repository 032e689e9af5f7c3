"""The short ways of reading, judging and writing a row say what the long ways say, or leave it to them."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_schemas.codec import FRAME, MAGIC
from credit_schemas.dataset import Dataset, Field, current_datasets, load_schemas
from credit_schemas.forms import Unreadable, _readers, read_cell, read_row
from credit_schemas.problems import Problem
from credit_schemas.rule_kinds import KINDS, MESSAGES
from credit_schemas.rules import Context, _compiled, compiled_rules, condition, evaluate
from unit.rows import AUTHORITY, CLEAN, PERSON, PERSON_PENALTY
from unit.test_codec import CODEC, EVENTS, SCHEMAS

DATASETS = current_datasets(load_schemas())
CONTEXT = Context(date(2026, 11, 24), AUTHORITY)
FIELDS = [(f, quick) for d in DATASETS.values() for _, f, quick in _readers(d.fields, tuple(d.by_column))]
# What clerks write, what spreadsheets make of it, and the edges of each form.
CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *(
                "无",
                "—",
                "/",
                "-",
                "#N/A",
                "#REF!",
                "#1",
                "长期",
                " 罚款",
                "罚款 ",
                "罚款；警告",
                "罚款；罚款",
                "罚款;警告",
            ),
            *("其他-补办", "其它", "20260506", "2026-W19-3", "2026-02-30", "2026-05-06", "0001-01-01", "1899-12-31"),
            *("0", "0.05", "007", "1.1234567", "999999999.999999", "12345678901", "1e3", "-1", "１２", ".5", "5."),
            *(
                "示市监处罚〔2026〕8号",
                "示市监处罚[2026]8号",
                "〔2026〕",
                "示〔2026〕〔2027〕8号",
                "示〔1826〕8号",
                "示（2026）8号",
            ),
            *(
                "91410421MA0000007D",
                "91410421ma0000007d",
                "91410421-MA0",
                "ＡＢ",
                "\u00a0",
                "a\u200bb",
                "\ud800",
                "\u3000",
            ),
        ]
    ),
    st.sampled_from([v for f, _ in FIELDS if f.code_set for v in (*f.code_set.values, *f.code_set.aliases)]),
)


def long_way(f: Field, cell: str) -> Any:
    """The value of a text that needs no step; None for every other."""
    try:
        value, steps = read_cell(f, cell)
    except Unreadable:
        return None
    return None if steps else value


@settings(max_examples=300)
@given(CELLS)
def test_a_cell_read_the_short_way_is_one_the_long_way_leaves_as_it_is(cell: str) -> None:
    for f, quick in FIELDS if cell else ():
        read = quick(cell)
        assert read is None or (read == long_way(f, cell) and type(read) is type(long_way(f, cell))), f.column


def test_the_short_way_is_the_one_that_clean_rows_go() -> None:
    for name, row in CLEAN.items():
        dataset = DATASETS[name]
        for column, _, quick in _readers(dataset.fields, tuple(dataset.by_column)):
            assert column not in row or quick(row[column]) is not None, column
        values = read_row(dataset.fields, row).values
        assert _compiled(dataset).plan(values).sound(values, CONTEXT)


def rule_by_rule(dataset: Dataset, values: dict[str, Any], unread: set[str]) -> list[Problem]:
    """All broken rules of a row that may be reported, found without any plan."""
    day = values.get(dataset.column("decision.date") or "") or CONTEXT.today
    found: list[Problem] = []
    for f in dataset.fields:
        refused = False
        for rule in compiled_rules(dataset):
            asked = all(condition(dataset, c)(values) for c in rule.raw.get("when", ()))
            value = values.get(f.column)
            can_fail = KINDS[rule.kind].of_empty if value is None else KINDS[rule.kind].of_filled
            doubted = refused and rule.severity == "warn"
            if rule.column != f.column or not asked or not can_fail or doubted or f.column in unread:
                continue
            failure = rule.test(value, values, CONTEXT)
            if failure and rule.in_force(day):
                text = (rule.message or MESSAGES[failure[0]]).format(name=rule.name, **failure[1])
                found.append(Problem(f.column, rule.id, rule.severity, text))  # type: ignore[arg-type]
                refused = refused or rule.severity == "reject"
    return found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_row_has_the_faults_that_its_rules_find_one_by_one(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["penalty", "penalty", "licence", "ledger", "commitment", "rating"]))
    dataset = DATASETS[name]
    clean = [dict(e) for e in dataset.examples] or [CLEAN.get(name, {})]
    row = dict(data.draw(st.sampled_from([*clean, *([PERSON_PENALTY, CLEAN["penalty"]] if name == "penalty" else [])])))
    changes = data.draw(st.dictionaries(st.sampled_from([f.column for f in dataset.fields]), CELLS, max_size=4))
    read = read_row(dataset.fields, row | changes)
    unread = {p.column for p in read.problems}
    problems = evaluate(dataset, read.values, CONTEXT, unread)
    if any(p.rule == "legal.not_reportable" for p in problems):
        return
    assert problems == rule_by_rule(dataset, read.values, unread)


@pytest.mark.parametrize(
    "text", [f"见身份证{PERSON}", PERSON, "１１０１０５１９４９１２３１００２Ｘ", "110105 19491231 002X"]
)
def test_a_number_in_a_free_text_is_seen_although_all_texts_are_searched_as_one(text: str) -> None:
    values = read_row(DATASETS["penalty"].fields, {**CLEAN["penalty"], "BZ": text}).values
    assert "BZ.no_personal_number" in [p.rule for p in evaluate(DATASETS["penalty"], values, CONTEXT)]


def test_two_texts_side_by_side_make_no_number() -> None:
    row = {**CLEAN["penalty"], "CF_NR": "罚款500元，票据号110105194", "BZ": "91231002X"}
    values = read_row(DATASETS["penalty"].fields, row).values
    assert evaluate(DATASETS["penalty"], values, CONTEXT) == []


@given(EVENTS)
def test_the_flat_writer_writes_what_fastavro_writes(event: tuple[int, dict[str, Any]]) -> None:
    schema_id, value = event
    out = io.BytesIO()
    out.write(FRAME.pack(MAGIC, schema_id))
    schema = fastavro.parse_schema(next(s for s in SCHEMAS if s["schema_id"] == schema_id), named_schemas={})
    fastavro.schemaless_writer(out, schema, value)
    assert CODEC.encode(schema_id, value) == out.getvalue()


@pytest.mark.parametrize(
    "value", [{"CF_XXX": "1"}, {"CF_NR": 5}, {"CF_NR_FK": "5"}, {"CF_NR_FK": 2**63}, {"CF_JDRQ": "x"}]
)
def test_what_does_not_fit_the_schema_is_refused_as_ever(value: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        CODEC.encode(DATASETS["penalty"].schema_id, value)
