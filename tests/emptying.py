"""Empty tables between tests: only those that hold something, and by DELETE.

TRUNCATE makes new files for a table and each of its indexes; with forty datasets that is half a second a test.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg2

from credit_schemas.catalogue import load_catalogue

PEOPLE = ("core.subject_name", "core.subject_registration", "core.former_key", "core.subject", "core.person")


def records() -> list[str]:
    """The tables of all datasets and of what their records are about, referring ones first."""
    return [*(f"core.{d.table}" for d in load_catalogue().datasets.values()), "core.record_act", *PEOPLE]


def empty(dsn: str, tables: Iterable[str]) -> None:
    """Empty the tables, as super user; references among them do not matter."""
    asked = " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM {t})" for t in tables)
    with psycopg2.connect(dsn) as con, con.cursor() as cur:
        cur.execute(asked)
        filled = [row[0] for row in cur.fetchall()]
        # Foreign keys are triggers: as a replica the server does not fire them.
        cur.execute("SET session_replication_role = replica")
        for table in filled:
            cur.execute(f"DELETE FROM {table}")
    con.close()
