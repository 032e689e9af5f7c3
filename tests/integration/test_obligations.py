"""Every row of the plan's annex: what it asks is found received, silence overdue, a nil return nil; and the edges."""

from __future__ import annotations

import calendar
import json
import random
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from credit_local.cli import credit
from credit_reports.duties import NO_LEDGER, Duty, duties, tally
from credit_reports.duty_strays import strays
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import load_county
from credit_schemas.obligations import Obligation, reckoned_by, responsible
from credit_schemas.periods import Period, period_of, previous
from credit_schemas.units import Unit
from credit_warehouse.settings import load_settings
from events import Event, World, build_world
from unit.rows import LEDGER, PENALTY

SHANGHAI = ZoneInfo("Asia/Shanghai")
COUNTY = load_county()
UNITS_BOUND_BY_16 = responsible(COUNTY.obligations[15], COUNTY, date(2026, 9, 30))
# A day in the middle of a month, a quarter and a year, and one on which everything of that year is overdue.
MIDDLE, LATER = date(2026, 8, 20), date(2027, 3, 1)
Q2, Q3, Q4 = (Period(f"2026Q{n}", date(2026, 3 * n - 2, 1), date(2026, 3 * n, 30 + (n == 4))) for n in (2, 3, 4))
# Days of grace after the third quarter: National Day until the 7th, the 10th is worked (5 working days: 8 9 10 12 13).
Q3_DUE = date(2026, 10, 13)


def local(day: date, hour: int = 12, minute: int = 0) -> datetime:
    """A moment on a day of the county's clock."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.fixture(scope="module")
def whole(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


@pytest.fixture
def world(whole):
    """The center with nothing reported."""
    tables = [f"core.{d.table}" for d in whole.center.catalogue.datasets.values()]
    tables += ["core.record_act", "core.former_key", "landing.event", "ingest.waiting"]
    whole.query("; ".join(f"DELETE FROM {t}" for t in tables))
    return whole


def found(world: World, as_of: date, **asked: Any) -> list[Duty]:
    """The duties as a reader finds them."""
    with closing(world.connect("reader")) as con:
        return duties(con, world.center.catalogue, as_of, **asked)


def one(world: World, row: int, unit: str, period: Period, as_of: date) -> Duty:
    """One unit's duty of a row for a period."""
    (duty,) = found(world, as_of, unit=unit, annex_row=row, since=period.first, until=period.last)
    assert (duty.annex_row, duty.unit, duty.period) == (row, unit, period.label)
    return duty


# The first examples of these name files that nobody hands over here, or days after that of the arrival.
CELLS = {
    "work_report": {"GZ_FJ": "", "GZ_HDRQ": ""},
    "medical_insurance": {"YB_RKRQ": "2026-08-12"},
    "utility_payment": {"GY_JZRQ": "2026-08-15", "GY_JFRQ": "2026-08-12"},
    "loan_statistics": {"XD_JZRQ": "2026-06-30"},
    "count_base": {"TJ_JZRQ": "2026-08-20"},
}


def row_of(world: World, name: str, period: str = "", annex_row: int = 0, **cells: str) -> dict[str, str]:
    """The dataset's first example, about a period and a row of the annex; `cells` by national code."""
    dataset = world.dataset(name)
    row = {**dataset.examples[0], **CELLS.get(name, {})}
    if dataset.column("period") and period:
        row[dataset.column("period")] = period
    if dataset.column("annex_row") and annex_row:
        row[dataset.column("annex_row")] = str(annex_row)
    scenario = dataset.column("scenario")
    if scenario and annex_row == 22:
        row[scenario] = "信易批"
    return {**row, **cells}


def event(world: World, unit: str, name: str, period: str = "", annex_row: int = 0, **cells: str) -> Event:
    return world.event(unit, row_of(world, name, period, annex_row, **cells), dataset=name)


def feed(world: World, day: date | datetime, *events: Event) -> None:
    """Load what must be accepted, or say nothing new."""
    done = world.feed(*events, at=day if isinstance(day, datetime) else local(day))
    assert sum(done.get(k, 0) for k in ("loaded", "unchanged")) == len(events), done


def nil(world: World, unit: str, row: int, period: str, day: date = MIDDLE) -> None:
    feed(world, day, event(world, unit, "nil_return", period, row))


# Every row of the annex

# What a row is answered with, where its first dataset is not what its first unit would send.
SENT = {1: ["red_list"], 2: ["penalty"]}


def three_cases(obligation: Obligation) -> list[tuple[Unit, Period]]:
    """A unit that reports, one that is silent, one with a nil return; where a row names fewer, of earlier periods."""
    kind = reckoned_by(obligation, COUNTY)
    now = period_of(kind, MIDDLE)
    units = responsible(obligation, COUNTY, now.last)
    before = previous(kind, now)
    cases = [(u, now) for u in units] + [(units[0], before), (units[0], previous(kind, before))]
    return cases[:3]


