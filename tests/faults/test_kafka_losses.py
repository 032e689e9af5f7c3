"""Kafka lost what we had not read (a topic deleted, retention expired): told with the exact count, asked for, mended.

The departments' programs are real, spool and receipts included; the other units' traffic goes on beside them.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing

import pytest

from events import World, build_world, wait_until
from faults.departments import Department, tell
from faults.kafka_support import (
    UNITS,
    accounts,
    asked_again,
    ends,
    expire,
    gaps,
    recreate,
    running,
    wait_for_the_end,
)
from fold import Said, fold_said, log_of
from traffic import Traffic, publish

# Each test takes departments of its own; the traffic of the others goes on.
EMPTY, PAST, PART, ALL, READ, OLD, START, ORDER, LIVE = UNITS[:9]
OTHERS = UNITS[9:]


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def others(world):
    return Traffic(world, seed=5)


@pytest.fixture(scope="module")
def read():
    """What was read of topics that have lost it since, oldest first: the log before the log."""
    return []


def keep(world: World, read: list[Said], unit: str) -> int:
    """Keep what has been read of a unit's topic before that goes; returns how many events of it were not read."""
    newest = (
        "SELECT p.next_offset FROM ingest.position p JOIN ingest.topic t USING (topic_id) WHERE t.unit = %s"
        " ORDER BY t.first_seen DESC LIMIT 1"
    )
    log, position = log_of(world, [unit]), world.one(newest, [unit])[0]
    # Departments write no transactions: offsets are without holes, and the last event stands before the end.
    first = end_of(world, unit) - len(log)
    read += log[: position - first]
    return len(log) - (position - first)


def end_of(world: World, unit: str) -> int:
    return ends(world, [unit])[world.county.intake(unit)]


def settle(world: World, read: list[Said]) -> dict[str, int]:
    return accounts(world, fold_said(world, [*read, *log_of(world, UNITS)]))


def landed(world: World, ids: list[str]) -> int:
    return int(world.one("SELECT count(*) FROM landing.event WHERE ce_id = ANY(%s::uuid[])", [ids])[0])


@pytest.mark.parametrize(("unit", "new"), [(EMPTY, 0), (PAST, 90)], ids=["empty", "past the stored position"])
def test_a_topic_made_anew_is_read_from_its_start_and_resending_repairs_it(
    world, others, read, kafka_admin, tmp_path, fault_table, unit, new
):
    department = Department(world, unit, tmp_path)
    known = department.report("重建", range(60))
    others.send(400, OTHERS)
    world.consume()
    lost = department.report("重建", range(60, 80))
    assert keep(world, read, unit) == len(lost)
    asked = len(asked_again(world))
    recreate(world, kafka_admin, unit)
    later = department.report("重建", range(80, 80 + new))  # more than had been read: reading on would miss the first
    began = time.monotonic()
    with running(world, tmp_path, "one") as one, running(world, tmp_path, "two") as two:
        others.send(400, OTHERS)
        wait_for_the_end(world, UNITS)
        wait_until(lambda: len(asked_again(world)) > asked, "the unit is asked", 90)
        assert asked_again(world)[asked:] == [unit]
        assert (landed(world, known), landed(world, later), landed(world, lost)) == (60, new, 0)
        tell(world)
        assert department.hear() == 80 + new
        wait_for_the_end(world, UNITS)
        took = time.monotonic() - began
        one.end()
        two.end()
    assert landed(world, department.made) == 80 + new
    tell(world)
    assert (department.hear(), department.unanswered()) == (0, 0)
    told = world.query("SELECT DISTINCT status FROM exchange.receipt WHERE ce_id = ANY(%s::uuid[])", [known])
    assert {r["status"] for r in told} == {"loaded", "duplicate"}
    assert world.one("SELECT count(*) FROM ingest.topic WHERE unit = %s", [unit])[0] == 2
    fault = f"topic deleted and made anew, {'past the stored position' if new else 'empty'}"
    fault_table(fault=fault, kills=1, **settle(world, read), seconds_to_recover=took)


