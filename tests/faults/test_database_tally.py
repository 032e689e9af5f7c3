"""The judge of the fault tests is judged: what is taken from the warehouse, or put in twice, is counted and refused."""

from __future__ import annotations

import pytest

from credit_schemas.uuid7 import uuid7
from events import build_world
from fold import assert_holds, fold_events, tally
from traffic import Traffic

UNITS = ["market", "edu"]
SPOILED = {
    "an event is gone": ("DELETE FROM landing.event WHERE ce_id = %(first)s", {"lost": 1, "twice": 0}),
    "a record is gone": ("DELETE FROM core.penalty WHERE record_no = %(first)s", {"lost": 1, "twice": 0}),
    "a receipt is gone": ("DELETE FROM exchange.receipt WHERE ce_id = %(first)s", {"lost": 1, "twice": 0}),
    "a revision too many": (
        "UPDATE core.penalty SET revision = revision + 1 WHERE record_no = %(first)s",
        {"lost": 0, "twice": 1},
    ),
    "a verdict told again": (
        "INSERT INTO exchange.receipt (receipt_id, unit, ce_id, record_no, dataset, status)"
        " VALUES (%(new)s, 'market', %(first)s, %(first)s, 'penalty', 'loaded')",
        {"lost": 0, "twice": 1},
    ),
}


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, UNITS)
    yield made
    made.close()


def test_the_tally_counts_what_is_missing_and_what_is_there_twice(world):
    # Corrections would let the spoiled record have more than one revision; the counts are of one.
    events = list(Traffic(world, seed=7, changed=0, acts=0).make(60))
    world.feed(*events)
    expected = fold_events(world, events)
    assert tally(world, expected) == {"events": len(expected.events), "lost": 0, "twice": 0}
    assert_holds(world, expected)
    copies = {
        table: f"before.{table.replace('.', '_')}" for table in ("landing.event", "core.penalty", "exchange.receipt")
    }
    world.query("CREATE SCHEMA before")
    for table, copy in copies.items():
        world.query(f"CREATE TABLE {copy} AS TABLE {table}")
    unguarded = "SET session_replication_role = replica; "
    for spoil, (statement, found) in SPOILED.items():
        world.query(unguarded + statement, {"first": str(events[0].ce_id), "new": str(uuid7())})
        counted = tally(world, expected)
        assert {k: counted[k] for k in found} == found, spoil
        with pytest.raises(AssertionError):
            assert_holds(world, expected)
        for table, copy in copies.items():
            world.query(f"{unguarded}DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {copy}")
        assert_holds(world, expected)
