"""Forwarding against the real platform stand-in and a real database: each promise of DESIGN 3 by name."""

from __future__ import annotations

import pytest

import core_rows
from core_rows import new_penalties
from credit_platforms.forward import collect, forward
from sandbox_client import penalty, running_sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("province")) as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory):
    with core_rows.running_center(postgres_server, "forward_test", tmp_path_factory.mktemp("center")) as center:
        yield center


@pytest.fixture
def center(warehouse, sandbox, monkeypatch):
    """A center without records whose province is the running sandbox, and a client of it there."""
    warehouse.clear()
    warehouse.use_county(monkeypatch)
    warehouse.client = sandbox.client(warehouse.use_destination(monkeypatch, "province", sandbox.url))
    sandbox.client("ops").call("DELETE", "/v1/admin/switches")
    yield warehouse
    sandbox.client("ops").call("DELETE", "/v1/admin/switches")


def test_smoke(center):
    numbers = center.records(new_penalties(120))
    print(forward("province", settings=center.settings))
    print(collect("province", settings=center.settings))
    print(center.all("SELECT state, count(*) FROM exchange.delivery GROUP BY 1"))
    print(center.all("SELECT status, note, count(*) FROM exchange.receipt GROUP BY 1,2 limit 5"))
    print(center.all("SELECT rows, canary, state, accepted, rejected, answer FROM exchange.batch"))
    assert center.one("SELECT count(*) FROM exchange.receipt WHERE status = 'accepted'") == len(numbers)
