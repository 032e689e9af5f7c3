"""Quality on a real database: each expectation fires on its planted defect and is silent on clean data; holds, work
items and stamps do what they promise; nothing personal gets out."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from credit_expectations import gate
from credit_expectations.data_docs import KEPT_RUNS, docs_root
from credit_expectations.errors import CheckBroken, HoldNotFound, NameAndReasonNeeded, NumberInReason, WorkItemNotFound
from credit_expectations.run import run_due
from credit_warehouse.connect import connect
from quality_rows import COMPANY, PASSWORDS, TODAY, running_warehouse

PERSON = "11010519491231002X"  # the standard's own example (GB 11643-1999)
PERSON_15 = "110105491231002"
TOO_LONG = "字" * 2300  # the contract allows 5000, the province 2000


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory):
    with running_warehouse(postgres_server, "expectations_test", tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def world(warehouse):
    """An empty warehouse."""
    warehouse.clear()
    return warehouse


@pytest.fixture
def console(warehouse):
    """A connection as the console has it."""
    con = connect(warehouse.settings, "quality")
    yield con
    con.close()


def run(world, day=TODAY):
    return run_due(day, world.settings)


def fill_cleanly(w, unit="market"):
    """Half a year's habit of one unit, this week's rows, and a ledger that agrees: enough for every expectation."""
    decisions = []
    for week in range(10, 0, -1):
        day = TODAY - timedelta(days=7 * week)
        decisions += [
            {"number": f"旧〔{week}〕{i}号", "decided": day - timedelta(days=2), "received": day, "checked": 1}
            for i in range(20)
        ]
    decisions += [{"number": f"新〔2026〕{i}号"} for i in range(30)]
    w.report_many(decisions, unit)
    w.report_many(
        [{"number": d["number"], "decided": d.get("decided", TODAY - timedelta(days=3))} for d in decisions],
        unit,
        "ledger",
    )
    w.names(unit, COMPANY, "示例县示例工贸有限公司")


# --- every expectation: silent on clean data, fires on its defect ------------------------------------------------


@pytest.mark.parametrize("begun", [False, True], ids=["by_the_first_run", "by_a_later_run"])
def test_clean_data_passes_every_expectation_and_each_has_looked_at_rows(world, begun):
    if begun:
        run(world)
    fill_cleanly(world)
    counts = run(world)
    assert counts["whole"] is not begun
    assert counts["failed"] == counts["holds_opened"] == counts["work_items"] == 0
    assert counts["marks"] == 30 + 230
    looked = dict(world.all("SELECT rule_id, max(checked) FROM quality.latest_result GROUP BY 1"))
    assert len(looked) == 13
    assert all(looked.values()), looked


def lost_in_core(w):
    record = w.report()
    w.all("DELETE FROM core.penalty WHERE record_no = %s", record)
    return [("market", record, "")]


def lost_message(w):
    w.report()
    w.all("UPDATE ingest.position SET next_offset = next_offset + 1")
    return [("market", None, "少 1 条")]


def hidden_decision(w):
    w.report(dataset="ledger", number="隐〔2026〕1号", decided=TODAY - timedelta(days=30))
    return [("market", None, "隐〔2026〕1号（2026-10-25）")]


def left_out_of_the_ledger(w):
    for days in (20, 10):
        w.report(number=f"在〔2026〕{days}号", decided=TODAY - timedelta(days=days))
        w.report(dataset="ledger", number=f"在〔2026〕{days}号", decided=TODAY - timedelta(days=days))
    record = w.report(number="漏〔2026〕1号", decided=TODAY - timedelta(days=15))
    return [("market", record, "漏〔2026〕1号（2026-11-09）")]


def reported_by_two(w):
    authority = w.one("SELECT 1") and {"authority.code": "11410421DEM000014W"}
    one = w.report("market", number="争〔2026〕1号", values=authority)
    other = w.report("edu", number="争〔2026〕1号", values=authority)
    return [("edu", other, "争〔2026〕1号（2026-11-21）"), ("market", one, "争〔2026〕1号（2026-11-21）")]


def corrected_by_a_stranger(w):
    authority = "11410421DEM000014W"
    one = w.report("market", number="争〔2026〕2号", values={"authority.code": authority})
    w.refuse("edu", rule="record.other_unit", number="争〔2026〕2号", authority=authority)
    return [("edu", None, "争〔2026〕2号（2026-11-21）"), ("market", one, "争〔2026〕2号（2026-11-21）")]


def far_too_many(w):
    for week in range(10, 0, -1):
        w.report_many([{"received": TODAY - timedelta(days=7 * week), "checked": 1}] * 5)
    w.report_many([{}] * 60)
    return [("market", None, "")]


def one_category_only(w):
    w.report_many([{"checked": 1, "received": TODAY - timedelta(days=30)}] * 100)
    w.report_many([{"values": {"subject.category": "个体工商户"}}] * 30)
    return [("market", None, "行政相对人类别")]


def one_kind_only(w):
    w.report_many([{"checked": 1, "received": TODAY - timedelta(days=30)}] * 100)
    w.report_many([{"values": {"kind": "警告"}}] * 30)
    return [("market", None, "处罚类别")]


def long_silence(w):
    w.report(received=TODAY - timedelta(days=60), checked=1)
    return [("market", None, "")]


def one_code_two_names(w):
    w.report()
    w.names("market", COMPANY, "宝丰县顺达运输有限公司")
    return [("market", None, COMPANY)]


def mostly_without_code(w):
    w.report_many([{"subject": "scoped"}] * 15 + [{}] * 10)
    return [("market", None, "")]


def too_long_for_the_province(w):
    record = w.report(values={"offence.fact": TOO_LONG})
    return [("market", record, "河南省公共信用信息平台：违法事实最长 2000 字")]


def number_in_a_public_text(w):
    record = w.report(values={"content": f"对{PERSON}罚款500元", "remark": f"证件{PERSON_15}"})
    return [("market", record, "处罚内容、备注")]


DEFECTS = {
    "conservation": lost_in_core,
    "conservation_arrivals": lost_message,
    "ledger_completeness": hidden_decision,
    "unledgered": left_out_of_the_ledger,
    "conflicts": reported_by_two,
    "conflicts ": corrected_by_a_stranger,
    "volume": far_too_many,
    "mix_category": one_category_only,
    "mix_kind": one_kind_only,
    "freshness": long_silence,
    "subject_names": one_code_two_names,
    "codeless_share": mostly_without_code,
    "outgoing_terms": too_long_for_the_province,
    "no_personal_numbers": number_in_a_public_text,
}
CRITICAL = {"conservation", "conservation_arrivals", "outgoing_terms", "no_personal_numbers"}


@pytest.mark.parametrize("begun", [False, True], ids=["by_the_first_run", "by_a_later_run"])
@pytest.mark.parametrize(("rule", "plant"), DEFECTS.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_defect_fires_its_expectation_and_no_other(world, rule, plant, begun):
    rule = rule.strip()
    if begun:
        run(world)
    expected = plant(world)
    counts = run(world)
    assert counts["whole"] is not begun
    assert world.items(rule) == sorted(expected, key=str)
    fired = {r for (r,) in world.all("SELECT DISTINCT rule_id FROM quality.result WHERE NOT success")}
    assert fired == {rule}
    assert counts["work_items"] == len(expected)
    assert counts["holds_opened"] == (rule in CRITICAL)
    for what, mend in world.all("SELECT what, mend FROM quality.open_work_item"):
        assert what
        assert mend
        assert "{" not in what


def test_a_history_of_seven_weeks_is_too_short_to_judge_volume(world):
    for week in range(7, 0, -1):
        world.report_many([{"received": TODAY - timedelta(days=7 * week), "checked": 1}] * 5)
    world.report_many([{}] * 60)
    run(world)
    assert not world.failing("volume")


def test_a_line_whose_row_was_refused_is_to_mend_and_not_hidden(world):
    decided = TODAY - timedelta(days=30)
    world.report(dataset="ledger", number="退〔2026〕1号", decided=decided)
    world.refuse(number="退〔2026〕1号", decided=decided)
    run(world)
    assert not world.failing("ledger_completeness")


def test_a_line_is_not_overdue_on_its_last_day(world):
    world.report(dataset="ledger", number="末〔2026〕1号", decided=TODAY - timedelta(days=9))
    run(world)
    assert not world.failing("ledger_completeness")
    run(world, TODAY + timedelta(days=1))
    assert world.failing("ledger_completeness")


@pytest.mark.parametrize(
    "text",
    [
        "号码１１０１０５１９４９１２３１００２Ｘ",
        "110105 1949 1231 002X",
        "110105-19491231-002x",
        f"见{PERSON}。",
        f"2026 {PERSON}",
        f"证件{PERSON_15}号",
    ],
)
def test_numbers_are_found_however_they_are_written(warehouse, text):
    assert warehouse.one("SELECT quality.person_numbers(%s)", text) == 1


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("110105194912310021", False),  # wrong check digit
        ("91410421MA0000007D", False),
        ("114104210056789012", False),  # an all-digit code of this region
        ("2026年5月6日罚款20000000000000元", False),
        ("110105********002X", False),
        ("410421000012345", False),  # no such day
        ("110108000000016", True),  # a right registration number in a column of codes
        ("", False),
        (None, False),
    ],
)
def test_other_digits_are_no_personal_numbers(warehouse, text, codes):
    assert warehouse.one("SELECT quality.person_numbers(%s, %s)", text, codes) == 0


# --- holds -------------------------------------------------------------------------------------------------------


def test_the_province_is_held_and_nobody_else(world, console):
    too_long_for_the_province(world)
    world.report(unit="edu")
    run(world)
    assert gate.is_held(console, "market", "penalty", "province")
    assert not gate.is_held(console, "market", "penalty", "nation")
    assert not gate.is_held(console, "market", "licence", "province")
    assert not gate.is_held(console, "edu", "penalty", "province")
    assert gate.open_holds(console) == {gate.Slice("market", "penalty", "province")}


def test_a_failure_of_all_destinations_holds_them_all(world, console):
    number_in_a_public_text(world)
    run(world)
    assert gate.is_held(console, "market", "penalty", "province")
    assert gate.is_held(console, "market", "penalty", "nation")


def test_a_hold_closes_when_its_record_is_mended_and_not_before(world, console):
    ((_, record, _),) = too_long_for_the_province(world)
    run(world)
    world.report()
    assert run(world)["holds_closed"] == 0
    assert gate.is_held(console, "market", "penalty", "province")
    world.revise(record, offence__fact="短了")
    counts = run(world)
    assert counts["holds_closed"] == 1
    assert not gate.is_held(console, "market", "penalty", "province")
    assert gate.list_work_items(console) == []
    assert world.one("SELECT closed_by FROM quality.work_item") == "credit quality"


def test_a_mended_work_item_closes_with_no_hold_about(world):
    hidden_decision(world)
    run(world)
    world.report(number="隐〔2026〕1号", decided=TODAY - timedelta(days=30))
    run(world)
    assert world.items("ledger_completeness") == []


def test_release_needs_a_name_and_a_reason_and_leaves_an_account(world, console):
    too_long_for_the_province(world)
    run(world)
    (hold,) = gate.list_holds(console)
    for who, reason in (("", "急件"), ("王主任", " ")):
        with pytest.raises(NameAndReasonNeeded):
            gate.release(console, hold["hold_id"], who, reason)
    with pytest.raises(NumberInReason):
        gate.release(console, hold["hold_id"], "王主任", f"当事人{PERSON}已同意")
    assert gate.is_held(console, "market", "penalty", "province")
    gate.release(console, hold["hold_id"], "王主任", "省平台已同意接收")
    assert not gate.is_held(console, "market", "penalty", "province")
    ((actor, act, detail),) = world.all("SELECT actor, act, detail FROM audit.act")
    assert (actor, act) == ("王主任", "quality.release")
    assert detail["reason"] == "省平台已同意接收"
    with pytest.raises(HoldNotFound):
        gate.release(console, hold["hold_id"], "王主任", "再放一次")


def test_a_released_hold_stays_released_until_something_new_fails(world, console):
    ((_, record, _),) = too_long_for_the_province(world)
    run(world)
    gate.release(console, gate.list_holds(console)[0]["hold_id"], "王主任", "省平台已同意接收")
    world.revise(record, offence__fact="还是太长" * 600)  # the same record, the same failure
    world.report()
    assert run(world)["holds_opened"] == 0
    assert run(world, TODAY + timedelta(days=1))["holds_opened"] == 0
    assert not gate.is_held(console, "market", "penalty", "province")
    other = world.report(values={"offence.fact": TOO_LONG})
    assert run(world, TODAY + timedelta(days=1))["holds_opened"] == 1
    assert gate.is_held(console, "market", "penalty", "province")
    # Mending the new one is enough: the other was let go.
    world.revise(other, offence__fact="短了")
    assert run(world, TODAY + timedelta(days=1))["holds_closed"] == 1


def test_a_released_failure_that_was_mended_and_comes_back_holds_again(world, console):
    ((_, record, _),) = too_long_for_the_province(world)
    run(world)
    gate.release(console, gate.list_holds(console)[0]["hold_id"], "王主任", "省平台已同意接收")
    world.revise(record, offence__fact="短了")
    run(world)
    world.revise(record, offence__fact=TOO_LONG)
    assert run(world)["holds_opened"] == 1


def test_a_loss_that_grows_after_its_release_holds_again(world, console):
    lost_message(world)
    run(world)
    gate.release(console, gate.list_holds(console)[0]["hold_id"], "王主任", "已知，单位正在重发")
    world.report()
    assert run(world)["holds_opened"] == 0
    world.all("UPDATE ingest.position SET next_offset = next_offset + 2")
    world.report()
    assert run(world)["holds_opened"] == 1


def test_a_work_item_closed_by_a_person_stays_closed_while_nothing_changes(world, console):
    hidden_decision(world)
    run(world)
    (item,) = gate.list_work_items(console)
    gate.close_work_item(console, item["work_item_id"], "李工", "不是本县的决定")
    with pytest.raises(WorkItemNotFound):
        gate.close_work_item(console, item["work_item_id"], "李工", "再关一次")
    assert run(world, TODAY + timedelta(days=1))["work_items"] == 0
    assert world.failing("ledger_completeness")
    assert gate.list_work_items(console) == []


def test_closing_a_work_item_does_not_open_the_gate(world, console):
    too_long_for_the_province(world)
    run(world)
    (item,) = gate.list_work_items(console)
    gate.close_work_item(console, item["work_item_id"], "李工", "已电话通知")
    run(world)
    assert gate.is_held(console, "market", "penalty", "province")


def command(world, home, *arguments):
    code = f"import sys; sys.argv = ['credit', *{arguments!r}]; from credit_local.cli import main; main()"
    process = started(world, code, home)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def test_the_command_shows_holds_and_lets_a_named_person_release_them(world, console, tmp_path):
    too_long_for_the_province(world)
    run(world)
    ((hold, item),) = world.all("SELECT hold_id, work_item_id FROM quality.open_work_item")
    status, output = command(world, tmp_path, "quality", "holds")
    assert status == 0, output
    assert "上报内容符合目的地的要求：1 项未通过（去向：河南省公共信用信息平台）" in output
    assert "  市场监管局  行政处罚  province  " in output
    status, output = command(world, tmp_path, "quality", "items")
    assert "  市场监管局  行政处罚  " in output
    assert "违法事实最长 2000 字" in output
    assert command(world, tmp_path, "quality", "release", str(hold), "--by", " ", "--reason", "急")[0] != 0
    status, output = command(world, tmp_path, "quality", "release", str(hold), "--by", "王主任", "--reason", "已商定")
    assert (status, output.strip()) == (0, f"已放行第 {hold} 号，下一次上报时发出。")
    assert not gate.is_held(console, "market", "penalty", "province")
    status, output = command(world, tmp_path, "quality", "release", str(hold), "--by", "王主任", "--reason", "已商定")
    assert status != 0
    assert f"没有第 {hold} 号暂停" in output
    assert "Traceback" not in output
    status, output = command(world, tmp_path, "quality", "close", str(item), "--by", "李工", "--reason", "已电话通知")
    assert status == 0, output
    assert world.items("outgoing_terms") == []


# --- what is due, and what is stamped ----------------------------------------------------------------------------


def test_a_second_run_has_nothing_to_do_and_checks_nothing(world):
    world.report()
    first = run(world)
    assert first["marks"] == 1
    second = run(world)
    assert second["run_id"] is None
    assert second["slices"] == second["marks"] == second["checked"] == 0
    assert world.one("SELECT count(*) FROM quality.run") == 1


def test_a_refused_arrival_makes_its_slice_due_once(world):
    world.refuse()
    assert run(world)["slices"] == 1
    assert run(world)["run_id"] is None


def test_a_new_day_checks_every_slice_once(world):
    world.report()
    world.report("edu", "licence")
    run(world)
    assert run(world, TODAY + timedelta(days=1))["slices"] == 2
    assert run(world, TODAY + timedelta(days=1))["run_id"] is None


def test_an_open_hold_keeps_its_slice_due(world):
    too_long_for_the_province(world)
    run(world)
    again = run(world)
    assert (again["slices"], again["marks"], again["holds_opened"], again["work_items"]) == (1, 0, 0, 0)


def started(world, code, home):
    """A process of its own that runs `code` with this warehouse's settings and an empty home."""
    s = world.settings
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "HOME": str(home),
            "CREDIT_HOME": str(s.home),
            "CREDIT_DATABASE_HOST": s.database_host,
            "CREDIT_DATABASE_PORT": str(s.database_port),
            "CREDIT_DATABASE_NAME": s.database_name,
            "CREDIT_DATABASE_PASSWORD_QUALITY": PASSWORDS["quality"],
        },
    )


