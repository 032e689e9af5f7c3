"""One PostgreSQL role per service, with a password of its own; what each may do is granted by the migrations."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg2
from psycopg2 import sql

OWNER = "credit_owner"
SERVICES = ("consumer", "relay", "quality", "forward", "reader", "attachments")


def role_name(service: str) -> str:
    """`consumer` works as `credit_consumer`."""
    return f"credit_{service}"


def create_roles(superuser_dsn: str, database: str, passwords: Mapping[str, str]) -> None:
    """Create (or give the password of) the owner and the service roles, and the database they share.

    `passwords` maps `owner` and every service to its password. Safe to repeat.
    """
    con = psycopg2.connect(superuser_dsn)
    con.autocommit = True  # CREATE DATABASE cannot stand in a transaction
    try:
        with con.cursor() as cur:
            for service in ("owner", *SERVICES):
                role = sql.Identifier(role_name(service))
                cur.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role_name(service)])
                verb = "ALTER" if cur.fetchone() else "CREATE"
                cur.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(sql.SQL(verb), role, sql.Literal(passwords[service]))
                )
            cur.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            name, owner = sql.Identifier(database), sql.Identifier(OWNER)
            if not cur.fetchone():
                cur.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(name, owner)
                )
            cur.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            for service in SERVICES:
                cur.execute(
                    sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                        name, sql.Identifier(role_name(service))
                    )
                )
    finally:
        con.close()
