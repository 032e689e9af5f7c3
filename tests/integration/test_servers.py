"""The embedded stack keeps what it was given, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from credit_consumer.topics import INTAKE_RETENTION_MS, provision
from credit_local import processes
from credit_local.errors import UnknownLoginError
from credit_local.kafka import KafkaServer
from credit_local.postgres import PostgresServer
from credit_schemas import topics as names
from servers import County, Database


def publish(county: County, topic: str, *values: bytes, timestamp_ms: int | None = None) -> None:
    producer = KafkaProducer(**county.client(names.PORTAL), acks="all")
    for value in values:
        producer.send(topic, value=value, key=b"k", timestamp_ms=timestamp_ms).get(timeout=30)
    producer.close()


def records(county: County, topic: str) -> list:
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(**county.client(names.CENTER_CONSUMER), auto_offset_reset="earliest")
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        found = []
        while len(found) < end:
            batch = consumer.poll(timeout_ms=5000)
            assert batch, f"{topic}: {len(found)} of {end} records"
            found += batch[partition]
        return found
    finally:
        consumer.close()


def commands_below(home: Path) -> list[str]:
    """Command lines of the machine's processes that name the run folder or its data."""
    places = [str(home)]
    with contextlib.suppress(FileNotFoundError):
        places.append(str(PostgresServer(home).data))
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if any(place in text for place in places):
                commands.append(text)
    return commands


@pytest.fixture
def kafka_back(kafka_server: KafkaServer) -> Iterator[KafkaServer]:
    """The shared broker, running again whatever the test did to it."""
    yield kafka_server
    kafka_server.start()