RUN = "from datetime import date; from credit_expectations.run import run_due; run_due(date(2026, 11, 24))"


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def waits_for_a_lock(world):
    return world.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


def test_marks_that_come_during_a_run_stay_unchecked(world):
    world.report()
    world.report(dataset="licence")
    outcome = {}
    with world.cursor() as cur:
        # The run stands still in its middle for as long as this transaction lasts.
        cur.execute("LOCK TABLE quality.result IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=lambda: outcome.update(run(world)))
        thread.start()
        wait_until(lambda: waits_for_a_lock(world), "the run does not reach the locked table")
        late = world.report()
    thread.join(60)
    assert outcome["marks"] == 2
    assert world.all("SELECT record_no::text FROM exchange.mark WHERE checked_run IS NULL") == [(late,)]
    assert run(world)["marks"] == 1


def test_a_run_killed_in_the_middle_leaves_marks_unchecked_and_the_next_does_the_work(world, tmp_path):
    world.report("edu")
    run(world)
    world.report()
    world.report(dataset="licence", values={"content": PERSON})
    with world.cursor() as cur:
        cur.execute("LOCK TABLE core.subject_name IN ACCESS EXCLUSIVE MODE")  # one of the checks reads it
        process = started(world, RUN, tmp_path)
        wait_until(lambda: waits_for_a_lock(world), "the run does not reach the locked table")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert world.unchecked() == 2
    assert world.one("SELECT count(*) FROM quality.result WHERE unit = 'market'") == 0
    assert world.all("SELECT state FROM quality.run ORDER BY run_id") == [("done",), ("running",)]
    assert run(world)["marks"] == 2
    assert world.all("SELECT state FROM quality.run ORDER BY run_id") == [("done",), ("failed",), ("done",)]
    assert world.failing("no_personal_numbers") == [("market", "licence", "")]


def test_a_check_that_cannot_be_made_fails_the_run_and_stamps_nothing(world):
    world.report()
    world.all("REVOKE SELECT ON core.subject_name FROM credit_quality")
    try:
        with pytest.raises(CheckBroken) as caught:
            run(world)
    finally:
        world.all("GRANT SELECT ON core.subject_name TO credit_quality")
    assert caught.value.rule_id == "subject_names"
    assert caught.value.retriable
    assert world.unchecked() == 1
    assert world.one("SELECT state FROM quality.run") == "failed"
    assert run(world)["marks"] == 1


def test_a_run_leaves_no_connection_behind(world):
    world.report()
    run(world)
    left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'credit_quality'"
    wait_until(lambda: world.one(left) == 0, "connections of the run are still open")


def test_two_runs_at_once_do_the_work_once(world):
    world.report_many([{}] * 20)
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(run(world))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(o["marks"] for o in outcomes) == [0, 20]


# --- nothing gets out --------------------------------------------------------------------------------------------


def test_no_personal_value_reaches_results_data_docs_or_logs(world, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    secret = "欧阳普朗特"
    person = {"subject.category": "自然人", "subject.code": None, "representative.name": None, "subject.name": secret}
    world.report(values={**person, "content": f"对{secret}（{PERSON}）罚款", "offence.fact": f"{PERSON}{TOO_LONG}"})
    world.report(values={**person, "remark": PERSON_15}, dataset="licence")
    counts = run(world)
    assert counts["holds_opened"] == 3
    written = [caplog.text, *capfd.readouterr()]
    for table in ("run", "result", "hold", "work_item", "slice"):
        written.append(str(world.all(f"SELECT t::text FROM quality.{table} t")))
    written.append(str(world.all("SELECT t::text FROM audit.act t")))
    root = docs_root(world.settings.home)
    pages = [p for p in root.rglob("*.html") if f"/{counts['run_id']}/" in str(p)]
    assert len(pages) > 10
    pages.append(root / "index.html")
    written += [p.read_text("utf-8") for p in pages]
    everything = "\n".join(written)
    assert "no_personal_numbers" in everything
    for value in (PERSON, PERSON_15, PERSON[6:], secret, TOO_LONG[:50]):
        assert value not in everything


def test_the_page_tells_ops_staff_what_is_held_and_why_and_asks_no_other_host(world):
    too_long_for_the_province(world)
    counts = run(world)
    root = docs_root(world.settings.home)
    page = (root / "index.html").read_text("utf-8")
    for said in ("暂停上报", "行政处罚", "最长 2000 字", "严重（暂停上报）", f"第 {counts['run_id']} 次"):
        assert said in page
    pages = [p for p in root.rglob("*.html") if f"/{counts['run_id']}/" in str(p)]
    for text in (page, *(p.read_text("utf-8") for p in pages)):
        assert not re.search(r"""<(?:script|img)[^>]+src=["']https?:|<link[^>]+href=["']https?:""", text)


def test_a_broken_check_quotes_no_value(world, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    world.report(values={"content": PERSON})
    # A function that fails as PostgreSQL does: with the value in its message.
    world.all(
        "ALTER FUNCTION quality.is_person_number(text) RENAME TO is_person_number_kept;"
        " CREATE FUNCTION quality.is_person_number(n text) RETURNS boolean LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'bad number %', n; END$$"
    )
    try:
        with pytest.raises(CheckBroken) as caught:
            run(world)
    finally:
        world.all(
            "DROP FUNCTION quality.is_person_number(text);"
            " ALTER FUNCTION quality.is_person_number_kept(text) RENAME TO is_person_number"
        )
    chained = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert PERSON not in "\n".join([caplog.text, *capfd.readouterr(), *map(str, chained)])


def test_old_data_docs_go(world):
    root = docs_root(world.settings.home)
    for i in range(KEPT_RUNS + 5):
        (root / f"{900_000 + i}").mkdir(parents=True)
    try:
        world.report()
        run(world)
        assert len([p for p in root.iterdir() if p.is_dir()]) == KEPT_RUNS
        assert (root / str(900_000 + KEPT_RUNS + 4)).exists()
        assert not (root / "900000").exists()
    finally:
        for path in root.glob("900*"):
            path.rmdir()


WATCHED = """
import sys
seen = []
sys.addaudithook(lambda name, args: seen.append(args[1]) if name == "socket.connect" else None)
{run}
print("connected to", seen)
print("great_expectations imported:", "great_expectations" in sys.modules)
"""


def test_a_run_talks_to_nobody_outside_and_writes_nothing_into_the_home_directory(world, tmp_path):
    world.report()
    process = started(world, WATCHED.format(run=RUN), tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "connected to []" in output
    assert "great_expectations imported: True" in output
    assert list(Path(tmp_path).iterdir()) == []
    assert world.unchecked() == 0


def test_a_run_with_nothing_due_does_not_import_great_expectations(world, tmp_path):
    process = started(world, WATCHED.format(run=RUN), tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "great_expectations imported: False" in output
