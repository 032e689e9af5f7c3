"""Forwarding against the real platform stand-in and a real database: each promise of DESIGN 3 by name."""

from __future__ import annotations

import json
import logging
import signal
import time
import traceback

import pytest

import forwarding
from core_rows import UNIT, new_penalties, replace_key
from credit_platforms.errors import (
    AccessRefused,
    DestinationBusy,
    Interrupted,
    NothingMoved,
    UnknownDestination,
)
from credit_platforms.forward import forward
from credit_platforms.pausing import resend_rejected, resume
from credit_platforms.session import LOCK
from credit_schemas.catalogue import load_catalogue
from sandbox_client import PERSON_NUMBER, free_port, licence, penalty, person, running_sandbox

# Fixtures, taken by name.
sandboxes, warehouse, roads = forwarding.sandboxes, forwarding.warehouse, forwarding.roads
road, nation = forwarding.road, forwarding.nation

CANARY = 50
PENALTY = load_catalogue().datasets["penalty"]
WITHOUT_UNTIL = [f.column for f in PENALTY.fields if not f.extension and f.role != "publicity.until"]


def add_section(road, text):
    """More of the destination's file."""
    path = road.center.county / "destinations" / f"{road.destination}.toml"
    path.write_text(f"{path.read_text('utf-8')}\n{text}\n", "utf-8")


# -- what goes out ---------------------------------------------------------------------------------------------


def test_what_is_due_arrives_and_its_unit_hears_of_it(road):
    number = road.center.record(penalty())
    other = road.center.record(licence(), "licence")
    counts = road.forward()
    road.collect()
    assert (counts["state"], counts["due"], counts["sent"], counts["remaining"]) == ("done", 2, 2, 0)
    assert road.live() == {number}
    assert road.live("xzxk") == {other}
    assert road.receipts(number) == ["forwarded", "accepted"]
    rows = road.center.all(
        "SELECT DISTINCT unit, ce_id = last_ce_id, r.revision, published_at FROM exchange.receipt r"
        " JOIN core.penalty USING (record_no, unit)"
    )
    assert rows == [(UNIT, True, 1, None)]
    note = road.center.one("SELECT note FROM exchange.receipt WHERE record_no = %s AND status = 'accepted'", number)
    assert note.startswith("河南省公共信用信息平台已接收这条记录，对方编号 HN41-XZCF-")


def test_what_was_forwarded_is_not_due_again(road):
    road.center.records(new_penalties(3))
    road.deliver()
    assert road.forward()["due"] == 0
    assert len(road.line.posts()) == 1


def test_a_correction_replaces_the_copy_and_a_change_that_does_not_travel_sends_nothing(road):
    number = road.center.record(penalty())
    road.deliver()
    road.center.revise(number, CF_NR="罚款3000元")
    road.center.revise(road.center.record(penalty(), checked=False), ext_sxcd="严重", checked=False)
    road.deliver()
    assert road.copy(number)["revision"] == 2
    road.center.revise(number, ext_sxcd="严重")
    assert road.forward()["due"] == 0
    assert [row["revision"] for row in road.line.rows()] == [1, 2]


def test_each_destination_gets_dates_in_its_own_form(roads):
    number = roads["province"].center.record(penalty(CF_JDRQ="2026-05-06"))
    for road in roads.values():
        road.forward()
        road.collect()
        assert road.live() == {number}
    assert [row["data"]["CF_JDRQ"] for road in roads.values() for row in road.line.rows()] == [
        "2026/05/06",
        "2026-05-06",
    ]


def test_extension_columns_never_leave_and_amounts_are_wan_yuan(road):
    road.center.record(person("xzcf", EXT_CFCX="普通程序", EXT_QWXC="否", EXT_SXCD="一般", CF_NR_FK="0.2025"))
    road.forward()
    (row,) = road.line.rows()
    assert not [column for column in row["data"] if column.startswith("EXT")]
    assert row["data"]["CF_NR_FK"] == "0.2025"


def test_a_personal_number_stands_in_clear_in_the_request_and_nowhere_else(road, caplog):
    caplog.set_level(logging.DEBUG)
    number = road.center.record(person("xzcf"))
    road.ops.switch(unavailable=True)
    with pytest.raises(NothingMoved) as stopped:
        road.forward()
    road.ops.switch(unavailable=False)
    road.deliver()
    assert road.live() == {number}
    assert road.line.rows()[-1]["data"]["CF_XDR_ZJHM"] == PERSON_NUMBER
    error = stopped.value
    assert PERSON_NUMBER not in "".join(traceback.format_exception(error)) + repr(error.counts)
    assert PERSON_NUMBER not in caplog.text
    tables = road.center.all(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname IN ('core', 'exchange', 'quality', 'audit', 'landing', 'ingest')"
    )
    for (table,) in tables:
        dump = str(road.center.all(f"SELECT t::text FROM {table} t"))
        assert PERSON_NUMBER not in dump
        assert PERSON_NUMBER.encode().hex() not in dump


