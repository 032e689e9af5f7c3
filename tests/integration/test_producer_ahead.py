"""A producer that is ahead of the center: its events are parked, good ones do not wait, replay puts all right."""

from __future__ import annotations

import pytest

from credit_consumer import deadletters
from credit_consumer.errors import NotReady
from events import World, build_world
from newer import ADDED, COLUMN, SCHEMA_ID, later, migrated, put, version_two
from unit.rows import PENALTY


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "ecology"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def newer(world):
    return later(world)


def row(number: int | str, content: str = "罚款500元", **cells: str) -> dict[str, str]:
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{number}号", "CF_NR": content, **cells}


def replay(world: World, *, dry_run: bool) -> dict[str, int]:
    con = world.connect("consumer")
    try:
        return dict(deadletters.replay(con, world.center, reason="unknown_schema", who="运维", dry_run=dry_run))
    finally:
        con.close()


def held(world: World, number: int | str):
    return world.one("SELECT * FROM core.penalty WHERE cf_wsh = %s", [f"示市监处罚〔2026〕{number}号"])


def test_a_producer_ahead_is_parked_then_replayed_in_order_and_nothing_good_waits(world, newer, monkeypatch):
    # Small chunks, so that one record's events fall into several transactions.
    monkeypatch.setattr(deadletters, "REPLAY_CHUNK", 4)
    ahead = [newer.event("ecology", row(f"新{n}", **{COLUMN: f"栏目{n}"})) for n in range(10)]
    chain = [newer.event("ecology", row("链", f"罚款500元，第{n}稿", **{COLUMN: f"稿{n}"})) for n in range(7)]
    overtaken = newer.event("ecology", row("旧", "罚款500元，新程序报的", **{COLUMN: "旧"}))
    known = [world.event("ecology", row(f"老{n}")) for n in range(9)]
    later_content = world.event("ecology", row("旧", "罚款500元，后来报的"))
    world.publish([known[0], overtaken, *ahead[:5], *known[1:5], *chain, *ahead[5:], *known[5:], later_content])

    assert world.consume() == {"loaded": 10, "dead": 18}
    parked = world.query("SELECT * FROM ingest.dead_letter")
    assert {(p["reason"], p["state"], p["schema_id"]) for p in parked} == {("unknown_schema", "parked", SCHEMA_ID)}
    assert held(world, "旧")["cf_nr"] == "罚款500元，后来报的"
    # Not known yet: another attempt each, nothing else.
    assert replay(world, dry_run=False) == {"dead": 18}
    assert {p["attempts"] for p in world.query("SELECT attempts FROM ingest.dead_letter")} == {2}

    with pytest.raises(NotReady, match="credit migrate"):
        newer.consume()
    migrated(newer)

    expected = {"loaded": 17, "rejected": 1}
    assert replay(newer, dry_run=True) == expected
    assert not world.query("SELECT 1 FROM landing.event WHERE schema_id = %s", [SCHEMA_ID])
    assert replay(newer, dry_run=False) == expected
    assert replay(newer, dry_run=False) == {}

    last = held(newer, "链")
    assert (last["revision"], last["cf_nr"], last[COLUMN.lower()]) == (7, "罚款500元，第6稿", "稿6")
    assert [held(newer, f"新{n}")[COLUMN.lower()] for n in range(10)] == [f"栏目{n}" for n in range(10)]
    # Older content never overwrites newer; who sent it is told.
    assert (held(newer, "旧")["cf_nr"], held(newer, "旧")["revision"]) == ("罚款500元，后来报的", 1)
    parked_then, told = newer.receipts(overtaken)
    assert (parked_then["status"], parked_then["problems"][0]["rule"]) == ("waiting", "event.unknown_schema")
    assert (told["status"], told["problems"][-1]["rule"]) == ("rejected", "record.newer")
    # Replayed events keep the moment they arrived.
    arrived = {(str(p["topic_id"]), p["offset"]): p["received_at"] for p in parked}
    landed = newer.query("SELECT * FROM landing.event WHERE schema_id = %s", [SCHEMA_ID])
    assert len(landed) == 18
    assert all(event["received_at"] == arrived[str(event["topic_id"]), event["offset"]] for event in landed)
    assert last["received_at"] == newer.landed(chain[0])["received_at"]
    assert {(p["state"], p["closed_by"]) for p in newer.query("SELECT * FROM ingest.dead_letter")} == {
        ("replayed", "运维")
    }


def test_both_versions_go_on_side_by_side_afterwards(world, newer):
    migrated(newer)
    old, new = world.event("market", row("并1")), newer.event("market", row("并2", **{COLUMN: "有"}))
    assert newer.load(old, new) == {"loaded": 2}
    assert (held(newer, "并1")[COLUMN.lower()], held(newer, "并2")[COLUMN.lower()]) == (None, "有")


def test_letters_of_a_topic_made_anew_come_after_those_of_the_one_before(world, newer):
    """The earlier topic may have the larger id: its letters are the older all the same."""
    migrated(newer)
    third = later(world, "third", lambda folder: [put(folder, version_two()), put(folder, version_three())])
    first, second = (third.event("market", row("换", f"罚款500元，{word}")) for word in ("先", "后"))
    third.publish([first, second])
    assert newer.consume() == {"dead": 2}
    early, late = "ffffffff-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"
    for topic_id, event, day in ((early, first, "2026-01-01"), (late, second, "2026-02-01")):
        world.query(
            "INSERT INTO ingest.topic (topic_id, name, unit, first_seen) VALUES (%s, 'other', 'market', %s)",
            [topic_id, day],
        )
        world.query(
            "UPDATE ingest.dead_letter SET topic_id = %s WHERE state = 'parked' AND value = %s",
            [topic_id, event.value],
        )
    migrated(third)
    assert replay(third, dry_run=False) == {"loaded": 2}
    assert (held(third, "换")["revision"], held(third, "换")["cf_nr"]) == (2, "罚款500元，后")


def version_three():
    schema = version_two()
    more = {**ADDED, "name": "EXT_ZXZ", "cn": "又一栏目", "role": "content.more"}
    return schema | {"version": 3, "schema_id": 2003, "fields": [*schema["fields"], more]}
