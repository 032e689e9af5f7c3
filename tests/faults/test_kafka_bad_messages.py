"""Every kind of bad message among good ones: the good ones of the batch do not wait, and nothing stops the consumer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

import pytest

from credit_consumer import check, positions
from credit_consumer.decode import REASONS
from credit_consumer.run import consume
from credit_schemas.codec import FRAME
from credit_schemas.sealing import Sealer, generate_center_key
from events import Event, World, build_world
from faults.kafka_support import accounts, asked_again, gaps, wait_for_the_end
from fold import fold_events
from traffic import Traffic
from unit.rows import PENALTY, PERSON_PENALTY

UNITS = ["market", "edu", "ecology", "civil"]
POISON, STUMBLE = "毒", "绊倒"


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def good():
    """The good events of this world so far, in the order of their topics."""
    return []


def bad(world: World, unit: str, reason: str, n: int) -> Event:
    """A message that becomes a dead letter of this reason."""
    row = {**PENALTY, "CF_WSH": f"{reason}〔2026〕{n}号"}
    event = world.event(unit, row)
    body = event.value[FRAME.size :]

    def other(value: bytes | None) -> Event:
        return Event(event.ce_id, unit, event.key, value, event.headers)

    def sealed_for_nobody() -> Event:
        world.sealer, ours = Sealer(generate_center_key().public), world.sealer
        try:
            return world.event(unit, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"]})
        finally:
            world.sealer = ours

    made: dict[str, Callable[[], Event]] = {
        "envelope": lambda: Event(event.ce_id, unit, event.key, event.value, event.headers[n % 3 + 1 :]),
        "other_county": lambda: world.event(unit, row, county="999999"),
        "not_framed": lambda: other([b"junk", b"", None, b"\x01" + event.value, b"\x00\x00"][n % 5]),
        "unknown_schema": lambda: other(FRAME.pack(0, 4242 + n) + body),
        "undecodable": lambda: other(event.value[: 40 + n % 50]),
        "unknown_key": sealed_for_nobody,
        "database": lambda: world.event(unit, {**row, "BZ": POISON}),
        "defect": lambda: world.event(unit, {**row, "CF_SY": STUMBLE}, act="correct", target={"source_key": "无"}),
    }
    return made[reason]()


def stumbling(evaluate: Callable[..., list]) -> Callable[..., list]:
    """A defect of ours that one value meets."""

    def stumbles(dataset, values, *more):
        if values.get("CF_SY") == STUMBLE:
            raise ZeroDivisionError
        return evaluate(dataset, values, *more)

    return stumbles


def test_good_events_of_a_batch_never_wait_for_any_kind_of_bad_message(
    world, good, monkeypatch, events_wanted, fault_table
):
    monkeypatch.setattr(check, "evaluate", stumbling(check.evaluate))
    world.query(f"ALTER TABLE core.penalty ADD CONSTRAINT poison CHECK (bz <> '{POISON}') NOT VALID")
    rng = random.Random(3)
    reasons = [r for r in REASONS if r != "id_of_another_unit"]
    good += Traffic(world, seed=3).make(min(events_wanted, 40_000))
    each = dict.fromkeys(reasons, max(len(good) // 200, 3))
    # A row that only the database refuses is found by halving the batch: no rule of ours lets such rows through, so
    # they are the rarest.
    each["database"] = 3
    rotten = [bad(world, UNITS[n % 3], reason, n) for reason in reasons for n in range(each[reason])]
    mixed: list[tuple[float, Event]] = [(float(n), e) for n, e in enumerate(good)]
    mixed += [(rng.uniform(-1, len(good)), e) for e in rotten]
    mixed.sort(key=lambda pair: pair[0])
    world.publish([e for _, e in mixed], portal=True)
    stop, totals = threading.Event(), [Counter[str](), Counter[str]()]
    threads = [
        threading.Thread(target=lambda t=t: t.update(consume(world.settings, center=world.center, stop=stop)))
        for t in totals
    ]
    began = time.monotonic()
    try:
        for thread in threads:
            thread.start()
        wait_for_the_end(world, UNITS, 120)
        took = time.monotonic() - began
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    letters = world.query("SELECT reason, attempts, state FROM ingest.dead_letter")
    assert Counter(r["reason"] for r in letters) == each
    # At the first attempt: nothing waited for a second one.
    assert {r["attempts"] for r in letters} == {1}
    assert sum(totals, Counter())["dead"] == len(rotten)
    counted = accounts(world, fold_events(world, good))
    fault = f"every kind of bad message ({len(rotten)}) among good ones"
    fault_table(fault=fault, kills=0, **counted, seconds_to_recover=took)


class _NoText(str):
    """A header name that is no UTF-8, as only a foreign client can send it."""

    def encode(self, *_args: str) -> bytes:
        return b"\xff\xfe"


def test_a_record_no_client_can_read_stops_one_topic_until_a_person_passes_over_it(world, good, fault_table):
    """Offsets before it are read, other topics go on; passing over it is a gap of one, and its unit is asked."""
    rows = [{**PENALTY, "CF_WSH": f"读不出〔2026〕{n}号"} for n in range(6)]
    events = [world.event("civil", row) for row in rows]
    events[2].headers.append((_NoText("x"), b""))
    start = world.one(
        "SELECT coalesce(max(p.next_offset), 0) FROM ingest.position p JOIN ingest.topic t"
        " USING (topic_id) WHERE t.unit = 'civil'"
    )[0]
    for event in events:
        world.publish([event])  # batches of their own
    others = [world.event("edu", {**PENALTY, "CF_WSH": f"他〔2026〕{n}号"}) for n in range(3)]
    assert world.load(*others) == {"loaded": 5}
    halted = world.one(
        "SELECT t.topic_id, p.next_offset FROM ingest.topic t JOIN ingest.position p USING (topic_id)"
        " WHERE halted IS NOT NULL"
    )
    assert halted["next_offset"] == start + 2
    with closing(world.connect("consumer")) as con:
        assert positions.resume(con, UUID(halted["topic_id"]), start + 3)
    assert world.consume() == {"loaded": 3}
    assert gaps(world) == [("civil", start + 2, start + 3)]
    assert asked_again(world) == ["civil"]
    good += [*events[:2], *events[3:], *others]
    fault = "a record no client can read (gap of 1)"
    fault_table(fault=fault, kills=0, **accounts(world, fold_events(world, good)))


def test_an_id_of_another_unit_strikes_only_its_own_message(world):
    owner = world.event("market", {**PENALTY, "CF_WSH": "主〔2026〕1号"})
    world.load(owner)
    good = [world.event("edu", {**PENALTY, "CF_WSH": f"旁〔2026〕{n}号"}) for n in range(4)]
    thief = world.event("edu", {**PENALTY, "CF_WSH": "冒〔2026〕1号"}, ce_id=owner.ce_id)
    assert world.load(*good[:2], thief, *good[2:]) == {"loaded": 4, "dead": 1}
    assert world.landed(owner)["unit"] == "market"
