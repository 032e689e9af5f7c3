"""Nobody where they don't belong: encryption, logins and rights, asked of the real broker."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NoError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from kafka.protocol.consumer import FetchRequest

from credit_consumer.topics import provision
from credit_local.certificates import ensure_certificates
from credit_local.kafka import KafkaServer
from credit_schemas import topics as names
from servers import SHORT_TIMEOUT_MS, County

ANSWER_S = 15


@pytest.fixture(scope="module")
def county(make_county: Callable[..., County]) -> County:
    # The second unit's code begins with the first's: rights by prefix must not spill over.
    return make_county(["hb", "hb2"])


@contextlib.contextmanager
def producer_of(county: County, principal: str) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(**county.client(principal), acks="all", max_block_ms=SHORT_TIMEOUT_MS)
    try:
        yield producer
    finally:
        producer.close(timeout=1)


def send(county: County, principal: str, topic: str, value: bytes = b"event") -> Any:
    """One record as an idempotent producer sends it; the broker's answer, or its refusal raised."""
    with producer_of(county, principal) as producer:
        return producer.send(topic, value=value, key=b"k").get(timeout=ANSWER_S)


def refusal(county: County, principal: str, topic: str) -> BaseException | None:
    """Why a plain producer (no producer id) is refused; None when the record was taken."""
    settings = county.client(principal, acks="all", enable_idempotence=False, max_block_ms=SHORT_TIMEOUT_MS)
    producer = KafkaProducer(**settings)
    try:
        producer.send(topic, value=b"event").get(timeout=ANSWER_S)
    except KafkaError as error:
        return error
    finally:
        producer.close(timeout=1)
    return None


def read(county: County, principal: str, topic: str, group: str | None = None) -> list[bytes]:
    """The topic from its beginning, through a group when one is named; a refusal is raised."""
    settings = county.client(principal, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    consumer = KafkaConsumer(topic, **settings)
    partition = TopicPartition(topic, 0)
    try:
        deadline = time.monotonic() + ANSWER_S
        values: list[bytes] = []
        while time.monotonic() < deadline:
            values += [record.value for record in consumer.poll(timeout_ms=500).get(partition, [])]
            if consumer.assignment() and len(values) >= consumer.end_offsets([partition])[partition]:
                return values
        raise AssertionError(f"{topic}: no end after {ANSWER_S} s, {len(values)} records")
    finally:
        consumer.close()


def fetch_by_hand(county: County, principal: str, topic: str) -> type[KafkaError]:
    """Ask the leader for the first records without asking for metadata first, as an attacker would.

    kafka-python's consumer is no witness: for a topic it may not even describe it logs a line and polls
    nothing for ever.
    """
    part = FetchRequest.FetchTopic.FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1_000_000)
    asked = [FetchRequest.FetchTopic(topic=topic, partitions=[part])]
    # Version 12 is the last that names topics instead of giving their ids.
    request = FetchRequest(max_wait_ms=100, min_bytes=1, max_bytes=1_000_000, topics=asked, max_version=12)
    with contextlib.closing(KafkaAdminClient(**county.client(principal))) as client:
        answer = client._manager.run(client._manager.send, request)
    (partition,) = answer.responses[0].partitions
    error = for_code(partition.error_code)
    assert bool(partition.records) == (error is NoError)
    return error


def test_unit_writes_its_own_topic_without_a_right_for_idempotence(county: County) -> None:
    assert send(county, "unit.hb", county.intake("hb")).offset >= 0


def test_unit_cannot_write_another_units_topic(county: County) -> None:
    before = len(read(county, names.CENTER_CONSUMER, county.intake("hb2")))
    with pytest.raises(TopicAuthorizationFailedError):
        send(county, "unit.hb", county.intake("hb2"))
    assert len(read(county, names.CENTER_CONSUMER, county.intake("hb2"))) == before