# -- the gate ---------------------------------------------------------------------------------------------------


def test_a_held_slice_does_not_leave_and_a_released_one_does(road):
    held = road.center.record(penalty())
    free = road.center.record(penalty(), unit="culture")
    hold = road.center.hold()
    counts = road.forward()
    road.collect()
    assert (counts["held"], counts["sent"]) == (1, 1)
    assert road.live() == {free}
    assert road.forward()["state"] == "done"  # nothing that may leave was due: no error
    road.center.release(hold)
    road.deliver()
    assert road.live() == {held, free}


def test_a_hold_for_one_destination_does_not_stop_another(road, nation):
    number = road.center.record(penalty())
    road.center.hold("nation")
    assert road.forward()["sent"] == 1
    assert nation.forward()["held"] == 1
    assert (road.live(), nation.live()) == ({number}, set())


def test_a_record_that_quality_has_not_seen_stays(road):
    number = road.center.record(penalty(), checked=False)
    assert road.forward()["due"] == 0
    road.center.check()
    road.forward()
    road.center.revise(number, CF_NR="罚款9999元", checked=False)
    road.center.all("UPDATE exchange.delivery SET state = 'due', acked_digest = NULL, acked_want = NULL")
    counts = road.forward()
    assert (counts["unchecked"], counts["sent"]) == (1, 0)
    road.center.check()
    road.forward()
    assert [row["data"]["CF_NR"] for row in road.line.rows()][1:] == ["罚款9999元"]


def test_an_end_goes_first_and_passes_the_gate(road):
    gone, stays = road.center.records(new_penalties(2))
    road.deliver()
    fresh = road.center.record(penalty())
    road.center.revise(gone, state="withdrawn", checked=False)
    road.center.revise(stays, CF_NR="罚款1元")
    road.center.hold()
    other = road.center.record(penalty(), unit="culture")
    road.deliver()
    assert road.live() == {stays, other}
    assert [(r["op"], r["record_no"]) for r in road.line.rows()[2:]] == [("end", gone), ("put", other)]
    assert road.receipts(gone) == ["forwarded", "accepted", "forwarded", "accepted"]
    assert fresh not in road.live()


def test_a_record_withdrawn_before_it_ever_left_is_not_sent_at_all(road):
    number = road.center.record(penalty())
    hold = road.center.hold()
    road.forward()
    road.center.revise(number, state="withdrawn")
    road.center.release(hold)
    assert road.forward()["sent"] == 0
    assert road.line.posts() == []


# -- unknown outcomes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", ["drop_response", "unavailable_after_apply"])
def test_an_unknown_outcome_is_asked_about_and_never_sent_twice(road, switch):
    numbers = set(road.center.records(new_penalties(3)))
    road.ops.switch(**{switch: True})
    counts = road.forward()
    road.collect()
    assert counts["sent"] == 3
    (batch,) = road.line.posts()
    assert f"/v1/batches/{batch['batch_id']}" in road.line.gets()
    assert road.live() == numbers
    assert road.states() == {"accepted": 3}


def test_a_batch_that_never_arrived_goes_out_again_under_the_same_id_with_the_same_bytes(road):
    numbers = set(road.center.records([*new_penalties(2), person("xzcf")]))
    road.ops.switch(unavailable=True)
    with pytest.raises(NothingMoved):
        road.forward()
    assert road.states() == {"unknown": 3}
    with pytest.raises(Interrupted):
        road.forward()
    road.ops.switch(unavailable=False)
    road.deliver()
    bodies = {r.body for r in road.line.requests if r.method == "POST"}
    assert len(road.line.posts()) == 2
    assert len(bodies) == 1
    assert road.live() == numbers
    assert all(road.receipts(n) == ["forwarded", "accepted"] for n in numbers)


