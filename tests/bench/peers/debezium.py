"""Debezium's JDBC sink in a standalone Kafka Connect, upserting a JSON topic into one table.

Its quickest settings here (TRAPS, Kafka Connect): UNNEST, 5000 records a batch, JSON with the schema in the converter.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg2.extensions

from bench.peers import one_table
from bench.peers.jars import connect_jars, debezium_plugins
from bench.stack import Bench, wait_for
from credit_local.ports import free_port

BATCH = 5000
VERSION = "3.6.0.Final"
_HEAP = "-Xmx1g"
_START_AND_LOAD_S = 300.0
# A task that fails leaves the worker running.
_FAILED = b"unrecoverable exception"


def load(bench: Bench, topic: str, rows: int, table: str) -> None:
    """Upsert the whole topic into the table (made anew); returns when all rows are there. Raises TimeoutError."""
    one_table.create(bench, table)
    with _running(bench, topic, table) as (process, log):

        def complete() -> bool:
            if process.poll() is not None or _FAILED in log.read_bytes():
                raise RuntimeError("Debezium's task failed")
            return _rows(bench, table) >= rows

        wait_for(complete, f"{rows} rows by Debezium", _START_AND_LOAD_S)
    if (found := bench.execute(f"SELECT count(*) FROM {table}")[0][0]) != rows:
        raise RuntimeError(f"Debezium wrote {found} of {rows} rows")


@contextlib.contextmanager
def _running(bench: Bench, topic: str, table: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    home = bench.home / f"connect-{table}"
    home.mkdir(exist_ok=True)
    worker, sink = home / "worker.properties", home / "sink.json"
    worker.write_text(_worker(bench, home), "utf-8")
    sink.write_text(json.dumps(_sink(bench, topic, table)), "utf-8")
    argv = ["java", "-Xms256m", _HEAP, "-cp", f"{connect_jars()}/*"]
    argv += ["org.apache.kafka.connect.cli.ConnectStandalone", str(worker), str(sink)]
    told = home / "connect.log"
    with told.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, cwd=home)
        try:
            yield process, told
        except BaseException:
            print(told.read_text("utf-8", "replace")[-4000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _worker(bench: Bench, home: Path) -> str:
    kafka = bench.kafka
    login = (
        "org.apache.kafka.common.security.scram.ScramLoginModule required"
        f' username="{kafka.admin_user}" password="{kafka.admin_password}";'
    )
    client = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": login,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(kafka.cafile),
        "ssl.endpoint.identification.algorithm": "https",
    }
    settings = {
        "bootstrap.servers": kafka.bootstrap,
        "offset.storage.file.filename": str(home / "offsets"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "plugin.path": str(debezium_plugins()),
        "listeners": f"http://127.0.0.1:{free_port()}",
        **client,
        **{f"consumer.{k}": v for k, v in client.items()},
        # As much a poll and a fetch as the batch asks for, or the batches would be small.
        "consumer.max.poll.records": str(BATCH),
        "consumer.auto.offset.reset": "earliest",
        "consumer.max.partition.fetch.bytes": str(16 << 20),
        "consumer.fetch.max.bytes": str(64 << 20),
        "consumer.fetch.min.bytes": str(1 << 20),
        # The end of a backlog is no such fetch; waiting half a second for more would count against it.
        "consumer.fetch.max.wait.ms": "20",
    }
    return "".join(f"{k}={v}\n" for k, v in settings.items())


def _sink(bench: Bench, topic: str, table: str) -> dict[str, object]:
    s = bench.world.settings
    login = psycopg2.extensions.parse_dsn(bench.dsn)
    return {
        # The name is the consumer group, whose offsets Kafka keeps: a second load must begin at the beginning.
        "name": f"{table}-{uuid4().hex[:8]}",
        "config": {
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "connection.url": f"jdbc:postgresql://{s.database_host}:{s.database_port}/{s.database_name}",
            "connection.username": login["user"],
            "connection.password": login["password"],
            "insert.mode": "upsert",
            "primary.key.mode": "record_value",
            "primary.key.fields": one_table.KEY,
            "collection.name.format": table,
            "schema.evolution": "none",
            "batch.size": str(BATCH),
            "dialect.postgres.unnest.insert.enabled": "true",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            "value.converter.schema.content": one_table.connect_schema(bench.world.dataset("penalty")),
        },
    }


def _rows(bench: Bench, table: str) -> int:
    """An estimate that costs the database nothing: counted only when the table's statistics say that it is full."""
    return int(
        bench.execute("SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE relname = %s", [table])[0][0]
    )
