"""Publicity periods, by the date of the decision (STANDARDS 3.4)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import credit_schemas.publicity as module
from credit_schemas.check import check_row
from credit_schemas.dataset import Dataset, current_datasets, load_schemas, parse_dataset
from credit_schemas.forms import read_row
from credit_schemas.publicity import Publicity, add_months, legal_span, publicity_of, span_of
from credit_schemas.rules import Context
from unit.rows import AUTHORITY, LICENCE, PENALTY

DEGREES = ["轻微", "一般", "严重"]
DATASETS = current_datasets(load_schemas())
TODAY = date(2027, 11, 24)


@pytest.mark.parametrize(
    ("decided", "degree", "months"),
    [
        (date(2026, 4, 1), "轻微", (0, 3)),
        (date(2026, 3, 31), "轻微", (3, 36)),
        (date(2023, 5, 1), "轻微", (3, 36)),
        (date(2023, 4, 30), "轻微", (3, 12)),
        (date(2023, 5, 1), "严重", (12, 36)),
        (date(2026, 4, 1), "一般", (3, 12)),
        (date(2026, 4, 1), "严重", (12, 36)),
        (date(2026, 3, 31), "一般", (3, 36)),
        (date(2026, 3, 31), "严重", (12, 36)),
        (date(2023, 5, 1), "一般", (3, 36)),
        (date(2023, 4, 30), "一般", (3, 12)),
        (date(2023, 4, 30), "严重", (6, 36)),
        (date(2018, 7, 25), "一般", (3, 12)),
    ],
)
def test_the_span_is_that_of_the_decisions_day(decided: date, degree: str, months: tuple[int, int]) -> None:
    span = legal_span(decided, degree)
    assert span is not None
    assert (span.first, span.last) == (add_months(decided, months[0]), add_months(decided, months[1]))


def test_an_unknown_degree_has_no_span() -> None:
    assert legal_span(date(2026, 5, 6), "很重") is None


def test_a_day_before_all_generations_has_no_span() -> None:
    assert legal_span(date(1899, 12, 31), "一般") is None


@given(st.dates(date(1950, 1, 1), date(2090, 1, 1)), st.sampled_from(DEGREES))
def test_every_day_and_degree_has_one_span_that_begins_before_it_ends(decided: date, degree: str) -> None:
    span = legal_span(decided, degree)
    assert span is not None
    assert decided <= span.first < span.last


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 5, 6), 0, date(2026, 5, 6)),
        (date(2026, 5, 6), 36, date(2029, 5, 6)),
    ],
)
def test_months_end_on_the_same_day_or_the_last_of_the_month(day: date, months: int, then: date) -> None:
    assert add_months(day, months) == then


@given(st.dates(date(1950, 1, 1), date(2090, 1, 1)), st.integers(0, 60))
def test_months_never_leave_the_month_they_reach(day: date, months: int) -> None:
    then = add_months(day, months)
    assert (then.year - day.year) * 12 + then.month - day.month == months
    assert then.day == day.day or (then.day < day.day and (then + timedelta(days=1)).day == 1)


def test_a_decision_for_ever_has_a_span_too() -> None:
    span = legal_span(date.max, "一般")
    assert span is not None
    assert span.last == date.max


# Not published, and published longer


@pytest.mark.parametrize(
    ("decided", "kinds", "published"),
    [
        (date(2023, 4, 30), ["警告"], True),
        (date(2023, 5, 1), ["警告"], False),
        (date(2026, 3, 31), ["警告"], False),
        (date(2026, 4, 1), ["警告"], True),
        (date(2024, 2, 29), ["通报批评"], False),
        (date(2024, 2, 29), ["警告", "通报批评"], False),
        (date(2024, 2, 29), ["警告", "罚款"], True),
        (date(2024, 2, 29), ["其他-警告"], True),
        (date(2024, 2, 29), [""], True),
        (date(2024, 2, 29), [], True),
    ],
)
def test_warnings_alone_are_not_published_from_may_2023_to_march_2026(
    decided: date, kinds: list[str], *, published: bool
) -> None:
    span = legal_span(decided, "一般", kinds)
    assert span is not None
    assert (span.published, span.on_request) == (published, False)


@pytest.mark.parametrize(
    ("decided", "degree", "offence", "first"),
    [
        (date(2023, 5, 1), "一般", "食品违法行为", date(2024, 5, 1)),
        (date(2023, 5, 1), "轻微", "药品违法行为", date(2024, 5, 1)),
        (date(2025, 2, 28), "一般", "特种设备违法行为", date(2026, 2, 28)),
        (date(2024, 2, 29), "一般", "违反安全生产管理规定", date(2025, 2, 28)),
        (date(2026, 3, 31), "一般", "食品违法行为", date(2027, 3, 31)),
        (date(2026, 3, 31), "一般", "广告违法行为", date(2026, 6, 30)),
        (date(2026, 3, 31), "严重", "食品违法行为", date(2027, 3, 31)),
        (date(2026, 4, 1), "一般", "食品违法行为", date(2026, 7, 1)),
        (date(2023, 4, 30), "一般", "食品违法行为", date(2023, 7, 30)),
    ],
)
def test_offences_that_endanger_people_stay_public_a_year_at_least_under_the_order_of_2023(
    decided: date, degree: str, offence: str, first: date
) -> None:
    span = legal_span(decided, degree, ["罚款"], offence)
    assert span is not None
    assert span.first == first
    assert span.last == legal_span(decided, degree).last  # type: ignore[union-attr]


def test_slight_offences_are_published_from_april_2026_on_only_on_request() -> None:
    assert [legal_span(date(2026, 3, 31), "轻微")[2:], legal_span(date(2026, 4, 1), "轻微")[2:]] == [  # type: ignore[index]
        (True, False),
        (False, True),
    ]
    assert legal_span(date(2026, 4, 1), "一般")[2:] == (True, False)  # type: ignore[index]


# Whole records


def publicity(**cells: str) -> Publicity:
    dataset = DATASETS["penalty"]
    return publicity_of(dataset, read_row(dataset.fields, PENALTY | cells).values)


@pytest.mark.parametrize(
    ("cells", "ends", "published"),
    [
        ({}, date(2027, 5, 6), True),
        ({"CF_GSJZQ": "2026-08-06"}, date(2026, 8, 6), True),
        ({"CF_GSJZQ": "2026-08-05"}, date(2027, 5, 6), True),
        ({"CF_GSJZQ": "2027-05-07"}, date(2027, 5, 6), True),
        ({"EXT_SXCD": "严重"}, date(2029, 5, 6), True),
        ({"EXT_SXCD": "轻微"}, date(2026, 8, 6), False),
        ({"EXT_SXCD": "轻微", "CF_GSJZQ": "2026-06-30"}, date(2026, 6, 30), True),
        ({"EXT_SXCD": "轻微", "CF_GSJZQ": "2026-08-07"}, date(2026, 8, 6), False),
        ({"CF_JDRQ": "2024-05-06", "CF_CFLB": "警告"}, date(2027, 5, 6), False),
        ({"CF_JDRQ": "2024-05-06", "CF_CFLB": "警告", "CF_GSJZQ": "2024-09-01"}, date(2027, 5, 6), False),
        ({"CF_JDRQ": "2024-05-06", "CF_CFLB": "警告；罚款"}, date(2027, 5, 6), True),
        ({"CF_JDRQ": "2024-05-06", "CF_GSJZQ": "2025-05-05"}, date(2027, 5, 6), True),
        ({"CF_JDRQ": "2024-05-06", "CF_GSJZQ": "2025-05-06"}, date(2025, 5, 6), True),
        ({"CF_JDRQ": "2024-05-06", "CF_GSJZQ": "2024-08-06", "CF_WFXW": "广告"}, date(2024, 8, 6), True),
    ],
)
def test_a_record_is_shared_to_the_end_of_its_span_and_public_unless_the_law_keeps_it_back(
    cells: dict[str, str], ends: date, *, published: bool
) -> None:
    assert publicity(**cells) == (ends, published)


def test_a_licence_has_no_end_of_publicity_and_is_public() -> None:
    dataset = DATASETS["licence"]
    assert publicity_of(dataset, read_row(dataset.fields, LICENCE).values) == (None, True)


def with_columns(*kept: str) -> Dataset:
    schema = DATASETS["penalty"].schema
    fields = [f | {"rules": []} for f in schema["fields"] if f["name"] in kept]
    return parse_dataset(schema | {"dataset": "a_list", "rules": [], "fields": fields})


def test_a_list_with_degree_and_day_has_a_span_without_any_column_of_penalties() -> None:
    listed = with_columns("CF_JDRQ", "EXT_SXCD", "CF_GSJZQ")
    values: dict[str, Any] = {"CF_JDRQ": date(2026, 1, 31), "EXT_SXCD": "严重"}
    assert span_of(listed, values) == (date(2027, 1, 31), date(2029, 1, 31), True, False)
    assert publicity_of(listed, values) == (date(2029, 1, 31), True)
    assert span_of(listed, {"EXT_SXCD": "严重"}) is None


def test_what_only_speaks_of_a_degree_is_not_ended_by_it() -> None:
    values: dict[str, Any] = {"CF_JDRQ": date(2026, 5, 6), "EXT_SXCD": "轻微"}
    assert publicity_of(with_columns("CF_JDRQ", "EXT_SXCD"), values) == (None, True)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"CF_GSJZQ": "2027-05-06"}, None),
        ({"CF_GSJZQ": "2027-05-07"}, "2026-08-06 至 2027-05-06"),
        ({"EXT_SXCD": "轻微", "CF_GSJZQ": "2026-08-06"}, None),
        ({"EXT_SXCD": "轻微", "CF_GSJZQ": "2026-08-07"}, "2026-05-06 至 2026-08-06"),
        ({"CF_JDRQ": "2024-05-06", "CF_GSJZQ": "2025-05-05"}, "2025-05-06 至 2027-05-06"),
        ({"CF_JDRQ": "2024-05-06", "CF_CFLB": "警告", "CF_NR": "警告", "CF_NR_FK": ""}, None),
        (
            {"CF_JDRQ": "2024-05-06", "CF_CFLB": "警告", "CF_NR": "警告", "CF_NR_FK": "", "CF_GSJZQ": "2025-05-06"},
            "「公示截止期」不用填：按作出决定时的规定，这样的决定不公示",
        ),
    ],
)
def test_a_reported_end_outside_the_law_is_doubted_in_words_that_say_why(
    cells: dict[str, str], said: str | None
) -> None:
    found = check_row(DATASETS["penalty"], PENALTY | cells, Context(TODAY, AUTHORITY)).problems
    assert [p.rule for p in found] == (["CF_GSJZQ.publicity_span"] if said else [])
    assert said is None or said in found[0].message


def test_every_number_of_the_table_says_where_it_is_from_and_no_day_is_left_out() -> None:
    table = json.loads((Path(module.__file__).parent / "data" / "publicity.json").read_text(encoding="utf-8"))
    generations = table["generations"]
    for earlier, later in pairwise(generations):
        assert date.fromisoformat(earlier["to"]) + timedelta(days=1) == date.fromisoformat(later["from"])
    assert generations[-1]["to"] is None
    for part in (x for g in generations for x in (g, *g.get("longer", ()), *g.get("withheld", ()))):
        assert part["basis"]


def test_a_serious_listing_ends_three_years_after_its_day() -> None:
    dataset = DATASETS["black_list"]
    values = read_row(dataset.fields, dict(dataset.examples[0])).values
    decided = dataset.value(values, "decision.date")
    assert publicity_of(dataset, values) == (add_months(decided, 36), True)
    assert span_of(dataset, values)[0] == add_months(decided, 12)  # type: ignore[index]
