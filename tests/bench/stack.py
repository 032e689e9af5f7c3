"""Broker, database and center for measuring, durability on; the same events again as often as one likes.

Every rate is read from the database's own commit log (`track_commit_timestamp`): rows of a table by the moment their
transaction committed. So no side's start-up counts, nothing polls while it is measured, and all sides are timed alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psutil
import psycopg2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

import servers
from bench.rows import penalties
from credit_local import processes
from credit_local.kafka import KafkaServer
from credit_local.postgres import PostgresServer
from credit_schemas.catalogue import load_catalogue
from credit_schemas.codec import event_value
from credit_schemas.envelope import Envelope, Headers, write_headers
from credit_schemas.keys import producer_key
from credit_schemas.uuid7 import uuid7
from credit_warehouse.settings import Settings
from events import World, build_world

UNITS = 40
# Of every side's rows the first fifth warms up (the Java machine's compiler, plans, caches) and does not count.
WARM = 0.2
# Nothing came for this long: the backlog is read.
IDLE_S = 2.0
_SCHEMAS = ("ingest", "landing", "core", "exchange", "quality")
_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")
_TESTS = Path(__file__).parents[1]


class NotDurable(Exception):
    """The database would be faster than a receipt allows."""


class Event(NamedTuple):
    """One event: bytes for Kafka, and its typed row (sealed numbers as bytes) for those that read something else."""

    unit: str
    ce_id: UUID
    key: bytes
    value: bytes
    headers: Headers
    row: dict[str, Any]


class Commit(NamedTuple):
    """Rows of a table that one moment's transaction left there; `at` in seconds of the system clock."""

    at: float
    rows: int


class Consumed(NamedTuple):
    """What a consumer process told at its end: events by status, its peak memory (VmHWM, MB) and CPU seconds."""

    counts: dict[str, int]
    peak_mb: float
    cpu_s: float


@dataclass
class Bench:
    """A running stack with one center of 40 units."""

    world: World
    kafka: KafkaServer
    postgres: PostgresServer
    units: list[str]
    home: Path
    seeded: set[str] = field(default_factory=set)
    # Events a poll of the consumer, 0 for its own number; a small backlog has too few batches of the usual size.
    batch: int = 0

    @property
    def dsn(self) -> str:
        """The center's database, as super user."""
        return self.world.database.dsn

    def events(self, count: int, first: int = 0) -> Iterator[Event]:
        """Events of made-up penalties, the units by turns; ids are new at each call."""
        world, dataset = self.world, self.world.dataset("penalty")
        members = [world.center.catalogue.county.units.get(u) for u in self.units]
        codec, now = world.center.catalogue.codec, datetime.now(UTC)
        for unit, values in penalties(count, members, date.today(), first):
            row = {
                c: world.sealer.seal(v, f"{unit}/penalty/{c}") if dataset.by_column[c].sealed else v
                for c, v in values.items()
            }
            ce_id = uuid7()
            yield Event(
                unit,
                ce_id,
                producer_key(b"salt of the unit", dataset, values, unit, None),
                codec.encode(dataset.schema_id, event_value(dataset, row, {})),
                write_headers(Envelope(ce_id, world.county.code, unit, "penalty", "report", now)),
                row,
            )

    def producer(self, **settings: Any) -> KafkaProducer:
        """A quick producer that may write everywhere: filling topics is never timed."""
        quick = {"linger_ms": 50, "batch_size": 256 << 10, "acks": "all"}
        return KafkaProducer(**{**self.kafka.client_config(), **quick, **settings})

    def publish(self, events: Iterable[Event]) -> list[Event]:
        """Write events to their units' topics; returns them."""
        kept = list(events)
        with contextlib.closing(self.producer()) as producer:
            for e in kept:
                producer.send(self.world.county.intake(e.unit), key=e.key, value=e.value, headers=e.headers)
            producer.flush()
        self.expect_published(len(kept))
        return kept

    def expect_published(self, at_least: int) -> None:
        """Raise unless the intake topics together hold at least so many messages."""
        topics = [self.world.county.intake(u) for u in self.units]
        if (held := sum(self.ends(topics).values())) < at_least:
            raise RuntimeError(f"{held} of {at_least} events are in Kafka")

    def ends(self, topics: Sequence[str]) -> dict[str, int]:
        """The end offset of each one-partition topic."""
        with contextlib.closing(KafkaConsumer(**self.kafka.client_config())) as consumer:
            found = consumer.end_offsets([TopicPartition(t, 0) for t in topics])
        return {p.topic: end for p, end in found.items()}

    def topic(self, name: str, messages: Iterable[tuple[bytes | None, bytes, Headers]]) -> int:
        """Make a one-partition topic and fill it; returns how many messages it holds."""
        with contextlib.closing(KafkaAdminClient(**self.kafka.client_config())) as admin:
            admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
        with contextlib.closing(self.producer()) as producer:
            sent = sum(1 for key, value, headers in messages if producer.send(name, value, key, headers))
            producer.flush()
        if (held := self.ends([name])[name]) != sent:
            raise RuntimeError(f"{held} of {sent} messages are in {name}")
        return sent

    def empty(self) -> None:
        """Empty the warehouse, positions too: the topics are read from their beginning again."""
        tables = [f'"{s}"."{t}"' for s, t in self._tables() if f"{s}.{t}" not in self.seeded]
        self.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        self.settle()

    def settle(self) -> None:
        """Write out what earlier work left, so that it is not done in somebody else's time."""
        self.execute("CHECKPOINT")

    def execute(self, statement: str, parameters: Any = None) -> list[Any]:
        """A statement as super user in a transaction of its own; its rows."""
        with contextlib.closing(psycopg2.connect(self.dsn)) as con:
            con.autocommit = True
            with con.cursor() as cur:
                cur.execute(statement, parameters)
                return cur.fetchall() if cur.description else []

    def filled(self) -> list[str]:
        """Tables that hold something now and were empty when the center was made, referring ones last."""
        names = [f"{s}.{t}" for s, t in self._tables() if f"{s}.{t}" not in self.seeded]
        found = {n for n in names if self.execute(f"SELECT EXISTS (SELECT 1 FROM {n})")[0][0]}
        order = ("core.person", "core.subject", "ingest.topic")
        return [*(n for n in order if n in found), *sorted(found - set(order))]

    def commits(self, table: str, where: str = "true") -> list[Commit]:
        """The table's rows by the moment of their commit."""
        rows = self.execute(
            f"SELECT extract(epoch FROM pg_xact_commit_timestamp(x))::float8 AS at, sum(n)::bigint FROM"
            f" (SELECT xmin AS x, count(*) AS n FROM {table} WHERE {where} GROUP BY xmin) s GROUP BY 1 ORDER BY 1"
        )
        return [Commit(*row) for row in rows]

    def consumer(self, *, group: str = "center.bench", idle_s: float = IDLE_S) -> subprocess.Popen[str]:
        """Start `credit_consumer.run.consume` as a process of its own."""
        code = [sys.executable, "-m", "bench.consumer_process", group, str(idle_s), str(self.batch)]
        # The same modules as in this process, wherever they come from.
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **self.world.environment()}
        return subprocess.Popen(code, env=env, stdout=subprocess.PIPE, text=True, cwd=_TESTS)

    def cpu_s(self) -> float:
        """CPU seconds spent so far by broker, database, this process and its ended children."""
        spent = 0.0
        for server in processes.running(self.home):
            leader = psutil.Process(server.pid)
            own = leader.cpu_times()
            # A session's process that ended is in the leader's account; one that lives is not.
            spent += own.user + own.system + own.children_user + own.children_system
            for child in leader.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    spent += sum(child.cpu_times()[:2])
        for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(whose)
            spent += used.ru_utime + used.ru_stime
        return spent

    def _tables(self) -> list[tuple[str, str]]:
        # Partitions are emptied and copied with their parent.
        return self.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY(%s) ORDER BY 1, 2",
            [list(_SCHEMAS)],
        )


