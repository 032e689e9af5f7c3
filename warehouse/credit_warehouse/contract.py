"""Whether a program and the database it meets are of one age: its migrations, and the schema versions of its tables.

`credit migrate` records what it made tables for (`core.known_schema`); the services compare before they start. A
program that is older than its tables would write rows without the new columns, a newer one would fail on each row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection, cursor

from credit_schemas.dataset import Dataset
from credit_schemas.evolution import fingerprint

from .tables import columns

MIGRATIONS = Path(__file__).parent / "migrations"
# More names than these tell an operator nothing more.
NAMED = 5

RECORD = """
INSERT INTO core.known_schema (schema_id, dataset, version, fingerprint) VALUES (%s, %s, %s, %s)
ON CONFLICT (schema_id) DO UPDATE SET retired_at = NULL
"""
RETIRE = "UPDATE core.known_schema SET retired_at = now() WHERE dataset = ANY(%s) AND retired_at IS NULL"
KNOWN = "SELECT schema_id, dataset, version, fingerprint, retired_at IS NOT NULL FROM core.known_schema"
TABLE_COLUMNS = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'core'::regnamespace AND c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""


class OutOfStep(Exception):
    """The program and its database are not of one age; the message says which side to bring up to date.

    Attributes:
        database_lacks: What the program needs and the database has not, in words.
        program_lacks: What the database has and the program does not know.
        altered: Schema versions that are no longer what they were when their tables were made.
    """

    retriable = False

    def __init__(self, database_lacks: list[str], program_lacks: list[str], altered: list[str]) -> None:
        self.database_lacks, self.program_lacks, self.altered = database_lacks, program_lacks, altered
        told = []
        if altered:
            told.append(
                f"已经启用的结构被改动：{_listed(altered)}。已发布的版本不能改；请恢复原来的文件，要改的列另发一个新版本。"
            )
        if program_lacks:
            told.append(
                f"本程序比数据库旧，不认识：{_listed(program_lacks)}。"
                "请先把本程序（和县目录）更新到与数据库相同的版本，再启动；不要用旧程序执行 credit migrate。"
            )
        if database_lacks:
            then = "程序更新以后，再执行 credit migrate。" if program_lacks else "请先执行 credit migrate，再启动。"
            told.append(f"数据库比本程序旧，缺少：{_listed(database_lacks)}。{then}")
        super().__init__("".join(told))


class Known(NamedTuple):
    """A schema version that the tables were made for."""

    schema_id: int
    dataset: str
    version: int
    fingerprint: str
    retired: bool


def require_step(con: connection, datasets: Iterable[Dataset]) -> None:
    """Return when the program and the database are of one age. Raises OutOfStep. Leaves no transaction open."""
    found = list(datasets)
    try:
        with con.cursor() as cur:
            differences = compare(cur, found)
    finally:
        con.rollback()
    if any(differences):
        raise OutOfStep(*differences)


def compare(
    cur: cursor, datasets: Iterable[Dataset], retired: Collection[str] = ()
) -> tuple[list[str], list[str], list[str]]:
    """What the database lacks, what the program lacks, which schema versions were altered; all in words.

    Datasets in `retired` need not be known to the program.
    """
    wanted = list(datasets)
    applied, known = _applied(cur), _known(cur)
    needed = {p.stem for p in MIGRATIONS.glob("*.sql")}
    database = [f"迁移 {name}" for name in sorted(needed - applied)]
    program = [f"迁移 {name}" for name in sorted(applied - needed)]
    altered = []
    newest: dict[str, Known] = {}
    for k in known.values():
        if k.version >= newest.get(k.dataset, k).version:
            newest[k.dataset] = k
    standing = _table_columns(cur, [d.table for d in wanted])
    for d in wanted:
        same, held = known.get(d.schema_id), newest.get(d.id)
        if same and same.fingerprint != fingerprint(d.schema):
            altered.append(f"{d.cn}（{d.id}）第 {d.version} 版，结构编号 {d.schema_id}")
        elif held and held.version > d.version:
            program.append(f"{d.cn}（{d.id}）第 {held.version} 版（本程序是第 {d.version} 版）")
        elif same is None:
            has = f"（现在是第 {held.version} 版）" if held else ""
            database.append(f"{d.cn}（{d.id}）第 {d.version} 版的表{has}")
        elif absent := [c for c in columns(d) if c not in standing.get(d.table, ())]:
            database.append(f"{d.cn}（{d.id}）的列 {_listed(absent)}")
    ours = {d.id for d in wanted} | set(retired)
    program += [f"数据集 {k.dataset}" for name, k in sorted(newest.items()) if name not in ours and not k.retired]
    return database, program, altered


def record(cur: cursor, datasets: Iterable[Dataset], retired: Iterable[str] = ()) -> None:
    """Write down which versions the tables were made for, and which datasets the center no longer takes."""
    for d in datasets:
        cur.execute(RECORD, [d.schema_id, d.id, d.version, fingerprint(d.schema)])
    cur.execute(RETIRE, [list(retired)])


def _applied(cur: cursor) -> set[str]:
    cur.execute("SELECT to_regclass('public._yoyo_migration') IS NOT NULL")
    if cur.fetchone() != (True,):
        return set()
    cur.execute("SELECT migration_id FROM public._yoyo_migration")
    return {row[0] for row in cur.fetchall()}


def _known(cur: cursor) -> dict[int, Known]:
    cur.execute("SELECT to_regclass('core.known_schema') IS NOT NULL")
    if cur.fetchone() != (True,):
        return {}
    cur.execute(KNOWN)
    return {row[0]: Known(*row) for row in cur.fetchall()}


def _table_columns(cur: cursor, tables: list[str]) -> Mapping[str, set[str]]:
    cur.execute("SELECT to_regnamespace('core') IS NOT NULL")
    if cur.fetchone() != (True,):
        return {}
    cur.execute(TABLE_COLUMNS, [tables])
    found: dict[str, set[str]] = {}
    for table, column in cur.fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _listed(names: list[str]) -> str:
    more = f" 等 {len(names)} 项" if len(names) > NAMED else ""
    return "、".join(names[:NAMED]) + more
