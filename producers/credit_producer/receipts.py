"""What the center answers: read the unit's receipts topic, keep each receipt once, settle its event.

A receipt is JSON: `receipt_id`, `ce_id`, `record_no`, `unit`, `dataset`, `status`, `destination`, `problems`
(`column`, `rule`, `severity`, `message`), `revision`, `at` (ISO time), `note` (Chinese). A `resend` receipt asks for
sending again: the event of its `ce_id`, or everything not settled, or with `since` (ISO time) all made since then.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from credit_schemas.topics import unit_group_prefix

from .connection import CONNECT_MS, assert_fast_checksum, client_settings, probe, translate
from .settings import UnitSettings
from .spool import Spool

# One poll; short enough that Ctrl-C and the end of the log are noticed at once.
POLL_MS = 500


@dataclass
class Fetched:
    """What one reading brought: new receipts, events to be sent again, messages that are no receipt."""

    new: list[Mapping[str, Any]] = field(default_factory=list)
    again: int = 0
    unreadable: int = 0


def fetch_receipts(settings: UnitSettings, spool: Spool, wait: float = 0.0) -> Fetched:
    """Read what has arrived since last time into the spool, then wait `wait` seconds for more.

    The group's position moves only after the receipts are on disk: read twice they are kept once. Each spool has a
    group of its own, so that two machines of a unit both get all receipts.

    Raises:
        PublishError: Kafka is not there, does not let us in, or not onto the topic.
    """
    assert_fast_checksum()
    probe(settings.kafka)
    started = time.monotonic()
    try:
        consumer = KafkaConsumer(
            **client_settings(settings.kafka, f"credit-producer-{settings.unit}"),
            group_id=f"{unit_group_prefix(settings.unit)}{spool.id}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    except KafkaError as error:
        raise translate(error, settings.kafka, settings.receipts, time.monotonic() - started) from None
    try:
        return _read(consumer, settings.receipts, spool, time.monotonic() + wait)
    except KafkaError as error:
        raise translate(error, settings.kafka, settings.receipts, time.monotonic() - started) from None
    finally:
        consumer.close(autocommit=False)


def _read(consumer: KafkaConsumer, topic: str, spool: Spool, until: float) -> Fetched:
    # One partition, assigned by hand: nobody to share it with, and no rebalance to wait for.
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    out = Fetched()
    while consumer.position(partition, timeout_ms=CONNECT_MS) < end or time.monotonic() < until:
        for records in consumer.poll(timeout_ms=POLL_MS).values():
            receipts = [r for r in map(_parsed, records) if r is not None]
            out.unreadable += len(records) - len(receipts)
            new, again = spool.store_receipts(receipts)
            out.new += new
            out.again += again
            consumer.commit({partition: OffsetAndMetadata(records[-1].offset + 1, "", -1)})
    return out


def _parsed(record: ConsumerRecord) -> dict[str, Any] | None:
    """The receipt in a record, or None when it is none; one odd message must not hide the others."""
    try:
        body = json.loads(record.value)
        uuid.UUID(body["receipt_id"])
        datetime.fromisoformat(body["at"])
        if body.get("since") is not None:
            datetime.fromisoformat(body["since"])
        texts = [body["status"], body.get("ce_id") or "", body.get("record_no") or ""]
        return dict(body) if all(isinstance(text, str) for text in texts) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
