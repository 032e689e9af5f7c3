"""Two consumers share forty units while one comes, goes, freezes and wakes: nothing lost, nothing applied twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED
from events import World, build_world, wait_until
from faults.test_kill_mid_load import loader
from fold import assert_agrees
from unit.rows import PENALTY, PERSON_PENALTY

UNITS = [u.code for u in load_catalogue(SHIPPED / "410421").county.units][:40]
# `make faults` runs more: EVENTS=n.
EVENTS = int(os.environ.get("EVENTS", "4000"))
SESSION_MS = 6000


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, UNITS)
    yield made
    made.close()


def traffic(world: World, stop: threading.Event, seed: int) -> None:
    """Reports, repeats, corrections and re-sent events of all units, spread over the test."""
    rng = random.Random(seed)
    sent = []
    while not stop.is_set() and len(sent) < EVENTS:
        batch = []
        for _ in range(max(EVENTS // 50, 1)):
            unit, number = rng.choice(UNITS), rng.randrange(EVENTS // 80)
            # The subject belongs to the key: one kind of subject per number.
            row = {**(PERSON_PENALTY if number % 3 == 0 else PENALTY), "CF_WSH": f"〔2026〕{number}号"}
            batch.append(world.event(unit, {**row, "CF_NR": f"罚款500元，第{rng.randrange(3)}次"}))
        batch += rng.sample(sent, min(len(sent), 5))
        world.publish(batch, portal=True)
        sent += batch
        time.sleep(0.5)


def landed(world: World) -> int:
    return world.one("SELECT count(*) FROM landing.event")[0]


def test_consumers_that_come_go_freeze_and_wake_lose_and_repeat_nothing(world):
    stop = threading.Event()
    thread = threading.Thread(target=traffic, args=(world, stop, 42))
    with loader(world, SESSION_MS) as first:
        thread.start()
        try:
            wait_until(lambda: landed(world) > 0, "the first consumer loads", 60)
            with loader(world, SESSION_MS) as second:
                wait_until(lambda: shared(world), "both consumers load", 60)
                second.send_signal(signal.SIGTERM)
                second.wait(timeout=30)
            with loader(world, SESSION_MS) as third:
                wait_until(lambda: shared(world), "a new one takes its share", 60)
                # Beyond its session: its partitions go to the first, while it may hold a batch in its hands.
                third.send_signal(signal.SIGSTOP)
                before = landed(world)
                time.sleep(SESSION_MS / 1000 + 4)
                assert landed(world) > before
                third.send_signal(signal.SIGCONT)
                thread.join()
                first.kill()
                first.wait()
                wait_until(lambda: read_to_the_end(world), "the one that was frozen reads all on its own", 120)
        finally:
            stop.set()
            thread.join()
    assert_agrees(world, UNITS)


def shared(world: World) -> bool:
    """Two sessions of the consumer's role have both written lately."""
    return (
        world.one(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'credit_consumer' AND datname = current_database()"
            " AND state_change > now() - interval '2 seconds'"
        )[0]
        >= 2
    )


def read_to_the_end(world: World) -> bool:
    from kafka import KafkaConsumer, TopicPartition

    kafka = KafkaConsumer(**world.county.client("center.consumer"), enable_auto_commit=False)
    try:
        ends = kafka.end_offsets([TopicPartition(world.county.intake(u), 0) for u in UNITS])
    finally:
        kafka.close()
    stored = world.query("SELECT t.name, p.next_offset FROM ingest.position p JOIN ingest.topic t USING (topic_id)")
    reached = {s["name"]: s["next_offset"] for s in stored}
    return all(reached.get(p.topic) == end for p, end in ends.items())


def test_a_zombie_that_comes_first_makes_the_new_owner_read_positions_again(world):
    """Both orders are normal answers of the fence; neither applies an event twice."""
    from credit_consumer.errors import Fenced

    event = world.event("edu", PENALTY)
    world.feed(event)
    world._fed["edu"] = (world._fed["edu"][0], 0)  # a second consumer that has read the same position
    with pytest.raises(Fenced):
        world.feed(event)
    assert world.one("SELECT count(*) FROM exchange.receipt")[0] == 1
