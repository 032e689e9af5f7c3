"""What a credit report says, without a database: the nine sections, labels that refer to what exists, masks, layout."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_reports.credit_file import Cell, CreditFile, Entry, file_record
from credit_reports.report_facts import LABELS, PAIRED, Issued, _paired, gather, is_current, labels_of, scope_of
from credit_reports.report_words import words
from credit_reports.subjects import Name, Subject, subject_datasets
from credit_schemas.catalogue import load_catalogue
from credit_schemas.dataset import SCOPES, SECTIONS
from credit_schemas.forms import read_row, render_value
from credit_schemas.masking import mask_name

CATALOGUE = load_catalogue()
AS_OF = date(2026, 11, 24)
CONFIG = json.loads(LABELS.read_text(encoding="utf-8"))
RECORDS = [d for d in subject_datasets(CATALOGUE) if d.examples]


def entry(dataset: str, *, example: int = 0, natural: bool = False, **changed) -> Entry:
    """A record made of a dataset's own example; a sealed number is a person's id, as in the warehouse."""
    about = CATALOGUE.datasets[dataset]
    values = read_row(about.file_fields, dict(about.examples[example])).values
    cells = tuple(
        Cell(f, "******" if f.sealed else render_value(f, values[f.column]), 7 if f.sealed else values[f.column])
        for f in about.fields
        if values.get(f.column) is not None
    )
    made = Entry(
        dataset=about,
        record_no="0199f000-0000-7000-8000-000000000001",
        subject_id=1,
        unit="market",
        state="active",
        revision=1,
        received_at=datetime(2026, 5, 10, tzinfo=UTC),
        received_on=date(2026, 5, 10),
        revised_at=datetime(2026, 5, 10, tzinfo=UTC),
        publicity_ends=None,
        published=True,
        ended_why=None,
        natural=natural,
        cells=cells,
    )
    return replace(made, **changed)


def a_file(*entries: Entry, natural: bool = False) -> CreditFile:
    name = Name("李四" if natural else "示例商贸有限公司", "market", date(2026, 5, 10), date(2026, 5, 10))
    code = None if natural else "91410421MA0000007D"
    kind = "person" if natural else "code"
    who = Subject(1, (1,), kind, code, (), None, datetime(2026, 5, 10, tzinfo=UTC), (name,), natural)
    return CreditFile(who, list(entries), [], [], {}, {"market": "市场监管局"})


def test_labels_name_datasets_sections_roles_and_values_that_exist():
    for rule in CONFIG["labels"]:
        assert rule["basis"]
        for condition in rule["any"]:
            assert condition.get("section", SECTIONS[0]) in SECTIONS
            assert condition.get("dataset", "penalty") in CATALOGUE.datasets
            if "role" in condition:
                codes = [
                    d.by_role[condition["role"]].code_set
                    for d in CATALOGUE.datasets.values()
                    if d.section == condition.get("section") and condition["role"] in d.by_role
                ]
                assert codes
                assert all(any(v in c.values for v in condition["values"]) for c in codes if c), rule["label"]
    assert set(CONFIG["standing"]["sections"]) <= set(SECTIONS)
    assert {v for k, v in CONFIG["row_scope"].items() if k != "about"} <= set(SCOPES)


def test_what_a_record_says_of_its_own_publication_is_understood_for_every_dataset():
    for dataset in RECORDS:
        own = dataset.by_role.get("publicity.scope")
        if own is not None and own.code_set:
            assert set(own.code_set.values) <= CONFIG["row_scope"].keys()


@pytest.mark.parametrize("dataset", [d.id for d in RECORDS])
def test_no_example_of_any_dataset_shows_a_sealed_county_or_subjects_own_column(dataset):
    for i, _ in enumerate(CATALOGUE.datasets[dataset].examples):
        e = entry(dataset, example=i)
        # Some examples are of what has ended.
        e = replace(e, cells=tuple(c for c in e.cells if c.field.role not in ("removal.date", "validity.to")))
        facts = gather(a_file(e), CATALOGUE, as_of=AS_OF, scope=SCOPES[-1])
        (section,) = [s for s in facts.sections if s.name == e.section]
        names = {name for block in section.blocks[-1:] for line in block.rows for name, _ in line}
        hidden = {c.field.cn for c in e.cells if c.field.sealed or c.field.extension}
        assert not names & hidden
        assert {"信息提供单位", "提供日期"} <= names


@pytest.mark.parametrize(
    ("changed", "stands"),
    [
        ({}, True),
        ({"state": "disputed"}, True),
        ({"state": "ended"}, False),
        ({"state": "withdrawn"}, False),
        ({"publicity_ends": AS_OF}, True),
        ({"publicity_ends": date(2026, 11, 23)}, False),
    ],
)
def test_a_record_stands_while_it_is_live_and_public(changed, stands):
    assert is_current(entry("penalty", **changed), AS_OF) is stands


def test_a_record_struck_off_its_list_or_past_its_validity_no_longer_stands_but_an_act_does():
    def with_date(e: Entry, role: str, day: date) -> Entry:
        f = e.dataset.by_role[role]
        return replace(e, cells=(*(c for c in e.cells if c.field is not f), Cell(f, day.isoformat(), day)))

    listed = with_date(entry("abnormal_operation"), "removal.date", AS_OF)
    assert not is_current(listed, AS_OF)
    assert is_current(listed, date(2026, 11, 23))
    assert not is_current(with_date(entry("red_list"), "validity.to", date(2026, 11, 23)), AS_OF)
    assert is_current(with_date(entry("licence"), "validity.to", date(2020, 1, 1)), AS_OF)


def test_the_narrowest_scope_holds():
    assert scope_of(entry("penalty")) == SCOPES[0]
    assert scope_of(entry("penalty", published=False)) == SCOPES[1]
    assert scope_of(entry("tax_credit")) == SCOPES[2]
    assert scope_of(entry("tax_credit", published=False)) == SCOPES[2]


def test_a_doubted_record_makes_no_label():
    assert [label.text for label in labels_of([entry("black_list")])] == ["失信惩戒对象"]
    assert list(labels_of([entry("black_list", state="disputed")])) == []


def test_a_report_has_the_nine_sections_no_score_and_no_word_of_the_left_out():
    facts = gather(a_file(entry("penalty"), entry("tax_credit")), CATALOGUE, as_of=AS_OF)
    told = words(Issued("410421-20261124-000001", datetime(2026, 11, 24, tzinfo=UTC), facts))
    assert [s.name for s in facts.sections] == list(SECTIONS)
    assert told.overview[1] == ("见下", "1 条", "无", "无", "无", "无", "无", "无", "无")
    assert facts.left_out == 1
    assert "纳税" not in json.dumps(facts.sections, ensure_ascii=False)
    assert told.statement.startswith("无评分、仅事实")


def test_a_natural_person_is_masked_in_file_and_report():
    dataset = CATALOGUE.datasets["penalty"]
    example = next(i for i, e in enumerate(dataset.examples) if e.get("CF_XDR_LB") == "自然人")
    masked = entry("penalty", example=example, natural=True)
    masked = replace(
        masked,
        cells=tuple(replace(c, text=mask_name(c.text)) if c.field.role == "subject.name" else c for c in masked.cells),
    )
    file = a_file(masked, natural=True)
    facts = gather(file, CATALOGUE, as_of=AS_OF)
    for text in (json.dumps(file_record(file), ensure_ascii=False), json.dumps([facts.head, facts.sections])):
        assert "李四" not in text
        assert "11010519491231002X" not in text


@given(st.lists(st.tuples(st.text(min_size=1, max_size=30), st.text(max_size=40))))
def test_laying_out_loses_nothing_and_keeps_the_order(items):
    lines = list(_paired(items))
    assert [pair for line in lines for pair in line] == items
    for line in lines:
        assert len(line) in (1, 2)
        if len(line) == 2:
            assert all(len(text) <= PAIRED for pair in line for text in pair)