def finished(process: subprocess.Popen[str], timeout_s: float = 900.0) -> Consumed:
    """Wait for a consumer process; raises when it failed."""
    out, _ = process.communicate(timeout=timeout_s)
    if process.returncode:
        raise RuntimeError(f"the consumer ended with {process.returncode}")
    told = json.loads(out.splitlines()[-1])
    return Consumed(told["counts"], told["peak_mb"], told["cpu_s"])


def rate(commits: Sequence[Commit], warm: float = WARM) -> float:
    """Rows a second from the commit by which the warm-up is over to the last one."""
    wanted, seen = warm * sum(c.rows for c in commits), 0
    for i, commit in enumerate(commits):
        seen += commit.rows
        if seen >= wanted and i + 1 < len(commits):
            return sum(c.rows for c in commits[i + 1 :]) / (commits[-1].at - commit.at)
    raise ValueError(f"{len(commits)} commits are too few for a rate")


@contextlib.contextmanager
def stack(units: int = UNITS) -> Iterator[Bench]:
    """A stack of its own, gone afterwards, with a center of so many units."""
    with tempfile.TemporaryDirectory(prefix="credit-bench-") as folder:
        home = Path(folder)
        servers.claim(home)
        try:
            kafka, postgres = KafkaServer(home, heap_mb=1024), PostgresServer(home)
            kafka.start()
            postgres.start()
            _remember_commits(postgres)
            members = [u.code for u in load_catalogue().county.units if u.member][:units]
            with contextlib.closing(kafka.admin()) as admin:
                world = build_world(
                    lambda names, **options: servers.provision_county(kafka, admin, names, **options),
                    postgres,
                    home,
                    members,
                )
                # As in operation, not as in the tests.
                usual = Settings.model_fields["bulk_from"].default
                world.settings = world.settings.model_copy(update={"bulk_from": usual})
            bench = Bench(world, kafka, postgres, members, home)
            _require_durable(bench)
            bench.seeded = set(bench.filled())
            yield bench
        finally:
            servers.clear(home)


def _remember_commits(postgres: PostgresServer) -> None:
    with contextlib.closing(psycopg2.connect(postgres.superuser_dsn)) as con:
        con.autocommit = True
        with con.cursor() as cur:
            cur.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    postgres.restart()


def _require_durable(bench: Bench) -> None:
    for name in _SETTINGS:
        if bench.execute(f"SHOW {name}")[0][0] != "on":
            raise NotDurable(f"{name} is off")


def wait_for(holds: Any, what: str, timeout_s: float) -> None:
    """Wait until `holds()`; looks twice a second."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.5)
