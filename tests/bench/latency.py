"""At a steady rate of events: from publishing to visible in `core`, against from publishing to polled by a bare client.

Three processes beside the publisher: the center's consumer; a bare `KafkaConsumer` that notes what it polled and when;
and a reader of the database that looks every few milliseconds how far the positions are. They move in the transaction
that writes `core`, so an event is visible to others at the first look that finds its offset passed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from bench.stack import Bench, finished, wait_for

RATE = 1000
# The first seconds are everybody's warm-up.
WARM_S = 3
# The reader's resolution.
LOOK_S = 0.004
_QUIET_S = 120.0

Place = tuple[str, int]


class Waits(NamedTuple):
    """Seconds from publishing, sorted: to visible and to polled; and how many events a second there really were."""

    visible: list[float]
    polled: list[float]
    events_per_s: float

    def figures(self) -> dict[str, float]:
        """Medians and 99th percentiles in milliseconds."""
        return {
            f"{name}_{label}_ms": round(waits[int(share * (len(waits) - 1))] * 1000, 1)
            for name, waits in (("visible", self.visible), ("polled", self.polled))
            for label, share in (("p50", 0.5), ("p99", 0.99))
        }

    @property
    def ratio(self) -> float:
        """p99 to visible ÷ p99 to polled."""
        figures = self.figures()
        return figures["visible_p99_ms"] / figures["polled_p99_ms"]


def measure(bench: Bench, seconds: int, first: int, warm_s: int = WARM_S) -> Waits:
    """Publish at RATE for so many seconds (rows of the bench from `first` on); everything before must be loaded."""
    topics = [bench.world.county.intake(u) for u in bench.units]
    events = list(bench.events(RATE * (seconds + warm_s), first))
    spawn = multiprocessing.get_context("spawn")
    loader = bench.consumer(idle_s=3600)
    ours, theirs = zip(spawn.Pipe(), spawn.Pipe(), strict=True)
    watchers = [
        spawn.Process(target=_polled, args=(bench.kafka.client_config(), topics, bench.ends(topics), theirs[0])),
        spawn.Process(target=_visible, args=(bench.dsn, theirs[1])),
    ]
    try:
        for watcher in watchers:
            watcher.start()
        for pipe in ours:
            pipe.recv()  # ready
        _wait_for_loader(bench, len(topics))
        published = _publish(bench, events)
        last = {t: max(o for topic, o in published if topic == t) for t in {topic for topic, _ in published}}
        wait_for(lambda: _read_up_to(bench, last), "all events loaded", _QUIET_S)
        time.sleep(0.2)
        for pipe in ours:
            pipe.send(None)
        polled, looks = ours[0].recv(), ours[1].recv()
    finally:
        for watcher in watchers:
            watcher.join(5)
            if watcher.is_alive():
                watcher.kill()
        loader.send_signal(signal.SIGTERM)
        finished(loader)
    visible = _first_passed(looks)
    counted = sorted(published, key=lambda place: published[place])[RATE * warm_s :]
    return Waits(
        sorted(visible(place) - published[place] for place in counted),
        sorted(polled[place] - published[place] for place in counted),
        len(counted) / (published[counted[-1]] - published[counted[0]]),
    )


def _publish(bench: Bench, events: list[Any]) -> dict[Place, float]:
    """Send at an even pace; returns when each (topic, offset) was handed to the client."""
    published: dict[Place, float] = {}
    intake = bench.world.county.intake
    with contextlib.closing(bench.producer(linger_ms=0)) as producer:
        began = time.time()
        for n, e in enumerate(events):
            ahead = began + n / RATE - time.time()
            if ahead > 0:
                time.sleep(ahead)
            at = time.time()
            sent = producer.send(intake(e.unit), key=e.key, value=e.value, headers=e.headers)
            sent.add_callback(lambda told, at=at: published.__setitem__((told.topic, told.offset), at))
        producer.flush()
    if len(published) != len(events):
        raise RuntimeError(f"{len(published)} of {len(events)} events were published")
    return published


def _polled(kafka: dict[str, Any], topics: list[str], ends: dict[str, int], pipe: Connection) -> None:
    with contextlib.closing(KafkaConsumer(**kafka)) as consumer:
        consumer.assign([TopicPartition(t, 0) for t in topics])
        for topic, end in ends.items():
            consumer.seek(TopicPartition(topic, 0), end)
        consumer.poll(timeout_ms=100)
        pipe.send("ready")
        seen: dict[Place, float] = {}
        while not pipe.poll():
            for partition, records in consumer.poll(timeout_ms=200).items():
                now = time.time()
                seen.update(((partition.topic, r.offset), now) for r in records)
        pipe.send(seen)


def _visible(dsn: str, pipe: Connection) -> None:
    with contextlib.closing(psycopg2.connect(dsn)) as con, con.cursor() as cur:
        con.autocommit = True
        pipe.send("ready")
        looks: list[tuple[float, dict[str, int]]] = []
        before: dict[str, int] = {}
        while not pipe.poll():
            cur.execute("SELECT t.name, p.next_offset FROM ingest.position p JOIN ingest.topic t USING (topic_id)")
            found = dict(cur.fetchall())
            if found != before:
                moved = {t: o for t, o in found.items() if before.get(t) != o}
                looks.append((time.time(), moved))
                before = found
            time.sleep(LOOK_S)
        pipe.send(looks)


def _first_passed(looks: list[tuple[float, dict[str, int]]]) -> Any:
    """When an offset of a topic was first found passed."""
    passed: dict[Place, float] = {}
    reached: dict[str, int] = {}
    for at, moved in looks:
        for topic, end in moved.items():
            passed.update(((topic, offset), at) for offset in range(reached.get(topic, 0), end))
            reached[topic] = end
    return passed.__getitem__


def _wait_for_loader(bench: Bench, topics: int) -> None:
    """An event of each unit goes through first: then the consumer has joined, placed and prepared everything."""
    bench.publish(bench.events(topics, first=90_000_000 + int(time.time())))
    ends = bench.ends([bench.world.county.intake(u) for u in bench.units])
    wait_for(lambda: _read_up_to(bench, {t: end - 1 for t, end in ends.items()}), "the consumer at work", _QUIET_S)


def _read_up_to(bench: Bench, last: dict[str, int]) -> bool:
    found = dict(
        bench.execute("SELECT t.name, p.next_offset FROM ingest.position p JOIN ingest.topic t USING (topic_id)")
    )
    return all(found.get(topic, 0) > offset for topic, offset in last.items())
