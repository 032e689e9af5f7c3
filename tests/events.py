"""A center for a test (county folder, keys, migrated database), and events made with the contract alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import psycopg2.extras
from kafka import KafkaProducer

import servers
from credit_consumer import statements as sql
from credit_consumer.decode import DeadLetter, Message
from credit_consumer.load import Span, load, prepare
from credit_consumer.normalise import Center, load_center
from credit_consumer.pipeline import prepare_message
from credit_consumer.run import consume
from credit_consumer.waiting import settle_waiting
from credit_local.postgres import PostgresServer
from credit_schemas.catalogue import load_catalogue
from credit_schemas.codec import event_value
from credit_schemas.county import SHIPPED
from credit_schemas.dataset import Dataset
from credit_schemas.envelope import Envelope, Headers, write_headers
from credit_schemas.forms import read_row
from credit_schemas.keys import producer_key
from credit_schemas.sealing import Sealer
from credit_schemas.uuid7 import uuid7
from credit_warehouse.keys import create_keys
from credit_warehouse.migrate import migrate
from credit_warehouse.roles import SERVICES, create_roles, role_name
from credit_warehouse.settings import Settings

# Roles belong to the cluster, which all test modules share: so do their passwords (as in test_migrate).
PASSWORDS = {service: f"pw-{service}" for service in ("owner", *SERVICES)}
# Both lanes take part in every test with more than a few rows; in operation the columns begin later (`bulk_from`).
BULK_FROM = 20
# Nothing came for this long: the tests' topics are empty.
IDLE_S = 0.7


@dataclass(frozen=True)
class Event:
    """One message for an intake topic."""

    ce_id: UUID
    unit: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class World:
    """A center: its county on the broker, its database, its keys."""

    county: servers.County
    database: servers.Database
    settings: Settings
    center: Center
    folder: Path
    sealer: Sealer
    _producers: dict[str, KafkaProducer] = field(default_factory=dict)
    _fed: dict[str, tuple[UUID, int]] = field(default_factory=dict)
    _con: Any = None

    def dataset(self, name: str) -> Dataset:
        return self.center.catalogue.datasets[name]

    def event(
        self,
        unit: str,
        row: Mapping[str, Any],
        *,
        dataset: str = "penalty",
        act: str = "report",
        ce_id: UUID | None = None,
        source_key: str | None = None,
        target: Mapping[str, Any] | None = None,
        said_unit: str | None = None,
        county: str | None = None,
        sealed_for: str | None = None,
        replaces: UUID | None = None,
    ) -> Event:
        """The event of a row as the SDK makes it; `said_unit`, `county` and `sealed_for` let it lie."""
        about = self.dataset(dataset)
        values = read_row(about.fields, dict(row)).values
        context = f"{sealed_for or unit}/{dataset}"
        sealed = {
            c: self.sealer.seal(v, f"{context}/{c}") if about.by_column[c].sealed else v for c, v in values.items()
        }
        ce_id = ce_id or uuid7()
        envelope = Envelope(
            ce_id, county or self.county.code, said_unit or unit, dataset, act, datetime.now(UTC), replaces
        )
        return Event(
            ce_id=ce_id,
            unit=unit,
            key=producer_key(b"salt of the unit", about, values, unit, source_key),
            value=self.center.catalogue.codec.encode(
                about.schema_id, event_value(about, sealed, {"source_key": source_key, "target": target})
            ),
            headers=write_headers(envelope),
        )

    def act(self, unit: str, act: str, dataset: str = "penalty", *, said_act: str | None = None, **cells: Any) -> Event:
        """The event of an act as the SDK makes it; `cells` are columns of the form, `said_act` lets the header lie."""
        form = self.center.catalogue.act
        row = {
            "AC_SJJ": self.dataset(dataset).cn,
            "AC_CZ": act,
            "AC_YY": "示例原因",
            "AC_YJ": "示例依据〔2026〕1号",
            "AC_SXRQ": "2026-11-01",
            **cells,
        }
        values = read_row(form.fields, row).values
        sealed = {
            c: self.sealer.seal(v, f"{unit}/{form.id}/{c}") if form.by_column[c].sealed else v
            for c, v in values.items()
        }
        ce_id = uuid7()
        envelope = Envelope(ce_id, self.county.code, unit, dataset, said_act or act, datetime.now(UTC))
        return Event(
            ce_id=ce_id,
            unit=unit,
            key=producer_key(b"salt of the unit", form, values, unit, None),
            value=self.center.catalogue.codec.encode(form.schema_id, event_value(form, sealed, {})),
            headers=write_headers(envelope),
        )

    def settle_waiting(self) -> dict[str, int]:
        """Do what waited for records that have come, as the consumer does after each batch."""
        return dict(settle_waiting(self._con, self.center))

    def publish(self, events: Iterable[Event], *, portal: bool = False) -> None:
        """Write each event to its unit's topic, as that unit (or as the portal), and wait for the broker."""
        futures = []
        for e in events:
            principal = "portal" if portal else f"unit.{e.unit}"
            producer = self._producers.get(principal)
            if producer is None:
                producer = self._producers[principal] = KafkaProducer(
                    **self.county.client(principal), acks="all", linger_ms=20
                )
            topic = self.county.intake(e.unit)
            futures.append(producer.send(topic, key=e.key, value=e.value, headers=e.headers))
        for producer in self._producers.values():
            producer.flush()
        for future in futures:
            future.get(timeout=30)

    def consume(self, **options: Any) -> dict[str, int]:
        """Run a consumer in this process until nothing comes any more."""
        options.setdefault("until_idle", IDLE_S)
        return dict(consume(self.settings, center=self.center, **options))

    def load(self, *events: Event) -> dict[str, int]:
        """Publish and consume."""
        self.publish(events)
        return self.consume()

    def feed(self, *events: Event, at: datetime | None = None) -> dict[str, int]:
        """Load events as one batch without a broker: the same four steps, with a topic and offsets of our own."""
        if self._con is None:
            self._con = self.connect("consumer")
            prepare(self._con)
        if not events:
            return {}
        ready, dead, spans = [], [], []
        for unit in dict.fromkeys(e.unit for e in events):
            if unit not in self._fed:
                self._fed[unit] = (uuid4(), 0)
                with self._con.cursor() as cur:
                    cur.execute(sql.ADD_TOPIC, [str(self._fed[unit][0]), self.county.intake(unit), unit])
                    cur.execute(sql.ADD_POSITION, [str(self._fed[unit][0]), 0, 0])
                self._con.commit()
            topic_id, offset = self._fed[unit]
            own = [e for e in events if e.unit == unit]
            spans.append(Span(topic_id, 0, offset, offset + len(own)))
            self._fed[unit] = (topic_id, offset + len(own))
        starts = {s.topic_id: s.before for s in spans}
        for e in events:
            topic_id = self._fed[e.unit][0]
            message = Message(
                topic=self.county.intake(e.unit),
                topic_id=topic_id,
                unit=e.unit,
                partition=0,
                offset=starts[topic_id],
                received_at=at or datetime.now(UTC),
                key=e.key,
                value=e.value,
                headers=list(e.headers),
            )
            starts[topic_id] += 1
            found = prepare_message(message, self.center)
            (dead if isinstance(found, DeadLetter) else ready).append(found)
        try:
            return dict(load(self._con, spans, ready, dead, self.center))
        except BaseException:
            self._con.rollback()
            raise

    def receipts(self, event: Event) -> list[Any]:
        """The receipts of an event, oldest first."""
        return self.query("SELECT * FROM exchange.receipt WHERE ce_id = %s ORDER BY receipt_id", [str(event.ce_id)])

    def landed(self, event: Event) -> Any:
        """The event's row in landing."""
        return self.one("SELECT * FROM landing.event WHERE ce_id = %s", [str(event.ce_id)])

    def query(self, statement: str, parameters: Any = None) -> list[Any]:
        """Rows (by name) as the super user."""
        con = psycopg2.connect(self.database.dsn, cursor_factory=psycopg2.extras.DictCursor)
        with con, con.cursor() as cur:
            cur.execute(statement, parameters)
            rows = cur.fetchall() if cur.description else []
        con.close()
        return rows

    def one(self, statement: str, parameters: Any = None) -> Any:
        """The only row of a query."""
        (row,) = self.query(statement, parameters)
        return row

    def connect(self, service: str) -> Any:
        """A connection as a service's role."""
        s = self.settings
        return psycopg2.connect(
            host=s.database_host,
            port=s.database_port,
            dbname=s.database_name,
            user=role_name(service),
            password=PASSWORDS[service],
        )

    def environment(self) -> dict[str, str]:
        """The settings of this center for a process of its own."""
        s = self.settings
        return {
            "CREDIT_HOME": str(s.home),
            "CREDIT_BULK_FROM": str(s.bulk_from),
            "CREDIT_COUNTY": str(self.folder),
            "CREDIT_DATABASE_HOST": s.database_host,
            "CREDIT_DATABASE_PORT": str(s.database_port),
            "CREDIT_DATABASE_NAME": s.database_name,
            **{f"CREDIT_DATABASE_PASSWORD_{k.upper()}": v for k, v in PASSWORDS.items()},
            "CREDIT_KAFKA_BOOTSTRAP": s.kafka_bootstrap,
            "CREDIT_KAFKA_CAFILE": str(s.kafka_cafile),
            "CREDIT_KAFKA_PASSWORD_CONSUMER": self.county.passwords["center.consumer"],
            "CREDIT_KAFKA_PASSWORD_RELAY": self.county.passwords["center.relay"],
            "CREDIT_KEYS": str(s.keys),
        }

    def close(self) -> None:
        for producer in self._producers.values():
            producer.close()
        if self._con is not None:
            self._con.close()
        self.database.server.drop_database(self.database.name)