@pytest.fixture
def postgres_back(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres_server
    postgres_server.start()


def test_second_kafka_start_keeps_data_port_and_passwords(
    kafka_back: KafkaServer, make_county: Callable[..., County]
) -> None:
    county = make_county(["hb"])
    publish(county, county.intake("hb"), b"before")
    assert kafka_back.stop()
    again = KafkaServer(kafka_back.home)
    again.start()
    assert (again.bootstrap, again.admin_password) == (kafka_back.bootstrap, kafka_back.admin_password)
    assert [record.value for record in records(county, county.intake("hb"))] == [b"before"]
    with contextlib.closing(again.admin()) as admin:
        described = admin.describe_topics([county.intake("hb")])
    assert str(described[0]["topic_id"]) == str(county.topic_ids[county.intake("hb")])


def test_killed_kafka_recovers_every_acknowledged_record(
    kafka_back: KafkaServer, make_county: Callable[..., County]
) -> None:
    county = make_county([f"u{number}" for number in range(10)])
    for unit in county.units:
        publish(county, county.intake(unit), b"1", b"2")
    assert kafka_back.kill()
    assert not kafka_back.running
    kafka_back.start()
    for unit in county.units:
        assert [record.value for record in records(county, county.intake(unit))] == [b"1", b"2"]


def test_second_postgres_start_keeps_data_and_logins(postgres_back: PostgresServer, database: Database) -> None:
    url = database.dsn_for("reader")
    run(database.dsn, "CREATE TABLE kept AS SELECT 1 AS n; GRANT SELECT ON kept TO reader")
    postgres_back.restart()
    assert PostgresServer(postgres_back.home).dsn(database.name, "reader") == url
    assert run(url, "SELECT n FROM kept") == [(1,)]


def test_killed_postgres_keeps_what_was_committed(postgres_back: PostgresServer, database: Database) -> None:
    run(database.dsn, "CREATE TABLE survivor AS SELECT generate_series(1, 1000) AS n")
    assert postgres_back.kill()
    postgres_back.start()
    assert run(database.dsn, "SELECT count(*), sum(n) FROM survivor") == [(1000, 500500)]


def test_stop_leaves_no_process(
    stack_home: Path, kafka_back: KafkaServer, postgres_back: PostgresServer, database: Database
) -> None:
    held_open = psycopg2.connect(database.dsn)  # a client that stays must not keep the server alive
    assert len(commands_below(stack_home)) >= 2
    assert set(processes.stop_all(stack_home)) == {"kafka", "postgres"}
    assert commands_below(stack_home) == []
    assert processes.stop_all(stack_home) == []
    held_open.close()


def test_stop_finds_a_stack_whose_records_were_deleted(
    stack_home: Path, kafka_back: KafkaServer, postgres_back: PostgresServer
) -> None:
    for record in (stack_home / "run").glob("*.json"):
        record.unlink()
    assert not kafka_back.running
    assert not postgres_back.running
    assert set(processes.stop_all(stack_home)) == {"kafka", "postgres"}
    assert commands_below(stack_home) == []


def test_starting_twice_starts_once(kafka_server: KafkaServer, postgres_server: PostgresServer) -> None:
    for server in (kafka_server, postgres_server):
        before = processes.running(server.home)
        type(server)(server.home).start()
        assert processes.running(server.home) == before


def test_secrets_are_readable_by_the_owner_only(kafka_server: KafkaServer, postgres_server: PostgresServer) -> None:
    secrets = ["kafka/state.json", "kafka/server.properties", "kafka/server.pem", "kafka/ca.key"]
    secrets += ["postgres/state.json", "logs/kafka.log", "logs/postgres.log"]
    for name in secrets:
        assert stat.S_IMODE((kafka_server.home / name).stat().st_mode) == 0o600, name
    words = [kafka_server.admin_password, postgres_server.superuser_dsn.split(":")[2].split("@")[0]]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert not any(word.encode() in command.read_bytes() for word in words)


def test_broker_clock_decides_unless_the_stack_trusts_producers(make_county: Callable[..., County]) -> None:
    honest, played = make_county(["hb"]), make_county(["hb"], trust_producer_time=True)
    long_ago = 1_700_000_000_000  # November 2023
    for county in (honest, played):
        publish(county, county.intake("hb"), b"past", timestamp_ms=long_ago)
    (judged,), (trusted,) = records(honest, honest.intake("hb")), records(played, played.intake("hb"))
    assert (trusted.timestamp, trusted.timestamp_type) == (long_ago, 0)
    assert judged.timestamp_type == 1
    assert judged.timestamp > long_ago


def test_provisioning_twice_changes_nothing_and_mends_what_was_changed(
    kafka_admin: KafkaAdminClient, make_county: Callable[..., County]
) -> None:
    county = make_county(["hb", "gx"])
    again = provision(kafka_admin, county.code, county.units, county.passwords)
    assert (again.created, again.altered, again.rights_added) == ((), (), 0)
    assert dict(again.topic_ids) == county.topic_ids
    assert len(set(county.topic_ids.values())) == 5
    topic = county.intake("hb")
    kafka_admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1000"})])
    assert provision(kafka_admin, county.code, county.units, {}).altered == (topic,)
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
    configs = kafka_admin.describe_configs(asked, config_filter="all")["topic"][topic]
    assert configs["retention.ms"]["value"] == str(INTAKE_RETENTION_MS)
    assert configs["message.timestamp.type"]["value"] == "LogAppendTime"
    assert kafka_admin.describe_topics([topic])[0]["partitions"][-1]["partition_index"] == 0


def test_postgres_log_never_quotes_a_value(postgres_server: PostgresServer, database: Database) -> None:
    planted = "410421199001011234"
    run(database.dsn, "CREATE TABLE person (id text PRIMARY KEY, born date)")
    run(database.dsn, "INSERT INTO person VALUES (%s, '1990-01-01')", planted)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        run(database.dsn, "INSERT INTO person VALUES (%s, '1990-01-01')", planted)
    with pytest.raises(psycopg2.errors.InvalidDatetimeFormat):
        run(database.dsn, "INSERT INTO person VALUES ('x', %s)", planted + "x")
    with pytest.raises(psycopg2.errors.SyntaxError):
        run(database.dsn, f"SELEC '{planted}'")
    assert planted not in processes.log_path(postgres_server.home, "postgres").read_text(errors="replace")


def test_postgres_settings_are_the_county_s(database: Database) -> None:
    wanted = {
        "timezone": "Asia/Shanghai",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
    }
    for setting, value in wanted.items():
        assert run(database.dsn, f"SHOW {setting}") == [(value,)]


def test_login_without_password_is_refused(postgres_server: PostgresServer, database: Database) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(f"postgresql://postgres@127.0.0.1:{postgres_server.port}/{database.name}")
    with pytest.raises(UnknownLoginError):
        postgres_server.dsn(database.name, "stranger")


def run(dsn: str, statement: str, *values: object) -> list[tuple]:
    with contextlib.closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []
