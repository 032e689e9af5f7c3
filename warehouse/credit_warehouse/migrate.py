"""Bring a database to the state this program needs: plain SQL migrations (yoyo), then the tables of the datasets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection, cursor, parse_dsn
from yoyo import get_backend, read_migrations

from credit_schemas.dataset import Dataset
from credit_schemas.publicity import add_months

from .roles import SERVICES, role_name
from .tables import statements

MIGRATIONS = Path(__file__).parent / "migrations"
# Months of landing prepared ahead of today. An event of a farther month still lands, in the default partition.
MONTHS_AHEAD = 14
MONTHS_BACK = 3


def migrate(owner_dsn: str, datasets: Iterable[Dataset], today: date) -> list[str]:
    """Apply what is missing; returns the ids of the migrations applied now. Safe to repeat."""
    backend = get_backend(_url(owner_dsn))
    migrations = read_migrations(str(MIGRATIONS))
    with backend.lock():
        missing = backend.to_apply(migrations)
        applied = [m.id for m in missing]
        backend.apply_migrations(missing)
    with psycopg2.connect(owner_dsn) as con, con.cursor() as cur:
        for statement in [*statements(datasets), _show_applied()]:
            cur.execute(statement)
        prepare_months(cur, today)
    con.close()
    return applied


def pending(owner_dsn: str) -> list[str]:
    """Migrations this program needs and the database lacks: a consumer refuses to start on any."""
    backend = get_backend(_url(owner_dsn))
    return [m.id for m in backend.to_apply(read_migrations(str(MIGRATIONS)))]


def lacking(con: connection) -> list[str]:
    """As `pending`, for a service on its own connection, which may look at the record of migrations and no more."""
    needed = [p.stem for p in sorted(MIGRATIONS.glob("*.sql"))]
    with con.cursor() as cur:
        cur.execute("SELECT to_regclass('public._yoyo_migration') IS NOT NULL")
        applied: set[str] = set()
        if cur.fetchone() == (True,):
            cur.execute("SELECT migration_id FROM public._yoyo_migration")
            applied = {row[0] for row in cur.fetchall()}
    con.rollback()
    return [name for name in needed if name not in applied]


def _show_applied() -> str:
    roles = ", ".join(role_name(service) for service in SERVICES)
    return f"GRANT SELECT ON public._yoyo_migration TO {roles}"


def prepare_months(cur: cursor, today: date) -> None:
    """One partition of landing per month, by the UUIDv7 bounds of that month in UTC.

    Rows of such a month may stand in the default partition already: a producer's clock was ahead, or nobody prepared
    months for long. They move, because PostgreSQL refuses a partition whose rows the default one holds.
    """
    first = add_months(today.replace(day=1), -MONTHS_BACK)
    for i in range(MONTHS_BACK + MONTHS_AHEAD + 1):
        month = add_months(first, i)
        name = f"event_{month:%Y_%m}"
        bounds = {"low": uuid7_floor(month), "high": uuid7_floor(add_months(month, 1))}
        cur.execute("SELECT to_regclass(%s) IS NOT NULL", [f"landing.{name}"])
        if cur.fetchone() != (True,):
            cur.execute("ALTER TABLE landing.event DETACH PARTITION landing.event_other")
            cur.execute(
                sql.SQL(
                    "CREATE TABLE landing.{} PARTITION OF landing.event FOR VALUES FROM (%(low)s) TO (%(high)s)"
                ).format(sql.Identifier(name)),
                bounds,
            )
            cur.execute(
                "WITH gone AS (DELETE FROM landing.event_other WHERE ce_id >= %(low)s AND ce_id < %(high)s RETURNING *)"
                " INSERT INTO landing.event SELECT * FROM gone",
                bounds,
            )
            cur.execute("ALTER TABLE landing.event ATTACH PARTITION landing.event_other DEFAULT")


def uuid7_floor(day: date) -> str:
    """The smallest UUIDv7 of a day: its first 48 bits are milliseconds since 1970."""
    ms = (datetime(day.year, day.month, day.day) - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    text = f"{ms:012x}" + "0" * 20
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _url(dsn: str) -> str:
    p = parse_dsn(dsn)
    return (
        f"postgresql://{quote(p['user'])}:{quote(p.get('password', ''), safe='')}"
        f"@{p.get('host', '127.0.0.1')}:{p.get('port', '5432')}/{p['dbname']}"
    )