def test_a_platform_that_lost_what_it_acknowledged_gets_the_same_bytes_once_more(road, tmp_path, monkeypatch):
    number = road.center.record(penalty())
    road.ops.switch(slow_ms=60000)
    road.forward()
    with running_sandbox(tmp_path) as restored:
        road.center.use_destination(monkeypatch, "province", restored.url, road.client.client)
        road.collect()
        assert restored.client(road.client.client).get(f"/v1/records/{number}").json()["state"] == "live"
    assert road.receipts(number) == ["forwarded", "accepted"]
    assert road.center.one("SELECT count(*) FROM exchange.batch") == 1


def test_killed_between_commit_and_send_the_next_run_asks_first_and_sends_once(road):
    numbers = set(road.center.records(new_penalties(3)))
    assert road.kill_forward("before") == -signal.SIGKILL
    assert road.line.posts() == []
    prepared = road.center.one("SELECT batch_id::text FROM exchange.batch WHERE state = 'prepared'")
    road.deliver()
    assert road.line.gets()[0] == f"/v1/batches/{prepared}"
    assert [body["batch_id"] for body in road.line.posts()] == [prepared]
    assert road.live() == numbers


def test_killed_after_send_the_next_run_asks_and_does_not_send(road):
    numbers = set(road.center.records(new_penalties(3)))
    assert road.kill_forward("after") == -signal.SIGKILL
    assert road.center.one("SELECT state FROM exchange.batch") == "prepared"
    road.deliver()
    assert len(road.line.posts()) == 1
    assert road.live() == numbers
    assert all(road.receipts(n) == ["forwarded", "accepted"] for n in numbers)


def test_a_prepared_batch_whose_record_changed_or_was_held_is_given_up_not_sent(road):
    changed, held = road.center.record(penalty()), road.center.record(penalty(), unit="culture")
    assert road.kill_forward("before") == -signal.SIGKILL
    road.center.revise(changed, CF_NR="罚款7元")
    road.center.hold(unit="culture")
    road.deliver()
    (batch,) = road.line.posts()
    assert [(r["record_no"], r["data"]["CF_NR"]) for r in batch["rows"]] == [(changed, "罚款7元")]
    assert road.center.one("SELECT count(*) FROM exchange.batch WHERE state = 'refused'") == 1
    assert road.center.one("SELECT state FROM exchange.delivery WHERE record_no = %s", held) == "due"


def test_a_late_arrival_of_a_batch_that_was_given_up_cannot_undo_the_newer_one(road):
    number = road.center.record(penalty())
    road.ops.switch(unavailable=True)
    with pytest.raises(NothingMoved):
        road.forward()
    road.ops.switch(unavailable=False)
    late = road.line.posts()[0]
    # Same revision of the record, other content: the destination's columns changed meanwhile.
    add_section(road, f"[datasets.penalty]\ncolumns = {WITHOUT_UNTIL}")
    road.deliver()
    digest = road.copy(number)["digest"]
    assert road.client.post_batch("xzcf", late["rows"], late["batch_id"]).status_code == 202
    assert [v["code"] for v in road.client.verdicts(late["batch_id"])] == ["20002"]
    assert road.copy(number)["digest"] == digest


# -- verdicts ---------------------------------------------------------------------------------------------------


def test_a_rejected_row_comes_back_with_the_destinations_code_and_words(road):
    good, bad = road.center.records(new_penalties(2))
    road.center.revise(bad, CF_CFLB="罚站")
    road.forward()
    counts = road.collect()
    assert road.live() == {good}
    assert counts["state"] == "done"  # one of two is no flood
    assert road.receipts(bad) == ["forwarded", "returned"]
    note, problems, revision = road.center.all(
        "SELECT note, problems, revision FROM exchange.receipt WHERE status = 'returned'"
    )[0]
    assert note.startswith("河南省公共信用信息平台退回（代码 30001）：")
    assert note.endswith("请核对后更正并重新报送。")
    assert [(p["column"], p["rule"], p["severity"]) for p in problems] == [("CF_CFLB", "province.30001", "reject")]
    assert revision == 2
    assert road.forward()["due"] == 0  # the same content is not sent again
    road.center.revise(bad, CF_CFLB="罚款")
    road.deliver()
    assert road.live() == {good, bad}


def test_a_verdict_that_comes_twice_is_harmless(road):
    numbers = road.center.records(new_penalties(3))
    road.ops.switch(duplicate_delivery=True)
    road.deliver()
    road.collect()
    assert road.states() == {"accepted": 3}
    assert [road.receipts(n) for n in numbers] == [["forwarded", "accepted"]] * 3
    assert road.center.one("SELECT accepted FROM exchange.batch") == 3


