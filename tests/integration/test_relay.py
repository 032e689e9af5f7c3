"""Receipts travel back: each at least once, none lost, none to another unit, nobody held up by anybody."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from credit_consumer import relay as relay_module
from credit_consumer.relay import relay
from credit_schemas.uuid7 import uuid7
from events import World, build_world, wait_until
from unit.rows import PENALTY


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "edu"])
    yield made
    made.close()


def read(world: World, topic: str, principal: str) -> list[tuple[bytes | None, dict[str, Any]]]:
    """All messages of a topic, as one who may read it."""
    kafka = KafkaConsumer(**world.county.client(principal), auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        partition = TopicPartition(topic, 0)
        kafka.assign([partition])
        end = kafka.end_offsets([partition])[partition]
        found = []
        while kafka.position(partition) < end:
            for records in kafka.poll(timeout_ms=500).values():
                found += [(r.key, json.loads(r.value)) for r in records]
        return found
    finally:
        kafka.close()


def receipts(world: World, unit: str) -> list[tuple[bytes | None, dict[str, Any]]]:
    return read(world, world.county.receipts(unit), f"unit.{unit}")


def add_receipts(world: World, unit: str, count: int, status: str = "unchanged") -> None:
    for _ in range(count):
        world.query(
            "INSERT INTO exchange.receipt (receipt_id, unit, ce_id, dataset, status)"
            " VALUES (%s, %s, %s, 'penalty', %s)",
            [str(uuid7()), unit, str(uuid7()), status],
        )


def run(world: World, **options: Any) -> int:
    options.setdefault("until_idle", 0.5)
    return relay(world.settings, county=world.county.code, **options)


def test_a_receipt_reaches_its_unit_with_everything_a_clerk_needs(world):
    good = world.event("market", {**PENALTY, "CF_WSH": "示〔2026〕1号"})
    wrong = world.event("market", {**PENALTY, "CF_WSH": "示〔2026〕2号", "CF_JDRQ": "2027-01-01"})
    world.feed(good, wrong)
    assert run(world) == 2
    found = receipts(world, "market")
    assert [key for key, _ in found] == [str(good.ce_id).encode(), str(wrong.ce_id).encode()]
    loaded, rejected = (body for _, body in found)
    assert set(loaded) == {
        *("receipt_id", "ce_id", "record_no", "unit", "dataset", "status", "destination"),
        *("problems", "revision", "at", "note"),
    }
    assert (loaded["status"], loaded["record_no"], loaded["revision"]) == ("loaded", str(good.ce_id), 1)
    assert rejected["status"] == "rejected"
    assert "CF_JDRQ.not_after" in [p["rule"] for p in rejected["problems"]]
    assert receipts(world, "edu") == []


def test_a_published_receipt_is_not_published_again(world):
    add_receipts(world, "edu", 3)
    before = len(receipts(world, "edu"))
    assert run(world) == 3
    assert run(world) == 0
    assert len(receipts(world, "edu")) == before + 3


def test_loading_wakes_airflow_with_one_nudge_per_unit_and_dataset(world):
    before = len(read(world, world.county.loaded, "center.airflow"))
    world.feed(*[world.event("edu", {**PENALTY, "CF_WSH": f"教〔2026〕{n}号"}) for n in range(5)])
    run(world)
    nudges = [body for _, body in read(world, world.county.loaded, "center.airflow")][before:]
    assert [(n["unit"], n["dataset"], n["rows"]) for n in nudges] == [("edu", "penalty", 5)]
    assert nudges[0]["at"]


def test_the_last_rows_of_a_burst_are_nudged_too(world):
    before = len(read(world, world.county.loaded, "center.airflow"))
    stop = threading.Event()
    thread = threading.Thread(target=lambda: run(world, until_idle=None, stop=stop))
    thread.start()
    try:
        for n in range(8):
            world.feed(world.event("edu", {**PENALTY, "CF_WSH": f"连〔2026〕{n}号"}))
            time.sleep(0.15)
        wait_until(
            lambda: sum(b["rows"] for _, b in read(world, world.county.loaded, "center.airflow")[before:]) == 8,
            "every row is named by a nudge",
        )
    finally:
        stop.set()
        thread.join(20)
    assert len(read(world, world.county.loaded, "center.airflow")) - before < 8


def test_a_receipt_is_published_within_half_a_second(world):
    stop = threading.Event()
    thread = threading.Thread(target=lambda: run(world, until_idle=None, stop=stop))
    thread.start()
    try:
        add_receipts(world, "edu", 1)
        wait_until(lambda: not world.query("SELECT 1 FROM exchange.receipt WHERE published_at IS NULL"), "warm")
        took = []
        for _ in range(5):
            add_receipts(world, "edu", 1)
            time.sleep(0.7)
            row = world.query(
                "SELECT published_at - at AS took FROM exchange.receipt ORDER BY receipt_id DESC LIMIT 1"
            )[0]
            took.append(row["took"].total_seconds())
    finally:
        stop.set()
        thread.join(20)
    assert sorted(took)[2] < 0.5


def test_a_unit_without_a_topic_does_not_hold_up_the_others(world, monkeypatch):
    monkeypatch.setattr(relay_module, "MAX_BLOCK_MS", 1000)
    add_receipts(world, "nowhere", 2)
    add_receipts(world, "edu", 2)
    before = len(receipts(world, "edu"))
    assert run(world) == 2
    assert len(receipts(world, "edu")) == before + 2
    kept = world.query("SELECT 1 FROM exchange.receipt WHERE unit = 'nowhere' AND published_at IS NULL")
    assert len(kept) == 2
    world.query("DELETE FROM exchange.receipt WHERE unit = 'nowhere'")


def test_two_relays_share_the_receipts_and_publish_each_once(world):
    add_receipts(world, "edu", 40)
    add_receipts(world, "market", 40)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(run(world))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum(counts) == 80
    for unit in ("edu", "market"):
        ids = [body["receipt_id"] for _, body in receipts(world, unit)]
        assert len(ids) == len(set(ids))


def test_a_receipt_committed_late_under_a_lower_id_is_not_lost(world):
    """The outbox trap: a reader that remembers the last id would have passed this one."""
    con = world.connect("consumer")
    late = str(uuid7())
    with con.cursor() as cur:
        cur.execute(
            "INSERT INTO exchange.receipt (receipt_id, unit, dataset, status) VALUES (%s, 'edu', 'penalty', 'waiting')",
            [late],
        )
        add_receipts(world, "edu", 1)
        assert run(world) == 1
    con.commit()
    con.close()
    assert run(world) == 1
    assert late in [body["receipt_id"] for _, body in receipts(world, "edu")]


def test_the_relay_comes_back_after_the_database_was_gone(world):
    stop = threading.Event()
    thread = threading.Thread(target=lambda: run(world, until_idle=None, stop=stop))
    thread.start()
    try:
        wait_until(
            lambda: world.query("SELECT 1 FROM pg_stat_activity WHERE usename = 'credit_relay'"),
            "the relay is connected",
        )
        world.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'credit_relay'")
        add_receipts(world, "market", 1)
        wait_until(lambda: not world.query("SELECT 1 FROM exchange.receipt WHERE published_at IS NULL"), "published")
    finally:
        stop.set()
        thread.join(20)