def build_world(
    make_county: Any,
    postgres_server: PostgresServer,
    folder: Path,
    units: list[str],
    datasets: Iterable[Mapping[str, Any]] = (),
    **kafka: Any,
) -> World:
    """A center with these units; units' codes as in the shipped county folder. `datasets` are schemas of its own."""
    county = make_county(units, **kafka)
    home = folder / county.code
    shutil.copytree(SHIPPED / "410421", home / "county")
    settings_file = home / "county" / "county.toml"
    settings_file.write_text(settings_file.read_text("utf-8").replace('"410421"', f'"{county.code}"', 1), "utf-8")
    for schema in datasets:
        own = home / "county" / "datasets" / f"{schema['dataset']}.v{schema['version']}.avsc"
        own.parent.mkdir(exist_ok=True)
        own.write_text(json.dumps(schema, ensure_ascii=False), "utf-8")
    create_keys(home / "keys")
    name = f"center_{county.code}"
    create_roles(postgres_server.superuser_dsn, name, PASSWORDS)
    dsn = psycopg2.extensions.parse_dsn(postgres_server.superuser_dsn)
    settings = Settings(
        home=home,
        bulk_from=BULK_FROM,
        database_host=dsn["host"],
        database_port=int(dsn["port"]),
        database_name=name,
        **{f"database_password_{k}": v for k, v in PASSWORDS.items()},
        kafka_bootstrap=county.server.bootstrap,
        kafka_cafile=county.server.cafile,
        kafka_password_consumer=county.passwords["center.consumer"],
        kafka_password_relay=county.passwords["center.relay"],
        keys=home / "keys",
        trust_producer_time=bool(kafka.get("trust_producer_time")),
    )
    catalogue = load_catalogue(home / "county")
    owner = (
        f"host={dsn['host']} port={dsn['port']} dbname={name} user={role_name('owner')} password={PASSWORDS['owner']}"
    )
    migrate(owner, catalogue.datasets.values(), date.today())
    center = load_center(home / "keys", home / "county")
    return World(
        county=county,
        database=servers.Database(postgres_server, name),
        settings=settings,
        center=center,
        folder=home / "county",
        sealer=Sealer(center.keys.center[-1].public),
    )


def wait_until(holds: Any, what: str, timeout_s: float = 30.0) -> None:
    """Wait until `holds()` is true."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)