def test_a_record_that_moved_on_while_its_batch_was_out_is_due_again_after_the_answer(road):
    number = road.center.record(penalty())
    road.ops.switch(slow_ms=1500)
    road.forward()
    assert road.states() == {"sent": 1}
    road.center.revise(number, CF_NR="罚款4000元")
    assert road.forward()["due"] == 0  # nothing is sent over what is out
    road.ops.switch(slow_ms=0)
    road.collect()
    assert road.states() == {"due": 1}
    road.deliver()
    assert road.copy(number)["revision"] == 2
    assert [row["revision"] for row in road.line.rows()] == [1, 2]
    revisions = road.center.all("SELECT status, revision FROM exchange.receipt ORDER BY at, receipt_id")
    assert revisions == [("forwarded", 1), ("accepted", 1), ("forwarded", 2), ("accepted", 2)]


def test_lost_rows_stay_open_and_are_settled_by_what_the_destination_holds(road, monkeypatch):
    road.center.use_county(monkeypatch, province={"lost_after_s": 2, "verdict_wait_s": 1})
    numbers = set(road.center.records(new_penalties(30)))
    road.ops.switch(lose_percent=50)
    road.forward()
    counts = road.collect()
    lost = numbers - road.live()
    assert 0 < len(lost) < 30
    assert counts["open"] == 1
    assert road.states() == {"sent": len(lost), "accepted": 30 - len(lost)}
    road.ops.switch(lose_percent=0)
    time.sleep(2)
    assert road.collect()["lost"] == len(lost)
    assert {t.rsplit("/", 1)[1] for t in road.line.gets("/v1/records/")} == lost
    road.deliver()
    assert road.live() == numbers
    assert road.states() == {"accepted": 30}


def test_rows_that_a_finished_batch_leaves_out_are_looked_up(road):
    """A platform that says done and forgets a row must not leave that row waiting for ever."""
    numbers = road.center.records(new_penalties(3))
    forgotten = numbers[1].encode()

    def forget(content):
        answer = json.loads(content)
        if "rows" not in answer:
            return content
        answer["rows"] = [r for r in answer["rows"] if r["record_no"].encode() != forgotten]
        return json.dumps(answer).encode()

    road.line.alter = forget
    road.deliver()
    assert road.states() == {"accepted": 3}
    assert road.line.gets("/v1/records/") == [f"/v1/records/{numbers[1]}"]
    assert road.receipts(numbers[1]) == ["forwarded", "accepted"]


def test_a_destination_that_quotes_a_personal_value_is_not_quoted_any_further(road):
    number = road.center.record(person("xzcf"))
    road.center.revise(number, CF_CFLB="罚站")
    said = f"{PERSON_NUMBER}（李四）的处罚类别不在字典中"
    road.line.alter = lambda content: content.replace("不在字典中".encode(), said.encode())
    road.deliver()
    ((note, problems, message),) = road.center.all(
        "SELECT note, problems::text, message FROM exchange.receipt r JOIN exchange.delivery d USING (record_no)"
        " WHERE status = 'returned'"
    )
    for text in (note, problems, message):
        assert "***" in text
        assert PERSON_NUMBER not in text
        assert "李四" not in text


def test_a_version_the_destination_holds_already_is_looked_up_and_passed(road):
    number = road.center.record(penalty())
    road.deliver()
    # Our books are of an older backup than what the province holds by now.
    (row,) = road.line.rows()
    newer = {**row, "revision": 7, "data": {**row["data"], "CF_NR": "罚款5元"}}
    assert road.client.send("xzcf", [newer])[0]["code"] == "00000"
    road.center.revise(number, CF_NR="罚款6元")
    for _ in range(2):
        road.forward()
        road.collect()
    copy = road.copy(number)
    assert copy["revision"] == 8
    assert road.states() == {"accepted": 1}
    assert [r["revision"] for r in road.line.rows()] == [1, 2, 8]
    assert "returned" not in road.receipts(number)


# -- pausing ----------------------------------------------------------------------------------------------------


def test_a_canary_of_50_that_comes_back_pauses_the_destination_until_a_person_resumes_it(road):
    numbers = set(road.center.records(new_penalties(120)))
    road.ops.switch(reject_percent=100)
    counts = road.forward()
    assert counts["state"] == "paused"
    assert counts["sent"] == CANARY
    assert "试报的 50 行中有 50 行被退回，超过 20%" in counts["why"]
    road.ops.switch(reject_percent=0)
    assert road.forward()["state"] == "paused"
    assert len(road.line.rows()) == CANARY
    assert resume("province", "王工", settings=road.center.settings)
    assert not resume("province", "王工", settings=road.center.settings)
    assert resend_rejected("province", "王工", settings=road.center.settings) == CANARY
    assert road.forward()["state"] == "done"
    road.collect()
    assert road.live() == numbers
    acts = road.center.all("SELECT actor, act, about FROM audit.act ORDER BY act_id")
    assert acts == [
        ("王工", "destination.resume", "province"),
        ("王工", "destination.resend_rejected", "province"),
    ]