def answer(world: World, obligation: Obligation, unit: str, period: Period) -> list[Event]:
    """What a row asks for, all of its parts."""
    names = (
        obligation.datasets if obligation.fulfil == "all" else SENT.get(obligation.annex_row) or obligation.datasets[:1]
    )
    return [event(world, unit, n, period.label, obligation.annex_row) for n in names]


@pytest.mark.parametrize("number", [o.annex_row for o in COUNTY.obligations if o.annex_row not in (2, 16)])
def test_what_a_row_of_the_annex_asks_is_received_silence_is_overdue_and_a_nil_return_is_nil(world, number):
    obligation = COUNTY.obligations[number - 1]
    (sender, period), (silent, missed), (idle, empty) = three_cases(obligation)
    feed(world, MIDDLE, *answer(world, obligation, sender.code, period))
    nil(world, idle.code, number, empty.label)

    received = one(world, number, sender.code, period, LATER)
    parts = len(obligation.datasets) if obligation.fulfil == "all" else 1
    assert (received.status, received.rows, received.first_received) == ("received", parts, MIDDLE)
    assert (received.missing, received.late) == ((), False)
    overdue = one(world, number, silent.code, missed, LATER)
    assert (overdue.status, overdue.rows, overdue.first_received) == ("overdue", 0, None)
    assert one(world, number, silent.code, missed, missed.last).status == "due"
    assert one(world, number, idle.code, empty, LATER).status == "nil"


@pytest.mark.parametrize("number", [o.annex_row for o in COUNTY.obligations if o.fulfil == "all"])
def test_where_all_parts_are_due_one_of_them_is_not_enough_and_the_missing_one_is_named(world, number):
    obligation = COUNTY.obligations[number - 1]
    unit, period = three_cases(obligation)[0]
    first, second = answer(world, obligation, unit.code, period)
    feed(world, MIDDLE, second)
    half = one(world, number, unit.code, period, LATER)
    assert (half.status, half.rows, half.missing) == ("overdue", 1, (obligation.datasets[0],))
    nil(world, unit.code, number, period.label)
    stood_for = one(world, number, unit.code, period, LATER)
    assert (stood_for.status, stood_for.remark) == ("received", "缺的部分另有零报告")
    feed(world, MIDDLE, first)
    whole = one(world, number, unit.code, period, LATER)
    assert (whole.status, whole.rows, whole.missing) == ("received", 2, ())


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        *(("yinlong", "utility_payment"), ("medicare", "medical_insurance"), ("court", "enforced_debtor")),
        *(("agri", "farmer_credit"), ("women", "red_list"), ("civil", "benefit"), ("land", "confirmation")),
        *(("health", "inspection"), ("emergency", "supervision"), ("transport", "rating"), ("org", "work_report")),
    ],
)
def test_public_credit_information_comes_in_as_many_datasets_as_there_are_units(world, unit, name):
    feed(world, MIDDLE, event(world, unit, name, "2026Q3", 1))
    assert one(world, 1, unit, Q3, LATER).status == "received"


def decided(world: World, unit: str, number: int, day: str, **cells: str) -> tuple[Event, Event]:
    """A penalty of a unit and the line of its ledger."""
    own = world.center.catalogue.county.units.get(unit).uscc
    told = {"CF_CFJGDM": own, "CF_SJLYDM": own, "CF_WSH": f"示罚〔2026〕{number}号", "CF_JDRQ": day, **cells}
    line = {**LEDGER, "LG_DWDM": own, "LG_WSH": f"示罚〔2026〕{number}号", "LG_JDRQ": day}
    return world.event(unit, {**PENALTY, **told}), world.event(unit, line, dataset="ledger")


MAY = Period("2026-05", date(2026, 5, 1), date(2026, 5, 31))


def test_row_2_is_told_by_months_of_decision_from_the_ledger_and_the_records(world):
    kept, kept_line = decided(world, "market", 1, "2026-05-06")
    late, late_line = decided(world, "water", 2, "2026-05-06")
    _, silent_line = decided(world, "edu", 3, "2026-05-06")
    feed(world, date(2026, 5, 11), kept, kept_line, late_line, silent_line)
    feed(world, date(2026, 5, 20), late)
    nil(world, "civil", 2, "2026-05", date(2026, 6, 1))

    def of(unit: str, as_of: date) -> Duty:
        return one(world, 2, unit, MAY, as_of)

    done = of("market", LATER)
    assert (done.status, done.rows, done.first_received, done.late) == ("received", 1, date(2026, 5, 11), False)
    # Seven working days after 6 May end on the 14th: the Saturday of the 9th is worked.
    waiting, missed = of("edu", date(2026, 5, 14)), of("edu", date(2026, 5, 15))
    assert (waiting.status, waiting.due_on) == ("due", date(2026, 5, 14))
    assert (missed.status, missed.due_on, missed.missing) == ("overdue", date(2026, 5, 14), ("penalty",))
    assert of("water", date(2026, 5, 15)).status == "overdue"
    at_last = of("water", LATER)
    assert (at_last.status, at_last.late, at_last.remark) == ("received", True, "迟报 1 条")
    assert of("civil", LATER).status == "nil"
    unknown = of("justice", LATER)
    assert (unknown.status, unknown.rows, unknown.remark) == ("due", 0, NO_LEDGER)
    # The deadline of the month's last day.
    assert unknown.due_on == date(2026, 6, 9)


