"""Hostile messages among good ones, through the real broker and a real consumer: nothing stops, nothing is lost."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from credit_consumer.relay import relay
from events import Event, build_world
from hostile import Hostiles
from unit.rows import PENALTY

UNITS = ["market", "ecology", "edu"]
SEED = 11
# The rest of a message is headers and frame; the broker takes a megabyte.
LARGEST = 900_000


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


def size(event: Event) -> int:
    return len(event.value or b"") + len(event.key or b"") + sum(len(k) + len(v or b"") for k, v in event.headers)


@pytest.mark.timeout(1800)
def test_good_events_among_hostile_ones_are_all_loaded_and_each_bad_one_is_accounted_for(
    world, events_wanted, fault_table
):
    total = min(events_wanted, 100_000)
    r = random.Random(SEED)
    source = Hostiles(world.center, world.county.code, UNITS, SEED)
    good: list[Event] = []
    sent: list[Event] = []
    for n in range(total):
        if r.random() < 0.4:
            row = {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕好{n}号", "CF_NR": f"罚款500元，第{n}件"}
            good.append(world.event(r.choice(UNITS), row))
            sent.append(good[-1])
        else:
            bad = source.one()
            # This client sends no header without a value, and nothing that has neither key nor value.
            headers = [(k, v) for k, v in bad.headers if v is not None]
            sent.append(Event(None, bad.unit, bad.key if bad.value is not None else b"", bad.value, headers))
    sent = [e for e in sent if size(e) < LARGEST]
    # In portions: a hostile message may be large, and a client has a buffer.
    for start in range(0, len(sent), 2000):
        world.publish(sent[start : start + 2000])
    counts = world.consume(until_idle=4)
    assert sum(counts.values()) >= len(sent), counts  # acts that waited are done later, and counted again

    # Each good one is a record with its own content.
    held = dict(world.query("SELECT record_no::text, cf_nr FROM core.penalty WHERE cf_nr LIKE '罚款500元，第%%件'", []))
    lost = [e for e in good if str(e.ce_id) not in held]
    assert not lost
    assert len(set(held.values())) == len(good)
    twice = len(held) - len(good)

    # Each message of each topic is in landing, a dead letter, not reportable, or had come before.
    missing = 0
    for unit in UNITS:
        (topic,) = world.query("SELECT topic_id FROM ingest.topic WHERE unit = %s", [unit])
        (read,) = world.one("SELECT next_offset FROM ingest.position WHERE topic_id = %s", [topic[0]])
        assert read == sum(e.unit == unit for e in sent)
        landed = {o for (o,) in world.query('SELECT "offset" FROM landing.event WHERE topic_id = %s', [topic[0]])}
        dead = {o for (o,) in world.query('SELECT "offset" FROM ingest.dead_letter WHERE topic_id = %s', [topic[0]])}
        assert not landed & dead
        (kept_out,) = world.one("SELECT coalesce(sum(rows), 0) FROM ingest.not_reportable WHERE unit = %s", [unit])
        (again,) = world.one("SELECT count(*) FROM exchange.receipt WHERE unit = %s AND status = 'duplicate'", [unit])
        missing += read - len(landed | dead) - kept_out - again
    assert missing == 0

    reasons = Counter(row["reason"] for row in world.query("SELECT reason FROM ingest.dead_letter"))
    assert not {"defect", "database"} & set(reasons), reasons
    assert {"not_framed", "undecodable", "envelope", "unknown_schema", "unknown_key"} <= set(reasons), reasons
    assert world.one("SELECT count(*) FROM ingest.topic WHERE halted IS NOT NULL")[0] == 0
    # Everybody hears: no receipt is too large, or about nobody.
    relay(world.settings, until_idle=1, county=world.county.code)
    assert world.one("SELECT count(*) FROM exchange.receipt WHERE published_at IS NULL")[0] == 0
    fault_table(
        fault="hostile messages among good ones, through the broker",
        events=len(sent),
        lost=len(lost) + missing,
        twice=twice,
    )
