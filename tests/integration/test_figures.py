"""The figures are true: every count against rows whose fate the test knows (STANDARDS 9, rows 19 to 22)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from credit_reports.figures import Figure, figures, rate
from credit_reports.records import HIDDEN, records
from events import World, build_world
from unit.rows import LEDGER, PENALTY, PERSON, PERSON_PENALTY

MARKET = "market"
# Decided on 6 May 2026, due on 14 May: seven working days with the made-up Saturday of 9 May.
IN_TIME, TOO_LATE = datetime(2026, 5, 14, 15, 59, tzinfo=UTC), datetime(2026, 5, 14, 16, 0, tzinfo=UTC)
AS_OF = date(2026, 6, 1)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), [MARKET])
    own = made.center.catalogue.county.units.get(MARKET).uscc
    said = {"CF_CFJGDM": own, "CF_SJLYDM": own}

    def penalty(n: int, **other: str) -> dict:
        return {**PENALTY, **said, "CF_WSH": f"示市监处罚〔2026〕{n}号", **other}

    def duty(n: int, **other: str) -> dict:
        return {**LEDGER, "LG_DWDM": own, "LG_WSH": f"示市监处罚〔2026〕{n}号", **other}

    made.feed(
        made.event(MARKET, penalty(1)),
        made.event(MARKET, penalty(2)),
        made.event(MARKET, penalty(3, CF_CFLB="批评")),  # refused, and never mended
        made.event(MARKET, penalty(4, CF_CFLB="批评")),  # refused, mended below
        made.event(MARKET, {**PERSON_PENALTY, **said, "CF_WSH": "示市监处罚〔2026〕9号"}),
        at=IN_TIME,
    )
    made.feed(
        made.event(MARKET, penalty(1)),  # says nothing new: no row
        made.event(MARKET, penalty(2, CF_NR="罚款五百元")),  # a correction: a row, the same record, still in time
        made.event(MARKET, penalty(4)),
        made.event(MARKET, penalty(5)),
        at=TOO_LATE,
    )
    ledger = [duty(n) for n in (1, 2, 3, 4, 5, 6)]
    ledger.append(duty(7, LG_JDRQ="2026-05-28"))  # not due yet on AS_OF
    made.feed(*(made.event(MARKET, line, dataset="ledger") for line in ledger), at=datetime(2026, 5, 29, tzinfo=UTC))
    yield made
    made.close()


def of(world: World, **asked) -> Figure:
    con = world.connect("reader")
    try:
        (found,) = figures(con, world.center.catalogue, **{"as_of": AS_OF, **asked})
    finally:
        con.close()
    return found


def test_counts_come_first_and_rates_follow_from_them(world):
    found = of(world)
    assert (found.unit, found.dataset) == (MARKET, "penalty")
    assert (found.rows, found.accepted, found.rejected) == (8, 6, 2)
    assert (found.distinct, found.timely, found.late) == (5, 3, 2)
    assert found.record()["pass_rate"] == "75.00%"
    assert found.record()["late_rate"] == "40.00%"


def test_late_begins_at_midnight_of_the_countys_clock_and_counts_the_first_arrival(world):
    con = world.connect("reader")
    try:
        late = {r["values"]["CF_WSH"][-2]: r["late"] for r in records(con, world.dataset("penalty"))}
    finally:
        con.close()
    assert late == {"1": False, "2": False, "4": True, "5": True, "9": False}


def test_unreported_are_due_ledger_lines_without_a_record_and_refused_ones_stand_apart(world):
    found = of(world)
    assert (found.should_report, found.unreported, found.returned_not_mended) == (6, 1, 1)
    assert found.record()["unreported_rate"] == "16.67%"
    assert of(world, as_of=date(2026, 6, 9)).should_report == 7


def test_a_cut_off_knows_nothing_of_what_came_after_it(world):
    found = of(world, as_of=date(2026, 5, 14))
    assert (found.rows, found.accepted, found.rejected) == (5, 3, 2)
    assert (found.distinct, found.late) == (3, 0)


def test_the_month_is_that_of_the_decision(world):
    assert of(world, month="2026-05").rows == 8
    con = world.connect("reader")
    try:
        assert figures(con, world.center.catalogue, as_of=AS_OF, month="2026-04") == []
    finally:
        con.close()


def test_nothing_to_divide_by_prints_a_dash():
    assert rate(0, 0) == "—"
    assert rate(0, 3) == "0.00%"


def test_records_show_no_number_and_no_name_of_a_natural_person(world):
    con = world.connect("reader")
    try:
        shown = {r["values"]["CF_WSH"]: r for r in records(con, world.dataset("penalty"), unit=MARKET)}
    finally:
        con.close()
    person = shown["示市监处罚〔2026〕9号"]
    assert (person["values"]["CF_XDR_ZJHM"], person["values"]["CF_XDR_MC"]) == (HIDDEN, "李*")
    assert PERSON not in str(shown)
    assert shown["示市监处罚〔2026〕2号"]["revision"] == 2
    assert shown["示市监处罚〔2026〕2号"]["values"]["CF_NR_FK"] == "0.05"
