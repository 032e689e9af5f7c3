"""Event headers: they come back as they went, and each defect is named by its header, never by its content."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.envelope import ACTS, RECORD_ACTS, RESENT, Envelope, EnvelopeError, read_headers, write_headers
from credit_schemas.uuid7 import uuid7

SENT = Envelope(uuid7(), "410421", "scjgj", "penalty", "report", datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=20)


@given(
    st.sampled_from(ACTS),
    WORD,
    WORD,
    WORD.map("d".__add__),
    st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1)),
    st.integers(-12, 12),
)
def test_headers_come_back_as_they_went(
    act: str, county: str, unit: str, dataset: str, at: datetime, zone: int
) -> None:
    local = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(hours=zone)))
    sent = Envelope(uuid7(), county, unit, dataset, act, local)
    assert read_headers(write_headers(sent)) == sent


def test_headers_are_those_of_the_cloudevents_kafka_binding() -> None:
    assert dict(write_headers(SENT)) == {
        "ce_specversion": b"1.0",
        "ce_id": str(SENT.id).encode(),
        "ce_source": b"/410421/scjgj",
        "ce_type": b"credit.penalty.report",
        "ce_time": b"2026-11-24T08:00:00.000Z",
        "content-type": b"application/avro",
    }


def test_a_moment_of_any_zone_is_read_as_one_every_database_takes() -> None:
    headers = [(k, b"2026-11-24T08:00:00+23:59:59.999999" if k == "ce_time" else v) for k, v in write_headers(SENT)]
    assert read_headers(headers).time.isoformat() == "2026-11-23T08:00:00.000001+00:00"


def test_an_event_may_say_which_row_of_its_file_it_replaces() -> None:
    later = SENT._replace(replaces=uuid7())
    assert read_headers(write_headers(later)) == later
    with pytest.raises(EnvelopeError, match="ce_replaces"):
        read_headers([*write_headers(SENT), ("ce_replaces", "李四".encode())])


def test_an_event_says_that_it_is_sent_again_behind_all_else() -> None:
    again = SENT._replace(replaces=uuid7(), resent=True)
    assert read_headers(write_headers(again)) == again
    assert write_headers(again)[-1] == RESENT
    assert write_headers(again)[:-1] == write_headers(again._replace(resent=False))
    with pytest.raises(EnvelopeError, match="ce_resent"):
        read_headers([*write_headers(SENT), ("ce_resent", "李四".encode())])


def test_headers_of_others_are_ignored() -> None:
    assert read_headers([("traceparent", b"00-1"), ("empty", None), *write_headers(SENT)]) == SENT


def test_only_reports_and_corrections_carry_the_record() -> None:
    assert RECORD_ACTS == ("report", "correct")
    assert set(RECORD_ACTS) < set(ACTS)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b"x", "李四".encode()])
def test_a_defect_names_its_header_and_quotes_nothing(name: str, content: bytes | None) -> None:
    headers = [(k, content if k == name else v) for k, v in write_headers(SENT)]
    with pytest.raises(EnvelopeError, match=name) as caught:
        read_headers(headers)
    assert "李四" not in str(caught.value)
    assert (caught.value.reason, caught.value.retriable) == ("envelope", False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ce_specversion", "0.3"),
        ("ce_id", "0774682a-6608-4df2-a50a-4af451a89a86"),
        ("ce_id", str(UUID(int=0))),
        ("ce_source", "410421/scjgj"),
        ("ce_source", "/410421/"),
        ("ce_source", "//scjgj"),
        ("ce_source", "/410421/scjgj/more"),
        ("ce_type", "credit.penalty"),
        ("ce_type", "credit.penalty.delete"),
        ("ce_type", "other.penalty.report"),
        ("ce_type", "credit.penalty.report.v2"),
        ("ce_type", "credit..report"),
        ("ce_time", "yesterday"),
        ("ce_time", "2026-13-01T00:00:00Z"),
        ("ce_time", "0001-01-01T00:00:00+14:00"),
        ("ce_time", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_malformed_header_is_refused(name: str, content: str) -> None:
    with pytest.raises(EnvelopeError, match=name):
        read_headers([(k, content.encode() if k == name else v) for k, v in write_headers(SENT)])


@pytest.mark.parametrize("headers", [None, []])
def test_no_headers_at_all_are_a_defect_too(headers: list[tuple[str, bytes]] | None) -> None:
    with pytest.raises(EnvelopeError, match="没有消息头"):
        read_headers(headers)


@given(st.lists(st.tuples(st.sampled_from([k for k, _ in write_headers(SENT)]), st.binary(max_size=40)), max_size=8))
def test_random_headers_raise_nothing_but_an_envelope_error(headers: list[tuple[str, bytes]]) -> None:
    with contextlib.suppress(EnvelopeError):
        read_headers(write_headers(SENT) + headers)
