"""Schema ids that nobody knows yet: parked among good events, which do not wait; replayed in order once they are known.

The ids become known as they do in life: with the next release, whose catalogue has a further version of the dataset.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from contextlib import closing

import pytest

from credit_consumer import deadletters
from credit_consumer.run import consume
from events import Event, World, build_world, wait_until
from fold import assert_holds, fold_said, said, tally
from newer import ADDED, later, migrated, put, version_two
from unit.rows import PENALTY, PERSON_PENALTY

UNITS = ["market", "edu", "ecology"]
THIRD_ID, THIRD_COLUMN = 2003, "EXT_ZXZ"


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def second(world):
    """A producer's program one release ahead of the center."""
    return later(world, "second")


@pytest.fixture(scope="module")
def third(world):
    """One two releases ahead: with another column more."""
    more = {**ADDED, "name": THIRD_COLUMN, "cn": "又一栏目", "role": "content.more"}
    schema = version_two()
    schema |= {"version": 3, "schema_id": THIRD_ID, "fields": [*schema["fields"], more]}
    return later(world, "third", lambda folder: [put(folder, version_two()), put(folder, schema)])


def mixed(world: World, ahead: World, size: int, seed: int, tag: str, column: str) -> tuple[list[Event], set[str]]:
    """Events of three units in the order of their topics, a third of them by a program ahead; and which those are.

    A record is either of the present program or of the one ahead: what replaying an old row does to newer content
    is another promise (`test_a_replayed_event_never_overwrites_what_came_after_it`).
    """
    rng = random.Random(seed)
    events, parked = [], set()
    for n in range(size):
        unit, number = rng.choice(UNITS), rng.randrange(size // 6)
        by = ahead if number % 3 == 0 else world
        row = {**(PERSON_PENALTY if number % 2 else PENALTY), "CF_WSH": f"{tag}〔2026〕{number}号"}
        cells = {column: f"栏目{n}"} if by is ahead else {}
        event = by.event(unit, {**row, "CF_NR": f"罚款500元，第{n}稿", **cells})
        if by is ahead:
            parked.add(str(event.ce_id))
        events.append(event)
    return events, parked


def replay(world: World) -> dict[str, int]:
    with closing(world.connect("consumer")) as con:
        return dict(deadletters.replay(con, world.center, reason="unknown_schema", who="运维", dry_run=False))


def letters(world: World) -> dict[tuple[str, int], object]:
    rows = world.query(
        "SELECT topic_id, \"offset\", received_at FROM ingest.dead_letter WHERE reason = 'unknown_schema'"
    )
    return {(r["topic_id"], r["offset"]): r["received_at"] for r in rows}


def wanted(world: World, ahead: World, events: list[Event]):
    """The fold over the log, read by a program that knows every schema."""
    return fold_said(ahead, (said(ahead, e.unit, e.headers, e.value) for e in events))


def test_unknown_schemas_are_parked_while_good_events_go_on_and_are_replayed_in_order(
    world, second, third, monkeypatch, events_wanted, fault_table
):
    monkeypatch.setattr(deadletters, "REPLAY_CHUNK", 50)  # one topic's letters fall into several transactions
    size = min(events_wanted, 60_000) // 10
    events, parked = mixed(world, third, size, 11, "前", THIRD_COLUMN)
    good = [e for e in events if str(e.ce_id) not in parked]
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consume(world.settings, center=world.center, stop=stop))
    thread.start()
    try:
        world.publish(events)
        wait_until(
            lambda: world.one("SELECT count(*) FROM landing.event")[0] == len(good), "good ones do not wait", 180
        )
        wait_until(lambda: len(letters(world)) == len(parked), "the others are parked", 180)
    finally:
        stop.set()
        thread.join(20)
    assert_holds(world, wanted(world, third, good))
    before = letters(world)
    # A release that knows version 2 and not 3 leaves them parked, each tried once more.
    migrated(second)
    assert replay(second) == {"dead": len(parked)}
    tried = world.query("SELECT DISTINCT state, attempts FROM ingest.dead_letter")
    assert [tuple(t) for t in tried] == [("parked", 2)]
    migrated(third)
    first_of = defaultdict(list)
    assert sum(replay(third).values()) == len(parked)
    assert replay(third) == {}
    expected = wanted(world, third, events)
    assert_holds(third, expected)
    landed = world.query("SELECT * FROM landing.event WHERE schema_id = %s", [THIRD_ID])
    assert len(landed) == len(parked)
    assert all(e["received_at"] == before[e["topic_id"], e["offset"]] for e in landed)
    # In order: each record has the column of its last event, which no other order leaves.
    for e in landed:
        first_of[e["record_no"]].append((e["offset"], e["ce_id"]))
    last = {number: max(found)[1] for number, found in first_of.items()}
    held = world.query(f"SELECT record_no, last_ce_id, {THIRD_COLUMN.lower()} AS said FROM core.penalty")
    assert {r["record_no"]: r["last_ce_id"] for r in held if r["said"]} == last
    fault_table(fault="unknown schema ids that become known later", kills=0, **tally(third, expected))
