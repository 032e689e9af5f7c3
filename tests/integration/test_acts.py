"""Acts on records: who may, what becomes of the record, and that nothing is lost that comes before its record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import psycopg2
import pytest
from click.testing import CliRunner

import acts_support
from acts_support import DAY, NOT_UPHELD, UPHELD, do, number, record, state
from credit_local.cli import credit
from credit_schemas.uuid7 import uuid7
from credit_warehouse.settings import load_settings
from unit.rows import AUTHORITY, COMPANY, PERSON, PERSON_PENALTY

# Fixtures, taken by name.
world, row, reported = acts_support.world, acts_support.row, acts_support.reported


def test_each_act_brings_its_state_and_a_new_revision(world, row, reported):
    assert do(world, "market", "withdraw", reported) == ("loaded", [])
    assert state(world, reported) == ("withdrawn", None, 2)
    assert do(world, "market", "reinstate", reported) == ("loaded", [])
    assert state(world, reported) == ("active", None, 3)
    assert do(world, "reform", "dispute_open", reported) == ("loaded", [])
    assert state(world, reported) == ("disputed", None, 4)
    assert do(world, "reform", "dispute_close", reported, **NOT_UPHELD) == ("loaded", [])
    assert state(world, reported) == ("active", None, 5)
    assert do(world, "province", "repair", reported) == ("loaded", [])
    assert state(world, reported) == ("ended", "repaired", 6)
    assert do(world, "market", "revoke", reported) == ("loaded", [])
    assert state(world, reported) == ("ended", "revoked", 7)
    acts = world.query("SELECT act, revision FROM core.record_act WHERE record_no = %s", [str(reported.ce_id)])
    assert [tuple(a) for a in acts] == [
        *(("withdraw", 2), ("reinstate", 3), ("dispute_open", 4), ("dispute_close", 5), ("repair", 6), ("revoke", 7))
    ]


def test_an_upheld_dispute_ends_the_record(world, row, reported):
    do(world, "reform", "dispute_open", reported)
    assert do(world, "reform", "dispute_close", reported, **UPHELD) == ("loaded", [])
    assert state(world, reported) == ("ended", "upheld", 3)


def test_states_rank_whatever_the_order_of_acts(world, row):
    """Withdrawn over ended over disputed: three acts in six orders come to the same state."""
    acts = (("market", "withdraw"), ("province", "repair"), ("reform", "dispute_open"))
    for i, order in enumerate(permutations(acts)):
        first = world.event("market", {**row, "CF_WSH": f"{row['CF_WSH']}之{i}"})
        world.feed(first, at=DAY)
        for unit, act in order:
            do(world, unit, act, first)
        assert record(world, first)["state"] == "withdrawn"
        assert record(world, first)["ended_why"] == "repaired"


def test_undoing_a_repair_while_a_dispute_is_open_leaves_the_record_disputed(world, row, reported):
    do(world, "reform", "dispute_open", reported)
    do(world, "reform", "repair", reported)
    assert state(world, reported)[0] == "ended"
    do(world, "reform", "reinstate", reported)
    assert state(world, reported)[0] == "disputed"


@pytest.mark.parametrize("act", ["repair", "dispute_open", "dispute_close"])
def test_a_department_may_not_repair_or_judge_disputes(world, row, reported, act):
    cells = NOT_UPHELD if act == "dispute_close" else {}
    assert do(world, "market", act, reported, **cells) == ("rejected", ["act.not_allowed"])
    assert state(world, reported) == ("active", None, 1)


@pytest.mark.parametrize("act", ["withdraw", "revoke", "reinstate"])
def test_a_department_may_not_touch_anothers_record(world, row, reported, act):
    assert do(world, "agri", act, reported) == ("rejected", ["act.not_allowed"])
    named = {"AC_BSDW": "市场监管局"}
    assert do(world, "agri", act, reported, **named) == ("rejected", ["act.not_allowed"])
    assert state(world, reported) == ("active", None, 1)


def test_what_another_unit_ended_its_reporter_cannot_bring_back(world, row, reported):
    do(world, "reform", "repair", reported)
    assert do(world, "market", "reinstate", reported) == ("rejected", ["act.not_allowed"])
    assert do(world, "reform", "reinstate", reported) == ("loaded", [])
    assert state(world, reported) == ("active", None, 3)


def test_an_act_twice_changes_nothing_twice(world, row, reported):
    do(world, "market", "withdraw", reported)
    assert do(world, "market", "withdraw", reported) == ("unchanged", [])
    assert do(world, "reform", "reinstate", reported) == ("loaded", [])
    assert do(world, "reform", "reinstate", reported) == ("unchanged", [])
    assert state(world, reported)[2] == 3


def test_a_dispute_of_what_is_not_public_any_more_and_a_close_without_one_are_refused(world, row, reported):
    assert do(world, "reform", "dispute_close", reported, **UPHELD) == ("rejected", ["act.no_dispute"])
    do(world, "market", "withdraw", reported)
    assert do(world, "reform", "dispute_open", reported) == ("rejected", ["record.ended"])


def test_the_original_file_again_brings_nothing_back_and_is_no_fault(world, row, reported):
    do(world, "market", "withdraw", reported)
    again = world.event("market", row, source_key=row["CF_WSH"])
    assert world.feed(again) == {"unchanged": 1}
    assert "不会使它恢复" in world.receipts(again)[0]["note"]
    other = world.event("market", {**row, "CF_NR": "罚款500元，已缴纳"}, source_key=row["CF_WSH"])
    assert world.feed(other) == {"rejected": 1}
    assert state(world, reported) == ("withdrawn", None, 2)


def test_an_act_finds_its_record_by_each_of_its_names(world, row):
    natural = {"AC_WSH": row["CF_WSH"], "AC_JGDM": AUTHORITY, "AC_JDRQ": "2026-05-06", "AC_DM": COMPANY}
    first = world.event("market", row, source_key="A-1")
    world.feed(first, at=DAY)
    for cells in (
        {"AC_LYZJ": "A-1"},
        natural,
        {**natural, "AC_WSH": row["CF_WSH"].replace("〔", "[").replace("〕", "]")},
    ):
        world.feed(world.act("market", "withdraw", **cells))
        assert state(world, first)[0] == "withdrawn"
        world.feed(world.act("market", "reinstate", **cells))
        assert state(world, first)[0] == "active"
    world.feed(world.act("reform", "dispute_open", AC_BSDW="宝丰县市场监督管理局", **natural))
    assert state(world, first)[0] == "disputed"


def test_a_corrected_identity_is_found_by_what_was_reported_before(world, row, reported):
    """The natural key only finds a record, because it is what gets corrected."""
    changed = {**row, "CF_WSH": row["CF_WSH"] + "之更正", "CF_JDRQ": "2026-05-07"}
    world.feed(world.event("market", changed, act="correct", target={"record_no": str(reported.ce_id)}))
    natural = {"AC_WSH": row["CF_WSH"], "AC_JGDM": AUTHORITY, "AC_JDRQ": "2026-05-06", "AC_DM": COMPANY}
    world.feed(world.act("market", "withdraw", **natural))
    assert state(world, reported) == ("withdrawn", None, 3)


def test_a_persons_record_is_found_by_its_number_which_travels_sealed(world, row):
    person = {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"]}
    first = world.event("market", person)
    world.feed(first, at=DAY)
    cells = {"AC_WSH": row["CF_WSH"], "AC_JGDM": AUTHORITY, "AC_JDRQ": "2026-05-06"}
    act = world.act("market", "withdraw", AC_ZJLX="身份证", AC_ZJHM=PERSON, **cells)
    assert PERSON.encode() not in act.value
    world.feed(act)
    assert state(world, first)[0] == "withdrawn"


def test_the_unit_hears_what_others_did_to_its_record_and_why(world, row, reported):
    do(world, "reform", "repair", reported, AC_YY="已履行全部义务", AC_YJ="宝信修〔2026〕7号")
    told = world.query(
        "SELECT unit, ce_id, note FROM exchange.receipt WHERE record_no = %s AND status = 'changed'",
        [str(reported.ce_id)],
    )
    assert [(t["unit"], t["ce_id"]) for t in told] == [("market", None)]
    assert "发改委办理了信用修复" in told[0]["note"]
    assert "已履行全部义务" in told[0]["note"]
    assert "宝信修〔2026〕7号" in told[0]["note"]


def test_acts_leave_marks_for_every_destination(world, row, reported):
    do(world, "reform", "dispute_open", reported)
    marks = world.query(
        "SELECT unit, revision FROM exchange.mark WHERE record_no = %s ORDER BY mark_id", [str(reported.ce_id)]
    )
    assert [tuple(m) for m in marks] == [("market", 1), ("market", 2)]


def test_acts_that_come_before_their_record_wait_and_are_done_when_it_comes(world, row):
    key = {"AC_LYZJ": row["CF_WSH"]}
    withdraw = world.act("market", "withdraw", **key)
    dispute = world.act("reform", "dispute_open", AC_BSDW="市场监管局", **key)
    correct = world.event(
        "market", {**row, "CF_NR": "罚款500元，已缴纳"}, act="correct", target={"source_key": row["CF_WSH"]},
        source_key=row["CF_WSH"],
    )  # fmt: skip
    assert world.feed(correct, dispute, withdraw) == {"waiting": 3}
    shown = world.query("SELECT ce_id, act, owner FROM ingest.waiting WHERE source_key = %s", [row["CF_WSH"]])
    assert {(w["act"], w["owner"]) for w in shown} == {
        *(("correct", "market"), ("dispute_open", "market"), ("withdraw", "market"))
    }
    assert world.settle_waiting() == {}
    first = world.event("market", row, source_key=row["CF_WSH"])
    assert world.feed(first) == {"loaded": 1}
    found = record(world, first)
    assert (found["state"], found["disputed"], found["revision"], found["cf_nr"]) == (
        *("withdrawn", True, 4, "罚款500元，已缴纳"),
    )
    assert [world.landed(e)["state"] for e in (correct, dispute, withdraw)] == ["accepted"] * 3
    assert [r["status"] for r in world.receipts(withdraw)] == ["waiting", "loaded"]
    assert world.settle_waiting() == {}


@pytest.fixture
def settings_of_the_center(world, monkeypatch):
    """Commands in this process read the settings of this center, and the next test's its own."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.mark.usefixtures("settings_of_the_center")
