"""A flood of duplicates: every event ten times; core and figures are as with one each, and every repeat is answered."""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import pytest

from credit_reports.figures import figures
from events import Event, World, build_world, wait_until
from faults.kafka_support import UNITS, accounts, running, wait_for_the_end
from fold import fold, fold_events
from traffic import Traffic, publish

TIMES = 10


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, UNITS)
    yield made
    made.close()


def flooded(events: list[Event], rng: random.Random) -> Iterator[Event]:
    """Every event ten times, as far apart as it comes: the first of each keep their order, which Kafka keeps, and the
    repeats come anywhere later, some far behind, some at once."""
    later: list[tuple[float, int, Event]] = []
    count = 0
    for place, event in enumerate(events):
        yield event
        for _ in range(TIMES - 1):
            count += 1
            heapq.heappush(later, (place + rng.expovariate(1 / rng.choice((1, 100, 5000))), count, event))
        while later and later[0][0] <= place:
            yield heapq.heappop(later)[2]
    rest = [event for *_, event in later]
    rng.shuffle(rest)
    yield from rest


def figures_of(world: World, units: list[str]) -> list[list[dict[str, Any]]]:
    """What the figures say of each of the units, without its name."""
    with closing(world.connect("reader")) as con:
        found = [f.record() for f in figures(con, world.center.catalogue, as_of=date.today() + timedelta(days=30))]
    rows = [[f for f in found if f["unit"] == unit] for unit in units]
    return [[{k: v for k, v in f.items() if k not in ("unit", "name")} for f in of_unit] for of_unit in rows]


@pytest.mark.timeout(3600)
def test_a_flood_of_duplicates_changes_neither_core_nor_figures_and_each_is_answered(
    world, tmp_path, events_wanted, fault_table
):
    size = max(events_wanted // TIMES, 400)
    # Half of the units flood; the others say the very same once.
    flooding, calm = UNITS[:20], UNITS[20:]
    events = list(Traffic(world, seed=6, resent=0).make(size, flooding))
    once = list(Traffic(world, seed=6, resent=0).make(size, calm))
    publish(world, once)
    sent = publish(world, flooded(events, random.Random(6)))
    assert sent == TIMES * size
    with running(world, tmp_path, "one") as one, running(world, tmp_path, "two") as two:
        wait_until(lambda: world.query("SELECT 1 FROM landing.event LIMIT 1"), "they load", 180)
        began = time.monotonic()
        wait_for_the_end(world, UNITS, 120 + sent / 500)
        took = time.monotonic() - began
        one.end()
        two.end()
    log = fold(world, UNITS)
    assert log.events == fold_events(world, [*events, *once]).events  # the flood is what it claims to be
    counted = accounts(world, log) | {"events": sent}
    told: dict[str, Counter[str]] = defaultdict(Counter)
    named: dict[str, set[str | None]] = defaultdict(set)
    for r in world.query("SELECT ce_id, status, record_no FROM exchange.receipt WHERE ce_id IS NOT NULL"):
        told[r["ce_id"]][r["status"]] += 1
        if r["status"] == "duplicate":
            named[r["ce_id"]].add(r["record_no"])
    assert {told[str(e.ce_id)]["duplicate"] for e in events} == {TIMES - 1}
    assert {told[str(e.ce_id)]["duplicate"] for e in once} == {0}
    # Each repeat names the record the first one came to; of one that waited, perhaps none yet.
    settled = [str(e.ce_id) for e in events if not told[str(e.ce_id)]["waiting"]]
    assert [i for i in settled if named[i] != {log.events[i][1]}] == []
    assert figures_of(world, flooding) == figures_of(world, calm)
    assert any(figures_of(world, calm))
    # Of a flood of a batch or two a rate says nothing: the clock starts when the first is in.
    rate = f" ({sent / took:.0f}/s)" if sent > 50_000 else ""
    fault = f"duplicate flood, each ten times{rate}"
    fault_table(fault=fault, kills=0, **counted, seconds_to_recover=took)