def test_the_crowd_waits_for_the_canarys_verdicts(road, monkeypatch):
    road.center.use_county(monkeypatch, province={"verdict_wait_s": 1})
    numbers = set(road.center.records(new_penalties(120)))
    road.ops.switch(slow_ms=4000)
    for _ in range(2):
        assert road.forward()["state"] == "waiting"
    assert len(road.line.rows()) == CANARY
    road.ops.switch(slow_ms=0)
    time.sleep(4)
    assert road.forward()["state"] == "done"
    road.collect()
    assert road.live() == numbers


def test_a_small_share_of_rejections_does_not_pause(road):
    numbers = road.center.records(new_penalties(60))
    for number in numbers[:6]:
        road.center.revise(number, CF_CFLB="罚站")
    assert road.forward()["state"] == "done"
    assert road.collect()["state"] == "done"
    assert road.states() == {"accepted": 54, "rejected": 6}


def test_too_many_rejections_of_a_run_without_canary_pause_too(road):
    road.center.records(new_penalties(30))
    road.ops.switch(reject_percent=100)
    road.forward()
    assert road.collect()["state"] == "paused"


def test_a_batch_refused_whole_pauses_with_the_reason_and_its_rows_stay_due(road):
    replace_key(road.center.county / "destinations" / "province.toml", "unknown_table", [])
    add_section(road, '[datasets.penalty]\ntable = "no_such_table"')
    road.center.records(new_penalties(2))
    counts = road.forward()
    assert counts["state"] == "paused"
    assert "整批被拒收（E1108" in counts["why"]
    assert road.states() == {"due": 2}
    assert road.center.one("SELECT count(*) FROM exchange.receipt") == 0


def test_a_dataset_the_destination_does_not_know_holds_up_no_other(road):
    """A new dataset goes where its scope goes before anybody agreed on its table: the others go on."""
    path = road.center.county / "destinations" / "province.toml"
    text = path.read_text("utf-8")
    add_section(road, '[datasets.licence]\ntable = "no_such_table"')
    number, other = road.center.record(penalty()), road.center.record(licence(), "licence")
    counts = road.deliver()
    assert (counts["state"], counts["sent"], counts["unknown_tables"], counts["remaining"]) == ("done", 1, 1, 1)
    assert road.live() == {number}
    with pytest.raises(NothingMoved, match="对方没有应报的表，见工单"):
        road.forward()
    ((dataset, what),) = road.center.all("SELECT dataset, what FROM quality.work_item WHERE closed_at IS NULL")
    assert dataset == "licence"
    assert "no_such_table" in what
    path.write_text(text, "utf-8")
    assert road.deliver()["sent"] == 1
    assert road.live("xzxk") == {other}


@pytest.mark.parametrize("written", [PERSON_NUMBER, "110105 1949-1231 002X", "１１０１０５１９４９１２３１００２Ｘ"])
def test_the_words_of_a_destination_that_quotes_a_number_are_not_kept(road, written):
    road.center.record(person("xzcf"))
    said = json.dumps({"code": "E1999", "message": f"证件号码 {written} 不符"}, ensure_ascii=False)
    road.ops.switch(unavailable=True)  # any answer but a good one
    road.line.alter = lambda _: said.encode()
    with pytest.raises(NothingMoved) as stopped:
        road.forward()
    kept = road.center.one("SELECT answer FROM exchange.batch")
    assert kept.startswith("结果不明：E1999")
    for text in (kept, str(stopped.value), str(stopped.value.counts)):
        assert written not in text
        assert "002X" not in text


# -- failures ---------------------------------------------------------------------------------------------------


def test_a_run_that_moved_nothing_while_rows_were_due_is_not_a_success(road):
    road.center.records(new_penalties(2))
    road.ops.switch(unavailable=True)
    with pytest.raises(NothingMoved) as stopped:
        road.forward()
    assert stopped.value.retriable
    assert (stopped.value.counts["due"], stopped.value.counts["sent"]) == (2, 0)
    assert "有 2 条应报 province，一条也没有送达" in str(stopped.value)


