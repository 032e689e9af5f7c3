"""The warehouse's shape: migrations repeat safely, tables follow the schemas, roles have least rights."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import psycopg2
import pytest

import servers
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.migrate import migrate, pending
from credit_warehouse.roles import SERVICES, create_roles, role_name
from credit_warehouse.tables import columns

ARRIVAL = (
    'INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
    " produced_at, received_at, state) VALUES (%s, 'u', 'penalty', 'report', 1, %s, 0, 0, '', now(), now(), 'rejected')"
    " RETURNING tableoid::regclass::text"
)
PASSWORDS = {service: f"pw-{service}" for service in ("owner", *SERVICES)}


@pytest.fixture(scope="module")
def warehouse(postgres_server):
    name = "migrate_test"
    create_roles(postgres_server.superuser_dsn, name, PASSWORDS)
    yield servers.Database(postgres_server, name)
    postgres_server.drop_database(name)


def uuid7_floor(day):
    """The smallest UUIDv7 of a day: its first 48 bits are milliseconds since 1970."""
    return str(UUID(int=int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) << 80))


def dsn(warehouse, service):
    p = psycopg2.extensions.parse_dsn(warehouse.server.superuser_dsn)
    return psycopg2.extensions.make_dsn(
        host=p["host"], port=p["port"], dbname=warehouse.name, user=role_name(service), password=PASSWORDS[service]
    )


def test_migrating_twice_changes_nothing_the_second_time(warehouse):
    datasets = load_catalogue().datasets.values()
    owner = dsn(warehouse, "owner")
    assert pending(owner)
    assert migrate(owner, datasets, date(2026, 11, 24))
    assert migrate(owner, datasets, date(2026, 12, 24)) == []
    assert pending(owner) == []


def test_every_dataset_has_its_table_with_its_columns_in_order(warehouse):
    catalogue = load_catalogue()
    migrate(dsn(warehouse, "owner"), catalogue.datasets.values(), date(2026, 11, 24))
    with psycopg2.connect(dsn(warehouse, "reader")) as con, con.cursor() as cur:
        for dataset in catalogue.datasets.values():
            cur.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = 'core' AND table_name = %s ORDER BY ordinal_position",
                [dataset.table],
            )
            assert [row[0] for row in cur.fetchall()] == columns(dataset)


@pytest.mark.parametrize(
    ("service", "forbidden"),
    [
        ("reader", "SELECT sealed FROM core.person"),
        ("reader", "SELECT value FROM landing.event"),
        ("reader", "UPDATE quality.hold SET why = ''"),
        ("relay", "SELECT 1 FROM core.penalty"),
        ("relay", "UPDATE exchange.receipt SET status = 'loaded'"),
        ("quality", "SELECT sealed FROM core.person"),
        ("quality", "DELETE FROM landing.event"),
        ("consumer", "DELETE FROM landing.event"),
        ("consumer", "UPDATE landing.event SET value = ''"),
        ("consumer", "DELETE FROM core.penalty"),
        ("consumer", "SELECT 1 FROM exchange.delivery"),
        ("forward", "UPDATE core.penalty SET revision = 9"),
        ("forward", "SELECT value FROM landing.event"),
        ("consumer", "CREATE TABLE core.mine (x int)"),
        ("consumer", "UPDATE core.person SET sealed = ''"),
        ("reader", "INSERT INTO audit.act (actor, act, about) VALUES ('a', 'b', 'c')"),
        ("reader", "UPDATE audit.credit_report SET issued_by = 'b'"),
        (
            "quality",
            "SELECT audit.issue_credit_report('410421-20261124-000001', current_date, 1, '', 1, '', '', 'a', '')",
        ),
        ("consumer", "SELECT landing.prepare_months('2030-01-01')"),
        ("consumer", "UPDATE core.known_schema SET version = 9"),
        ("quality", "SELECT landing.prepare_months()"),
    ],
)
def test_a_role_cannot_do_what_its_service_does_not_need(warehouse, service, forbidden):
    migrate(dsn(warehouse, "owner"), load_catalogue().datasets.values(), date(2026, 11, 24))
    with psycopg2.connect(dsn(warehouse, service)) as con, con.cursor() as cur:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cur.execute(forbidden)
        con.rollback()


def test_a_month_whose_rows_came_early_gets_its_partition_and_its_rows(warehouse):
    datasets = load_catalogue().datasets.values()
    migrate(dsn(warehouse, "owner"), datasets, date(2026, 11, 24))
    early = f"{uuid7_floor(date(2028, 6, 15))[:-1]}1"
    with psycopg2.connect(dsn(warehouse, "consumer")) as con, con.cursor() as cur:
        cur.execute(ARRIVAL, [early, early])
        assert cur.fetchone() == ("landing.event_other",)
    con.close()
    migrate(dsn(warehouse, "owner"), datasets, date(2028, 6, 1))
    with psycopg2.connect(dsn(warehouse, "owner")) as con, con.cursor() as cur:
        cur.execute("SELECT tableoid::regclass::text FROM landing.event WHERE ce_id = %s", [early])
        assert cur.fetchall() == [("landing.event_2028_06",)]
    con.close()


def test_landing_takes_a_month_it_has_no_partition_for(warehouse):
    migrate(dsn(warehouse, "owner"), load_catalogue().datasets.values(), date(2026, 11, 24))
    with psycopg2.connect(dsn(warehouse, "consumer")) as con, con.cursor() as cur:
        for ce_id, partition in (
            ("0199f000-0000-7000-8000-000000000001", "landing.event_2025_10"),  # too early for a partition of its own
            ("019ab1d8-e800-7000-8000-000000000001", "landing.event_2025_11"),
        ):
            cur.execute(ARRIVAL, [ce_id, ce_id])
            assert cur.fetchone()[0] in (partition, "landing.event_other")
        con.rollback()
