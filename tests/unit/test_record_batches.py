"""Batches put together whole are byte for byte what kafka-python would have made of the same events."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from credit_producer import record_batches
from credit_producer.record_batches import HeaderWriter, batches
from credit_producer.spool import HeaderTexts, Queued
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.uuid7 import uuid7

SIZE = 4096
HEADERS = st.one_of(
    st.builds(
        lambda act, moment, replaces: write_headers(
            Envelope(uuid7(), "410421", "market", "penalty", act, moment, uuid7() if replaces else None)
        ),
        st.sampled_from(["report", "correct"]),
        st.sampled_from([datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 24, 1, tzinfo=UTC)]),
        st.booleans(),
    ),
    st.lists(
        st.tuples(st.sampled_from(["ce_id", "other", "名"]), st.text('abc-"\\', max_size=9).map(str.encode)), max_size=3
    ),
)
EVENTS = st.lists(
    st.builds(
        Queued,
        seq=st.integers(1, 9),
        topic=st.just("t"),
        key=st.binary(min_size=1, max_size=40),
        value=st.one_of(st.binary(min_size=1, max_size=300), st.integers(1, 9000).map(lambda n: b"v" * n)),
        headers=HEADERS,
        time_ms=st.integers(1_700_000_000_000, 1_800_000_000_000),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def by_kafka_python(events: list[Queued]) -> list[tuple[list[Queued], bytes]]:
    """Events in batches, by the client's own builder."""
    out: list[tuple[list[Queued], bytes]] = []
    builder, part = None, []
    for e in events:
        for _ in range(2):
            if builder is None:
                builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, SIZE)
                part = []
            if builder.append(len(part), e.time_ms, e.key, e.value, list(e.headers)):
                part.append(e)
                break
            out.append((part, bytes(builder.build())))
            builder = None
    if builder is not None:
        out.append((part, bytes(builder.build())))
    return out


@given(EVENTS)
def test_a_batch_written_whole_is_what_kafka_python_writes(events: list[Queued]) -> None:
    writer, made, done = HeaderWriter(), [], 0
    for count, records in batches(events, SIZE, writer.write):
        part = events[done : done + count]
        done += count
        builder = record_batches._builder(part, records, SIZE)
        builder.close()
        made.append((part, bytes(builder.buffer())))
    assert made == by_kafka_python(events)


@given(EVENTS)
def test_kafka_python_reads_from_a_batch_what_went_in(events: list[Queued]) -> None:
    read = []
    for _, records in by_kafka_python(events):
        for batch in MemoryRecords(records):
            read += [(r.key, r.value, r.headers, r.timestamp) for r in batch]
    assert read == [(e.key, e.value, list(e.headers), e.time_ms) for e in events]


@given(st.lists(HEADERS, max_size=5))
def test_headers_come_back_from_the_spool_as_they_went_in(all_headers: list[list[tuple[str, bytes]]]) -> None:
    texts = HeaderTexts()
    for headers in all_headers:
        assert texts.read(texts.text(headers)) == headers


def test_the_installed_kafka_python_is_a_release_whose_queue_is_known() -> None:
    assert record_batches.usable()
