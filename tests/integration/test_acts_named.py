"""Which record an act names: several names, wrong names, names that cannot find a record; and who closed a record."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

import acts_support
from acts_support import DAY, do, natural, number, record, state, told
from credit_expectations.run import run_due
from credit_reports.figures import figures
from credit_schemas.codec import event_value
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.uuid7 import uuid7
from events import Event
from unit.rows import PERSON

# Fixtures, taken by name.
world, row, reported = acts_support.world, acts_support.row, acts_support.reported


def done(world, unit, act, **cells):
    event = world.act(unit, act, **cells)
    world.feed(event)
    return told(world, event)


def test_names_that_mean_two_records_strike_none(world, row, reported):
    other = world.event("market", {**row, "CF_WSH": row["CF_WSH"] + "之二"}, source_key="other-" + row["CF_WSH"])
    world.feed(other, at=DAY)
    for cells in (
        {**number(other), "AC_LYZJ": row["CF_WSH"]},
        {**number(other), **natural(row)},
        {"AC_LYZJ": "other-" + row["CF_WSH"], **natural(row)},
        {"AC_JLBH": str(uuid7()), **natural(row)},
    ):
        assert done(world, "market", "withdraw", **cells) == ("rejected", ["target.ambiguous"])
    assert state(world, reported) == state(world, other) == ("active", None, 1)
    target = {"record_no": str(other.ce_id), "source_key": row["CF_WSH"]}
    correction = world.event("market", {**row, "CF_NR": "罚款500元，已缴"}, act="correct", target=target)
    world.feed(correction)
    assert told(world, correction) == ("rejected", ["target.ambiguous"])


def test_several_names_of_one_record_find_it(world, row, reported):
    cells = {"AC_LYZJ": row["CF_WSH"], **natural(row)}
    number_in_capitals = {"AC_JLBH": str(reported.ce_id).upper()}
    assert done(world, "market", "withdraw", **number_in_capitals, **cells)[0] == "loaded"
    assert done(world, "market", "reinstate", **{**cells, "AC_LYZJ": "unknown key"})[0] == "loaded"
    assert state(world, reported) == ("active", None, 3)


def test_a_wrong_number_beside_names_of_a_record_is_told_once_the_record_is_there(world, row):
    act = world.act("market", "withdraw", AC_JLBH=str(uuid7()), AC_LYZJ=row["CF_WSH"])
    assert world.feed(act) == {"waiting": 1}
    first = world.event("market", row, source_key=row["CF_WSH"])
    world.feed(first)
    world.settle_waiting()
    assert told(world, act) == ("rejected", ["target.ambiguous"])
    assert state(world, first) == ("active", None, 1)


def test_an_office_that_forgets_to_name_the_reporter_is_told_what_to_fill_in(world, row, reported):
    act = world.act("reform", "dispute_open", **natural(row))
    assert world.feed(act) == {"waiting": 1}
    assert "原报送单位" in world.receipts(act)[0]["problems"][0]["message"]
    act = world.act("market", "withdraw", AC_LYZJ="never reported")
    world.feed(act)
    assert "原报送单位" not in world.receipts(act)[0]["problems"][0]["message"]


@pytest.mark.parametrize("dataset", ["rating", "inspection", "ledger", "tax_credit", "subject_base"])
def test_where_a_document_names_no_record_the_clerk_is_told_to_use_the_number(world, row, dataset):
    act = world.act("market", "withdraw", dataset, **natural(row))
    world.feed(act)
    assert told(world, act) == ("rejected", ["AC_JLBH.only_by_number"])
    assert "「记录编号」" in world.receipts(act)[0]["problems"][0]["message"]
    act = world.act("market", "withdraw", dataset, **natural(row), AC_LYZJ="A-1")
    assert world.feed(act) == {"waiting": 1}


def test_a_document_without_its_subject_names_no_record_and_the_clerk_is_told(world, row):
    act = world.act("market", "withdraw", **{k: v for k, v in natural(row).items() if k != "AC_DM"})
    world.feed(act)
    assert told(world, act) == ("rejected", ["AC_DM.which_subject"])


def test_a_department_cannot_bring_back_what_was_repaired_by_withdrawing_it_first(world, row, reported):
    do(world, "reform", "repair", reported)
    assert do(world, "market", "withdraw", reported) == ("loaded", [])
    assert do(world, "market", "reinstate", reported) == ("rejected", ["act.not_allowed"])
    assert state(world, reported) == ("withdrawn", "repaired", 3)
    assert do(world, "reform", "reinstate", reported) == ("loaded", [])
    assert state(world, reported) == ("active", None, 4)


def test_what_was_withdrawn_by_its_reporter_and_then_repaired_only_the_office_brings_back(world, row, reported):
    do(world, "market", "withdraw", reported)
    do(world, "province", "repair", reported)
    assert do(world, "market", "reinstate", reported) == ("rejected", ["act.not_allowed"])
    assert state(world, reported) == ("withdrawn", "repaired", 3)


def test_an_act_does_not_pass_for_newer_content(world, row, reported):
    """When content last changed decides whether an older row still counts; an act says nothing of content."""
    world.feed(world.act("reform", "dispute_open", **number(reported)), at=DAY + timedelta(days=3))
    assert record(world, reported)["revised_at"] == DAY
    assert record(world, reported)["acted_at"] == DAY + timedelta(days=3)


def test_copies_answer_the_newest_event_of_the_unit_that_changed_the_record(world, row, reported):
    """Receipts of destinations go to `last_ce_id`: an act followed by a correction in one batch is answered by it."""
    act = world.act("market", "withdraw", **number(reported))
    back = world.act("market", "reinstate", **number(reported))
    correction = world.event("market", {**row, "CF_NR": "罚款500元，已缴"}, source_key=row["CF_WSH"])
    world.feed(act, back, correction)
    assert (record(world, reported)["revision"], record(world, reported)["last_ce_id"]) == (4, str(correction.ce_id))


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"AC_YY": f"当事人身份证号{PERSON}"}, "AC_YY.no_personal_number"),
        ({"AC_YJ": f"依据{PERSON}号"}, "AC_YJ.no_personal_number"),
        ({"AC_LYZJ": PERSON}, "AC_LYZJ.no_personal_number"),
        ({"AC_WSH": PERSON}, "AC_WSH.no_personal_number"),
        ({"AC_MC": PERSON}, "AC_MC.no_personal_number"),
        ({"AC_JYZ": PERSON}, "AC_JYZ.no_personal_number"),
        ({"AC_BSDW": PERSON}, "AC_BSDW.no_personal_number"),
        ({"AC_DM": PERSON}, "AC_DM.checksum.uscc"),
        ({"AC_JGDM": PERSON}, "AC_JGDM.checksum.uscc"),
        ({"AC_YY": "很" * 100_000}, "AC_YY.length"),
        ({"AC_YJ": "很" * 501}, "AC_YJ.length"),
        ({"AC_LYZJ": "k" * 201}, "AC_LYZJ.length"),
        ({"AC_SXRQ": "9999-12-31"}, "AC_SXRQ.not_after"),
    ],
)
def test_what_a_foreign_producer_puts_into_an_act_is_refused_and_quoted_nowhere(world, row, reported, cells, rule):
    act = world.act("market", "withdraw", **{**number(reported), **cells})
    world.feed(act)
    status, rules = told(world, act)
    assert status == "rejected"
    assert rule in rules
    assert state(world, reported) == ("active", None, 1)
    if PERSON in "".join(cells.values()):
        written = world.one("SELECT problems::text FROM landing.event WHERE ce_id = %s", [str(act.ce_id)])[0]
        written += str(world.receipts(act)) + str(world.query("SELECT * FROM ingest.waiting"))
        assert PERSON not in written


@pytest.mark.parametrize("column", ["AC_YY", "AC_YJ", "AC_LYZJ", "AC_MC"])
def test_control_characters_in_an_act_are_refused(world, row, reported, column):
    said = {"AC_YY": "示例", "AC_YJ": "示例", "AC_LYZJ": "k", "AC_MC": "示例", column: "a\x1fb\x00"}
    act = raw_act(world, reported, said)
    world.feed(act)
    assert told(world, act) == ("rejected", [f"{column}.control"])


@pytest.mark.parametrize("day", [-719_162, 2_932_896])
def test_days_at_the_ends_of_the_calendar_break_nothing(world, row, reported, day):
    """Year 1 and year 9999, in the decision date and in the effective date."""
    act = raw_act(world, reported, {"AC_SXRQ": day, "AC_JDRQ": day})
    assert sum(world.feed(act).values()) == 1
    assert world.query("SELECT 1 FROM ingest.dead_letter WHERE reason = 'defect'") == []
    assert told(world, act)[0] == ("loaded" if day < 0 else "rejected")


def test_an_act_on_a_dataset_that_nobody_knows_is_refused(world, row, reported):
    act = raw_act(world, reported, {}, dataset="unknown_list")
    assert world.feed(act) == {"rejected": 1}
    assert told(world, act)[1] == ["event.dataset"]


def raw_act(world, first, cells, *, dataset="penalty"):
    """An act as a foreign producer might write it: whatever Avro can carry. Days are days since 1970."""
    form = world.center.catalogue.act
    values = {
        "AC_SJJ": "行政处罚",
        "AC_CZ": "误报撤回",
        "AC_JLBH": str(first.ce_id),
        "AC_YY": "示例",
        "AC_SXRQ": 20_000,
    }
    values = {c: date.fromordinal(719_163 + v) if isinstance(v, int) else v for c, v in (values | cells).items()}
    ce_id = uuid7()
    headers = write_headers(Envelope(ce_id, world.county.code, "market", dataset, "withdraw", datetime.now(UTC)))
    value = world.center.catalogue.codec.encode(form.schema_id, event_value(form, values, {}))
    return Event(ce_id, "market", b"k", value, headers)


def test_acts_move_no_figure_but_a_withdrawn_record_counts_no_more(world, row, reported):
    def now():
        with closing(world.connect("reader")) as con:
            found = figures(con, world.center.catalogue, as_of=date(2026, 12, 1))
            return {(f.unit, f.dataset): f for f in found}

    before = now()
    later = world.event("market", {**row, "CF_WSH": row["CF_WSH"] + "之后"})
    do(world, "reform", "dispute_open", reported)
    do(world, "agri", "withdraw", reported)  # refused
    do(world, "market", "withdraw", later)  # waits
    do(world, "reform", "dispute_close", reported, AC_JG="异议成立")
    do(world, "reform", "reinstate", reported)
    do(world, "reform", "reinstate", reported)  # unchanged
    assert now() == before
    do(world, "market", "withdraw", reported)
    was, held = before["market", "penalty"], now()["market", "penalty"]
    assert (held.rows, held.rejected, held.accepted, held.distinct) == (
        was.rows, was.rejected, was.accepted, was.distinct - 1,
    )  # fmt: skip


def test_the_accounts_balance_with_acts_of_others_that_waited_and_came_twice(world, row):
    first = world.event("market", row)
    early = world.act("reform", "dispute_open", **number(first))
    world.feed(early, early)
    world.feed(early)
    world.feed(first, world.act("agri", "withdraw", **number(first)))
    world.feed(world.act("province", "repair", **number(first)), early, first)
    run_due(date.today(), world.settings)
    failed = world.query("SELECT rule_id, unit, dataset, observed FROM quality.result WHERE NOT success")
    assert [tuple(f) for f in failed if f["rule_id"].startswith("conservation")] == []
    looked = world.query("SELECT max(checked) FROM quality.result WHERE rule_id LIKE 'conservation%' GROUP BY rule_id")
    assert [r[0] > 0 for r in looked] == [True, True]