def test_a_decision_is_its_bodys_own_whoever_reports_it_and_a_withdrawn_one_is_missing_again(world):
    _, line = decided(world, "forestry", 5, "2026-05-06")
    forestry = world.center.catalogue.county.units.get("forestry").uscc
    own = world.event("hall", {**PENALTY, "CF_CFJGDM": forestry, "CF_SJLYDM": forestry, "CF_WSH": "示罚〔2026〕5号"})
    feed(world, date(2026, 5, 8), own, line)
    assert one(world, 2, "forestry", MAY, LATER).status == "received"
    assert one(world, 2, "hall", MAY, LATER).status == "due"
    world.feed(world.act("hall", "withdraw", AC_JLBH=str(own.ce_id)))
    assert one(world, 2, "forestry", MAY, LATER).status == "overdue"


def test_a_nil_return_does_not_hide_a_line_of_the_ledger(world):
    _, line = decided(world, "civil", 6, "2026-05-06")
    feed(world, date(2026, 5, 8), line)
    nil(world, "civil", 2, "2026-05")
    duty = one(world, 2, "civil", MAY, LATER)
    assert (duty.status, duty.remark) == ("overdue", "台账上 1 条已过期限没有记录；与零报告不符")


def test_row_16_binds_only_units_that_have_somebody_on_a_list(world):
    assert one(world, 16, "market", Q3, LATER).status == "not_bound"
    on_list = event(world, "market", "black_list")
    feed(world, date(2026, 7, 15), on_list, event(world, "hr", "black_list"), event(world, "court", "enforced_debtor"))
    feed(world, date(2026, 7, 15), event(world, "stats", "watch_list"))
    feed(world, MIDDLE, event(world, "market", "repair", "2026Q3"))
    nil(world, "court", 16, "2026Q3")
    status = {d.unit: d.status for d in found(world, LATER, annex_row=16, since=Q3.first, until=Q3.last)}
    assert (status["market"], status["hr"], status["court"]) == ("received", "overdue", "nil")
    assert status["stats"] == status["edu"] == "not_bound", "a watch list is no list of the dishonest"
    counted = {t.period: t for t in tally(found(world, LATER, annex_row=16, since=Q3.first, until=Q3.last))}["2026Q3"]
    assert (counted.bound, counted.received, counted.nil, counted.overdue) == (3, 1, 1, 1)
    # Decided on 6 May and not reported before July: the second quarter is bound too, as it turns out.
    assert one(world, 16, "hr", Q2, LATER).status == "overdue"
    assert one(world, 16, "hr", Q2, date(2026, 7, 14)).status == "not_bound"
    world.feed(world.act("market", "withdraw", "black_list", AC_JLBH=str(on_list.ce_id)))
    assert one(world, 16, "market", Q4, LATER).status == "not_bound"


@pytest.mark.parametrize(("removed", "third_quarter"), [("2026-07-01", "not_bound"), ("2026-07-02", "overdue")])
def test_whoever_left_the_list_before_the_quarter_binds_nobody_in_it(world, removed, third_quarter):
    gone = {"YC_YCRQ": removed, "YC_YCYY": "已补报", "YC_YCJG": "示例县市场监督管理局"}
    feed(world, date(2026, 7, 15), event(world, "market", "abnormal_operation", **gone))
    assert one(world, 16, "market", Q2, LATER).status == "overdue"
    assert one(world, 16, "market", Q3, LATER).status == third_quarter


# Rates


