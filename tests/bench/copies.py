"""Fill the warehouse with millions of records, so that indexes have their real size: copies of rows the road wrote.

Every copy of a row is a record of its own: its ids, digests, document number and subject are others, its arrival lies
days earlier (so landing's months fill up), its mark is stamped, its receipt published. Made by the server; indexes
and references are dropped meanwhile and made again as the migrations had them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor

from bench.stack import Bench

# What a stored record takes with all its rows and index entries, in bytes: 2,720 measured; the rest is for sorting the
# indexes and for the write-ahead log.
BYTES_A_RECORD = 4_000
# Copies lie at most so many days back: within the months that landing has partitions for.
DAYS = 80
# What is told apart by an id keeps it in every table, so that a copy's rows belong together.
_KEPT_UUIDS = ("topic_id",)
_DIGESTS = ("lookup", "natural_key", "content_digest")
_SUBJECTS = ("subject_id", "person_id")
_FUNCTIONS = """
CREATE OR REPLACE FUNCTION public.bench_id(u uuid, j integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(('x' || left(replace(u::text, '-', ''), 12))::bit(48)::bigint
                        - (j % {days} + 1)::bigint * 86400000), 12, '0')
            || '7' || substr(m, 2, 3) || '8' || substr(m, 6, 15))::uuid
    FROM (SELECT md5(u::text || '/' || j) AS m) s $$;
CREATE OR REPLACE FUNCTION public.bench_digest(b bytea, j integer) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(b || int4send(j)) $$;
"""


class TooLittleSpace(Exception):
    """The disk would not hold so many records."""


class Copies:
    """Keeps the rows of one run of the road as the pattern, and fills the tables with copies of them."""

    def __init__(self, bench: Bench) -> None:
        """Take what stands in the warehouse now as the pattern, and empty the tables it stands in."""
        self._bench = bench
        self._tables = [t for t in bench.filled() if not t.startswith(("ingest.", "quality."))]
        self._copies = 0
        with self._cursor() as cur:
            cur.execute(_FUNCTIONS.format(days=DAYS))
            for table in self._tables:
                cur.execute(f"CREATE UNLOGGED TABLE {_pattern(table)} AS SELECT * FROM {table}")
            cur.execute(f"SELECT count(*) FROM {_pattern('core.penalty')}")
            self.records = cur.fetchone()[0]
            cur.execute(f"TRUNCATE {', '.join(self._tables)} CASCADE")

    def fill(self, records: int) -> int:
        """Have at least so many stored records; returns how many. Raises TooLittleSpace."""
        wanted = -(-records // self.records)
        missing = (wanted - self._copies) * self.records
        if (free := shutil.disk_usage(Path("/var/lib")).free) < missing * BYTES_A_RECORD:
            raise TooLittleSpace(f"{missing} records need {missing * BYTES_A_RECORD >> 30} GB, {free >> 30} are free")
        with self._cursor() as cur:
            cur.execute("SET synchronous_commit = off")
            cur.execute("SET maintenance_work_mem = '1GB'")
            with _without_indexes(cur, self._tables):
                for j in range(self._copies + 1, wanted + 1):
                    for table in self._tables:
                        cur.execute(self._statement(cur, table), {"j": j})
            for table in self._tables:
                self._continue_sequence(cur, table)
                cur.execute(f"VACUUM (ANALYZE) {table}")
        self._copies = max(wanted, self._copies)
        self._bench.settle()
        return self._copies * self.records

    def _statement(self, cur: cursor, table: str) -> str:
        cells = {name: self._cell(table, name, kind, identity) for name, kind, identity in _columns(cur, table)}
        names = ", ".join(f'"{c}"' for c in cells)
        made = ", ".join(cells.values())
        return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {made} FROM {_pattern(table)}"

    def _cell(self, table: str, name: str, kind: str, identity: bool) -> str:
        cell = f'"{name}"'
        if kind == "uuid" and name not in _KEPT_UUIDS:
            return f"public.bench_id({cell}, %(j)s)"
        if name in _DIGESTS:
            return f"public.bench_digest({cell}, %(j)s)"
        if name in _SUBJECTS or name.endswith("_person"):
            # Longer than any pattern's ids: a copy's subjects are its own.
            return f"{cell} + %(j)s * 10000000::bigint"
        if identity:
            return f"{cell} + %(j)s * 10000000::bigint"
        if (table, name) == ("exchange.mark", "checked_run"):
            return "1"
        if (table, name) == ("exchange.receipt", "published_at"):
            return "at"
        if name in ("document_no", "cf_wsh"):
            return f"{cell} || '之' || %(j)s"
        if (table, name) == ("core.subject", "code"):
            return f"left({cell}, 8) || upper(left(md5({cell} || %(j)s), 10))"
        if kind == "timestamp with time zone":
            return f"{cell} - make_interval(days => %(j)s %% {DAYS} + 1)"
        if name in ("received_on", "first_seen", "last_seen"):
            return f"{cell} - (%(j)s %% {DAYS} + 1)"
        return cell

    def _continue_sequence(self, cur: cursor, table: str) -> None:
        for name, _, identity in _columns(cur, table):
            if identity:
                cur.execute(
                    f"SELECT setval(pg_get_serial_sequence(%s, %s), (SELECT coalesce(max({name}), 1) FROM {table}))",
                    [table, name],
                )

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[cursor]:
        with contextlib.closing(psycopg2.connect(self._bench.dsn)) as con:
            con.autocommit = True
            with con.cursor() as cur:
                yield cur


def _pattern(table: str) -> str:
    return "public.bench_pattern_" + table.replace(".", "_")


def _columns(cur: cursor, table: str) -> list[tuple[str, str, bool]]:
    """Name, type and whether it is an identity column, of what can be written."""
    cur.execute(
        "SELECT column_name, data_type, is_identity = 'YES' FROM information_schema.columns"
        " WHERE table_schema || '.' || table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [table],
    )
    return cur.fetchall()


@contextlib.contextmanager
def _without_indexes(cur: cursor, tables: Sequence[str]) -> Iterator[None]:
    """Drop the tables' indexes, keys and references (also those of others to them); make them again afterwards."""
    cur.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid), contype FROM pg_constraint"
        " WHERE (conrelid = ANY(%(t)s::regclass[]) AND contype IN ('p', 'u', 'f')"
        " OR confrelid = ANY(%(t)s::regclass[])) AND conparentid = 0 ORDER BY contype",
        {"t": list(tables)},
    )
    constraints = cur.fetchall()
    cur.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i"
        " WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS"
        " (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))",
        [list(tables)],
    )
    indexes = cur.fetchall()
    # References first ('f' before 'p' and 'u'), for they rest on the keys.
    for table, name, _, _ in constraints:
        cur.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        cur.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        # Of a partitioned table the definition says ONLY, which would leave the partitions without.
        cur.execute(definition.replace(" ON ONLY ", " ON "))
    for table, name, definition, _ in reversed(constraints):
        cur.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