def test_deliveries_whose_records_are_gone_are_not_passed_over_in_silence(road):
    road.center.record(penalty())
    hold = road.center.hold()
    road.forward()
    road.center.release(hold)
    road.center.all("DELETE FROM core.penalty")
    with pytest.raises(NothingMoved, match="请让报送单位重发"):
        road.forward()


def test_a_destination_that_is_down_does_not_matter_to_another_and_loses_nothing(road, nation, monkeypatch):
    numbers = set(road.center.records(new_penalties(3)))
    monkeypatch.setenv("CREDIT_DESTINATION_NATION_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NothingMoved):
        nation.forward()
    road.deliver()
    assert road.live() == numbers
    monkeypatch.setenv("CREDIT_DESTINATION_NATION_URL", nation.line.url)
    nation.deliver()
    assert nation.live() == numbers


def test_a_mark_goes_only_when_every_enabled_destination_has_taken_it(road, nation):
    road.center.records(new_penalties(2))
    road.center.record(licence(), "licence", checked=False)
    road.center.all(
        "INSERT INTO exchange.mark (dataset, unit, record_no, revision, checked_run)"
        " VALUES ('ledger', 'market', gen_random_uuid(), 1, 1)"
    )  # goes to no destination
    road.forward()
    assert road.center.one("SELECT count(*) FROM exchange.mark") == 4
    nation.forward()
    assert road.center.all("SELECT dataset, taken FROM exchange.mark") == [("licence", [])]
    replace_key(road.center.county / "destinations" / "nation.toml", "enabled", False)
    road.center.check()
    road.forward()
    assert road.center.one("SELECT count(*) FROM exchange.mark") == 0
    assert nation.forward()["state"] == "disabled"


def test_two_runs_never_interleave(road):
    road.center.record(penalty())
    with road.center.connect() as other, other.cursor() as cur:
        cur.execute(LOCK, ["province"])
        with pytest.raises(DestinationBusy) as busy:
            road.forward()
    assert busy.value.retriable
    assert road.forward()["sent"] == 1


def test_a_wrong_secret_is_said_so_and_loses_nothing(road, monkeypatch):
    number = road.center.record(penalty())
    secret = road.client.key
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", "f" * 32)
    with pytest.raises(AccessRefused, match="E1004") as refused:
        road.forward()
    assert not refused.value.retriable
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", secret)
    road.forward()
    assert road.live() == {number}


def test_an_unknown_destination_is_named_with_those_there_are(road):
    with pytest.raises(UnknownDestination, match="nation、province"):
        forward("city", settings=road.center.settings)


# -- destinations that cannot end -------------------------------------------------------------------------------


def test_an_end_a_destination_cannot_do_becomes_one_work_item(road):
    replace_key(road.center.county / "destinations" / "province.toml", "can_withdraw", False)
    number = road.center.record(penalty())
    road.deliver()
    road.center.revise(number, state="withdrawn")
    for _ in range(2):
        road.forward()
    assert road.states() == {"manual": 1}
    assert len(road.line.rows()) == 1
    items = road.center.all("SELECT unit, record_no::text, what FROM quality.work_item WHERE closed_at IS NULL")
    assert items == [(UNIT, number, "这条记录已不应公示和共享，但河南省公共信用信息平台不支持撤回，副本仍在。")]


def test_a_platform_that_says_it_cannot_withdraw_makes_a_work_item_too(road, tmp_path, monkeypatch):
    with running_sandbox(tmp_path, options=["--no-withdraw"]) as rigid:
        road.center.use_destination(monkeypatch, "province", rigid.url, road.client.client)
        number = road.center.record(penalty())
        road.forward()
        road.collect()
        road.center.revise(number, state="ended")
        road.forward()
        assert road.collect()["manual"] + road.states()["manual"] >= 1
    assert road.center.one("SELECT count(*) FROM quality.work_item WHERE closed_at IS NULL") == 1
    assert "returned" not in road.receipts(number)


# -- personal numbers -------------------------------------------------------------------------------------------


def test_a_destination_that_takes_no_personal_numbers_gets_none(road):
    replace_key(road.center.county / "destinations" / "province.toml", "personal", "omit")
    road.center.record(person("xzcf"))
    road.forward()
    (row,) = road.line.rows()
    assert "CF_XDR_ZJHM" not in row["data"]
    assert PERSON_NUMBER.encode() not in b"".join(r.body for r in road.line.requests)