def test_rates_of_rows_5_and_18_count_bodies_of_the_kind_once_over_the_total(world):
    def debtor(code: str, number: int) -> Event:
        return event(world, "court", "enforced_debtor", SX_TYSHXYDM=code, SX_AH=f"（2026）豫0421执{number}号")

    school, bureau, company = "12410421000000027H", "11320100MB1886843H", "91320100748204660Q"
    feed(world, MIDDLE, *(debtor(c, n) for n, c in enumerate([school, school, bureau, company], 1)))
    feed(world, MIDDLE, event(world, "hr", "black_list", BL_TYSHXYDM=company))
    feed(world, MIDDLE, event(world, "market", "abnormal_operation", YC_TYSHXYDM="91410421MA0000007D"))

    def totals(period: str, day: date, **counts: str) -> None:
        date_of = {"TJ_JZRQ": day.isoformat()}
        rows = [event(world, "stats", "count_base", period, TJ_TJLB=k, TJ_SL=n, **date_of) for k, n in counts.items()]
        feed(world, day, *rows)

    def rate(row: int, period: Period, as_of: date = LATER) -> tuple[int, int | None, str]:
        ratio = one(world, row, "industry", period, as_of).ratio
        return ratio.listed, ratio.total, str(ratio)

    year = period_of("yearly", MIDDLE)
    assert rate(5, Q3) == (2, None, "—")
    totals("2026-09", date(2026, 9, 30), 政府部门="43")
    assert rate(5, Q3) == (2, None, "—"), "one of the two kinds is missing"
    totals("2026-09", date(2026, 9, 30), 事业单位="157", 企业="999")
    assert rate(5, Q3) == (2, 200, "1.00%")
    totals("2026Q3", date(2026, 10, 8), 事业单位="357")
    assert rate(5, Q3, date(2026, 10, 7)) == (2, 200, "1.00%")
    totals("2026-09", date(2026, 10, 9), 事业单位="158")
    assert rate(5, Q3) == (2, 400, "0.50%"), "the quarter's own figure before that of its last month"
    assert rate(5, Q2) == (2, None, "—"), "listed since May, but the totals are of the third quarter"
    assert rate(18, year) == (1, 999, "0.10%"), "one company on two lists is one; 经营异常 is none of them"
    assert one(world, 7, "market", Q3, LATER).ratio is None


# Which period an arrival counts for


def status_of(world: World, row: int, unit: str, *spans: Period) -> list[str]:
    return [one(world, row, unit, p, LATER).status for p in spans]


@pytest.mark.parametrize(
    ("moment", "counted"),
    [
        (datetime(2026, 9, 30, 15, 59, tzinfo=UTC), Q3),
        (datetime(2026, 9, 30, 16, 1, tzinfo=UTC), Q4),
        (datetime(2026, 6, 30, 15, 59, tzinfo=UTC), Q2),
        (datetime(2026, 12, 31, 15, 59, tzinfo=UTC), Q4),
    ],
)
def test_a_quarter_ends_at_midnight_of_the_countys_clock(world, moment, counted):
    # Registrations have no deciding day: their own day is all there is.
    feed(world, moment, event(world, "land", "subject_base", DJ_HZRQ="2026-04-01"))
    expected = ["received" if p is counted else "overdue" for p in (Q2, Q3, Q4)]
    assert status_of(world, 1, "land", Q2, Q3, Q4) == expected


@pytest.mark.parametrize(
    ("arrived", "decided_on", "counted"),
    [
        (date(2026, 9, 30), "2026-09-30", Q3),
        (date(2026, 10, 1), "2026-09-30", Q3),
        (date(2026, 10, 1), "2026-10-01", Q4),
        (Q3_DUE, "2026-09-30", Q3),
        (Q3_DUE, "2026-10-01", Q4),
        (Q3_DUE + timedelta(days=1), "2026-09-30", Q4),
        (date(2026, 7, 1), "2026-03-31", Q2),
    ],
)
def test_within_the_grace_what_was_decided_before_counts_for_the_period_before(world, arrived, decided_on, counted):
    assert one(world, 7, "women", Q3, LATER).due_on == Q3_DUE
    feed(world, arrived, event(world, "women", "red_list", RL_RDRQ=decided_on))
    expected = ["received" if p is counted else "overdue" for p in (Q2, Q3, Q4)]
    assert status_of(world, 7, "women", Q2, Q3, Q4) == expected


@pytest.mark.parametrize(
    ("moment", "decided_on", "year"),
    [
        (datetime(2025, 12, 31, 15, 59, tzinfo=UTC), "2025-12-31", 2025),
        (datetime(2025, 12, 31, 16, 1, tzinfo=UTC), "2025-12-31", 2025),
        (datetime(2025, 12, 31, 16, 1, tzinfo=UTC), "2026-01-01", 2026),
        (local(date(2026, 1, 20)), "2025-12-31", 2026),
    ],
)
def test_a_year_changes_at_midnight_of_the_countys_clock_and_its_grace_reaches_into_january(
    world, moment, decided_on, year
):
    row = {"SX_FBSJ": decided_on, "SX_LASJ": "2025-03-02"}
    feed(world, moment, event(world, "court", "enforced_debtor", **row))
    for each in (2025, 2026):
        span = period_of("yearly", date(each, 5, 1))
        assert one(world, 18, "court", span, LATER).status == ("received" if each == year else "overdue")


