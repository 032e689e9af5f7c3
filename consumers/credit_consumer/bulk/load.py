"""Step 4 by columns: new records straight into their tables, in the transaction that moves the positions.

No staging and no upsert: what is in the warehouse already, or waited for there, is taken out and goes row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
from psycopg2.extensions import cursor

from credit_schemas.dataset import Dataset
from credit_schemas.uuid7 import uuid7_bytes
from credit_warehouse.tables import column_name, columns

from .. import statements as sql
from .copying import copy_frame
from .decode import Origin
from .frames import kept
from .normalise import Bulk
from .people import enter


def load_bulk(cur: cursor, bulk: Bulk, origins: Sequence[Origin]) -> list[int]:
    """Write the rows that are new records; returns the places of the others, which nothing was written of."""
    known = _known(cur, bulk)
    rows, left = kept(bulk.frame, ~known), bulk.frame["at"].filter(known).to_list()
    if not rows.is_empty():
        dataset = bulk.dataset
        rows = _landing(rows, dataset, origins)
        copy_frame(cur, "landing.event", sql.LANDING_COLUMNS, rows)
        rows = enter(cur, rows, bulk)
        copy_frame(cur, f"core.{dataset.table}", columns(dataset), _core(rows, dataset))
        copy_frame(cur, "exchange.mark", sql.MARK_COLUMNS, rows)
        copy_frame(cur, "exchange.receipt", sql.RECEIPT_COLUMNS, _receipts(rows))
    return left


def _known(cur: cursor, bulk: Bulk) -> pl.Series:
    """Which rows are no new records: an id that landed before, a key that is a record's, or somebody waits for one."""
    frame, name = bulk.frame, bulk.dataset.id
    ids, keys = sorted(frame["ce_id"].to_list()), frame["natural_key"]
    found = pl.Series([False] * len(frame), dtype=pl.Boolean)
    numbers, digests = _uuids(ids), _digests(keys.to_list())
    cur.execute(sql.LANDED, [ids[0].hex(), ids[-1].hex(), numbers])
    found |= _among(frame["ce_id"], cur.fetchall())
    cur.execute(sql.keys_taken(bulk.dataset), [digests])
    found |= _among(keys, cur.fetchall())
    cur.execute(sql.ANY_FORMER_OR_WAITING, {"dataset": name})
    former, waiting = cur.fetchone() or (True, True)
    if former:
        cur.execute(sql.KEYS_FORMER, [name, digests])
        found |= _among(keys, cur.fetchall())
    own = frame.select("unit", "source_key").filter(pl.col("source_key").is_not_null())
    units, sources = own["unit"].to_list(), own["source_key"].to_list()
    if sources:
        cur.execute(sql.sources_taken(bulk.dataset), [units, sources])
        taken = set(cur.fetchall())
        found |= pl.Series([row in taken for row in frame.select("unit", "source_key").rows()])
    if waiting:
        cur.execute(sql.ANY_WAITING, [name, digests, numbers, units, sources])
        if cur.fetchone() != (False,):
            # What it makes of its record may concern the others: let the ordinary step see all of them.
            return pl.Series([True] * len(frame), dtype=pl.Boolean)
    return found


def _landing(rows: pl.DataFrame, dataset: Dataset, origins: Sequence[Origin]) -> pl.DataFrame:
    """The rows with everything that landing holds of them, and record number and revision of a new record."""
    records = [origins[at].record for at in rows["at"].to_list()]
    topics = {o.record.topic: o.topic_id.bytes for o in origins}
    return rows.with_columns(
        pl.Series("topic_id", [topics[r.topic] for r in records], dtype=pl.Binary),
        pl.Series("partition", [r.partition for r in records], dtype=pl.Int32),
        pl.Series("offset", [r.offset for r in records], dtype=pl.Int64),
        pl.Series("key", [r.key for r in records], dtype=pl.Binary),
        pl.Series("value", [r.value for r in records], dtype=pl.Binary),
        problems=(pl.lit("\x01") + pl.col("problems")).cast(pl.Binary),
        dataset=pl.lit(dataset.id),
        act=pl.lit("report"),
        schema_id=pl.lit(dataset.schema_id, dtype=pl.Int32),
        record_no=pl.col("ce_id"),
        revision=pl.lit(1, dtype=pl.Int32),
        replaces=pl.lit(None, dtype=pl.Binary),
        state=pl.lit("accepted"),
    )


def _core(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    nothing: dict[str, Any] = {
        name: pl.lit(None, dtype=kind)
        for name, kind in (("ended_why", pl.String), ("closed_by", pl.String), ("acted_at", pl.Datetime("us", "UTC")))
    }
    return rows.with_columns(
        *[pl.col(f.column).alias(column_name(f)) for f in dataset.fields if not f.sealed],
        state=pl.lit("active"),
        revised_at=pl.col("received_at"),
        last_ce_id=pl.col("ce_id"),
        withdrawn=pl.lit(value=False),
        disputed=pl.lit(value=False),
        **nothing,
    )


def _receipts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.Series("receipt_id", uuid7_bytes(len(rows)), dtype=pl.Binary), status=pl.lit("loaded"), note=pl.lit("")
    )


def _uuids(ids: Iterable[bytes]) -> str:
    return f"{{{','.join([i.hex() for i in ids])}}}"


def _digests(keys: Iterable[bytes]) -> str:
    """A PostgreSQL array of bytea as text."""
    quoted = [f'"\\\\x{k.hex()}"' for k in keys]
    return f"{{{','.join(quoted)}}}"


def _among(column: pl.Series, found: list[tuple[Any, ...]]) -> pl.Series:
    if not found:
        return pl.Series([False] * len(column), dtype=pl.Boolean)
    known = {bytes(value) for (value,) in found}
    return pl.Series([value in known for value in column.to_list()])
