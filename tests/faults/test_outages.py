"""Broker or database gone without a word: the consumer waits, comes back by itself, loses and repeats nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from events import Event, World, build_world, wait_until
from faults.test_kill_mid_load import loader, some_events
from fold import assert_agrees


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "edu"])
    yield made
    made.close()


def all_landed(world: World, events: list[Event]) -> Callable[[], bool]:
    """Whether every event is there: the last may come in a batch of its own."""
    ids = {str(e.ce_id) for e in events}
    query = "SELECT count(*) FROM landing.event WHERE ce_id = ANY(%s::uuid[])"
    return lambda: world.one(query, [list(ids)])[0] == len(ids)


def test_a_broker_that_is_killed_and_started_again_costs_nothing(world, kafka_server):
    with loader(world):
        world.publish(before := some_events(world, "before"))
        wait_until(all_landed(world, before), "the consumer runs")
        kafka_server.kill()
        time.sleep(3)
        kafka_server.start()
        world.publish(after := some_events(world, "after"))
        wait_until(all_landed(world, after), "it reads on", 90)
    assert_agrees(world, ["market", "edu"])


def test_a_database_that_is_killed_and_started_again_costs_nothing(world, postgres_server):
    with loader(world):
        world.publish(up := some_events(world, "up"))
        wait_until(all_landed(world, up), "the consumer runs")
        postgres_server.kill()
        world.publish(down := some_events(world, "down"))
        time.sleep(3)
        postgres_server.start()
        wait_until(all_landed(world, down), "it loads what came meanwhile", 90)
    assert_agrees(world, ["market", "edu"])