def test_every_arrival_counts_for_exactly_one_period_as_an_independent_reckoning_has_it(world):
    chance = random.Random(20260930)
    dues = {Q2.label: date(2026, 7, 7), Q3.label: Q3_DUE}
    wanted: dict[str, int] = {}
    begin = date(2026, 4, 1)
    for n in range(60):
        day = begin + timedelta(days=chance.randrange(274))
        made_on = day - timedelta(days=chance.choice([0, 1, 5, 9, 40]))
        quarter = f"2026Q{(day.month + 2) // 3}"
        for label, due in dues.items():
            ended = date(2026, 3 * int(label[-1]), 30)
            if ended < day <= due and made_on <= ended:
                quarter = label
        wanted[quarter] = wanted.get(quarter, 0) + 1
        feed(world, day, event(world, "youth", "red_list", RL_RDRQ=made_on.isoformat(), RL_RDWH=f"示青〔2026〕{n}号"))
    mine = found(world, LATER, unit="youth", annex_row=7, since=date(2026, 1, 1), until=date(2026, 12, 31))
    assert {d.period: d.rows for d in mine if d.rows} == wanted
    assert sum(wanted.values()) == 60


@pytest.mark.parametrize(
    ("row", "name", "label", "arrived", "counted"),
    [
        (3, "work_report", "2026Q3", date(2026, 7, 2), Q3),  # named while it runs
        (3, "work_report", "2026Q2", date(2026, 9, 1), Q2),  # named long after
        (3, "work_report", "2026-05", date(2026, 9, 1), Q2),  # a month in its quarter
        (3, "work_report", "2026", date(2026, 9, 1), Q3),  # a year is reported in the quarter in which it comes
        (3, "work_report", "2026", date(2027, 2, 1), Q4),  # afterwards it was the last
    ],
)
def test_what_names_a_period_counts_for_that_one(world, row, name, label, arrived, counted):
    feed(world, arrived, event(world, "edu", name, label, row))
    expected = ["received" if p is counted else "overdue" for p in (Q2, Q3, Q4)]
    assert status_of(world, row, "edu", Q2, Q3, Q4) == expected


def test_a_quarter_named_for_a_yearly_duty_counts_for_the_year(world):
    feed(world, MIDDLE, event(world, "pbc", "loan_statistics", "2026Q2", XD_JZRQ="2026-06-30"))
    year = period_of("yearly", MIDDLE)
    assert status_of(world, 19, "pbc", year, previous("yearly", year)) == ["received", "overdue"]


def test_one_debt_reported_every_quarter_is_received_in_each_of_them(world):
    def told(label: str) -> Event:
        return event(world, "industry", "arrears", label)

    def report(label: str) -> Event:
        return event(world, "industry", "work_report", label, 6)

    feed(world, date(2026, 6, 20), told("2026Q2"), report("2026Q2"))
    feed(world, date(2026, 9, 20), told("2026Q3"), report("2026Q3"))
    assert world.one("SELECT count(*) AS n, max(revision) AS r FROM core.arrears") == [1, 2]
    assert status_of(world, 6, "industry", Q2, Q3, Q4) == ["received", "received", "overdue"]


def test_a_label_that_names_no_year_is_taken_for_none(world):
    feed(world, MIDDLE, event(world, "stats", "count_base", "0000"))
    feed(world, MIDDLE, event(world, "market", "count_base", "0000", TJ_TJLB="企业"))
    assert one(world, 18, "market", period_of("yearly", MIDDLE), LATER).status == "received"


def test_a_report_for_one_row_is_none_for_another(world):
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026Q3", 3))
    assert status_of(world, 3, "edu", Q3) == ["received"]
    assert status_of(world, 11, "edu", Q3) == ["overdue"]


def test_what_comes_after_the_due_day_is_received_late(world):
    def status(as_of: date) -> tuple[str, bool]:
        duty = one(world, 3, "edu", Q3, as_of)
        return duty.status, duty.late

    feed(world, Q3_DUE + timedelta(days=1), event(world, "edu", "work_report", "2026Q3", 3))
    assert status(Q3_DUE) == ("due", False)
    assert status(Q3_DUE + timedelta(days=1)) == ("received", True)
    feed(world, Q3_DUE, event(world, "hr", "work_report", "2026Q3", 3))
    assert one(world, 3, "hr", Q3, LATER).late is False
    nil(world, "civil", 3, "2026Q3", Q3_DUE + timedelta(days=1))
    duty = one(world, 3, "civil", Q3, LATER)
    assert (duty.status, duty.late) == ("nil", True)


def test_the_day_after_the_due_day_is_overdue_and_the_due_day_is_not(world):
    assert one(world, 3, "edu", Q3, Q3_DUE).status == "due"
    assert one(world, 3, "edu", Q3, Q3_DUE + timedelta(days=1)).status == "overdue"


