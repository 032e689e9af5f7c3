"""The suites as data: every expectation says why, whose and how to mend; thresholds may be a county's own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from importlib import resources

import pytest

from credit_expectations.errors import SuiteError
from credit_expectations.questions import build_questions
from credit_expectations.suites import load_suites
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED, load_county
from credit_schemas.county_errors import CountyDataError
from credit_schemas.destination_terms import Limit, load_terms

TODAY = date(2026, 11, 24)
SUITES = load_suites()
EXPECTED = {
    *("conservation", "conservation_arrivals", "ledger_completeness", "unledgered", "conflicts", "volume"),
    *("mix_category", "mix_kind", "freshness", "subject_names", "codeless_share", "outgoing_terms"),
    *("no_personal_numbers", "books"),
}


def test_the_suites_hold_what_the_design_asks_for():
    assert {e.id for e in SUITES} == EXPECTED


@pytest.mark.parametrize("expectation", SUITES, ids=lambda e: e.id)
def test_every_expectation_says_basis_owner_and_mend(expectation):
    for text in (expectation.title, expectation.basis, expectation.owner, expectation.what, expectation.mend):
        assert text.strip()
    assert any("一" <= char <= "鿿" for char in expectation.mend)
    assert expectation.severity in ("critical", "warning")


def test_ids_are_unique():
    assert len({e.id for e in SUITES}) == len(SUITES)


def test_no_query_names_a_column_of_a_dataset():
    columns = {f.column.lower() for d in load_catalogue().datasets.values() for f in d.fields}
    folder = resources.files("credit_expectations") / "sql"
    files = [f for f in (*folder.iterdir(), *(folder / "whole").iterdir()) if f.name.endswith(".sql")]
    assert len(files) > 15
    for file in files:
        words = set(file.read_text(encoding="utf-8").lower().replace("{", " ").replace(".", " ").split())
        assert not words & columns, file.name


@pytest.mark.parametrize("whole", [False, True], ids=["usual", "full"])
def test_every_question_begins_with_select_and_gives_its_keys(whole):
    catalogue = load_catalogue()
    questions = build_questions(catalogue, list(catalogue.datasets), TODAY, whole=whole, compared=whole)
    assert {q.rule.id for q in questions} == (EXPECTED if whole else EXPECTED - {"books"})
    for q in questions:
        assert q.query.startswith("SELECT ")
        assert q.tests
        for key in ("record_no", "reference", "detail"):
            assert key in q.query, q.name
    assert len({q.name for q in questions}) == len(questions)


def test_a_ledger_is_not_asked_what_only_decisions_know():
    catalogue = load_catalogue()
    asked = {q.rule.id for q in build_questions(catalogue, ["ledger"], TODAY)}
    # Nobody publishes a ledger, so it has no public view to look at.
    assert asked == {"conservation", "conservation_arrivals"}


def test_the_books_are_asked_about_only_when_they_were_compared():
    catalogue = load_catalogue()
    begun, compared = (
        {q.name for q in build_questions(catalogue, ["penalty"], TODAY, whole=True, compared=c)} for c in (False, True)
    )
    assert compared - begun == {"books-penalty"}


def test_a_county_has_its_own_thresholds():
    found = {e.id: e for e in load_suites({"freshness": {"max_days": 90}})}
    assert found["freshness"].parameters == {"max_days": 90}
    assert found["freshness"].arguments(found["freshness"].expect[0])["max_value"] == 90


@pytest.mark.parametrize(
    "overrides",
    [{"nothing": {"max_days": 1}}, {"freshness": {"days": 1}}, {"freshness": {"max_days": "九十"}}, {"freshness": 90}],
)
def test_a_wrong_override_is_named(overrides):
    with pytest.raises(SuiteError, match=r"质量规则 parameters\.quality"):
        load_suites(overrides)


def test_thresholds_are_read_from_the_county_folder(county):
    append(county / "county.toml", "\n[parameters.quality.volume]\nspread = 9\n")
    loaded = load_catalogue()
    catalogue = replace(loaded, county=load_county(county))
    (volume,) = (q for q in build_questions(catalogue, ["penalty"], TODAY) if q.rule.id == "volume")
    assert volume.tests[0].arguments["max_value"] == 9


# --- the terms of destinations ---------------------------------------------------------------------------------


@pytest.fixture
def county(tmp_path):
    folder = tmp_path / "county"
    shutil.copytree(SHIPPED / "410421", folder)
    return folder


def append(path, text):
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def terms(folder):
    return load_terms(load_county(folder), load_catalogue().datasets)


def test_the_province_takes_a_shorter_text_than_the_nation():
    found = load_terms(load_catalogue().county, load_catalogue().datasets)
    assert found["province"].datasets["penalty"].limits == {"CF_SY": Limit(max_length=2000)}
    assert not found["nation"].datasets["penalty"].limits


def test_a_disabled_destination_has_no_terms(county):
    path = county / "destinations" / "province.toml"
    path.write_text(path.read_text("utf-8").replace("enabled = true", "enabled = false"), "utf-8")
    assert set(terms(county)) == {"nation", "site", "xinyidai"}


def test_accepted_values_become_expectations_also_of_several_choices(county):
    append(
        county / "destinations" / "nation.toml",
        '\n[limits.penalty]\nCF_XDR_LB = { values = ["自然人"] }\nCF_CFLB = { values = ["罚款", "警告"] }\n',
    )
    loaded = load_catalogue()
    catalogue = replace(loaded, county=load_county(county))
    asked = [q for q in build_questions(catalogue, ["penalty"], TODAY) if q.destination == "nation"]
    assert [t.type for t in asked[0].tests] == [
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_match_regex",
    ]


@pytest.mark.parametrize(
    "section",
    [
        "[limits.nothing]\nCF_SY = { max_length = 1 }",
        "[limits.penalty]\nCF_NO = { max_length = 1 }",
        "[limits.penalty]\nEXT_SM = { values = ['是'] }",
        "[limits.penalty]\nCF_JDRQ = { max_length = 1 }",
        "[limits.penalty]\nCF_XDR_ZJHM = { max_length = 18 }",
        "[limits.penalty]\nCF_SY = 2000",
        "[limits.penalty]\nCF_SY = { width = 2000 }",
        "[limits.penalty]\nCF_SY = { max_length = 0 }",
        "[limits.penalty]\nCF_SY = { values = [] }",
    ],
)
def test_a_limit_that_makes_no_sense_is_told_with_its_file(county, section):
    append(county / "destinations" / "nation.toml", f"\n{section}\n")
    with pytest.raises(CountyDataError, match=r"nation\.toml"):
        terms(county)
