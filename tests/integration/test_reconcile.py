"""The daily comparison against the real platform stand-in: what no event announces is found."""

from __future__ import annotations

from datetime import date

import pytest

import forwarding
from core_rows import UNIT, new_penalties, replace_key
from credit_platforms.errors import TransportError
from sandbox_client import end, licence, penalty, put

# Fixtures, taken by name.
sandboxes, warehouse, roads = forwarding.sandboxes, forwarding.warehouse, forwarding.roads
road, nation = forwarding.road, forwarding.nation


def found(counts, **wanted):
    """The findings that are not zero are just these."""
    keys = ("agree", "differ", "missing", "held", "extra", "open", "rejected", "manual", "registered")
    return {k: counts[k] for k in keys if counts[k]} == wanted


def test_when_all_agrees_nothing_becomes_due(road):
    road.center.records(new_penalties(3))
    road.center.record(licence(), "licence")
    road.deliver()
    assert found(road.reconcile(), agree=4)
    assert road.forward()["due"] == 0
    assert road.center.one("SELECT reconciled_at IS NOT NULL FROM exchange.destination")


def test_a_publicity_period_that_passed_becomes_an_end(road):
    ends, stays = road.center.record(penalty(), publicity_ends=date(2026, 12, 1)), road.center.record(penalty())
    road.deliver(date(2026, 11, 24))
    assert found(road.reconcile(date(2026, 12, 1)), agree=2)  # its last day is still public
    assert found(road.reconcile(date(2026, 12, 2)), agree=1, differ=1)
    road.deliver(date(2026, 12, 2))
    assert road.live() == {stays}
    assert [(r["op"], r["reason"]) for r in road.line.rows()[2:]] == [("end", "公示期满")]
    assert road.receipts(ends)[-1] == "accepted"


def test_a_new_destination_gets_everything_though_all_marks_are_gone(road, nation):
    replace_key(road.center.county / "destinations" / "nation.toml", "enabled", False)
    numbers = set(road.center.records(new_penalties(3)))
    road.center.record(penalty(), state="withdrawn")
    road.deliver()
    assert road.center.one("SELECT count(*) FROM exchange.mark") == 0
    replace_key(road.center.county / "destinations" / "nation.toml", "enabled", True)
    assert nation.forward()["due"] == 0
    assert found(nation.reconcile(), missing=3)
    nation.deliver()
    assert nation.live() == numbers


def test_the_comparison_passes_no_gate(road):
    """What quality has not seen, or holds, does not become due by the back door."""
    road.center.record(penalty(), checked=False)
    road.center.record(penalty(), unit="culture")
    road.center.hold(unit="culture")
    assert found(road.reconcile(), open=1, held=1)
    assert road.forward()["sent"] == 0


def test_a_filter_that_changes_and_changes_back_ends_the_copy_and_revives_it(road):
    number = road.center.record(penalty())
    road.deliver()
    path = road.center.county / "destinations" / "province.toml"
    text = path.read_text("utf-8")
    only = 'only = { "subject.category" = ["自然人"] }'
    path.write_text(f"{text}\n[datasets.penalty]\n{only}\n", "utf-8")
    assert found(road.reconcile(), differ=1)
    road.deliver()
    assert road.live() == set()
    path.write_text(text, "utf-8")
    assert found(road.reconcile(), missing=1)
    road.deliver()
    assert road.live() == {number}
    # The record itself never changed: its copy needed a number of its own to come back.
    assert [(r["op"], r["revision"]) for r in road.line.rows()] == [("put", 1), ("end", 2), ("put", 3)]
    assert road.center.one("SELECT revision FROM core.penalty") == 1
    assert road.center.all("SELECT DISTINCT revision FROM exchange.receipt") == [(1,)]


def test_a_column_is_delivered_from_its_day_on_and_the_comparison_finds_that(road):
    """A new field in the destination's column map with an effective date: no event announces the day."""
    path = road.center.county / "destinations" / "province.toml"
    path.write_text(path.read_text("utf-8") + "\n[columns.penalty]\nCF_GSJZQ = { from = 2027-01-01 }\n", "utf-8")
    before, day = date(2026, 12, 31), date(2027, 1, 1)
    number = road.center.record(penalty())
    road.deliver(before)
    assert found(road.reconcile(before), agree=1)
    assert found(road.reconcile(day), differ=1)
    road.deliver(day)
    assert road.live() == {number}
    assert [(r["revision"], r["data"].get("CF_GSJZQ")) for r in road.line.rows()] == [(1, None), (2, "2027/05/16")]
    assert found(road.reconcile(day), agree=1)


def test_a_table_the_destination_lacks_is_told_and_everything_else_is_compared(road):
    path = road.center.county / "destinations" / "province.toml"
    text = path.read_text("utf-8")
    path.write_text(text + '\n[datasets.licence]\ntable = "no_such_table"\n', "utf-8")
    number = road.center.record(penalty())
    road.deliver()
    for _ in range(2):
        counts = road.reconcile()
        assert (counts["agree"], counts["unknown_tables"]) == (1, 1)
    query = "SELECT dataset, closed_at IS NULL FROM quality.work_item"
    assert road.center.all(query) == [("licence", True)]
    path.write_text(text, "utf-8")
    assert found(road.reconcile(), agree=1)
    assert road.center.all(query) == [("licence", False)]
    assert road.live() == {number}


