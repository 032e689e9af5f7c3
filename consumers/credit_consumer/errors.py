"""What can go wrong in this room, and what a database error is: the data's fault or the environment's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg2
from kafka import TopicPartition

# SQLSTATE classes that the row itself causes: data exception, integrity violation, program limit (an index entry too
# large). Everything else (08 connection, 40 conflict, 42501 rights, 53 resources, 55 locks, 57 shutdown ...) is no
# fault of a row: it stops the load, which is tried again, and never fills the dead letters.
DATA_CLASSES = frozenset({"22", "23", "54"})
# Unique violations can also come from another transaction that was faster; they are tried again before a row is blamed.
UNIQUE_VIOLATION = "23505"


class ConsumerError(Exception):
    """Base of this room's errors; `retriable` says whether the same call can succeed later."""

    retriable = False


class Fenced(ConsumerError):
    """Somebody else has moved this position: roll back, read the positions again, seek. A normal answer."""

    retriable = True

    def __init__(self, topic_id: UUID, partition: int) -> None:
        self.topic_id, self.partition = topic_id, partition
        super().__init__(f"position of {topic_id}/{partition} was moved by somebody else")


class Untimed(Fenced):
    """The topic's records bear the producer's time, not the broker's: who is late could not be told. It is halted."""


class Overtaken(psycopg2.errors.SerializationFailure):
    """Another transaction changed a record after this one had read it: rolled back, the batch is tried again.

    `records`: dataset to the numbers of the records that the batch may change.
    """

    def __init__(self, records: Mapping[str, Sequence[str]]) -> None:
        self.records = records
        super().__init__("a record was changed by somebody else")


class NotReady(ConsumerError):
    """The consumer refuses to start: something it relies on is missing; the message says what to do."""


class Unreadable(ConsumerError):
    """A record that the Kafka client itself cannot parse; only its topic is halted."""

    def __init__(self, partition: TopicPartition, kind: str) -> None:
        self.partition, self.kind = partition, kind
        super().__init__(f"{partition.topic}: {kind}")


def is_data_error(error: psycopg2.Error) -> bool:
    """Whether the rows themselves caused the error, judged by SQLSTATE class and never by the message."""
    return (error.pgcode or "")[:2] in DATA_CLASSES


def describe(error: BaseException) -> str:
    """An error in a log line or a dead letter: its type and SQLSTATE, never its message, which may quote a row."""
    code = getattr(error, "pgcode", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