def test_expired_retention_is_a_gap_of_the_exact_count_and_resending_repairs_it(
    world, others, read, kafka_admin, tmp_path, fault_table
):
    units = (PART, ALL, READ)
    departments = [Department(world, unit, tmp_path) for unit in units]
    for d in departments:
        d.report("过期", range(30))
    others.send(200, OTHERS)
    world.consume()
    for d in departments:
        d.report("过期", range(30, 80))
        keep(world, read, d.unit)
    others.send(400, OTHERS)
    gaps_before, asked = len(gaps(world)), len(asked_again(world))
    # A part of what was not read, all of it, and only what had been read anyway.
    expire(world, kafka_admin, {PART: 57, ALL: 80, READ: 25})
    wanted = {(PART, 30, 57), (ALL, 30, 80)}
    began = time.monotonic()
    with running(world, tmp_path, "one") as one, running(world, tmp_path, "two") as two:
        wait_for_the_end(world, UNITS)
        wait_until(lambda: len(asked_again(world)) >= asked + 2, "the units are asked", 90)
        assert set(gaps(world)[gaps_before:]) == wanted
        assert [landed(world, d.made) for d in departments] == [80 - 27, 80 - 50, 80]
        tell(world)
        assert [d.hear() for d in departments] == [80, 80, 0]
        wait_for_the_end(world, UNITS)
        took = time.monotonic() - began
        one.end()
        two.end()
    assert [landed(world, d.made) for d in departments] == [80, 80, 80]
    tell(world)
    assert [(d.hear(), d.unanswered()) for d in departments] == [(0, 0)] * 3
    assert set(gaps(world)[gaps_before:]) == wanted
    assert sorted(asked_again(world)[asked:]) == sorted([PART, ALL])
    fault = "retention expired under a stopped consumer (gaps of 27 and 50)"
    fault_table(fault=fault, kills=0, **settle(world, read), seconds_to_recover=took)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "loss",
    [
        "retention",
        "topic made anew",
    ],
)
def test_what_goes_under_a_running_consumer_is_told_and_repaired(
    world, others, read, kafka_admin, tmp_path, events_wanted, fault_table, loss
):
    """It stands still for a moment, well within its session, and finds the ground gone from under it."""
    repetitions = min(25, max(1, events_wanted // 40_000))
    traffic = Traffic(world, seed=9, tag=f"脚下{len(loss)}", resent=0)
    lost = 0
    with running(world, tmp_path, "one") as one, running(world, tmp_path, "two") as two:
        for _ in range(repetitions):
            others.send(100, OTHERS)
            wait_for_the_end(world, UNITS)
            before, asked = gaps(world), len(asked_again(world))
            for each in (one, two):
                each.process.send_signal(signal.SIGSTOP)
            start = end_of(world, LIVE)
            events = list(traffic.make(60, [LIVE]))
            publish(world, events)
            whole = log_of(world, [LIVE])
            log = whole[-60:]
            read += whole[:-60]
            if loss == "retention":
                expire(world, kafka_admin, {LIVE: start + 40})
            else:
                recreate(world, kafka_admin, LIVE)
            for each in (one, two):
                each.process.send_signal(signal.SIGCONT)
            wait_until(lambda asked=asked: len(asked_again(world)) > asked, "the unit is asked", 180)
            wait_for_the_end(world, UNITS)
            ids = {e["ce_id"] for e in world.query("SELECT ce_id FROM landing.event")}
            seen = [event for event in log if event.ce_id in ids]
            read += seen
            # What the broker had handed out before it went was read all the same: it is no gap.
            missed = sum(end - begin for _, begin, end in gaps(world)[len(before) :])
            assert loss != "retention" or missed == len(log) - len(seen) == start + 40 - gaps(world)[-1][1]
            assert asked_again(world)[asked:] == [LIVE]
            lost += len(log) - len(seen)
            publish(world, events)  # as its spool does
            wait_for_the_end(world, UNITS)
        one.end()
        two.end()
    assert lost > 0
    fault = f"{loss} under running consumers ({lost} missed, sent again)"
    fault_table(fault=fault, kills=repetitions, **settle(world, read))


def test_an_event_that_lay_long_in_the_spool_is_sent_again_too(world, read, kafka_admin, tmp_path, fault_table):
    """A machine that had no line for days, or whose clock is behind: what was never answered is sent again."""
    department = Department(world, OLD, tmp_path)
    department.report("久", range(5))
    world.consume()
    tell(world)
    department.hear()
    department.report("久", range(5, 15))
    with closing(sqlite3.connect(department.settings.spool)) as con, con:
        con.execute("UPDATE event SET created_at = '2020-01-01T00:00:00.000000+00:00' WHERE state <> 'settled'")
    keep(world, read, OLD)
    expire(world, kafka_admin, {OLD: 15})
    world.consume()
    assert (OLD, 5, 15) in gaps(world)
    tell(world)
    assert department.hear() == 15
    world.consume()
    assert landed(world, department.made) == 15
    fault_table(fault="retention expired, what is lost lay long in the spool", kills=0, **settle(world, read))


def test_a_gap_at_the_start_of_a_topic_made_anew_is_counted_too(world, read, kafka_admin, tmp_path, fault_table):
    department = Department(world, START, tmp_path)
    department.report("又", range(5))
    world.consume()
    keep(world, read, START)
    recreate(world, kafka_admin, START)
    department.report("又", range(5, 25))
    expire(world, kafka_admin, {START: 12})
    world.consume()
    tell(world)
    assert department.hear() == 25
    world.consume()
    assert landed(world, department.made) == 25
    fault_table(fault="topic made anew whose first events expired (gap of 12)", kills=1, **settle(world, read))
    assert (START, 0, 12) in gaps(world)


def test_older_content_that_is_sent_again_does_not_overwrite_newer(world, read, kafka_admin, tmp_path, fault_table):
    """The correction was read, what it corrects had expired: sent again, both must end with the correction."""
    department = Department(world, ORDER, tmp_path)
    department.report("先后", range(3))
    world.consume()
    keep(world, read, ORDER)
    department.report("先后", range(3, 13), "罚款500元，先报的")
    department.report("先后", range(3, 13), "罚款500元，后来更正的")
    expire(world, kafka_admin, {ORDER: 13})
    world.consume()
    tell(world)
    department.hear()
    world.consume()
    assert landed(world, department.made) == 23
    contents = world.query("SELECT cf_nr, count(*) FROM core.penalty WHERE cf_wsh LIKE '先后%%' GROUP BY 1", [])
    assert {c["cf_nr"]: c["count"] for c in contents} == {"罚款500元": 3, "罚款500元，后来更正的": 10}
    tell(world)
    assert (department.hear(), department.unanswered()) == (0, 0)
    refused = "SELECT count(*) FROM exchange.receipt WHERE ce_id = ANY(%s::uuid[]) AND status = 'rejected'"
    assert world.one(refused, [department.made[3:13]])[0] == 10
    fault_table(fault="retention expired before a correction that was read", kills=0, **settle(world, read))
