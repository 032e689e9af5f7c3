"""Where to read on: the warehouse's positions, by topic UUID, against what the broker still has.

A topic deleted and created again has another UUID and opens a new epoch. A stored offset below the log start records
a gap and asks the unit to send again; one beyond the end means that the log lost what we have read: that topic is
halted until a person looks, the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from psycopg2.extensions import connection, cursor

from credit_schemas.topics import unit_of_intake_topic
from credit_schemas.uuid7 import uuid7

from . import statements as sql

log = logging.getLogger(__name__)

# A department's clock and ours differ, and its spool counts by its own: a day more re-sent costs nothing.
CLOCKS_APART = timedelta(days=1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """Where a partition is read on."""

    topic_id: UUID
    next_offset: int


class Placed(NamedTuple):
    """Where to read on, and the partitions whose topic does not exist now (it may come back at any moment)."""

    positions: dict[TopicPartition, Position]
    gone: set[TopicPartition]


class Offsets(Protocol):
    """What this module asks of a Kafka consumer."""

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """First offset of each partition."""

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset after the last of each partition."""


def topic_ids(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, UUID]:
    """UUIDs of the topics that exist now; a topic that is gone is left out."""
    described = admin.describe_topics(sorted(set(topics)))
    return {t["name"]: UUID(str(t["topic_id"])) for t in described if not t["error_code"]}


def place(con: connection, admin: KafkaAdminClient, kafka: Offsets, partitions: list[TopicPartition]) -> Placed:
    """Where to read on in each partition; halted topics are left out.

    Raises:
        psycopg2.Error, kafka.errors.KafkaError: a server cannot be reached; nothing was changed for the partitions
            not yet placed.
    """
    ids = topic_ids(admin, (p.topic for p in partitions))
    placed = Placed({}, {p for p in partitions if p.topic not in ids})
    wanted = [p for p in partitions if p.topic in ids]
    stored = _stored(con, wanted, ids)
    open_ones = [p for p in wanted if p in stored]
    if not open_ones:
        return placed
    # The broker is asked after the warehouse: positions only grow towards the end, so a stored one beyond it is real.
    begin, end = kafka.beginning_offsets(open_ones), kafka.end_offsets(open_ones)
    for p in open_ones:
        position = _settle(con, p, ids[p.topic], stored[p], begin[p], end[p])
        if position is not None:
            placed.positions[p] = position
    return placed


def halt(con: connection, topic_id: UUID, why: str) -> None:
    """Stop reading one topic until `resume`; `why` is Chinese, for the operator."""
    with con.cursor() as cur:
        cur.execute(sql.HALT, [why, str(topic_id)])
    con.commit()
    log.error("halted topic %s: %s", topic_id, why)


def resume(con: connection, topic_id: UUID, next_offset: int, partition: int = 0) -> bool:
    """Let a halted topic go on at an offset that a person has chosen; whether it was halted.

    What is skipped is a gap, and its unit is asked to send again; what is read again is noted too, for the accounts.
    """
    with con.cursor() as cur:
        cur.execute(sql.RESUME, [str(topic_id)])
        was = cur.rowcount == 1
        if was:
            cur.execute(sql.TOPIC_NAME, [str(topic_id)])
            (topic,) = cur.fetchone() or ("",)
            since = _last_read(cur, topic)
            cur.execute(sql.POSITION, [str(topic_id), partition])
            (stored,) = cur.fetchone() or (next_offset,)
            if stored < next_offset:
                _gap(cur, topic, partition, topic_id, stored, next_offset, since)
            elif stored > next_offset:
                cur.execute(sql.ADD_GAP, [str(topic_id), partition, stored, next_offset])
            cur.execute(sql.SET_POSITION, [next_offset, str(topic_id), partition])
    con.commit()
    return was


def _stored(
    con: connection, partitions: Iterable[TopicPartition], ids: Mapping[str, UUID]
) -> dict[TopicPartition, int | None]:
    """Stored offsets (None where there is none yet) of the partitions whose topic is not halted."""
    stored: dict[TopicPartition, int | None] = {}
    with con.cursor() as cur:
        for p in partitions:
            topic_id = str(ids[p.topic])
            cur.execute(sql.ADD_TOPIC, [topic_id, p.topic, unit_of_intake_topic(p.topic)])
            cur.execute(sql.HALTED, [topic_id])
            row = cur.fetchone()
            if row and row[0]:
                continue
            cur.execute(sql.POSITION, [topic_id, p.partition])
            found = cur.fetchone()
            stored[p] = found[0] if found else None
    con.commit()
    return stored


def _settle(
    con: connection, p: TopicPartition, topic_id: UUID, stored: int | None, begin: int, end: int
) -> Position | None:
    with con.cursor() as cur:
        since = _last_read(cur, p.topic)
        if stored is None:
            next_offset = _open_epoch(cur, p, topic_id, begin, since)
        elif stored < begin:
            cur.execute(sql.MOVE_POSITION, [begin, str(topic_id), p.partition, stored])
            if cur.rowcount == 1:
                _gap(cur, p.topic, p.partition, topic_id, stored, begin, since)
            # Moved by somebody else meanwhile: the fence tells at the first load, and we are placed again.
            next_offset = begin
        elif stored > end:
            con.rollback()
            halt(
                con,
                topic_id,
                f"已读到偏移 {stored}，而主题现在只到 {end}：Kafka 丢失了已读的数据，请核查后再恢复读取。",
            )
            return None
        else:
            next_offset = stored
    con.commit()
    return Position(topic_id, next_offset)


def _open_epoch(cur: cursor, p: TopicPartition, topic_id: UUID, begin: int, since: datetime) -> int:
    cur.execute(sql.ADD_POSITION, [str(topic_id), p.partition, begin])
    if cur.fetchone() is None:
        return begin  # another consumer was first; the fence tells if it has read on since
    cur.execute(sql.EARLIER_EPOCH, [p.topic, str(topic_id)])
    if cur.fetchone():
        log.warning("topic %s was created again: a new epoch begins at %d", p.topic, begin)
        note = "报送主题被重建，重建前的数据可能没有到达中心；请重新发送。"
        cur.execute(sql.ADD_RESEND, [str(uuid7()), unit_of_intake_topic(p.topic), note, since])
        if begin > 0:
            cur.execute(sql.ADD_GAP, [str(topic_id), p.partition, 0, begin])
    elif begin > 0:
        _gap(cur, p.topic, p.partition, topic_id, 0, begin, since)
    return begin


def _gap(cur: cursor, topic: str, partition: int, topic_id: UUID, start: int, end: int, since: datetime) -> None:
    log.warning("topic %s: offsets %d to %d are not read", topic, start, end - 1)
    cur.execute(sql.ADD_GAP, [str(topic_id), partition, start, end])
    note = "中心没有读到您单位的一段数据；请重新发送。"
    cur.execute(sql.ADD_RESEND, [str(uuid7()), unit_of_intake_topic(topic), note, since])


def _last_read(cur: cursor, topic: str) -> datetime:
    """Since when a unit must send again: some time before we last read its topic, or ever when we never did.

    A restored database knows nothing of what it had answered after that moment, so answered events count too.
    """
    cur.execute(sql.LAST_READ, [topic])
    row = cur.fetchone()
    return row[0] - CLOCKS_APART if row and row[0] else EVER
