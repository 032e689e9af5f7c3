"""Step 1: a Kafka message becomes an event, or a dead letter that says why it cannot be one.

`decode → check → normalise → load`: follow one record through these four files.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from kafka.consumer.fetcher import ConsumerRecord

from credit_schemas.codec import FRAME, MAGIC, Codec, CodecError, Decoded
from credit_schemas.envelope import Envelope, EnvelopeError, read_headers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The end of the year 9998: a time zone can still be applied to it.
LAST_MS = 253_370_764_799_999


# What an operator is told of each reason; the words before them are stable, for filters and programs.
REASONS = {
    "envelope": "消息头缺少或写法不对",
    "other_county": "是别的县的消息",
    "not_framed": "不是本系统的消息格式",
    "unknown_schema": "还不认识的数据结构，更新本程序后重放",
    "undecodable": "内容与所写的数据结构不符",
    "unknown_key": "用中心没有的密钥加密，补上密钥后重放",
    "id_of_another_unit": "事件编号已被别的单位用过",
    "database": "数据库不接受这一行",
    "defect": "本程序的缺陷，修好后重放",
}


class Message(NamedTuple):
    """A Kafka message with the topic's identity; `received_at` is the broker's append time."""

    topic: str
    topic_id: UUID
    unit: str
    partition: int
    offset: int
    received_at: datetime
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def received(record: ConsumerRecord, topic_id: UUID, unit: str) -> Message:
    """The message of a Kafka record of a unit's intake topic."""
    return Message(
        topic=record.topic,
        topic_id=topic_id,
        unit=unit,
        partition=record.partition,
        offset=record.offset,
        received_at=_append_time(record.timestamp),
        key=record.key,
        value=record.value,
        headers=list(record.headers),
    )


class Arrived(NamedTuple):
    """A message whose headers and value can be read. Sealed numbers in `decoded` are still sealed."""

    message: Message
    envelope: Envelope
    decoded: Decoded


class DeadLetter(NamedTuple):
    """A message that cannot go on.

    Attributes:
        reason: Stable word for filters, one of REASONS.
        detail: What exactly, without any content of the message.
        state: `dead`, or `parked` when it becomes readable once a schema or key is known.
    """

    message: Message
    reason: str
    detail: str
    state: Literal["dead", "parked"] = "dead"
    schema_id: int | None = None


def decode(message: Message, codec: Codec, county: str) -> Arrived | DeadLetter:
    """Read headers and value; never raises for what a message may contain."""
    try:
        envelope = read_headers(message.headers)
        if envelope.county != county:
            return DeadLetter(message, "other_county", "消息头 ce_source 写的是别的县", "dead", schema_id(message))
        return Arrived(message, envelope, codec.decode(message.value))
    except EnvelopeError as e:
        return DeadLetter(message, e.reason, str(e), "dead", schema_id(message))
    except CodecError as e:
        return DeadLetter(message, e.reason, str(e), "parked" if e.retriable else "dead", schema_id(message))


def _append_time(timestamp_ms: int) -> datetime:
    """A record's timestamp (Unix milliseconds) as a moment; a producer's clock may say anything, so it is bounded."""
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), LAST_MS))


def schema_id(message: Message) -> int | None:
    """The schema id a message's frame claims, or None when it has no frame."""
    value = message.value or b""
    if len(value) < FRAME.size or value[0] != MAGIC:
        return None
    return int(FRAME.unpack_from(value)[1])
