"""Publicity periods, by the date of the decision (STANDARDS 3.4)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.publicity import add_months, legal_span

DEGREES = ["轻微", "一般", "严重"]


@pytest.mark.parametrize(
    ("decided", "degree", "months"),
    [
        (date(2026, 4, 1), "轻微", (0, 3)),
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
    assert legal_span(decided, degree) == (add_months(decided, months[0]), add_months(decided, months[1]))


def test_an_unknown_degree_has_no_span() -> None:
    assert legal_span(date(2026, 5, 6), "很重") is None


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
