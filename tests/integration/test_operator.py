"""What an operator does by command, and what the page about the warehouse says each role may do there."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner, Result

from credit_local.cli import credit
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.migrate import migrate
from credit_warehouse.roles import SERVICES, role_name
from credit_warehouse.settings import load_settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "warehouse.md"
TOPIC_ID = "0199f000-0000-7000-8000-000000000001"
LETTERS = {"SELECT": "S", "INSERT": "I", "UPDATE": "U", "DELETE": "D"}
# Rights of the whole table, and of single columns where the table's own do not already say so.
RIGHTS = """
SELECT n.nspname || '.' || c.relname, r.rolname, p.privilege,
       has_table_privilege(r.oid, c.oid, p.privilege) AS whole,
       p.privilege <> 'DELETE' AND has_any_column_privilege(r.oid, c.oid, p.privilege) AS part
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN pg_roles r
CROSS JOIN unnest(%s) AS p(privilege)
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND r.rolname = ANY(%s)
  AND n.nspname IN ('ingest', 'landing', 'core', 'exchange', 'quality', 'audit')
ORDER BY n.nspname, c.relname
"""


@pytest.fixture(scope="module")
def warehouse(database):
    """A migrated database; returns the environment of the center's commands."""
    for service in SERVICES:
        database.dsn_for(role_name(service))
    owner = database.dsn_for(role_name("owner"))
    with psycopg2.connect(database.dsn) as con, con.cursor() as cur:
        cur.execute(f'ALTER DATABASE "{database.name}" OWNER TO {role_name("owner")}')
    con.close()
    migrate(owner, load_catalogue().datasets.values(), date(2026, 11, 24))
    return {
        "CREDIT_DATABASE_PORT": str(database.server.port),
        "CREDIT_DATABASE_NAME": database.name,
        **{
            f"CREDIT_DATABASE_PASSWORD_{service.upper()}": database.server.ensure_login(role_name(service))
            for service in SERVICES
        },
    }


def run(env: dict[str, str], *arguments: str) -> Result:
    load_settings.cache_clear()
    try:
        return CliRunner().invoke(credit, list(arguments), env=env)
    finally:
        load_settings.cache_clear()


def test_a_halted_topic_is_listed_first_and_goes_on_where_a_person_says(warehouse, database):
    with psycopg2.connect(database.dsn) as con, con.cursor() as cur:
        cur.execute(
            "INSERT INTO ingest.topic (topic_id, name, unit, halted) VALUES (%s, 'b', 'u', '数据丢失'),"
            " ('0199f000-0000-7000-8000-000000000002', 'a', 'u', NULL)",
            [TOPIC_ID],
        )
        cur.execute("INSERT INTO ingest.position (topic_id, partition, next_offset) VALUES (%s, 0, 99)", [TOPIC_ID])
    con.close()
    first = json.loads(run(warehouse, "topics", "list", "--json").output)[0]
    assert (first["topic_id"], first["next_offset"], first["halted"]) == (TOPIC_ID, 99, "数据丢失")

    assert run(warehouse, "topics", "resume", TOPIC_ID, "--offset", "40").exit_code == 0
    second = {t["topic_id"]: t for t in json.loads(run(warehouse, "topics", "list", "--json").output)}[TOPIC_ID]
    assert (second["next_offset"], second["halted"]) == (40, None)

    # A topic that runs is not moved by a slip of the hand.
    again = run(warehouse, "topics", "resume", TOPIC_ID, "--offset", "7")
    assert again.exit_code == 1
    assert "没有停住" in again.output
    third = {t["topic_id"]: t for t in json.loads(run(warehouse, "topics", "list", "--json").output)}[TOPIC_ID]
    assert third["next_offset"] == 40


def test_the_page_of_the_warehouse_tells_the_rights_of_every_role(warehouse, database):
    order = [role_name(s) for s in SERVICES]
    rights: dict[str, dict[str, str]] = {}
    with psycopg2.connect(database.dsn) as con, con.cursor() as cur:
        cur.execute(RIGHTS, [list(LETTERS), order])
        for table, role, privilege, whole, part in sorted(cur.fetchall()):
            letter = LETTERS[privilege] if whole else LETTERS[privilege].lower() if part else ""
            rights.setdefault(table, dict.fromkeys(order, ""))[role] += letter
    con.close()
    # What is made from dataset files has the same rights for every dataset, and one line.
    datasets = [d.table for d in load_catalogue().datasets.values()]
    for prefix in ("core.", "quality.public_"):
        of_datasets = [rights.pop(f"{prefix}{d}") for d in datasets if f"{prefix}{d}" in rights]
        assert [cells for cells in of_datasets if cells != of_datasets[0]] == []
        rights[f"{prefix}<数据集>"] = of_datasets[0]
    made = [
        f"| `{table}` | " + " | ".join("".join(sorted(cells[role], key="sSiIuUdD".index)) for role in order) + " |"
        for table, cells in sorted(rights.items())
    ]
    text = PAGE.read_text(encoding="utf-8").split("### 逐表的权限\n")[1].split("\n## ")[0]
    kept = [line for line in text.splitlines() if line.startswith("| `")]
    assert kept == made, "\n".join(["docs/warehouse.md should say:", *made])
