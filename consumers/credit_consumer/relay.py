"""The one road back: receipts from the warehouse to the units' receipts topics, and the nudge that wakes Airflow.

Taken by state with SKIP LOCKED, never by `id > last`, which loses rows of a writer that took a lower id and committed
later (TRAPS, Kafka). A receipt is marked published only after the broker acknowledged it, in the transaction that
took it: sent twice after a crash it carries the same `receipt_id`, and the reader keeps it once.

The nudge goes out here too, because `center.relay` alone may write what the center publishes: every receipt `loaded`
stands for one mark, and a nudge that is sent twice or late only wakes somebody who then reads the warehouse.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg2
from kafka import KafkaProducer
from kafka.errors import KafkaError
from psycopg2.extensions import connection
from psycopg2.extras import DictCursor

from credit_schemas.catalogue import load_catalogue
from credit_schemas.topics import loaded_topic, receipts_topic
from credit_warehouse.connect import connect
from credit_warehouse.settings import Settings

from . import statements as sql
from .errors import describe
from .signals import stopping

log = logging.getLogger(__name__)

# Bounds memory and the length of the transaction that holds the rows.
BATCH_RECEIPTS = 1000
# A receipt waits this long at most before it is seen; the query reads a partial index that is nearly always empty.
POLL_S = 0.2
# One nudge a second per unit and dataset: each wakes a task that takes longer than that.
NUDGE_EVERY_S = 1.0
# A unit whose topic refuses us (not provisioned, no right) is left alone this long; its receipts stay in the warehouse.
REST_S = 60.0
# How long one unit without a topic may hold up the others, once per REST_S.
MAX_BLOCK_MS = 5000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0


class Relay:
    """Publishes receipts as `center.relay`. Several may run: each takes rows that no other holds."""

    def __init__(self, settings: Settings, county: str) -> None:
        self._settings, self._county = settings, county
        self._con: connection | None = None
        self._producer: KafkaProducer | None = None
        self._resting: dict[str, float] = {}
        self._nudges: Counter[tuple[str, str]] = Counter()
        self._nudged: dict[tuple[str, str], float] = {}

    def process_batch(self) -> int:
        """Publish one batch; returns how many receipts the broker acknowledged.

        Raises:
            psycopg2.Error, KafkaError: a server cannot be reached; what was sent is sent again.
        """
        now = time.monotonic()
        self._resting = {unit: until for unit, until in self._resting.items() if until > now}
        con, producer = self._servers()
        with con.cursor(cursor_factory=DictCursor) as cur:
            cur.execute(sql.TAKE_RECEIPTS, [list(self._resting), BATCH_RECEIPTS])
            rows = cur.fetchall()
            sent = [row for row, future in self._send(producer, rows) if self._acknowledged(row["unit"], future)]
            if sent:
                cur.execute(sql.PUBLISHED, [",".join(row["receipt_id"] for row in sent)])
        con.commit()
        for row in sent:
            if row["status"] == "loaded":
                self._nudges[row["unit"], row["dataset"]] += 1
        if len(sent) < len(rows):
            self._renew_producer()
        return len(sent)

    def nudge(self) -> None:
        """Publish the nudges that are due. A failure is only logged: a slow schedule stands behind (TRAPS, Airflow)."""
        now = time.monotonic()
        due = [k for k in self._nudges if now - self._nudged.get(k, -NUDGE_EVERY_S) >= NUDGE_EVERY_S]
        for unit, dataset in due:
            rows = self._nudges.pop((unit, dataset))
            self._nudged[unit, dataset] = now
            body = {"dataset": dataset, "unit": unit, "rows": rows, "at": datetime.now(UTC).isoformat()}
            try:
                self._servers()[1].send(loaded_topic(self._county), value=json.dumps(body).encode())
            except (KafkaError, psycopg2.Error) as e:
                log.warning("nudge for %s %s not sent: %s", unit, dataset, describe(e))

    def drain(self, until_idle: float | None, stop: threading.Event) -> int:
        """Go on until `stop`, or until nothing was due for `until_idle` seconds; returns how many were published."""
        total, wait, last = 0, FIRST_WAIT_S, time.monotonic()
        while not stop.is_set():
            try:
                published = self.process_batch()
                self.nudge()
                wait = FIRST_WAIT_S
            except (psycopg2.Error, KafkaError) as e:
                log.warning("%s; trying again in %.1f s", describe(e), wait)
                self._disconnect()
                stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT_S)
                continue
            total += published
            now = time.monotonic()
            if published:
                log.info("published %d receipts", published)
                last = now
            elif until_idle is not None and now - last >= until_idle and not self._nudges:
                break
            if published < BATCH_RECEIPTS:
                stop.wait(POLL_S)
        return total

    def close(self) -> None:
        """Send what is buffered and leave the servers."""
        self._renew_producer()
        self._disconnect()

    def _send(self, producer: KafkaProducer, rows: list[Any]) -> list[tuple[Any, Any]]:
        """Send every row of a batch and wait; a row's future, or the error that came instead of one."""
        sent: list[tuple[Any, Any]] = []
        refused: set[str] = set()
        for row in rows:
            if row["unit"] in refused:
                continue
            key = (row["ce_id"] or row["record_no"] or "").encode() or None
            try:
                topic = receipts_topic(self._county, row["unit"])
                sent.append((row, producer.send(topic, key=key, value=json.dumps(_body(row)).encode())))
            except (KafkaError, ValueError) as e:
                refused.add(row["unit"])
                sent.append((row, e))
        producer.flush(timeout=60)
        return sent

    def _acknowledged(self, unit: str, future: Any) -> bool:
        """Whether the broker has it. Every future is asked: a refused send shows nowhere else (TRAPS, Kafka)."""
        error = future if isinstance(future, Exception) else future.exception if future.failed() else None
        if error is None:
            return bool(future.succeeded())
        if unit not in self._resting:
            log.error("receipts of unit %s cannot be published: %s", unit, describe(error))
            self._resting[unit] = time.monotonic() + REST_S
        return False

    def _servers(self) -> tuple[connection, KafkaProducer]:
        if self._con is None or self._con.closed:
            self._con = connect(self._settings, "relay")
        if self._producer is None:
            self._producer = KafkaProducer(
                **self._settings.kafka_client("relay"), acks="all", linger_ms=5, max_block_ms=MAX_BLOCK_MS
            )
        return self._con, self._producer

    def _renew_producer(self) -> None:
        # An idempotent producer that was refused once must be made anew (TRAPS, Kafka).
        if self._producer is not None:
            self._producer.close(timeout=5)
            self._producer = None

    def _disconnect(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None


def _body(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("receipt_id", "ce_id", "record_no", "unit", "dataset", "status", "destination", "revision", "note")
    told = {**{name: row[name] for name in names}, "problems": row["problems"] or [], "at": row["at"].isoformat()}
    return {**told, "since": row["since"].isoformat()} if row["since"] else told


def relay(
    settings: Settings,
    *,
    until_idle: float | None = None,
    stop: threading.Event | None = None,
    county: str | None = None,
) -> int:
    """Publish receipts until told to stop; returns how many.

    Args:
        until_idle: End after this many seconds with nothing to publish; None goes on for ever.
        stop: Ends it in good order; without one SIGTERM and SIGINT do.
        county: The county's code, when it is not that of the settings.
    """
    one = Relay(settings, county or load_catalogue().county.code)
    with stopping(stop) as told:
        try:
            return one.drain(until_idle, told)
        finally:
            one.close()
