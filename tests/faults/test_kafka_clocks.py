"""A producer's clock says anything: hours or years ahead or behind, in the event's id, its time and Kafka's timestamp.

The center goes by the broker's append time. Ids of foreign months land in the default partition of landing, where
duplicates are found as well as anywhere, and from where they move once their month is prepared.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from credit_consumer import positions
from credit_consumer.topics import provision
from credit_expectations.run import run_due
from credit_reports.figures import figures
from credit_schemas.envelope import read_headers, write_headers
from credit_schemas.uuid7 import uuid7
from events import Event, World, build_world
from faults.kafka_support import accounts, asked_again, gaps
from fold import fold, fold_said, log_of
from unit.rows import PENALTY, PERSON_PENALTY

UNITS = ["market", "edu", "civil"]
# How far a producer's clock is off, to both ends of what an event can say.
OFF = {
    "1970": datetime(1970, 1, 2, tzinfo=UTC) - datetime.now(UTC),
    "20 years behind": -timedelta(days=7300),
    "a year behind": -timedelta(days=365),
    "5 hours behind": -timedelta(hours=5),
    "right": timedelta(),
    "5 hours ahead": timedelta(hours=5),
    "40 days ahead": timedelta(days=40),
    "4 years ahead": timedelta(days=1461),
    "100 years ahead": timedelta(days=36525),
    "9998": datetime(9998, 12, 30, tzinfo=UTC) - datetime.now(UTC),
}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


def at(event: Event, off: timedelta) -> Event:
    """The event as a producer makes it whose clock is off."""
    moment = datetime.now(UTC) + off
    ce_id = uuid7(int(moment.timestamp() * 1000))
    envelope = read_headers(event.headers)._replace(id=ce_id, time=moment)
    return Event(ce_id, event.unit, event.key, event.value, write_headers(envelope))


def publish(world: World, events: list[Event]) -> None:
    """With the producer's own time as Kafka's timestamp."""
    with closing(KafkaProducer(**world.county.client("portal"), acks="all")) as producer:
        for e in events:
            moment = int(read_headers(e.headers).time.timestamp() * 1000)
            producer.send(world.county.intake(e.unit), e.value, e.key, e.headers, timestamp_ms=moment)
        producer.flush()


def jumping(world: World, count: int) -> list[Event]:
    """Reports and corrections of three units while the clock jumps from one event to the next; and acts on records."""
    names, events, first = list(OFF), [], {}
    yesterday = (date.today() - timedelta(days=1)).isoformat()
    for n in range(count):
        unit, number = UNITS[n % 3], n // 3 % (count // 9)
        row = {**(PERSON_PENALTY if number % 2 else PENALTY), "CF_WSH": f"钟〔2026〕{number}号", "CF_JDRQ": yesterday}
        made = world.event(unit, {**row, "CF_YXQ": "2027-12-31", "CF_NR": f"罚款500元，第{n}稿"})
        event = at(made, OFF[names[n * 7 % len(names)]])
        first.setdefault((unit, number), event)
        events.append(event)
        if n % 20 == 19:
            act = world.act(unit, "withdraw" if n % 40 == 19 else "reinstate", AC_JLBH=str(first[unit, number].ce_id))
            events.append(at(act, OFF[names[n * 3 % len(names)]]))
    return events


def test_clocks_that_jump_lose_nothing_and_lateness_goes_by_the_brokers_clock(world, events_wanted, fault_table):
    events = jumping(world, min(events_wanted, 50_000) // 10)
    before = datetime.now(UTC)
    began = time.monotonic()
    publish(world, events)
    counts = world.consume()
    took = time.monotonic() - began
    assert sum(counts.values()) == len(events)
    assert "dead" not in counts
    counted = accounts(world, fold(world, UNITS))
    fault_table(fault="producer's clock jumps by hours and years", kills=0, **counted, seconds_to_recover=took)
    bounds = world.one("SELECT min(received_at), max(received_at) FROM landing.event")
    assert before - timedelta(seconds=5) <= bounds[0] <= bounds[1] <= datetime.now(UTC) + timedelta(seconds=5)
    with closing(world.connect("reader")) as con:
        found = figures(con, world.center.catalogue, as_of=date.today() + timedelta(days=1))
    assert {f.late for f in found if f.dataset == "penalty"} == {0}
    assert sum(f.timely for f in found) == world.one("SELECT count(*) FROM core.penalty WHERE state = 'active'")[0]
    # Sent again all are known, wherever they landed.
    publish(world, events)
    assert world.consume() == {"duplicate": len(events)}
    accounts(world, fold(world, UNITS))


def test_months_are_prepared_around_what_landed_elsewhere_and_quality_runs(world):
    where = "SELECT tableoid::regclass::text AS part, count(*) FROM landing.event GROUP BY 1"
    placed = {r["part"]: r["count"] for r in world.query(where)}
    assert placed.get("landing.event_other", 0) > 0
    assert len(placed) > 1
    landed = sum(placed.values())
    soon = date.today() + timedelta(days=1461)
    with closing(world.connect("owner")) as con, con, con.cursor() as cur:
        cur.execute("SELECT landing.prepare_months(%s)", [soon])
        assert cur.fetchone()[0] > 0
    after = {r["part"]: r["count"] for r in world.query(where)}
    assert after["landing.event_other"] < placed["landing.event_other"]
    assert after[f"landing.event_{soon:%Y_%m}"] > 0
    assert sum(after.values()) == landed
    with closing(world.connect("consumer")) as con, con, con.cursor() as cur:
        cur.execute("SELECT landing.prepare_months()")
    again = [
        at(world.event("edu", {**PENALTY, "CF_WSH": f"后〔2026〕{n}号"}), off) for n, off in enumerate(OFF.values())
    ]
    publish(world, again)
    assert world.consume() == {"loaded": len(again)}
    publish(world, again)
    assert world.consume() == {"duplicate": len(again)}
    accounts(world, fold(world, UNITS))
    assert run_due(date.today(), world.settings)["slices"] > 0
    conserved = world.query("SELECT success FROM quality.result WHERE rule_id = 'conservation_arrivals'")
    assert {c["success"] for c in conserved} == {True}


def test_a_topic_that_takes_the_producers_time_is_halted_and_mended_by_sending_again(world, kafka_admin, fault_table):
    """An administrator's slip in the middle of a topic's life: what came under it is no evidence of when it came."""
    topic = world.county.intake("civil")
    kept = log_of(world, ["civil"])
    kafka_admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, {"message.timestamp.type": "CreateTime"})]
    )
    early = [at(world.event("civil", {**PENALTY, "CF_WSH": f"型〔2026〕{n}号"}), timedelta()) for n in range(7)]
    others = [world.event("edu", {**PENALTY, "CF_WSH": f"型〔2026〕{n}号"}) for n in range(5)]
    publish(world, [*early, *others])
    assert world.consume() == {"loaded": 5}
    (halted,) = world.query(
        "SELECT t.topic_id, t.halted, p.next_offset FROM ingest.topic t JOIN ingest.position p USING (topic_id)"
        " WHERE halted IS NOT NULL"
    )
    assert "LogAppendTime" in halted["halted"]
    assert halted["next_offset"] == len(kept)
    provision(kafka_admin, world.county.code, UNITS, {})  # puts right what differs
    with closing(world.connect("consumer")) as con:
        assert positions.resume(con, UUID(halted["topic_id"]), len(kept) + len(early))
    assert gaps(world) == [("civil", len(kept), len(kept) + len(early))]
    assert asked_again(world) == ["civil"]
    publish(world, early)  # as its spool does
    assert world.consume() == {"loaded": 7}
    counted = accounts(world, fold_said(world, [*kept, *log_of(world, UNITS)]))
    fault_table(fault="topic with the producer's clock (gap of 7)", kills=0, **counted)
