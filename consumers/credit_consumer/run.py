"""The consumer's loop: poll, load, and stand aside when somebody else was faster.

Positions live in the warehouse alone, in the load transaction; Kafka's own group offsets are never written nor read.
The loop never waits anywhere but in `poll`, so that a database outage does not cost the membership of the group.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import date
from typing import Any
from uuid import UUID

import psycopg2
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import KafkaError, LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError
from psycopg2.extensions import connection

from credit_schemas.topics import intake_pattern
from credit_warehouse.connect import connect
from credit_warehouse.contract import OutOfStep, require_step
from credit_warehouse.settings import Settings

from . import statements as sql
from .batch import Batch, prepare_batch, take
from .bulk.lane import Lane
from .errors import UNIQUE_VIOLATION, Fenced, NotReady, Unreadable, Untimed, describe
from .kafka_patch import repair_fetcher
from .load import load, prepare
from .normalise import Center
from .pipeline import center_of
from .positions import Position, halt, place, topic_ids
from .signals import stopping
from .waiting import settle_waiting

log = logging.getLogger(__name__)

# Larger batches gain a little and take memory (one is being loaded while the next is prepared), smaller ones pay the
# commit and the fixed cost of the columns more often.
BATCH_EVENTS = 3000
# glibc gives each thread a heap of its own, and what one thread frees the others cannot use. Two will do, and keep the
# consumer below 300 MB.
HEAPS, M_ARENA_MAX = 2, -8
# Short enough that a signal or the end of a back-off is noticed at once.
POLL_MS = 200
# One fetch holds at most this much, however large the messages are: it bounds the memory. Some 6,000 events.
FETCH_BYTES = 5 << 20
# One partition may fill a whole batch, so that a single unit's backlog does not go in small steps.
PARTITION_FETCH_BYTES = 3 << 20
# A unit that was just provisioned is read within this time.
METADATA_AGE_MS = 5000
# Back-off after the environment failed: quick at first, because most restarts take seconds.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
# How often a consumer looks for events whose record has come by another consumer, and at most which part of its time.
LOOK_EVERY_S, LOOK_SHARE = 2.0, 20
# A lock held longer than this is held by a session whose process stands still, see `statements.END_SLEEPERS`.
LOCK_TIMEOUT_S = 10
# How often a unique violation is put down to a faster transaction before the row is blamed.
RACES = 3


class Consumer:
    """Reads the intake topics of a county into the warehouse. One thread; several processes share the topics."""

    def __init__(self, settings: Settings, center: Center, group: str, kafka: Mapping[str, Any] | None = None) -> None:
        """Describe a consumer; `kafka` overrides client settings (tests shorten the session)."""
        self._settings, self._center, self._group = settings, center, group
        self._county = center.catalogue.county.code
        self._datasets = center.catalogue.datasets
        self._overrides = dict(kafka or {})
        self._con: connection | None = None
        # One thread for the database: at most one batch is being loaded, and nobody else uses the connection meanwhile.
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")
        self._loading: tuple[Batch, Future[Counter[str]]] | None = None
        self._lane = Lane(center, settings.bulk_from) if settings.bulk_from else None
        self._positions: dict[TopicPartition, Position] = {}
        # Partitions that are ours and wait to be placed. The listener fills it within `poll`, this thread empties it.
        self._unplaced: set[TopicPartition] = set()
        self._retry_at = 0.0
        self._wait = FIRST_WAIT_S
        self._races = 0
        self._look_at = 0.0
        self._months_ready_on: date | None = None
        self.joined = False
        self.totals: Counter[str] = Counter()

    def setup(self) -> None:
        """Check what the consumer relies on, then join the group. Raises NotReady."""
        if importlib.util.find_spec("crc32c") is None:
            raise NotReady("缺少 C 语言的 crc32c 模块，读取会慢数倍；请安装 kafka-python[crc32c]。")
        with closing(connect(self._settings, "consumer")) as con:
            try:
                require_step(con, self._datasets.values())
            except OutOfStep as e:
                raise NotReady(str(e)) from e
            self._prepare_months(con)
        # At DEBUG the client writes whole messages into the log: names of persons, and what slipped into a column.
        logging.getLogger("kafka").setLevel(max(logging.getLogger("kafka").getEffectiveLevel(), logging.INFO))
        client = self._settings.kafka_client("consumer")
        repair_fetcher()
        self._admin = KafkaAdminClient(**client)
        self._kafka = KafkaConsumer(
            **{
                "group_id": self._group,
                # Positions are ours: nothing is committed to Kafka, and nothing is guessed when one is missing.
                "enable_auto_commit": False,
                "auto_offset_reset": "none",
                # Range would give 40 one-partition topics to the first of two consumers (TRAPS, Kafka).
                "partition_assignment_strategy": [RoundRobinPartitionAssignor],
                "allow_auto_create_topics": False,
                # A restarted broker is back in seconds; the client's own ceiling of 30 s would double the outage.
                "reconnect_backoff_max_ms": 1000,
                "metadata_max_age_ms": METADATA_AGE_MS,
                "max_poll_records": BATCH_EVENTS,
                "fetch_max_bytes": FETCH_BYTES,
                "max_partition_fetch_bytes": PARTITION_FETCH_BYTES,
                **client,
                **self._overrides,
            }
        )
        self._kafka.subscribe(pattern=intake_pattern(self._county), listener=_Listener(self))

    def step(self) -> int:
        """Place what waits, poll once, load what came; returns the number of messages that were loaded."""
        try:
            self._place()
            batch = self._kafka.poll(timeout_ms=POLL_MS)
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as e:
            # Retention or a new topic took the ground from under a position: `place` finds out which.
            self.unplace(e.args[0])
            return 0
        except LogTruncationError as e:
            return self._truncated(e.divergent_offsets)
        except Unreadable as e:
            return self._halt([e.partition], f"有 Kafka 客户端读不出的记录（{e.kind}）；请核查后再恢复读取。")
        except KafkaError as e:
            if not e.retriable:
                raise
            self._back_off(e)
            return 0
        if batch:
            return self._guarded(batch)
        loaded = self._settle()
        self._settle_waiting()
        return loaded or 0

    def _prepare(self, polled: Mapping[TopicPartition, list[ConsumerRecord]]) -> Batch:
        """Steps 1 to 3 for the records of one poll. Raises Fenced when a topic is no longer the one that was placed."""
        ids = topic_ids(self._admin, (p.topic for p in polled))
        trusting = self._settings.trust_producer_time
        origins, spans, after = take(polled, self._positions, ids, trust_producer_time=trusting)
        return prepare_batch(origins, spans, after, self._center, self._lane)

    def _submit(self, batch: Batch) -> None:
        """Load a batch in the database's thread, while the next one is polled and prepared here."""
        con, blame = self._connection(), self._races >= RACES
        for partition, after in batch.after.items():
            if partition in self._positions:
                self._positions[partition] = self._positions[partition]._replace(next_offset=after)
        self._loading = batch, self._database.submit(_load, con, batch, self._center, blame)

    def _settle(self) -> int | None:
        """Wait for the batch that is being loaded; returns how many events it was, None when it was not loaded.

        Whatever went wrong, the batch is still in Kafka and is read again from the stored position.
        """
        if self._loading is None:
            return 0
        (batch, future), self._loading = self._loading, None
        try:
            counts = future.result()
        except Fenced as e:
            log.info("%s; reading positions again", e)
            self._rollback()
            self._give_back(batch)
            return None
        except (psycopg2.Error, KafkaError) as e:
            self._races = self._races + 1 if getattr(e, "pgcode", None) == UNIQUE_VIOLATION else 0
            self._back_off(e)
            return None
        self._races, self._wait = 0, FIRST_WAIT_S
        self.totals += counts
        if self._con is not None:
            self._prepare_months(self._con)
        self._settle_waiting()
        return sum(counts.values())

    def _give_back(self, batch: Batch) -> None:
        """What was polled and is not loaded is read again from the stored position."""
        self.unplace(p for p in batch.after if p in self._kafka.assignment())

    def drain(self, until_idle: float | None, stop: threading.Event) -> None:
        """Go on until `stop`, or until nothing has come for `until_idle` seconds with every partition placed."""
        last = time.monotonic()
        while not stop.is_set():
            busy = self.step() or self._unplaced or not self.joined
            now = time.monotonic()
            if busy:
                last = now
            elif until_idle is not None and now - last >= until_idle:
                self._settle_waiting(at_once=True)
                return

    def close(self) -> None:
        """Leave the group and the servers. What was polled and not loaded is read again by whoever comes next."""
        with suppress(Exception):  # told already, or told to whoever comes next
            self._settle()
        self._database.shutdown()
        for name in ("_kafka", "_admin"):
            client = getattr(self, name, None)
            if client is not None:
                client.close()
        self._disconnect()

    def unplace(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading partitions until they are placed again. Called by the rebalance listener: no waiting here."""
        for partition in partitions:
            self._positions.pop(partition, None)
            # Revoked meanwhile, if it raises: the listener runs in the client's own thread.
            with suppress(KeyError, ValueError):
                self._kafka.pause(partition)
                # Any position will do: it is paused. Without one, poll would ask Kafka for a committed offset.
                self._kafka.seek(partition, 0)
            self._unplaced.add(partition)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Partitions that are no longer ours. Called by the rebalance listener."""
        for partition in partitions:
            self._positions.pop(partition, None)
            self._unplaced.discard(partition)

    def _guarded(self, polled: Mapping[TopicPartition, list[ConsumerRecord]]) -> int:
        """Prepare a batch while the one before it is loaded, then hand it on; returns how many messages it has."""
        try:
            batch = self._prepare(polled)
        except Untimed as e:
            self._settle()
            self.unplace(p for p in polled if p in self._kafka.assignment())
            why = "主题的时间戳不是由 Kafka 记录的（应为 LogAppendTime），无法判断是否迟报；请改正主题设置。"
            return self._halt_topic(e.topic_id, why)
        except Fenced as e:
            log.info("%s; reading positions again", e)
            self._settle()
            self.unplace(p for p in polled if p in self._kafka.assignment())
            return 0
        except KafkaError as e:
            self._settle()
            self._back_off(e)
            return 0
        if self._settle() is None:
            self._give_back(batch)
            return 0
        if not batch.after:
            return 0
        try:
            self._submit(batch)
        except psycopg2.Error as e:  # no connection
            self._back_off(e)
            return 0
        return batch.rows

    def _place(self) -> None:
        if not self._unplaced or time.monotonic() < self._retry_at:
            return
        self._settle()  # what it commits are positions
        # Taken out first: what the listener adds from now on is placed in the next round.
        waiting, self._unplaced = self._unplaced, set()
        try:
            placed = place(self._connection(), self._admin, self._kafka, sorted(waiting))
        except (psycopg2.Error, KafkaError) as e:
            self._unplaced |= waiting
            self._back_off(e)
            return
        for partition, position in placed.positions.items():
            with suppress(KeyError, ValueError):  # revoked meanwhile
                self._positions[partition] = position
                self._kafka.seek(partition, position.next_offset)
                self._kafka.resume(partition)
        if placed.gone:
            self._unplaced |= placed.gone & self._kafka.assignment()
            self._retry_at = time.monotonic() + FIRST_WAIT_S
        # What is neither placed nor gone is halted: it stays paused until it is assigned again.

    def _back_off(self, error: Exception) -> None:
        """The environment failed. After a lost connection nobody knows whether COMMIT arrived: read positions again."""
        log.warning("%s; trying again in %.1f s", describe(error), self._wait)
        if isinstance(error, psycopg2.errors.LockNotAvailable):
            with suppress(psycopg2.Error):  # then the next round does it
                self._end_sleepers()
        self._disconnect()
        self.unplace(self._kafka.assignment())
        self._retry_at = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, LONGEST_WAIT_S)

    def _end_sleepers(self) -> None:
        self._rollback()
        with self._connection().cursor() as cur:
            cur.execute(sql.END_SLEEPERS, [LOCK_TIMEOUT_S])
            log.warning("ended %d sessions that held locks and did nothing", cur.rowcount)
        self._rollback()

    def _halt(self, partitions: Iterable[TopicPartition], why: str) -> int:
        """Halt topics whose log is not what it was or cannot be read; the others go on."""
        self._settle()
        partitions = list(partitions)
        for partition in partitions:
            if partition in self._positions:
                self._halt_topic(self._positions[partition].topic_id, why)
        self.unplace(partitions)
        return 0

    def _truncated(self, partitions: Iterable[TopicPartition]) -> int:
        """A log ends before what was read of it: the topic was made anew (`place` sees to that), or Kafka lost data."""
        ours = [p for p in partitions if p in self._kafka.assignment()]
        try:
            ids = topic_ids(self._admin, (p.topic for p in ours))
        except KafkaError as e:
            self._settle()
            self._back_off(e)
            return 0
        lost = {p for p in ours if p in self._positions and ids.get(p.topic) == self._positions[p].topic_id}
        self.unplace(p for p in ours if p not in lost)
        return self._halt(lost, "Kafka 丢失了已读的数据（日志被截断）；请核查后再恢复读取。") if lost else 0

    def _halt_topic(self, topic_id: UUID, why: str) -> int:
        try:
            halt(self._connection(), topic_id, why)
        except psycopg2.Error as e:
            self._back_off(e)
        return 0

    def _connection(self) -> connection:
        if self._con is None or self._con.closed:
            con = connect(self._settings, "consumer")
            with con.cursor() as cur:
                cur.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_TIMEOUT_S}s"])
            con.commit()
            self._con = con
            prepare(con)
        return self._con

    def _settle_waiting(self, *, at_once: bool = False) -> None:
        """Do what waited for records that have come by another consumer; also when idle."""
        now = time.monotonic()
        if now < self._retry_at or (now < self._look_at and not at_once):
            return
        try:
            self.totals += settle_waiting(self._connection(), self._center)
        except psycopg2.Error as e:
            self._back_off(e)
        # However many wait in vain, looking for them stays a small part of the work.
        self._look_at = now + max(LOOK_EVERY_S, LOOK_SHARE * (time.monotonic() - now))

    def _prepare_months(self, con: connection) -> None:
        """Once a day: the months of landing ahead. Without them rows still land, in the default partition."""
        today = date.today()
        if self._months_ready_on == today:
            return
        self._months_ready_on = today
        try:
            with con.cursor() as cur:
                cur.execute(sql.PREPARE_MONTHS)
            con.commit()
        except psycopg2.Error as e:
            log.warning("%s; the months of landing are prepared tomorrow", describe(e))
            if not con.closed:
                con.rollback()

    def _rollback(self) -> None:
        if self._con is not None and not self._con.closed:
            self._con.rollback()

    def _disconnect(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None


def _load(con: connection, batch: Batch, center: Center, blame_unique: bool) -> Counter[str]:
    """One load transaction, told in a log line."""
    started = time.monotonic()
    counts = load(con, batch.spans, batch.ready, batch.dead, center, bulk=batch.bulk, blame_unique=blame_unique)
    took = time.monotonic() - started
    log.info(
        "loaded %d events of %d topics in %.2f s: %s",
        *(batch.rows, len(batch.spans), took, ", ".join(f"{status} {n}" for status, n in sorted(counts.items()))),
    )
    return counts


class _Listener(ConsumerRebalanceListener):
    """Only takes notes: it runs within `poll`, where an exception would be swallowed and waiting costs heartbeats."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._consumer.forget(revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.joined = True
        self._consumer.unplace(assigned)


def consume(
    settings: Settings,
    *,
    until_idle: float | None = None,
    stop: threading.Event | None = None,
    group: str = "center.loader",
    center: Center | None = None,
    kafka: Mapping[str, Any] | None = None,
) -> Counter[str]:
    """Read intake topics into the warehouse until told to stop.

    Args:
        until_idle: End after this many seconds without a new message; None goes on for ever.
        stop: Ends it in good order; without one SIGTERM and SIGINT do.
        group: Consumer group; all consumers of a center share one. Must begin with `center.`.
        center: Catalogue and keys, when they are not those of the settings.
        kafka: Client settings that differ from the usual.

    Returns:
        How many events came to which receipt status, `dead` for dead letters.

    Raises:
        NotReady: the database is not migrated, or a module is missing.
        SettingMissing, KeysMissing: the center is not set up.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)
    consumer = Consumer(settings, center or center_of(settings), group, kafka)
    with stopping(stop) as told:
        try:
            consumer.setup()
            consumer.drain(until_idle, told)
        finally:
            consumer.close()
    return consumer.totals
