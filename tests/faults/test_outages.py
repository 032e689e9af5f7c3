"""Broker or database gone without a word: the consumer waits, comes back by itself, loses and repeats nothing."""

from __future__ import annotations

import time

import pytest

from events import World, build_world, wait_until
from faults.test_kill_mid_load import loader, some_events
from fold import assert_agrees


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "edu"])
    yield made
    made.close()


def loaded(world: World, tag: str) -> int:
    return world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh LIKE %s", [tag + "%"])[0]


def test_a_broker_that_is_killed_and_started_again_costs_nothing(world, kafka_server):
    with loader(world):
        world.publish(some_events(world, "before"))
        wait_until(lambda: loaded(world, "before") == 12, "the consumer runs")
        kafka_server.kill()
        time.sleep(3)
        kafka_server.start()
        world.publish(some_events(world, "after"))
        wait_until(lambda: loaded(world, "after") == 12, "it reads on", 90)
    assert_agrees(world, ["market", "edu"])


def test_a_database_that_is_killed_and_started_again_costs_nothing(world, postgres_server):
    with loader(world):
        world.publish(some_events(world, "up"))
        wait_until(lambda: loaded(world, "up") == 12, "the consumer runs")
        postgres_server.kill()
        world.publish(some_events(world, "down"))
        time.sleep(3)
        postgres_server.start()
        wait_until(lambda: loaded(world, "down") == 12, "it loads what came meanwhile", 90)
    assert_agrees(world, ["market", "edu"])
