"""Bring a database to the state this program needs: plain SQL migrations (yoyo), then the tables of the datasets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import parse_dsn
from yoyo import get_backend, read_migrations

from credit_schemas.dataset import Dataset

from .contract import MIGRATIONS, OutOfStep, compare, record
from .roles import SERVICES, role_name
from .tables import statements


def migrate(owner_dsn: str, datasets: Iterable[Dataset], today: date, retired: Iterable[str] = ()) -> list[str]:
    """Apply what is missing; returns the ids of the migrations applied now. Safe to repeat.

    Args:
        today: Partitions of landing are prepared around this day.
        retired: Datasets the center no longer takes: their tables stay, and no program need know them.

    Raises:
        OutOfStep: The database was brought up by a newer program, or a schema version in use was altered; nothing was
            changed.
    """
    wanted, gone = list(datasets), frozenset(retired)
    backend = get_backend(_url(owner_dsn))
    migrations = read_migrations(str(MIGRATIONS))
    with backend.lock():
        _refuse_to_go_back(owner_dsn, wanted, gone)
        missing = backend.to_apply(migrations)
        applied = [m.id for m in missing]
        backend.apply_migrations(missing)
    with psycopg2.connect(owner_dsn) as con, con.cursor() as cur:
        for statement in [*statements(wanted), _show_applied()]:
            cur.execute(statement)
        cur.execute("SELECT landing.prepare_months(%s)", [today])
        record(cur, wanted, gone)
    con.close()
    return applied


def _refuse_to_go_back(owner_dsn: str, datasets: list[Dataset], retired: frozenset[str]) -> None:
    with psycopg2.connect(owner_dsn) as con, con.cursor() as cur:
        _, program, altered = compare(cur, datasets, retired)
    con.close()
    if program or altered:
        raise OutOfStep([], program, altered)


def pending(owner_dsn: str) -> list[str]:
    """Migrations this program needs and the database lacks."""
    backend = get_backend(_url(owner_dsn))
    return [m.id for m in backend.to_apply(read_migrations(str(MIGRATIONS)))]


def _show_applied() -> str:
    roles = ", ".join(role_name(service) for service in SERVICES)
    return f"GRANT SELECT ON public._yoyo_migration TO {roles}"


def _url(dsn: str) -> str:
    p = parse_dsn(dsn)
    return (
        f"postgresql://{quote(p['user'])}:{quote(p.get('password', ''), safe='')}"
        f"@{p.get('host', '127.0.0.1')}:{p.get('port', '5432')}/{p['dbname']}"
    )
