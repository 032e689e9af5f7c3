"""Fixtures with real servers. Tests in `unit/` ask for none of them, so that nothing is started for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

import servers
from credit_local.kafka import KafkaServer
from credit_local.postgres import PostgresServer


@pytest.fixture(scope="session")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run folder of this test run's servers; whatever was started below it is stopped at the end."""
    servers.sweep(tmp_path_factory.getbasetemp().parent)
    home = tmp_path_factory.mktemp("stack", numbered=False)
    servers.claim(home)
    try:
        yield home
    finally:
        servers.clear(home)


@pytest.fixture(scope="session")
def kafka_server(stack_home: Path) -> KafkaServer:
    """The one broker of this test run."""
    server = KafkaServer(stack_home)
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres_server(stack_home: Path) -> PostgresServer:
    """The one PostgreSQL cluster of this test run."""
    server = PostgresServer(stack_home)
    server.start()
    return server


@pytest.fixture
def kafka_admin(kafka_server: KafkaServer) -> Iterator[KafkaAdminClient]:
    """An admin client logged in as super user. One per test: kafka-python's does not outlive a broker restart."""
    with contextlib.closing(kafka_server.admin()) as admin:
        yield admin


@pytest.fixture(scope="session")
def make_county(kafka_server: KafkaServer) -> Callable[..., servers.County]:
    """`make_county(["hb", "gx"], trust_producer_time=False)`: a provisioned county of one's own."""

    def make(units: list[str], **settings: Any) -> servers.County:
        with contextlib.closing(kafka_server.admin()) as admin:
            return servers.provision_county(kafka_server, admin, units, **settings)

    return make


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[servers.Database]:
    """An empty database for one test module."""
    fresh = servers.fresh_database(postgres_server, Path(request.path).stem)
    yield fresh
    postgres_server.drop_database(fresh.name)
