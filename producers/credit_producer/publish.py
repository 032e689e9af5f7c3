"""From the spool to Kafka: in order, every answer checked, nothing marked sent that was not acknowledged."""

from __future__ import annotations

import time
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from .connection import CONNECT_MS, assert_fast_checksum, client_settings, probe, translate
from .settings import UnitSettings
from .spool import Queued, Spool

# Measured best for one partition (TRAPS, Kafka): about 20,000 records a second.
LINGER_MS = 50
BATCH_BYTES = 256 * 1024
# Records in flight before the answers are awaited: a quarter of a second of work, some 5 MB of memory.
WINDOW = 5000
# A restarted broker is back within 20 s. Waiting longer gains nothing, since the spool keeps the events anyway.
DELIVERY_MS = 60_000
REQUEST_MS = 20_000


class Publisher:
    """Hands queued events to Kafka; connects at the first need. Not for use from several threads at once."""

    def __init__(self, settings: UnitSettings) -> None:
        """Raises SlowChecksum when the compiled checksum module is missing."""
        assert_fast_checksum()
        self._settings = settings
        self._producer: KafkaProducer | None = None

    def publish(self, spool: Spool) -> int:
        """Send everything queued and wait for the acknowledgements; returns how many events went out.

        Raises:
            PublishError: what was not acknowledged stays queued; the error counts it and says what to do.
        """
        sent = 0
        while events := spool.queued(WINDOW):
            started = time.monotonic()
            if self._producer is None:
                probe(self._settings.kafka, spool.waiting())
            done, error = self._send(events)
            spool.mark_sent(done)
            sent += len(done)
            if error is not None:
                # An idempotent producer that was refused once refuses everything from then on (TRAPS, Kafka).
                self._drop()
                waited = time.monotonic() - started
                raise translate(error, self._settings.kafka, events[0].topic, waited, spool.waiting()) from None
        return sent

    def close(self) -> None:
        """Hang up. Nothing is pending: `publish` has waited for every answer."""
        self._drop()

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(
                **client_settings(self._settings.kafka, f"credit-producer-{self._settings.unit}"),
                acks="all",
                enable_idempotence=True,
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                delivery_timeout_ms=DELIVERY_MS,
                request_timeout_ms=REQUEST_MS,
                max_block_ms=CONNECT_MS,
                allow_auto_create_topics=False,
            )
        return self._producer

    def _send(self, events: list[Queued]) -> tuple[list[int], BaseException | None]:
        """Send one window; the sequence numbers acknowledged, and the first error."""
        futures: list[tuple[int, Any]] = []
        error: BaseException | None = None
        try:
            producer = self._connected()
        except KafkaError as silent:
            return [], silent
        try:
            for e in events:
                future = producer.send(e.topic, key=e.key, value=e.value, headers=e.headers, timestamp_ms=e.time_ms)
                futures.append((e.seq, future))
        except KafkaError as refused:  # without metadata or rights `send` itself raises
            error = refused
        try:
            producer.flush(timeout=DELIVERY_MS / 1000 + 5)
        except KafkaTimeoutError as late:
            error = error or late
        done = []
        for seq, future in futures:
            if future.is_done and future.succeeded():
                done.append(seq)
            elif error is None:
                error = future.exception or KafkaTimeoutError("no answer")
        return done, error

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)
