"""Test helper: records in the warehouse as the consumer leaves them, and a center that can forward them.

Records are written straight into the tables, so that forwarding is tested by itself; what the tables hold comes from
the contract's own reading and sealing.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

import sandbox_client
from credit_local.postgres import PostgresServer
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED
from credit_schemas.forms import read_row
from credit_schemas.identifiers import canonical_id
from credit_schemas.uuid7 import uuid7
from credit_warehouse.keys import CenterKeys, create_keys, load_keys
from credit_warehouse.migrate import migrate
from credit_warehouse.roles import SERVICES, create_roles
from credit_warehouse.settings import Settings
from credit_warehouse.tables import GOVERNING, columns
from emptying import empty, records

# Roles belong to the whole cluster, so every test module gives them the same passwords.
PASSWORDS = {service: f"pw-{service}" for service in ("owner", *SERVICES)}
UNIT = "market"

# A client of the sandbox sees only its own records: a fresh one per test keeps tests apart on one running platform.
_clients = itertools.count()
sandbox_client.KEYS.update({f"t{i}": f"{i:032d}" for i in range(1000)})

QUICK = {"attempts": 1, "verdict_wait_s": 10, "answer_timeout_s": 10, "lost_after_s": 3600}
"""Replaced in the destination files of tests: patience that fits a test."""


@dataclass
class Center:
    """A migrated database with keys and a county folder of its own."""

    folder: Path
    dsn: str
    settings: Settings
    keys: CenterKeys
    county: Path
    env: dict[str, str] = field(default_factory=dict)

    def connect(self) -> Any:
        """A connection as super user; used as a context manager it commits and closes."""
        return closing(_autocommit(self.dsn))

    def all(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connect() as con, con.cursor() as cur:
            cur.execute(query, list(parameters))
            return cur.fetchall() if cur.description else []

    def one(self, query: str, *parameters: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.all(query, *parameters)
        return row[0]

    def clear(self) -> None:
        """Forget every record, delivery, receipt and hold."""
        exchange = [f"exchange.{t}" for t in ("mark", "delivery", "batch", "destination", "receipt")]
        quality = [f"quality.{t}" for t in ("work_item", "hold", "result", "run")]
        empty(self.dsn, [*exchange, *quality, *records(), "audit.act"])

    # -- records ---------------------------------------------------------------------------------------------------

    def record(self, raw: dict[str, Any], dataset: str = "penalty", checked: bool = True, **governing: Any) -> str:
        """Insert a record (state active, revision 1 unless said otherwise) and its mark; returns its number."""
        return self.records([raw], dataset, checked, **governing)[0]

    def records(
        self, raws: list[dict[str, Any]], dataset: str = "penalty", checked: bool = True, **governing: Any
    ) -> list[str]:
        """Insert several records at once."""
        definition = load_catalogue().datasets[dataset]
        names = columns(definition)
        insert = sql.SQL("INSERT INTO core.{} ({}) VALUES ({})").format(
            sql.Identifier(definition.table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        )
        numbers = []
        with self.connect() as con, con.cursor() as cur:
            cur.execute("BEGIN")
            for raw in raws:
                read = read_row(definition.fields, raw)
                assert not read.problems, read.problems
                number = str(uuid7())
                numbers.append(number)
                cells = [self._cell(cur, definition, f, read.values) for f in definition.fields]
                cur.execute(insert, [*self._head(number, governing), *cells])
                self._mark(cur, dataset, number, checked)
            cur.execute("COMMIT")
        return numbers

    def revise(self, number: str, dataset: str = "penalty", checked: bool = True, **changed: Any) -> None:
        """Change columns of a record and mark it; its revision grows by one unless it is given."""
        with self.connect() as con, con.cursor() as cur:
            cur.execute("BEGIN")
            cur.execute(
                sql.SQL("SELECT revision + 1 FROM core.{} WHERE record_no = %s").format(sql.Identifier(dataset)),
                [number],
            )
            changed = {"last_ce_id": str(uuid7()), "revision": cur.fetchone()[0], **changed}
            sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c.lower())) for c in changed)
            cur.execute(
                sql.SQL("UPDATE core.{} SET {} WHERE record_no = %s").format(sql.Identifier(dataset), sets),
                [*changed.values(), number],
            )
            self._mark(cur, dataset, number, checked)
            cur.execute("COMMIT")

    def check(self) -> None:
        """Stamp every mark as checked, as the quality run does."""
        self.all("UPDATE exchange.mark SET checked_run = 1 WHERE checked_run IS NULL")

    def hold(self, destination: str = "", unit: str = UNIT, dataset: str = "penalty") -> int:
        """Hold a slice; returns the hold's id."""
        run = self.one("INSERT INTO quality.run (as_of) VALUES (current_date) RETURNING run_id")
        return self.one(
            "INSERT INTO quality.hold (unit, dataset, destination, rule_id, run_id, why)"
            " VALUES (%s, %s, %s, 'volume', %s, 'too many') RETURNING hold_id",
            unit,
            dataset,
            destination,
            run,
        )

    def release(self, hold: int) -> None:
        """Let a held slice go, with name and reason."""
        self.all(
            "UPDATE quality.hold SET released_at = now(), released_by = 'ops', release_reason = 'ok'"
            " WHERE hold_id = %s",
            hold,
        )

    def _head(self, number: str, governing: dict[str, Any]) -> list[Any]:
        now = datetime.now(UTC)
        head = {
            "record_no": number,
            "revision": 1,
            "state": "active",
            "unit": UNIT,
            "source_key": None,
            "natural_key": secrets.token_bytes(32),
            "content_digest": secrets.token_bytes(32),
            "subject_id": None,
            "received_at": now,
            "received_on": now.date(),
            "revised_at": now,
            "due_on": None,
            "due_provisional": False,
            "last_ce_id": number,
            "withdrawn": False,
            "disputed": False,
            "published": True,
        }
        names = [name for name, _ in GOVERNING]
        assert governing.keys() <= set(names)
        return [{**head, **governing}.get(name) for name in names]

    def _cell(self, cur: Any, definition: Any, f: Any, values: dict[str, Any]) -> Any:
        value = values.get(f.column)
        if value is None or not f.sealed:
            return value
        kind = values.get(f.column.replace("ZJHM", "ZJLX"), "身份证")
        lookup = self.keys.lookup.digest(kind, value)
        cur.execute("SELECT person_id FROM core.person WHERE lookup = %s", [lookup])
        if found := cur.fetchone():
            return found[0]
        sealed = self.keys.at_rest.seal(canonical_id(kind, value), lookup.hex())
        cur.execute(
            "INSERT INTO core.person (id_type, lookup, sealed, key_version) VALUES (%s, %s, %s, 1) RETURNING person_id",
            [kind, lookup, sealed],
        )
        return cur.fetchone()[0]

    def _mark(self, cur: Any, dataset: str, number: str, checked: bool) -> None:
        cur.execute(
            sql.SQL(
                "INSERT INTO exchange.mark (dataset, unit, record_no, revision, checked_run)"
                " SELECT %s, unit, record_no, revision, %s FROM core.{} WHERE record_no = %s"
            ).format(sql.Identifier(dataset)),
            [dataset, 1 if checked else None, number],
        )

    # -- destinations ----------------------------------------------------------------------------------------------

    def use_county(
        self, monkeypatch: Any, destinations: Iterable[str] = ("province", "nation"), **changes: dict[str, Any]
    ) -> None:
        """A fresh county folder of these destinations, with test patience.

        `province={"lost_after_s": 1}` replaces keys of its file.
        """
        self.county = self.folder / f"county-{secrets.token_hex(4)}"
        shutil.copytree(SHIPPED / "410421", self.county)
        for path in (self.county / "destinations").glob("*.toml"):
            if path.stem not in destinations:
                path.unlink()
                continue
            for key, value in {**QUICK, **changes.get(path.stem, {})}.items():
                replace_key(path, key, value)
        self.setenv(monkeypatch, "CREDIT_COUNTY", str(self.county))

    def use_destination(self, monkeypatch: Any, destination: str, url: str, client: str = "") -> str:
        """Point a destination at a running sandbox, as a client that has no records there; returns the client."""
        client = client or f"t{next(_clients)}"
        prefix = f"CREDIT_DESTINATION_{destination.upper()}"
        self.setenv(monkeypatch, f"{prefix}_URL", url)
        self.setenv(monkeypatch, f"{prefix}_SECRET", sandbox_client.KEYS[client])
        self.setenv(monkeypatch, f"{prefix}_CLIENT", client)
        return client

    def setenv(self, monkeypatch: Any, name: str, value: str) -> None:
        """Set a variable for this process and for those that `environment` starts."""
        monkeypatch.setenv(name, value)
        self.env[name] = value

    def environment(self) -> dict[str, str]:
        """What a process of its own needs to forward: the same settings by environment."""
        s = self.settings
        return {
            **os.environ,
            **self.env,
            "CREDIT_HOME": str(s.home),
            "CREDIT_KEYS": str(s.keys),
            "CREDIT_DATABASE_HOST": s.database_host,
            "CREDIT_DATABASE_PORT": str(s.database_port),
            "CREDIT_DATABASE_NAME": s.database_name,
            "CREDIT_DATABASE_PASSWORD_FORWARD": PASSWORDS["forward"],
        }