def test_a_small_batch_cannot_unpack_into_a_large_value(county: County) -> None:
    producer = KafkaProducer(**county.client("unit.hb", compression_type="gzip", max_request_size=2**24, retries=0))
    with contextlib.closing(producer), pytest.raises((MessageSizeTooLargeError, RecordListTooLargeError)):
        producer.send(county.intake("hb"), bytes(4 * 2**20)).get(30)


def test_unit_cannot_write_where_only_the_center_writes(county: County) -> None:
    for topic in (county.receipts("hb"), county.loaded):
        with pytest.raises(TopicAuthorizationFailedError):
            send(county, "unit.hb", topic)


def test_unit_cannot_write_in_another_county(county: County, make_county: Callable[..., County]) -> None:
    other = make_county(["gx"])
    with pytest.raises(TopicAuthorizationFailedError):
        send(county, "unit.hb", other.intake("gx"))


def test_unit_reads_its_own_receipts_in_its_own_group(county: County) -> None:
    send(county, names.CENTER_RELAY, county.receipts("hb"), b"for hb")
    assert b"for hb" in read(county, "unit.hb", county.receipts("hb"), group="unit.hb.receipts")


def test_unit_cannot_read_another_units_receipts(county: County) -> None:
    send(county, names.CENTER_RELAY, county.receipts("hb2"), b"for hb2")
    assert fetch_by_hand(county, "unit.hb2", county.receipts("hb2")) is NoError
    assert fetch_by_hand(county, "unit.hb", county.receipts("hb2")) is TopicAuthorizationFailedError


def test_unit_cannot_read_any_intake_topic_not_even_its_own(county: County) -> None:
    for unit in county.units:
        send(county, names.PORTAL, county.intake(unit))
        assert fetch_by_hand(county, "unit.hb", county.intake(unit)) is TopicAuthorizationFailedError


def test_unit_cannot_join_a_group_of_another_unit_or_of_the_center(county: County) -> None:
    # In a foreign group it could move that group's positions: receipts or events would be skipped.
    for group in ("unit.hb2.receipts", "center.consumer", "free"):
        with pytest.raises(GroupAuthorizationFailedError):
            read(county, "unit.hb", county.receipts("hb"), group=group)


def test_unit_sees_only_its_own_topics(county: County) -> None:
    with contextlib.closing(KafkaAdminClient(**county.client("unit.hb"))) as unit:
        seen = {topic for topic in unit.list_topics() if county.code in topic}
    assert seen == {county.intake("hb"), county.receipts("hb")}


def test_unit_cannot_make_topics_rights_or_passwords(county: County) -> None:
    with contextlib.closing(KafkaAdminClient(**county.client("unit.hb"))) as unit, pytest.raises(KafkaError):
        unit.create_topics({f"credit.{county.code}.intake.mine": {"num_partitions": 1}})
    with contextlib.closing(KafkaAdminClient(**county.client("unit.hb"))) as unit, pytest.raises(KafkaError):
        provision(unit, county.code, ["hb"], {})


def test_mistyped_topic_is_an_error_even_for_the_portal(county: County) -> None:
    # The portal may write by prefix; with automatic topics its typing error would make a topic nobody reads.
    with pytest.raises((KafkaTimeoutError, UnknownTopicOrPartitionError)):
        send(county, names.PORTAL, county.intake("nobody"))


def test_portal_writes_for_every_unit_and_reads_none(county: County) -> None:
    for unit in county.units:
        assert send(county, names.PORTAL, county.intake(unit)).offset >= 0
    assert fetch_by_hand(county, names.PORTAL, county.intake("hb")) is TopicAuthorizationFailedError
    with pytest.raises(TopicAuthorizationFailedError):
        send(county, names.PORTAL, county.receipts("hb"))