def test_with_all_parts_due_it_is_the_last_of_them_that_is_late(world):
    feed(world, date(2026, 9, 1), event(world, "industry", "work_report", "2026Q3", 6))
    feed(world, Q3_DUE + timedelta(days=1), event(world, "industry", "arrears", "2026Q3"))
    duty = one(world, 6, "industry", Q3, LATER)
    assert (duty.status, duty.first_received, duty.late) == ("received", date(2026, 9, 1), True)


# What does not count


def test_a_withdrawn_report_does_not_count(world):
    sent = event(world, "edu", "work_report", "2026Q3", 3)
    feed(world, MIDDLE, sent)
    world.feed(world.act("edu", "withdraw", "work_report", AC_JLBH=str(sent.ce_id)))
    assert status_of(world, 3, "edu", Q3) == ["overdue"]


def test_a_withdrawn_nil_return_does_not_count(world):
    sent = event(world, "edu", "nil_return", "2026Q3", 3)
    feed(world, MIDDLE, sent)
    assert status_of(world, 3, "edu", Q3) == ["nil"]
    world.feed(world.act("edu", "withdraw", "nil_return", AC_JLBH=str(sent.ce_id)))
    assert status_of(world, 3, "edu", Q3) == ["overdue"]


def test_a_refused_row_is_no_report_even_when_it_comes_again(world):
    for _ in range(2):
        refused = event(world, "women", "red_list", RL_RYMC="")
        world.feed(refused, at=local(MIDDLE))
        assert world.landed(refused)["state"] in ("rejected", "unchanged")
    # Of a record that was ended: refused with its number, and again.
    first = event(world, "youth", "red_list")
    feed(world, date(2026, 5, 1), first)
    world.feed(world.act("youth", "revoke", "red_list", AC_JLBH=str(first.ce_id)))
    for _ in range(2):
        world.feed(event(world, "youth", "red_list", RL_RYNR="改了说法"), at=local(MIDDLE))
    assert status_of(world, 7, "women", Q3) == status_of(world, 7, "youth", Q3) == ["overdue"]


def test_the_same_list_sent_again_is_this_quarters_report(world):
    feed(world, date(2026, 5, 20), event(world, "women", "red_list"))
    assert status_of(world, 7, "women", Q2, Q3) == ["received", "overdue"]
    feed(world, MIDDLE, event(world, "women", "red_list"))
    assert status_of(world, 7, "women", Q2, Q3) == ["received", "received"]


def test_a_correction_of_an_old_row_is_no_report_of_this_quarter(world):
    feed(world, date(2026, 5, 20), event(world, "women", "red_list"))
    row = row_of(world, "red_list", RL_RYNR="更正后的内容")
    feed(world, MIDDLE, world.event("women", row, dataset="red_list", act="correct"))
    assert status_of(world, 7, "women", Q2, Q3) == ["received", "overdue"]


# Nil returns


def test_a_nil_return_for_a_quarter_holds_for_its_months_and_rows_weigh_more(world):
    nil(world, "edu", 8, "2026Q3")
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026-08", 8))
    months = [period_of("monthly", date(2026, m, 1)) for m in (6, 7, 8, 9, 10)]
    assert status_of(world, 8, "edu", *months) == ["overdue", "nil", "received", "nil", "overdue"]
    assert one(world, 8, "edu", months[2], LATER).remark == "另有零报告，以实报为准"


def test_a_nil_return_is_for_its_row_and_its_unit(world):
    nil(world, "edu", 3, "2026Q3")
    assert status_of(world, 3, "edu", Q3) == ["nil"]
    assert status_of(world, 11, "edu", Q3) == status_of(world, 3, "hr", Q3) == ["overdue"]


# Units


def test_units_of_an_open_list_are_shown_when_they_report_and_owe_nothing(world):
    feed(world, MIDDLE, event(world, "women", "red_list"), event(world, "transport", "red_list"))
    feed(world, MIDDLE, event(world, "province", "red_list"))
    all_units = found(world, LATER, annex_row=7, since=Q3.first, until=Q3.last)
    assert [(d.unit, d.status) for d in all_units if d.voluntary] == [("transport", "received")]
    (counted,) = tally(all_units)
    assert (counted.bound, counted.received, counted.voluntary) == (8, 1, 1)