def test_ops_see_what_waits_and_what_it_waits_for(world, row):
    act = world.act("market", "withdraw", AC_LYZJ=row["CF_WSH"])
    world.feed(act)
    shown = CliRunner().invoke(credit, ["waiting", "--unit", "市场监管局"])
    assert shown.exit_code == 0, shown.output
    (line,) = [line for line in shown.output.splitlines() if str(act.ce_id) in line]
    assert "行政处罚" in line
    assert "误报撤回" in line
    assert row["CF_WSH"] in line
    listed = json.loads(CliRunner().invoke(credit, ["waiting", "--json"]).output)
    assert str(act.ce_id) in {w["ce_id"] for w in listed}


def test_an_act_that_waits_is_answered_as_it_stands_when_sent_again(world, row):
    act = world.act("market", "withdraw", AC_JLBH=str(uuid7()))
    world.feed(act)
    assert world.feed(act) == {"duplicate": 1}
    assert "等待中" in world.receipts(act)[-1]["note"]


def test_what_waited_and_may_not_be_done_is_refused_when_the_record_comes(world, row):
    first = world.event("market", row)
    act = world.act("agri", "withdraw", **number(first))
    assert world.feed(act) == {"waiting": 1}
    world.feed(first)
    assert world.landed(act)["state"] == "rejected"
    assert state(world, first) == ("active", None, 1)


def test_an_act_and_its_record_in_one_batch(world, row):
    first = world.event("market", row)
    world.feed(first, world.act("market", "withdraw", **number(first)))
    assert state(world, first) == ("withdrawn", None, 2)


def test_headers_that_say_another_act_are_refused(world, row, reported):
    event = world.act("market", "withdraw", said_act="revoke", **number(reported))
    assert world.feed(event) == {"rejected": 1}
    assert state(world, reported) == ("active", None, 1)


def test_an_act_from_tomorrow_is_refused(world, row, reported):
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    assert do(world, "market", "withdraw", reported, AC_SXRQ=tomorrow) == ("rejected", ["AC_SXRQ.not_after"])


def test_nothing_that_has_landed_changes_but_what_waited(world, row, reported):
    con = world.connect("consumer")
    with con, con.cursor() as cur, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cur.execute("UPDATE landing.event SET state = 'rejected' WHERE ce_id = %s", [str(reported.ce_id)])
    with con, con.cursor() as cur, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cur.execute("UPDATE landing.event SET value = ''")
    con.close()
