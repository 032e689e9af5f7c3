"""What one poll brought, taken through decode, check and normalise, and where it leaves each position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from credit_schemas.topics import unit_of_intake_topic

from .bulk.decode import Origin
from .bulk.lane import Lane, Prepared
from .decode import DeadLetter
from .errors import Fenced, Untimed
from .load import Span
from .normalise import Center, Ready
from .pipeline import prepared, rejoin
from .positions import Position

LOG_APPEND_TIME = 1


class Batch(NamedTuple):
    """Ready to load.

    Attributes:
        spans: The positions to move.
        ready: What goes row by row, in the order of each partition.
        after: Of each partition, where it is read on.
        rows: How many messages it is.
    """

    spans: list[Span]
    ready: list[Ready]
    dead: list[DeadLetter]
    bulk: Prepared | None
    after: dict[TopicPartition, int]
    rows: int


def take(
    polled: Mapping[TopicPartition, Sequence[ConsumerRecord]],
    positions: Mapping[TopicPartition, Position],
    ids: Mapping[str, UUID],
    *,
    trust_producer_time: bool,
) -> tuple[list[Origin], list[Span], dict[TopicPartition, int]]:
    """The records of the partitions that are placed, and how far they go.

    Args:
        ids: The topics' UUIDs, asked after the fetch: a topic never gets an old UUID back, so these records are of that
            topic.

    Raises:
        Fenced: a topic is no longer the one that was placed.
        Untimed: a topic's records do not bear the broker's time.
    """
    origins: list[Origin] = []
    spans: list[Span] = []
    after: dict[TopicPartition, int] = {}
    for partition, records in polled.items():
        position = positions.get(partition)
        if position is None:
            continue
        if ids.get(partition.topic) != position.topic_id:
            raise Fenced(position.topic_id, partition.partition)
        if not trust_producer_time and any(r.timestamp_type != LOG_APPEND_TIME for r in records):
            raise Untimed(position.topic_id, partition.partition)
        unit = unit_of_intake_topic(partition.topic)
        origins += [Origin(record, position.topic_id, unit) for record in records]
        after[partition] = records[-1].offset + 1
        spans.append(Span(position.topic_id, partition.partition, position.next_offset, after[partition]))
    return origins, spans, after


def prepare_batch(
    origins: Sequence[Origin],
    spans: list[Span],
    after: dict[TopicPartition, int],
    center: Center,
    lane: Lane | None,
) -> Batch:
    """Decode, check and normalise: by columns what is plain, the rest row by row."""
    bulk = lane.prepare(origins) if lane else None
    taken = {at for b in bulk.bulks for at in b.frame["at"].to_list()} if bulk else set()
    ready, dead = prepared([origin.message() for at, origin in enumerate(origins) if at not in taken], center)
    if bulk and ready and (back := bulk.leave(ready)):
        ready, dead = rejoin(ready, dead, [origins[at].message() for at in back], center)
    return Batch(spans, ready, dead, bulk if bulk and bulk.bulks else None, after, len(origins))