def test_a_unit_owes_while_it_exists_and_its_successor_answers_for_what_it_sent(world, tmp_path):
    feed(world, date(2026, 7, 10), event(world, "women", "red_list"))
    county = world.center.catalogue.county
    old = replace(county.units.get("women"), valid_to=date(2026, 8, 31))
    new = replace(old, code="women2", valid_from=date(2026, 9, 1), valid_to=None)
    folder = tmp_path / "county"
    shutil.copytree(world.folder, folder)
    table = (folder / "units.csv").read_text("utf-8")
    line = next(x for x in table.splitlines() if x.startswith("women,"))
    begun = line.replace(",true,,,", ",true,,2026-08-31,")
    heir = line.replace("women,", "women2,", 1).replace(",true,,,", ",true,2026-09-01,,")
    (folder / "units.csv").write_text(table.replace(line, f"{begun}\n{heir}"), "utf-8")
    catalogue = load_catalogue(folder)
    with closing(world.connect("reader")) as con:
        held = duties(con, catalogue, LATER, annex_row=7, since=Q2.first, until=Q3.last)
        alone = duties(con, catalogue, LATER, unit="women2", annex_row=7, since=Q2.first, until=Q3.last)
    mine = {(d.period, d.unit): d.status for d in held if d.unit in (old.code, new.code)}
    assert mine == {("2026Q2", "women"): "overdue", ("2026Q3", "women2"): "received"}
    assert [(d.period, d.status) for d in alone] == [("2026Q3", "received")]


# Which periods are shown


def test_by_default_the_running_period_and_the_last_one_are_shown(world):
    shown = {(d.annex_row, d.period) for d in found(world, date(2026, 11, 2), unit="reform")}
    assert {p for r, p in shown if r == 3} == {"2026Q3", "2026Q4"}
    assert {p for r, p in shown if r == 8} == {"2026-10", "2026-11"}
    assert {p for r, p in shown if r == 14} == {"2025", "2026"}
    assert {p for r, p in shown if r == 2} == {"2026-10", "2026-11"}


def test_nothing_begins_before_its_time(world):
    shown = found(world, MIDDLE, unit="edu", annex_row=3, since=date(2026, 1, 1), until=date(2027, 12, 31))
    assert [(d.period, d.status) for d in shown] == [("2026Q1", "overdue"), ("2026Q2", "overdue"), ("2026Q3", "due")]


def test_a_deadline_beyond_the_calendar_is_provisional(world):
    sure, doubtful = one(world, 3, "edu", Q3, LATER), one(world, 3, "edu", Q4, LATER)
    assert sure.provisional is False
    assert (doubtful.provisional, doubtful.due_on) == (True, date(2027, 1, 8))
    told = run(world, "--as-of", "2026-10-14", "--unit", "edu")
    assert any("2027-01-08?" in x for x in lines(told.output))
    assert "暂定" in told.output


def test_the_end_of_february_in_a_leap_year(world):
    february = period_of("monthly", date(2024, 2, 1))
    assert february.last.day == calendar.monthrange(2024, 2)[1] == 29
    on_the_29th, next_day = (datetime(2024, 2, 29, 15, 59, tzinfo=UTC), datetime(2024, 2, 29, 16, 1, tzinfo=UTC))
    for n, moment in enumerate((on_the_29th, next_day)):
        row = {"GZ_BT": f"活动 {n}", "GZ_HDRQ": "2024-02-20"}
        feed(world, moment, event(world, "edu", "work_report", "2024Q1", 8, **row))
    march = period_of("monthly", date(2024, 3, 1))
    counts = [one(world, 8, "edu", p, LATER).rows for p in (february, march)]
    assert counts == [1, 1]
    assert one(world, 8, "edu", february, LATER).due_on == date(2024, 3, 7)


def test_every_row_of_the_annex_has_a_line_for_each_of_its_units(world):
    shown = found(world, LATER, since=Q3.first, until=Q3.first)
    held: dict[int, list[str]] = {}
    for d in shown:
        held.setdefault(d.annex_row, []).append(d.unit)
    expected = {
        o.annex_row: [u.code for u in responsible(o, COUNTY, period_of(reckoned_by(o, COUNTY), Q3.first).last)]
        for o in COUNTY.obligations
    }
    assert held == expected
    assert len(held) == 23


# Materials


def test_materials_of_the_plan_that_no_report_names_are_told(world):
    first = {"GZ_BT": "一", "GZ_CLLB": "活动方案；活动照片"}
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026-08", 9, **first))
    month = period_of("monthly", MIDDLE)
    assert one(world, 9, "edu", month, LATER).materials_missing == ("签到表", "宣传链接")
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026-08", 9, GZ_BT="二", GZ_CLLB="签到表；宣传链接"))
    duty = one(world, 9, "edu", month, LATER)
    assert (duty.status, duty.rows, duty.materials_missing) == ("received", 2, ())


# The command


def run(world: World, *arguments: str):
    load_settings.cache_clear()
    try:
        return CliRunner().invoke(credit, ["obligations", *arguments], env=world.environment())
    finally:
        load_settings.cache_clear()


def lines(text: str) -> Iterable[list[str]]:
    return (line.split() for line in text.splitlines())


