"""Fixtures of the forwarding tests: a center whose destinations are running platform stand-ins, seen from both ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core_rows import Center, running_center
from credit_local.postgres import PostgresServer
from credit_platforms.forward import collect, forward
from credit_platforms.reconcile import reconcile
from recording_proxy import Recorder, recording_proxy
from sandbox_client import Running, SandboxClient, running_sandbox

KILLED = """
import os, signal, sys
from credit_platforms.transports.http import HttpTransport
real = HttpTransport.send
def send(self, batch_id, body):
    if sys.argv[1] == "after":
        assert real(self, batch_id, body).outcome == "received"
    os.kill(os.getpid(), signal.SIGKILL)
HttpTransport.send = send
from credit_platforms.forward import forward
forward(sys.argv[2])
"""


@dataclass
class Road:
    """A center without records, and one destination of it: what goes over the line and what is held there."""

    center: Center
    line: Recorder
    client: SandboxClient
    ops: SandboxClient
    destination: str

    def forward(self, as_of: date | None = None) -> dict[str, Any]:
        return forward(self.destination, as_of=as_of, settings=self.center.settings)

    def collect(self) -> dict[str, Any]:
        return collect(self.destination, settings=self.center.settings)

    def reconcile(self, as_of: date | None = None) -> dict[str, Any]:
        return reconcile(self.destination, as_of=as_of, settings=self.center.settings)

    def deliver(self, as_of: date | None = None) -> dict[str, Any]:
        """Forward and collect; returns what forwarding counted."""
        counts = self.forward(as_of)
        self.collect()
        return counts

    def kill_forward(self, when: str) -> int:
        """Forward in a process killed -9 right `before` or right `after` its first batch is sent; its return code.

        Where it has no batch to send it ends by itself.
        """
        command = [sys.executable, "-c", KILLED, when, self.destination]
        return subprocess.run(command, env=self.center.environment(), timeout=60, capture_output=True).returncode

    def copy(self, number: str) -> dict[str, Any]:
        """What the platform holds of a record."""
        return self.client.get(f"/v1/records/{number}").json()

    def live(self, table: str = "xzcf") -> set[str]:
        """The records of which the platform holds a live copy."""
        return {r["record_no"] for r in self.client.get(f"/v1/records?table={table}&limit=1000").json()["records"]}

    def states(self) -> dict[str, int]:
        """Deliveries by state."""
        query = "SELECT state, count(*) FROM exchange.delivery WHERE destination = %s GROUP BY 1"
        return dict(self.center.all(query, self.destination))

    def receipts(self, number: str) -> list[str]:
        """The statuses of a record's receipts in order."""
        query = "SELECT status FROM exchange.receipt WHERE record_no = %s AND destination = %s ORDER BY at, receipt_id"
        return [row[0] for row in self.center.all(query, number, self.destination)]


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """Province and nation, running."""
    with (
        running_sandbox(tmp_path_factory.mktemp("province"), "province") as province,
        running_sandbox(tmp_path_factory.mktemp("nation"), "nation") as nation,
    ):
        yield {"province": province, "nation": nation}


@pytest.fixture(scope="module")
def warehouse(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Center]:
    """A migrated database of this test module's own."""
    name = Path(request.path).stem
    with running_center(postgres_server, name, tmp_path_factory.mktemp("center")) as center:
        yield center


@pytest.fixture
def roads(
    warehouse: Center, sandboxes: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Road]]:
    """An empty center and its road to each destination."""
    warehouse.clear()
    warehouse.use_county(monkeypatch)
    with (
        recording_proxy(sandboxes["province"].url) as province_line,
        recording_proxy(sandboxes["nation"].url) as nation_line,
    ):
        made = {}
        for name, line in (("province", province_line), ("nation", nation_line)):
            client = warehouse.use_destination(monkeypatch, name, line.url)
            ops = sandboxes[name].client("ops")
            ops.call("DELETE", "/v1/admin/switches")
            made[name] = Road(warehouse, line, sandboxes[name].client(client), ops, name)
        yield made
        for road in made.values():
            road.ops.call("DELETE", "/v1/admin/switches")


@pytest.fixture
def road(roads: dict[str, Road]) -> Road:
    """The road to the province."""
    return roads["province"]


@pytest.fixture
def nation(roads: dict[str, Road]) -> Road:
    """The road to the nation."""
    return roads["nation"]
