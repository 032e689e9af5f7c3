"""Working days: the shipped table against two libraries, and what lies beyond it."""

import csv
import importlib
import io
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.workdays import (
    SEED_TABLE,
    CalendarError,
    Deadline,
    load_calendar,
)
from credit_schemas.workdays_seed import seed_table, write_table

CALENDAR = load_calendar()
HEADING = "date,kind,basis\n"
# A made-up notice in the form of a real one: 13 rest days by law, 18 weekdays off, 5 weekend days worked.
NOTICE_2027 = {
    "holiday": "01-01 02-05 02-08 02-09 02-10 02-11 02-12 04-05 05-03 05-04 05-05 06-09 09-15 "
    "10-01 10-04 10-05 10-06 10-07",
    "workday": "01-30 02-14 05-08 09-26 10-09",
}
days = st.dates(date(2003, 6, 1), date(2028, 6, 30))


def notice(drop=()):
    lines = [f"2027-{day},{kind},通知" for kind, listed in NOTICE_2027.items() for day in listed.split()]
    return HEADING + "\n".join(line for line in lines if line[5:10] not in drop and line[11:18] not in drop)


@pytest.fixture
def table(tmp_path):
    """Write a table and return its path."""

    def write(text, name="county.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def counted_by_hand(calendar, day, n, count_decision_day):
    if n == 0:
        return day
    if not count_decision_day:
        day += timedelta(1)
    while True:
        n -= calendar.is_workday(day)
        if n == 0:
            return day
        day += timedelta(1)


@pytest.mark.parametrize(
    ("decided", "last", "provisional"),
    [
        ("2022-01-25", "2022-02-08", False),
        ("2022-09-29", "2022-10-13", False),
        ("2024-02-05", "2024-02-20", False),
        ("2025-09-28", "2025-10-14", False),
        ("2026-02-10", "2026-02-26", False),
        ("2026-12-22", "2026-12-31", False),
        ("2026-12-23", "2027-01-04", True),
    ],
)
def test_seven_working_days_end_on_the_golden_day(decided, last, provisional):
    deadline = CALENDAR.add_workdays(date.fromisoformat(decided), 7)
    assert deadline == Deadline(date.fromisoformat(last), provisional)


def test_every_day_2022_to_2026_agrees_with_two_libraries():
    chinese_calendar, holidays = map(importlib.import_module, ("chinese_calendar", "holidays"))
    china = holidays.country_holidays("CN", years=range(2022, 2027))
    day = date(2022, 1, 1)
    while day <= date(2026, 12, 31):
        assert CALENDAR.is_workday(day) == chinese_calendar.is_workday(day), day
        assert CALENDAR.is_workday(day) == china.is_working_day(day), day
        day += timedelta(1)


def test_the_shipped_table_is_the_seed_and_complete_from_2004_to_2026():
    with SEED_TABLE.open(encoding="utf-8", newline="") as file:
        shipped = [(date.fromisoformat(r["date"]), r["kind"], r["basis"]) for r in csv.DictReader(file)]
    assert shipped == [row for row in seed_table() if row[0].year <= 2026]
    assert CALENDAR.covered_until == date(2026, 12, 31)
    assert not CALENDAR.add_workdays(date(2003, 12, 31), 1).provisional
    assert CALENDAR.add_workdays(date(2003, 12, 30), 1).provisional


def test_the_seed_command_writes_a_table_that_loads(table):
    out = io.StringIO()
    write_table(out)
    again = load_calendar(table(out.getvalue()))
    assert again.covered_until >= CALENDAR.covered_until
    assert CALENDAR.exceptions.items() <= again.exceptions.items()


@given(days, st.integers(0, 40), st.booleans())
def test_the_fast_way_counts_like_a_finger_on_the_calendar(day, n, count_decision_day):
    deadline = CALENDAR.add_workdays(day, n, count_decision_day=count_decision_day)
    assert deadline.day == counted_by_hand(CALENDAR, day, n, count_decision_day)
    first = day if count_decision_day else day + timedelta(1)
    beyond = first < date(2004, 1, 1) or deadline.day > CALENDAR.covered_until
    assert deadline.provisional == (n > 0 and beyond)


@given(days, st.integers(1, 40))
def test_a_later_decision_is_never_due_earlier(day, n):
    deadline = CALENDAR.add_workdays(day, n).day
    assert deadline <= CALENDAR.add_workdays(day + timedelta(1), n).day
    assert CALENDAR.is_workday(deadline)


def test_the_decision_day_counts_only_on_request():
    friday = date(2026, 5, 15)
    assert CALENDAR.add_workdays(friday, 1).day == date(2026, 5, 18)
    assert CALENDAR.add_workdays(friday, 1, count_decision_day=True).day == friday
    saturday = date(2026, 5, 16)
    assert CALENDAR.add_workdays(saturday, 1, count_decision_day=True).day == date(2026, 5, 18)
    assert CALENDAR.add_workdays(saturday, 0).day == saturday
    with pytest.raises(ValueError, match="negative"):
        CALENDAR.add_workdays(friday, -1)


@pytest.mark.parametrize(
    "holiday", ["2027-01-01", "2027-02-08", "2027-04-05", "2027-10-01", "2100-10-01", "2103-01-01", "2109-05-02"]
)
def test_statutory_holidays_apply_beyond_the_table(holiday):
    day = date.fromisoformat(holiday)
    assert day.weekday() < 5 or day.year > 2099
    assert not CALENDAR.is_workday(day)
    assert CALENDAR.add_workdays(day - timedelta(1), 1).provisional


def test_a_long_term_sentinel_as_decision_day_gets_an_answer():
    assert CALENDAR.add_workdays(date(2099, 12, 31), 7) == Deadline(date(2100, 1, 12), True)


def test_entering_the_next_notice_makes_deadlines_final(table):
    longer = load_calendar(extra=[table(notice())])
    assert longer.covered_until == date(2027, 12, 31)
    assert longer.add_workdays(date(2026, 12, 23), 7) == Deadline(date(2027, 1, 4), False)
    assert longer.is_workday(date(2027, 1, 30))
    assert longer.add_workdays(date(2027, 12, 30), 2).provisional


@pytest.mark.parametrize(
    "missing", [NOTICE_2027["holiday"].split()[13:], ["workday"]], ids=["the last feast", "make-up days"]
)
def test_a_notice_entered_in_part_stays_provisional(table, missing):
    partly = load_calendar(extra=[table(notice(drop=missing))])
    assert partly.covered_until == date(2026, 12, 31)
    assert not partly.is_workday(date(2027, 2, 11))
    assert partly.add_workdays(date(2027, 1, 4), 7).provisional


def test_a_gap_between_two_tables_ends_the_coverage(table):
    gap = load_calendar(extra=[table(notice().replace("2027-", "2038-"))])
    assert gap.covered_until == date(2026, 12, 31)
    assert not gap.add_workdays(date(2038, 2, 1), 7).provisional  # 2038 itself has the weekdays of 2027
    assert gap.add_workdays(date(2026, 12, 31), 1).provisional


def test_a_later_table_overrules_an_earlier_one(table):
    first = table(HEADING + "2026-06-08,holiday,临时放假\n2026-06-20,workday,调休\n", "1.csv")
    second = table(HEADING + "2026-06-08,workday,取消放假\n", "2.csv")
    assert not load_calendar(extra=[first]).is_workday(date(2026, 6, 8))
    both = load_calendar(extra=[first, second])
    assert both.is_workday(date(2026, 6, 8))
    assert both.is_workday(date(2026, 6, 20))
    assert both.add_workdays(date(2026, 6, 5), 1) == Deadline(date(2026, 6, 8), False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_saved_by_excel_or_wps_is_read(table, encoding):
    text = HEADING.replace("\n", "\r\n") + "2026/6/8,holiday,临时放假\r\n,,\r\n"
    assert not load_calendar(extra=[table(text, encoding=encoding)]).is_workday(date(2026, 6, 8))


def test_an_empty_table_leaves_everything_provisional(table):
    empty = load_calendar(table(HEADING))
    assert empty.covered_until == date.min
    assert empty.add_workdays(date(2026, 5, 15), 1) == Deadline(date(2026, 5, 18), True)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "列名"),
        ("日期,类别\n", 1, "列名"),
        (HEADING + "2027-01-01,holiday\n", 2, "实有 2 列"),
        (HEADING + "2027-02-29,holiday,x\n", 2, "2027-02-29"),
        (HEADING + "\n46388,holiday,x\n", 3, "46388"),
        (HEADING + "2027-01-01,休,x\n", 2, "holiday"),
        (HEADING + "2027-01-01,holiday,x\n2027-01-01,workday,x\n", 3, "相反"),
    ],
)
def test_a_bad_table_says_which_line_and_what_to_write(table, text, line, words):
    with pytest.raises(CalendarError, match=words) as caught:
        load_calendar(extra=[table(text)])
    assert caught.value.line == line
    assert "county.csv" in str(caught.value)
    assert caught.value.retriable is False


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CalendarError, match=r"2027\.csv 读不出来"):
        load_calendar(extra=[tmp_path / "2027.csv"])
