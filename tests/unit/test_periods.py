"""Months, quarters and years: their days, their labels, and that none is left out or counted twice."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.catalogue import load_catalogue
from credit_schemas.obligations import MOST_GRACE
from credit_schemas.periods import MONTHS, Period, period_of, periods, previous, read_label

KINDS = st.sampled_from(sorted(MONTHS))
DAYS = st.dates(date(1900, 1, 1), date(2998, 12, 31))


@pytest.mark.parametrize(
    ("kind", "day", "expected"),
    [
        ("monthly", date(2024, 2, 29), Period("2024-02", date(2024, 2, 1), date(2024, 2, 29))),
        ("monthly", date(2026, 2, 28), Period("2026-02", date(2026, 2, 1), date(2026, 2, 28))),
        ("monthly", date(2000, 2, 1), Period("2000-02", date(2000, 2, 1), date(2000, 2, 29))),
        ("monthly", date(2100, 2, 1), Period("2100-02", date(2100, 2, 1), date(2100, 2, 28))),
        ("monthly", date(2026, 12, 31), Period("2026-12", date(2026, 12, 1), date(2026, 12, 31))),
        ("quarterly", date(2026, 9, 30), Period("2026Q3", date(2026, 7, 1), date(2026, 9, 30))),
        ("quarterly", date(2026, 10, 1), Period("2026Q4", date(2026, 10, 1), date(2026, 12, 31))),
        ("quarterly", date(2024, 2, 29), Period("2024Q1", date(2024, 1, 1), date(2024, 3, 31))),
        ("yearly", date(2026, 12, 31), Period("2026", date(2026, 1, 1), date(2026, 12, 31))),
    ],
)
def test_a_day_lies_in_its_month_quarter_and_year(kind: str, day: date, expected: Period) -> None:
    assert period_of(kind, day) == expected


@given(KINDS, DAYS)
def test_periods_follow_each_other_without_a_gap_and_read_back_from_their_labels(kind: str, day: date) -> None:
    found = period_of(kind, day)
    assert found.first <= day <= found.last
    assert found.first.day == 1
    assert found.last.day == calendar.monthrange(found.last.year, found.last.month)[1]
    assert previous(kind, found).last == found.first - timedelta(days=1)
    assert read_label(found.label) == found


@given(KINDS, DAYS, st.integers(0, 1200))
def test_a_span_of_days_is_covered_once(kind: str, since: date, length: int) -> None:
    until = min(since + timedelta(days=length), date(2998, 12, 31))
    found = list(periods(kind, since, until))
    assert found[0].first <= since
    assert until <= found[-1].last
    assert [previous(kind, later) for later in found[1:]] == found[:-1]


def test_no_span_has_no_period() -> None:
    assert list(periods("monthly", date(2026, 2, 1), date(2026, 1, 31))) == []


@pytest.mark.parametrize(
    "text", [None, "", "2026Q5", "2026Q0", "2026-13", "2026-0", "0000", "20260", "2026年", "２０２６"]
)
def test_what_names_no_period_reads_as_none(text: str | None) -> None:
    assert read_label(text) is None


@pytest.mark.parametrize("year", range(2004, 2031))
def test_the_longest_grace_ends_within_the_next_month_so_that_no_day_counts_for_two(year: int) -> None:
    county_calendar = load_catalogue().calendar
    for month in range(1, 13):
        ended = period_of("monthly", date(year, month, 1))
        due = county_calendar.add_workdays(ended.last, MOST_GRACE).day
        assert due < period_of("monthly", ended.last + timedelta(days=1)).last
