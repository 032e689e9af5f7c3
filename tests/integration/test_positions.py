"""Where to read on: topics created again, logs that lost their start or their end, clocks that are not ours."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest
from kafka import TopicPartition

from credit_consumer import positions
from credit_consumer.run import consume
from credit_consumer.topics import provision
from events import World, build_world, wait_until
from unit.rows import PENALTY


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, ["market", "edu"])
    yield made
    made.close()


def rows(start: int, count: int) -> list[dict[str, str]]:
    return [{**PENALTY, "CF_WSH": f"示〔2026〕{n}号"} for n in range(start, start + count)]


def events(world: World, unit: str, start: int, count: int):
    return [world.event(unit, row) for row in rows(start, count)]


def loaded(world: World, unit: str) -> int:
    return world.one("SELECT count(*) FROM core.penalty WHERE unit = %s", [unit])[0]


def recreate(world: World, admin, unit: str) -> None:
    admin.delete_topics([world.county.intake(unit)])
    wait_until(lambda: world.county.intake(unit) not in admin.list_topics(), "the topic is gone")
    provision(admin, world.county.code, [unit], {})


def test_a_topic_created_again_opens_a_new_epoch(world, kafka_admin):
    old, new = events(world, "market", 0, 5), events(world, "market", 5, 8)
    assert world.load(*old) == {"loaded": 5}
    recreate(world, kafka_admin, "market")
    # More events than the old position, so that reading on from it would silently miss the first five.
    assert world.load(*new) == {"loaded": 8}
    assert loaded(world, "market") == 13
    epochs = world.query("SELECT topic_id FROM ingest.topic WHERE unit = 'market'")
    assert len(epochs) == 2
    asked = world.query("SELECT unit FROM exchange.receipt WHERE status = 'resend'")
    assert [a["unit"] for a in asked] == ["market"]


def test_a_topic_created_again_under_a_running_consumer_is_noticed(world, kafka_admin):
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consume(world.settings, center=world.center, stop=stop), daemon=True)
    thread.start()
    try:
        world.publish(events(world, "market", 0, 5))
        wait_until(lambda: loaded(world, "market") == 5, "the old topic is read")
        recreate(world, kafka_admin, "market")
        world._producers.pop("unit.market").close()
        world.publish(events(world, "market", 5, 8))
        wait_until(lambda: loaded(world, "market") == 13, "the new topic is read from its start", 60)
        world.publish(events(world, "edu", 0, 2))
        wait_until(lambda: loaded(world, "edu") == 2, "others are not disturbed")
    finally:
        stop.set()
        thread.join(20)


def test_offsets_gone_before_they_were_read_leave_a_gap_and_ask_for_resending(world, kafka_admin):
    world.load(*events(world, "market", 0, 3))
    world.publish(events(world, "market", 3, 4))
    kafka_admin.delete_records({TopicPartition(world.county.intake("market"), 0): 6})
    assert world.consume() == {"loaded": 1}
    gap = world.one("SELECT from_offset, to_offset FROM ingest.gap")
    assert tuple(gap) == (3, 6)
    receipt = world.one("SELECT unit, ce_id, note, since FROM exchange.receipt WHERE status = 'resend'")
    # What was answered before the last reading is known; the rest is asked for, answered or not.
    assert receipt["since"] < datetime.now(UTC)
    assert (receipt["unit"], receipt["ce_id"]) == ("market", None)
    assert "重新发送" in receipt["note"]


def test_an_offset_beyond_the_end_halts_that_topic_only(world):
    world.load(*events(world, "market", 0, 3), *events(world, "edu", 0, 3))
    topic_id = str(world.county.topic_ids[world.county.intake("market")])
    world.query("UPDATE ingest.position SET next_offset = 99 WHERE topic_id = %s", [topic_id])
    assert world.load(*events(world, "market", 3, 2), *events(world, "edu", 3, 2)) == {"loaded": 2}
    assert (loaded(world, "market"), loaded(world, "edu")) == (3, 5)
    assert "99" in world.one("SELECT halted FROM ingest.topic WHERE topic_id = %s", [topic_id])["halted"]
    # The log may grow past the stored offset: it stays halted until a person says where to read on.
    con = world.connect("consumer")
    try:
        assert positions.resume(con, UUID(topic_id), 3)
        assert not positions.resume(con, UUID(topic_id), 0)
    finally:
        con.close()
    assert world.consume() == {"loaded": 2}
    assert loaded(world, "market") == 5


def test_what_a_person_skips_is_a_gap_and_is_asked_for_and_what_is_read_again_is_noted(world):
    world.load(*events(world, "market", 0, 3))
    topic_id = world.county.topic_ids[world.county.intake("market")]
    con = world.connect("consumer")
    try:
        for offset, gap in ((5, (3, 5)), (1, (5, 1))):
            positions.halt(con, topic_id, "试验")
            assert positions.resume(con, topic_id, offset)
            assert gap in {tuple(g) for g in world.query("SELECT from_offset, to_offset FROM ingest.gap")}
    finally:
        con.close()
    (asked,) = world.query("SELECT unit, since FROM exchange.receipt WHERE status = 'resend'")
    assert (asked["unit"], asked["since"] < datetime.now(UTC)) == ("market", True)


def test_positions_moved_by_somebody_else_are_read_again(world):
    """The fence: an older or newer stored offset never makes an event count twice."""
    world.load(*events(world, "market", 0, 6))
    topic_id = str(world.county.topic_ids[world.county.intake("market")])
    world.query("UPDATE ingest.position SET next_offset = 2 WHERE topic_id = %s", [topic_id])
    assert world.consume() == {"duplicate": 4}
    assert loaded(world, "market") == 6
    assert world.one("SELECT count(*) FROM landing.event")[0] == 6


def test_a_new_unit_is_read_without_a_restart(world, kafka_admin):
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consume(world.settings, center=world.center, stop=stop), daemon=True)
    thread.start()
    try:
        world.publish(events(world, "market", 0, 1))
        wait_until(lambda: loaded(world, "market") == 1, "the consumer runs")
        passwords = {**world.county.passwords, "unit.civil": "civil-password"}
        provision(kafka_admin, world.county.code, ["civil"], {"unit.civil": "civil-password"})
        world.county.passwords.update(passwords)
        world.publish(events(world, "civil", 0, 2))
        wait_until(lambda: loaded(world, "civil") == 2, "the new unit's events are loaded", 30)
    finally:
        stop.set()
        thread.join(20)


def test_a_topic_with_the_producers_clock_is_halted_unless_the_stack_trusts_it(make_county, postgres_server, tmp_path):
    world = build_world(make_county, postgres_server, tmp_path, ["market"], trust_producer_time=True)
    try:
        world.publish(events(world, "market", 0, 2))
        strict = world.settings.model_copy(update={"trust_producer_time": False})
        world.settings, trusting = strict, world.settings
        assert world.consume() == {}
        assert "LogAppendTime" in world.one("SELECT halted FROM ingest.topic")["halted"]
        con = world.connect("consumer")
        positions.resume(con, world.county.topic_ids[world.county.intake("market")], 0)
        con.close()
        world.settings = trusting
        assert world.consume() == {"loaded": 2}
    finally:
        world.close()


class _NoText(str):
    """A header name that is no UTF-8, as only a foreign client can send it."""

    def encode(self, *_args: str) -> bytes:
        return b"\xff\xfe"


def test_a_record_the_client_cannot_parse_halts_its_topic_only(world):
    good = world.event("market", rows(0, 1)[0])
    bad = world.event("market", rows(1, 1)[0])
    bad.headers.append((_NoText("x"), b""))
    assert world.load(good, *events(world, "edu", 0, 2)) == {"loaded": 3}
    assert world.load(bad, *events(world, "edu", 2, 3)) == {"loaded": 3}
    halted = world.query("SELECT unit FROM ingest.topic WHERE halted IS NOT NULL")
    assert [h["unit"] for h in halted] == ["market"]