def replace_key(path: Path, key: str, value: Any) -> None:
    """Replace the value of a key in a TOML file (every section that has it)."""
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    lines = path.read_text("utf-8").splitlines()
    changed = [f"{key} = {shown}" if line.partition("=")[0].strip() == key else line for line in lines]
    assert changed != lines or f"{key} = {shown}" in "\n".join(lines), key
    path.write_text("\n".join(changed) + "\n", "utf-8")


def new_penalties(n: int, **changes: Any) -> list[dict[str, Any]]:
    """Clean penalties, each with a document number of its own."""
    return [sandbox_client.penalty(**changes) for _ in range(n)]


@contextmanager
def running_center(server: PostgresServer, name: str, folder: Path) -> Iterator[Center]:
    """A migrated database of this name; dropped at the end."""
    create_roles(server.superuser_dsn, name, PASSWORDS)
    address = parse_dsn(server.superuser_dsn)
    host, port = address["host"], int(address["port"])
    owner = f"postgresql://credit_owner:{PASSWORDS['owner']}@{host}:{port}/{name}"
    migrate(owner, load_catalogue().datasets.values(), date(2026, 11, 24))
    create_keys(folder / "keys")
    settings = Settings(
        home=folder,
        database_host=host,
        database_port=port,
        database_name=name,
        keys=folder / "keys",
        **{f"database_password_{s}": p for s, p in PASSWORDS.items()},
    )
    try:
        yield Center(folder, server.dsn(name), settings, load_keys(folder / "keys"), folder)
    finally:
        server.drop_database(name)


def _autocommit(dsn: str) -> Any:
    con = psycopg2.connect(dsn)
    con.autocommit = True
    return con