def test_the_command_sums_up_each_row_and_lists_a_units_own_duties(world):
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026Q3", 3))
    nil(world, "hr", 3, "2026Q3")
    told = run(world, "--as-of", "2026-10-14", "--row", "3")
    assert told.exit_code == 0, told.output
    total = len(responsible(COUNTY.obligations[2], COUNTY, Q3.last))
    summary = next(x for x in lines(told.output) if x[:1] == ["3"] and "2026Q3" in x)
    assert summary[-6:] == [str(total), "1", "1", str(total - 2), "0", "0"]
    assert any(x[:4] == ["教体局", "2026Q3", "2026-10-13", "已报"] for x in lines(told.output))

    told = run(world, "--as-of", "2026-10-14", "--unit", "县教体局")
    assert "教体局：应报 " in told.output
    assert any(x[0] == "3" and x[-1] == "领导小组文件、工作方案、工作成效" for x in lines(told.output) if x)
    own = run(world, "--as-of", "2026-10-14", "--unit", "县教体局", "--json")
    records = json.loads(own.output)
    assert {r["unit"] for r in records} == {"edu"}
    mine = next(r for r in records if (r["annex_row"], r["period"]) == (3, "2026Q3"))
    assert (mine["status"], mine["status_cn"], mine["due_on"]) == ("received", "已报", "2026-10-13")
    assert mine["first_received"] == MIDDLE.isoformat()


def test_the_command_names_the_units_in_arrears_and_the_rows_and_periods_of_each(world):
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026Q3", 3))
    told = run(world, "--as-of", "2026-10-14", "--row", "3", "--overdue", "--from", "2026-04-01", "--to", "2026-09-30")
    assert told.exit_code == 0, told.output
    by_unit = {x[0]: x[1:] for x in lines(told.output) if len(x) == 3}
    assert by_unit["教体局"] == ["1", "3（2026Q2）"]
    assert by_unit["人社局"] == ["2", "3（2026Q2、2026Q3）"]
    listed = json.loads(run(world, "--as-of", "2026-10-14", "--row", "3", "--overdue", "--json").output)
    assert {r["status"] for r in listed} == {"overdue"}
    assert "edu" not in {r["unit"] for r in listed if r["period"] == "2026Q3"}


def test_the_command_leaves_out_whom_a_row_does_not_bind_and_says_how_many(world):
    feed(world, MIDDLE, event(world, "hr", "black_list"))
    told = run(world, "--as-of", "2026-10-14", "--row", "16", "--from", "2026-07-01", "--to", "2026-09-30")
    assert [x[0] for x in lines(told.output) if "2026Q3" in x and x[0] != "16"] == ["人社局"]
    members = len(UNITS_BOUND_BY_16)
    assert f"不适用的 {members - 1} 个没有列出。" in told.output


def test_a_report_that_counts_for_no_duty_is_told_with_the_reason(world):
    feed(
        world, MIDDLE, event(world, "edu", "work_report", "2026Q3", 12), event(world, "edu", "work_report", "2026Q3", 3)
    )
    feed(world, MIDDLE, event(world, "edu", "work_report", "2026Q3", 21))
    feed(world, MIDDLE, event(world, "women", "work_report", "2026Q3", 22))
    nil(world, "edu", 12, "2026Q3")
    nil(world, "edu", 4, "2026")
    catalogue, as_of = world.center.catalogue, date(2026, 10, 14)
    shorter = replace(catalogue, county=replace(catalogue.county, obligations=catalogue.county.obligations[:20]))
    with closing(world.connect("reader")) as con:
        lost = {(s.unit, s.annex_row): s.why for s in strays(con, catalogue, as_of)}
        later = {(s.unit, s.annex_row): s.why for s in strays(con, shorter, as_of, "edu")}
    not_its = "这一行的责任单位里没有它"
    assert lost == {("edu", 12): "这一行要报的是信用承诺", ("edu", 21): not_its, ("edu", 4): not_its}
    assert later == {**lost, ("edu", 21): "分解表没有这一行"}
    told = run(world, "--as-of", "2026-10-14", "--unit", "edu")
    assert any(x[2:3] == ["21"] and x[-1] == not_its for x in lines(told.output))


def test_the_command_shows_the_year_or_the_days_asked_for(world):
    def labels(*arguments: str) -> list[str]:
        told = run(world, "--as-of", "2026-08-20", "--unit", "edu", "--row", "3", "--json", *arguments)
        assert told.exit_code == 0, told.output
        return [r["period"] for r in json.loads(told.output)]

    assert labels() == ["2026Q2", "2026Q3"]
    assert labels("--all") == ["2026Q1", "2026Q2", "2026Q3"]
    assert labels("--from", "2025-11-01", "--to", "2026-01-31") == ["2025Q4", "2026Q1"]


def test_the_command_refuses_what_does_not_exist(world):
    assert run(world, "--row", "24").exit_code == 2
    assert run(world, "--all", "--from", "2026-01-01").exit_code == 2
