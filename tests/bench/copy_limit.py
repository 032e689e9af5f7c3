"""What PostgreSQL takes at most: COPY BINARY of the very rows the road wrote, into the same tables with their indexes.

The rows are dumped after a run of the road, batch by batch as it committed them, and copied back into the emptied
tables through one connection, prepared in memory. Two ways are timed: a transaction for each of the road's batches over
all tables, and one transaction for each table. The quicker one is the limit.
"""

from __future__ import annotations

import contextlib
import time
from io import BytesIO
from typing import NamedTuple

import psycopg2

from bench.stack import Bench

# Where the road keeps its place is no row of data; both ways do without.
_NOT_DATA = ("ingest.topic", "ingest.position")


class Limit(NamedTuple):
    """Records a second of both ways, and the rows of all tables that go with them."""

    by_batch: float
    by_table: float
    rows: dict[str, int]

    @property
    def best(self) -> float:
        """The limit."""
        return max(self.by_batch, self.by_table)


class Dump(NamedTuple):
    """The tables in an order that references allow, their rows as COPY BINARY by batch, and how many there are."""

    tables: list[str]
    batches: list[dict[str, bytes]]
    rows: dict[str, int]


def dump(bench: Bench) -> Dump:
    """Take what the road wrote; a table's rows go with the batch whose transaction left them there."""
    tables = [t for t in bench.filled() if t not in _NOT_DATA]
    with contextlib.closing(psycopg2.connect(bench.dsn)) as con, con.cursor() as cur:
        moments = [c.at for c in bench.commits("landing.event")]
        rows = {}
        for table in tables:
            cur.execute(f"SELECT count(*) FROM {table}")
            rows[table] = cur.fetchone()[0]
            # A row that a later batch wrote anew (a subject seen again) would stand after those that refer to it.
            name = "bench_" + table.replace(".", "_")
            cur.execute(
                f"CREATE TEMP TABLE {name} AS SELECT t.tableoid AS part, t.ctid AS place,"
                f" width_bucket(extract(epoch FROM pg_xact_commit_timestamp(t.xmin))::float8, %s) AS batch"
                f" FROM {table} t",
                [moments],
            )
            cur.execute(f"CREATE INDEX ON {name} (batch)")
        batches = []
        for batch in range(len(moments) + 1):
            taken = {}
            for table in tables:
                name, out = "bench_" + table.replace(".", "_"), BytesIO()
                cur.copy_expert(
                    f"COPY (SELECT t.* FROM {name} b JOIN {table} t ON t.ctid = b.place AND t.tableoid = b.part"
                    f" WHERE b.batch = {batch} ORDER BY b.place) TO STDOUT (FORMAT binary)",
                    out,
                )
                taken[table] = out.getvalue()
            batches.append(taken)
    return Dump(tables, batches, rows)


def measure(bench: Bench, taken: Dump, records: int) -> Limit:
    """Copy everything back both ways, each into empty tables. The rows are counted afterwards."""
    by_batch = [[(t, b[t]) for t in taken.tables] for b in taken.batches]
    by_table = [[(t, _joined([b[t] for b in taken.batches]))] for t in taken.tables]
    return Limit(
        records / _seconds(bench, by_batch, taken.rows),
        records / _seconds(bench, by_table, taken.rows),
        taken.rows,
    )


def _joined(copies: list[bytes]) -> bytes:
    """One COPY of several: signature, flags and extension (19 bytes) once, the end mark (2 bytes) once."""
    return copies[0][:19] + b"".join(c[19:-2] for c in copies) + copies[0][-2:]


def _seconds(bench: Bench, transactions: list[list[tuple[str, bytes]]], rows: dict[str, int]) -> float:
    bench.empty()
    with contextlib.closing(psycopg2.connect(bench.dsn)) as con, con.cursor() as cur:
        began = time.perf_counter()
        for transaction in transactions:
            for table, block in transaction:
                cur.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", BytesIO(block), 1 << 20)
            con.commit()
        took = time.perf_counter() - began
        for table, wanted in rows.items():
            cur.execute(f"SELECT count(*) FROM {table}")
            if (found := cur.fetchone()[0]) != wanted:
                raise RuntimeError(f"{found} of {wanted} rows were copied into {table}")
    return took