def test_each_service_has_its_own_road(county: County) -> None:
    send(county, "unit.hb", county.intake("hb"), b"in")
    assert b"in" in read(county, names.CENTER_CONSUMER, county.intake("hb"), group=f"center.{county.code}")
    send(county, names.CENTER_RELAY, county.loaded, b"{}")
    assert b"{}" in read(county, names.CENTER_AIRFLOW, county.loaded, group=f"airflow.{county.code}")
    writes = [
        (names.CENTER_CONSUMER, county.intake("hb")),
        (names.CENTER_CONSUMER, county.receipts("hb")),
        (names.CENTER_RELAY, county.intake("hb")),
        (names.CENTER_AIRFLOW, county.loaded),
    ]
    for principal, topic in writes:
        assert isinstance(refusal(county, principal, topic), TopicAuthorizationFailedError), (principal, topic)
    reads = [
        (names.CENTER_AIRFLOW, county.intake("hb")),
        (names.CENTER_RELAY, county.intake("hb")),
        (names.CENTER_CONSUMER, county.loaded),
    ]
    for principal, topic in reads:
        assert fetch_by_hand(county, principal, topic) is TopicAuthorizationFailedError, (principal, topic)


def connect(server: KafkaServer, **settings: Any) -> list[str]:
    """What a client that logs in with `settings` can list; raises when it is not let in."""
    config = {**server.client_config(), "bootstrap_timeout_ms": SHORT_TIMEOUT_MS, **settings}
    with contextlib.closing(KafkaAdminClient(**config)) as client:
        return client.list_topics()


def test_wrong_password_is_refused(county: County) -> None:
    assert connect(county.server, **county.client("unit.hb"))
    with pytest.raises(KafkaError):
        connect(county.server, **county.client("unit.hb", sasl_plain_password=county.passwords["unit.hb2"]))


def test_client_without_login_is_refused(county: County) -> None:
    with pytest.raises(KafkaError):
        connect(county.server, security_protocol="SSL", sasl_mechanism=None)


def test_password_in_clear_mechanism_is_refused(county: County) -> None:
    with pytest.raises(KafkaError):
        connect(county.server, sasl_mechanism="PLAIN")


def test_client_that_knows_another_authority_is_not_fooled(county: County, tmp_path: Path) -> None:
    other_ca, _ = ensure_certificates(tmp_path)
    with pytest.raises(KafkaError):
        connect(county.server, ssl_cafile=str(other_ca))


@pytest.mark.parametrize("listener", ["client_port", "controller_port"])
def test_plaintext_gets_no_answer(kafka_server: KafkaServer, listener: str) -> None:
    # ApiVersions version 0 with correlation id 7, which any broker answers on a plaintext listener.
    request = bytes.fromhex("00000010 0012 0000 00000007 0006") + b"tester"
    with socket.create_connection(("127.0.0.1", kafka_server.ports[listener]), timeout=5) as connection:
        connection.sendall(request)
        answer = read_all(connection)
    assert bytes.fromhex("00000007") not in answer
    # At most a TLS alert (record type 21): we speak TLS only.
    assert answer[:1] in (b"", b"\x15")


@pytest.mark.parametrize("listener", ["client_port", "controller_port"])
def test_request_before_login_gets_no_answer(kafka_server: KafkaServer, listener: str) -> None:
    # Metadata version 1 for all topics, correlation id 7, over proper TLS but without login.
    request = bytes.fromhex("00000014 0003 0001 00000007 0006") + b"tester" + bytes.fromhex("ffffffff")
    context = ssl.create_default_context(cafile=str(kafka_server.cafile))
    with (
        socket.create_connection(("127.0.0.1", kafka_server.ports[listener]), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        assert read_all(connection) == b""


def test_servers_listen_on_loopback_only(kafka_server: KafkaServer, postgres_server: Any) -> None:
    ports = {*kafka_server.ports.values(), postgres_server.port}
    seen = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, port = address.rsplit(":", 1)
            if state == "0A" and int(port, 16) in ports:
                seen.add(int(port, 16))
                # 127.0.0.1 in the kernel's byte order, as IPv4 or mapped into IPv6 (Java's way).
                assert host in ("0100007F", "0000000000000000FFFF00000100007F")
    assert seen == ports


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(4096):
            answer += chunk
    return answer