def test_a_restored_database_registers_the_copies_again_and_sends_nothing(road):
    numbers = set(road.center.records(new_penalties(5)))
    road.deliver()
    sent = len(road.line.posts())
    road.center.all("TRUNCATE exchange.delivery, exchange.batch, exchange.receipt")
    assert found(road.reconcile(), agree=5, registered=5)
    assert road.forward()["due"] == 0
    assert len(road.line.posts()) == sent
    assert road.live() == numbers
    assert found(road.reconcile(), agree=5)


def test_after_a_restore_a_copy_newer_than_our_record_is_replaced_under_a_higher_number(road):
    number = road.center.record(penalty())
    road.deliver()
    road.center.revise(number, CF_NR="罚款5000元")
    road.deliver()
    road.center.all("TRUNCATE exchange.delivery, exchange.batch, exchange.receipt")
    road.center.all("UPDATE core.penalty SET revision = 1, cf_nr = '罚款2025元'")
    assert found(road.reconcile(), differ=1, registered=1)
    road.deliver()
    assert [r["revision"] for r in road.line.rows()] == [1, 2, 3]
    assert found(road.reconcile(), agree=1)


def test_a_copy_lost_or_ended_over_there_is_sent_again(road):
    number = road.center.record(penalty())
    road.deliver()
    road.client.send("xzcf", [end(number, 1)])
    assert found(road.reconcile(), missing=1, registered=1)
    road.deliver()
    assert road.live() == {number}
    assert road.copy(number)["revision"] == 2


def test_a_copy_changed_over_there_is_put_right(road):
    number = road.center.record(penalty())
    road.deliver()
    digest = road.copy(number)["digest"]
    (row,) = road.line.rows()
    road.client.send("xzcf", [{**row, "revision": 4, "data": {**row["data"], "CF_NR": "另一内容"}}])
    assert found(road.reconcile(), differ=1, registered=1)
    road.deliver()
    assert (road.copy(number)["digest"], road.copy(number)["revision"]) == (digest, 5)


def test_a_copy_whose_record_we_do_not_have_becomes_a_work_item_and_is_left_alone(road):
    stranger = put(penalty())
    road.client.send("xzcf", [stranger])
    for _ in range(2):
        assert found(road.reconcile(), extra=1)
    assert road.forward()["due"] == 0
    assert road.live() == {stranger["record_no"]}
    items = road.center.all("SELECT record_no::text, what FROM quality.work_item WHERE closed_at IS NULL")
    assert items == [(stranger["record_no"], "河南省公共信用信息平台持有这条记录的副本，数据仓库里却没有这条记录。")]


def test_the_work_item_of_an_extra_copy_closes_when_its_record_is_there_again(road):
    number = road.center.record(penalty())
    road.deliver()
    saved = road.center.all("SELECT cf_wsh FROM core.penalty")
    road.center.all("CREATE TABLE public.aside AS SELECT * FROM core.penalty")
    try:
        road.center.all("DELETE FROM core.penalty")
        assert found(road.reconcile(), extra=1)
        road.center.all("INSERT INTO core.penalty SELECT * FROM public.aside")
    finally:
        road.center.all("DROP TABLE public.aside")
    assert found(road.reconcile(), agree=1)
    assert road.center.all("SELECT cf_wsh FROM core.penalty") == saved
    assert road.center.one("SELECT count(*) FROM quality.work_item WHERE closed_at IS NULL") == 0
    assert road.live() == {number}


def test_a_copy_that_a_person_ended_by_hand_closes_its_work_item(road):
    replace_key(road.center.county / "destinations" / "province.toml", "can_withdraw", False)
    number = road.center.record(penalty())
    road.deliver()
    road.center.revise(number, state="ended")
    road.forward()
    assert found(road.reconcile(), manual=1)
    road.client.send("xzcf", [end(number, 9)])
    assert found(road.reconcile(), agree=1, registered=1)
    assert road.states() == {"accepted": 1}
    closed = road.center.all("SELECT unit, closed_at IS NOT NULL, closed_by FROM quality.work_item")
    assert closed == [(UNIT, True, "credit reconcile")]


def test_what_is_out_is_not_judged_and_what_came_back_is_not_sent_again(road):
    out, back = road.center.records(new_penalties(2))
    road.center.revise(back, CF_CFLB="罚站")
    road.deliver()
    road.center.revise(out, CF_NR="罚款1元")
    road.ops.switch(slow_ms=3000)
    road.forward()
    assert found(road.reconcile(), open=1, rejected=1)
    assert road.forward()["due"] == 0


def test_more_copies_than_a_page_are_all_compared(road, monkeypatch):
    numbers = road.center.records(new_penalties(1100))
    road.deliver()
    road.center.all("TRUNCATE exchange.delivery, exchange.batch, exchange.receipt")
    assert found(road.reconcile(), agree=1100, registered=1100)
    pages = road.line.gets("/v1/records?table=xzcf")
    assert len(pages) == 2
    assert len(numbers) == 1100


def test_a_destination_that_gives_no_list_changes_nothing(road):
    road.center.record(penalty())
    road.deliver()
    road.ops.switch(unavailable=True)
    with pytest.raises(TransportError) as stopped:
        road.reconcile()
    assert stopped.value.retriable
    assert road.states() == {"accepted": 1}


def test_no_personal_value_stands_in_the_list_of_copies_or_in_our_books(road):
    """Digests are keyed: the one the destination publishes is not among ours."""
    number = road.center.record(penalty())
    road.deliver()
    road.reconcile()
    known = road.center.one("SELECT encode(acked_digest, 'hex') FROM exchange.delivery")
    assert known != road.copy(number)["digest"]
