"""Broker or database gone without a word: the consumers wait, come back by themselves, lose and repeat nothing."""

from __future__ import annotations

import threading
import time

import pytest

from crew import crew, ends, reached
from events import World, build_world, wait_until
from faults.test_kill_mid_load import UNITS, landed, share, some_events
from fold import assert_holds, fold, tally
from traffic import Traffic

# How long a server stays away: longer than the first back-offs, shorter than a session.
AWAY_S = 3.0


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def traffic(world):
    return Traffic(world, seed=2, acts=0)


def assert_nothing_lost_nothing_twice(world: World, fault_table, fault: str, **figures) -> None:
    """The line of the table, counted before anything is asserted."""
    expected = fold(world, UNITS)
    fault_table(fault=fault, **tally(world, expected), **figures)
    assert_holds(world, expected)
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0


def outage(world: World, traffic: Traffic, count: int, server, act: str) -> float:
    """A backlog is being loaded when the server goes (`kill` or `stop`) and comes again; seconds until a record that
    was not yet loaded then is in the warehouse."""
    traffic.publish([*traffic.make(count), *some_events(world, f"{act}-{server.folder.name}", ("market", "edu"))])
    before = landed(world)
    with crew(world, 2, group=f"center.{act}") as pair:
        share(world, pair)
        wait_until(lambda: landed(world) > before, "they load", 60)
        getattr(server, act)()
        time.sleep(AWAY_S)
        server.start()
        back, stood = time.monotonic(), landed(world)
        # On top of the backlog, so that there is always something new.
        thread = threading.Thread(target=traffic.send, args=(200,))
        thread.start()
        wait_until(lambda: landed(world) > stood, "they go on by themselves", 120)
        took = time.monotonic() - back
        thread.join()
        wanted = ends(world)
        wait_until(lambda: reached(world, wanted), "all is read", 900)
        assert all(process.is_alive() for process in pair)
    return took


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("act", ["kill", "stop"])
def test_a_broker_that_goes_and_comes_again_costs_nothing(
    world, traffic, kafka_server, fault_table, events_wanted, act
):
    took = outage(world, traffic, events_wanted // 4, kafka_server, act)
    how = {"kill": "broker killed and started", "stop": "broker restarted"}[act]
    assert_nothing_lost_nothing_twice(world, fault_table, how, seconds_to_recover=took)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("act", ["kill", "stop"])
def test_a_database_that_goes_and_comes_again_costs_nothing(
    world, traffic, postgres_server, fault_table, events_wanted, act
):
    took = outage(world, traffic, events_wanted // 4, postgres_server, act)
    how = {"kill": "PostgreSQL killed and started", "stop": "PostgreSQL restarted"}[act]
    assert_nothing_lost_nothing_twice(world, fault_table, how, seconds_to_recover=took)
