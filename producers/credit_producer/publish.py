"""From the spool to Kafka: in order, every answer checked, nothing marked sent that was not acknowledged."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from . import record_batches
from .connection import CONNECT_MS, assert_fast_checksum, client_settings, probe, translate
from .settings import KafkaLogin, UnitSettings
from .spool import Queued, Spool

# Measured best for one partition (TRAPS, Kafka).
LINGER_MS = 50
BATCH_BYTES = 256 * 1024
# Events taken out of the spool at once, some 5 MB of memory, and how many may be on their way before an answer is
# awaited.
WINDOW = 5000
IN_FLIGHT = 2 * WINDOW
# A restarted broker is back within 20 s. Waiting longer gains nothing, since the spool keeps the events anyway.
DELIVERY_MS = 60_000
REQUEST_MS = 20_000


def producer_settings(login: KafkaLogin, name: str) -> dict[str, Any]:
    """kafka-python's settings of a sender: acknowledged by all replicas, idempotent, in batches."""
    return {
        **client_settings(login, name),
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": LINGER_MS,
        "batch_size": BATCH_BYTES,
        "delivery_timeout_ms": DELIVERY_MS,
        "request_timeout_ms": REQUEST_MS,
        "max_block_ms": CONNECT_MS,
        "allow_auto_create_topics": False,
    }


class _OnItsWay(NamedTuple):
    """Events handed to kafka-python together, and the future that tells of them."""

    events: Sequence[Queued]
    future: Any

    def error(self) -> BaseException | None:
        """Why they are not in Kafka; None when they are."""
        if not self.future.is_done:
            return KafkaTimeoutError("no answer")
        if not self.future.succeeded():
            return self.future.exception
        told = self.future.value
        # Of a batch: base offset, time, and what tells the error of a record. Of a single record: its metadata.
        return told[2](0) if type(told) is tuple and told[2] is not None else None


class Publisher:
    """Hands queued events to Kafka; connects at the first need. Not for use from several threads at once."""

    def __init__(self, settings: UnitSettings) -> None:
        """Raises SlowChecksum when the compiled checksum module is missing."""
        assert_fast_checksum()
        self._settings = settings
        self._producer: KafkaProducer | None = None
        self._headers = record_batches.HeaderWriter()
        # False where a topic once would not take a batch: then record by record, which kafka-python can split.
        self._whole = record_batches.usable()
        self._flight: deque[_OnItsWay] = deque()
        self._last = 0  # the highest sequence number handed over
        self._sent = 0

    def publish(self, spool: Spool) -> int:
        """Send everything queued and wait for the acknowledgements; returns how many events went out since last time.

        Raises:
            PublishError: what was not acknowledged stays queued; the error counts it and says what to do.
        """
        while self._flight or spool.has_queued():
            self.start(spool)
            self._settle(spool, wait=True)
            self._last = 0  # what was put back meanwhile has lower numbers
        sent, self._sent = self._sent, 0
        return sent

    def start(self, spool: Spool) -> None:
        """Hand over what is queued and go on without awaiting the answers; `publish` awaits them.

        Raises:
            PublishError: as `publish`.
        """
        self._settle(spool, wait=False)
        while events := spool.queued(WINDOW, after=self._last):
            started = time.monotonic()
            if self._producer is None:
                probe(self._settings.kafka, spool.waiting())
            try:
                self._hand_over(self._connected(), events)
            except KafkaError as refused:  # without metadata or rights
                self._fail(spool, refused, started)
            self._last = events[-1].seq
            if sum(len(way.events) for way in self._flight) > IN_FLIGHT:
                self._settle(spool, wait=True)

    def close(self) -> None:
        """Hang up; what is still on its way stays queued and goes out again."""
        self._drop()

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            name = f"credit-producer-{self._settings.unit}"
            self._producer = KafkaProducer(**producer_settings(self._settings.kafka, name))
        return self._producer

    def _hand_over(self, producer: KafkaProducer, events: list[Queued]) -> None:
        topic = events[0].topic
        alike = all(e.topic == topic and len(e.value) < BATCH_BYTES // 2 for e in events)
        if self._whole and alike and producer.partitions_for(topic) == {0}:
            ways = record_batches.enqueue(producer, topic, events, BATCH_BYTES, self._headers)
            self._flight.extend(_OnItsWay(*way) for way in ways)
            return
        for e in events:
            future = producer.send(e.topic, key=e.key, value=e.value, headers=e.headers, timestamp_ms=e.time_ms)
            self._flight.append(_OnItsWay([e], future))

    def _settle(self, spool: Spool, *, wait: bool) -> None:
        """Mark what was acknowledged; with `wait` all that is on its way is awaited first."""
        if not self._flight or (not wait and not self._flight[0].future.is_done):
            return
        started = time.monotonic()
        late: BaseException | None = None
        if wait and self._producer is not None:
            try:
                self._producer.flush(timeout=DELIVERY_MS / 1000 + 5)
            except KafkaTimeoutError as error:
                late = error
        done: list[int] = []
        while self._flight and (wait or self._flight[0].future.is_done):
            way = self._flight.popleft()
            why = way.error()
            if why is None:
                done += [e.seq for e in way.events]
            elif late is None:
                late = why
            # No answer at all: it may have been split, which a future of a whole batch does not follow.
            self._whole = self._whole and way.future.is_done
        spool.mark_sent(done)
        self._sent += len(done)
        if late is not None:
            self._fail(spool, late, started)

    def _fail(self, spool: Spool, error: BaseException, started: float) -> None:
        """Give up what is on its way and raise what the error means."""
        ways, self._flight = self._flight, deque()
        if self._producer is not None and ways:
            with contextlib.suppress(KafkaTimeoutError):  # these stay queued
                self._producer.flush(timeout=REQUEST_MS / 1000)
        done = [e.seq for way in ways if way.error() is None for e in way.events]
        spool.mark_sent(done)
        self._sent += len(done)
        # An idempotent producer that was refused once refuses everything from then on (TRAPS, Kafka).
        self._drop()
        waited = time.monotonic() - started
        raise translate(error, self._settings.kafka, self._settings.intake, waited, spool.waiting()) from None

    def _drop(self) -> None:
        self._flight.clear()
        self._last = 0
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)
