"""Real servers for the tests: one broker and one database per test run, a world of its own per test.

Tests share the servers, because a broker costs seconds and half a gigabyte; they do not share data: each
takes its own county code and its own database.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from kafka.admin import KafkaAdminClient

from credit_consumer.topics import provision
from credit_local import processes
from credit_local.kafka import KafkaServer
from credit_local.postgres import PostgresServer
from credit_schemas import topics as names

# A wrong password shows only as a timeout; tests wait this long for it, not the usual 30 s.
SHORT_TIMEOUT_MS = 5000

_county_numbers = itertools.count(100001)


@dataclass(frozen=True)
class County:
    """A provisioned county on the shared broker."""

    server: KafkaServer
    code: str
    units: tuple[str, ...]
    passwords: dict[str, str]
    topic_ids: dict[str, UUID]

    def client(self, principal: str, **settings: Any) -> dict[str, Any]:
        """kafka-python settings logged in as `principal` (`unit.hb`, `center.consumer` …)."""
        return {**self.server.client_config(principal, self.passwords[principal]), **settings}

    def intake(self, unit: str) -> str:
        return names.intake_topic(self.code, unit)

    def receipts(self, unit: str) -> str:
        return names.receipts_topic(self.code, unit)

    @property
    def loaded(self) -> str:
        return names.loaded_topic(self.code)


@dataclass(frozen=True)
class Database:
    """A fresh database on the shared server."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        """URL as super user."""
        return self.server.dsn(self.name)

    def dsn_for(self, user: str) -> str:
        """URL as `user`, who is made able to log in if need be (rights come from the migrations)."""
        self.server.ensure_login(user)
        return self.server.dsn(self.name, user)


def provision_county(
    server: KafkaServer,
    admin: KafkaAdminClient,
    units: Iterable[str],
    *,
    code: str | None = None,
    trust_producer_time: bool = False,
) -> County:
    """Provision `units` under a county code nobody else uses (or under `code`).

    Principals are not per county, so passwords follow from the broker's own: two counties with a unit of
    the same name must not change each other's password.
    """
    units = tuple(units)
    code = code or str(next(_county_numbers))
    principals = [*map(names.unit_principal, units), *names.SERVICE_PRINCIPALS]
    passwords = {name: _password(server, name) for name in principals}
    report = provision(admin, code, units, passwords, trust_producer_time=trust_producer_time)
    return County(server, code, units, passwords, dict(report.topic_ids))


def fresh_database(server: PostgresServer, hint: str = "t") -> Database:
    """Create an empty database; `drop_database(name)` of the server removes it."""
    name = f"{hint[:30].lower()}_{secrets.token_hex(4)}"
    server.ensure_database(name)
    return Database(server, name)


def claim(home: Path) -> None:
    """Note that this test run owns the servers below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "owner.json").write_text(json.dumps({"pid": os.getpid()}))


def sweep(root: Path) -> None:
    """Stop the servers of earlier test runs that were killed before they could stop them."""
    for owner in root.glob("*/*/owner.json"):
        pid = json.loads(owner.read_text())["pid"]
        if not Path(f"/proc/{pid}").exists():
            clear(owner.parent)


def clear(home: Path) -> None:
    """Stop everything below `home` and remove a database that lies outside it."""
    processes.stop_all(home, grace_s=10.0)
    if (home / "postgres" / "state.json").exists():
        PostgresServer(home).destroy()


def _password(server: KafkaServer, principal: str) -> str:
    return hashlib.sha256(f"{server.admin_password}:{principal}".encode()).hexdigest()[:32]
