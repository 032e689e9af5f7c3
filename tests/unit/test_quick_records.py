"""Reading records quickly gives what the client reads, field by field, and fails where it fails."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder

from credit_consumer import kafka_patch, quick_records
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.uuid7 import uuid7

TP = TopicPartition("credit.410421.intake.market", 0)
# What a consumer looks at; sizes are for the client's metrics alone.
FIELDS = ("topic", "partition", "leader_epoch", "offset", "timestamp", "timestamp_type", "key", "value", "headers")


def headers(chance: random.Random) -> list[tuple[str, bytes]]:
    dataset = chance.choice(("penalty", "penalty", "licence"))
    return write_headers(Envelope(uuid7(), "410421", "market", dataset, "report", datetime.now(UTC)))


def odd(chance: random.Random) -> list[tuple[str, bytes | None]]:
    found: list[tuple[str, bytes | None]] = list(headers(chance))
    match chance.randrange(8):
        case 0:
            return []
        case 1:
            return found[::-1]
        case 2:
            return [*found, ("ce_replaces", str(uuid7()).encode())]
        case 3:
            return [*found, ("x" * 80, b"y" * 200)]
        case 4:
            return [(n, None if n == "ce_type" else v) for n, v in found]
        case 5:
            return [*found, found[1]]
        case 6:
            return [(n, b"" if n == "ce_id" else v) for n, v in found]
        case _:
            return [("名称", "值".encode())]


def batch(chance: random.Random, count: int, base: int, compression: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 24)
    for i in range(count):
        strange = chance.random() < 0.2
        key = None if strange and chance.random() < 0.5 else chance.randbytes(chance.choice((0, 32, 100)))
        value = (
            None if strange and chance.random() < 0.3 else chance.randbytes(chance.choice((0, 5, 63, 64, 800, 9000)))
        )
        at = 1_700_000_000_000 + i * chance.choice((0, 1, 90_000_000))
        builder.append(i, at, key, value, odd(chance) if strange else headers(chance))
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8)
    return bytes(data)


def read(data: bytes, *, quickly: bool, start: int = 0) -> list[tuple[Any, ...]]:
    part = Fetcher.PartitionRecords(start, TP, MemoryRecords(b""))
    way = quick_records.unpack if quickly else lambda p, tp, r: kafka_patch._unpack(p, tp, r, None, None)
    found = [tuple(getattr(r, f) for f in FIELDS) for r in way(part, TP, MemoryRecords(data))]
    return [*found, (part.next_fetch_offset, part.leader_epoch, part.records_read)]


@pytest.mark.parametrize("seed", range(60))
def test_records_are_those_the_client_reads(seed: int) -> None:
    chance = random.Random(seed)
    data, base = b"", chance.choice((0, 5, 1 << 40))
    for _ in range(chance.choice((1, 3))):
        count = chance.choice((1, 2, 40, 150))
        data += batch(chance, count, base, chance.choice((0, 0, 1)))
        base += count + chance.choice((0, 7))
    assert read(data, quickly=True) == read(data, quickly=False)


def resealed(data: bytearray) -> bytes:
    """The batch with the checksum of what it holds now."""
    from crc32c import crc32c

    data[17:21] = crc32c(bytes(data[21:])).to_bytes(4)
    return bytes(data)


@pytest.mark.parametrize("seed", range(300))
def test_a_batch_that_was_tampered_with_is_read_or_refused_as_the_client_does(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(batch(chance, 12, 0, 0))
    for _ in range(chance.choice((1, 1, 4))):
        data[chance.randrange(61, len(data))] ^= 1 << chance.randrange(8)
    sent = resealed(data) if seed % 10 else bytes(data)
    try:
        expected = read(sent, quickly=False)
    except Exception:  # the client raises several types
        with pytest.raises((CorruptRecordError, UnicodeDecodeError)):
            read(sent, quickly=True)
    else:
        assert read(sent, quickly=True) == expected
