"""COPY in binary format, from columns: the quickest way into PostgreSQL there is from Python (TRAPS: pgpq)."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pgpq
import polars as pl
from psycopg2.extensions import cursor

# The driver reads the buffer in blocks of this size.
_BLOCK = 1 << 20


def copy_frame(cur: cursor, table: str, columns: Sequence[str], frame: pl.DataFrame) -> None:
    """COPY the columns of a frame into a table; each as PostgreSQL sends its type (uuid: 16 bytes, jsonb: 1 and text).

    Types: String, Binary, Int32, Int64, Boolean, Date, Datetime (us, UTC) for text, bytea or uuid or jsonb, integer,
    bigint, boolean, date, timestamptz.
    """
    if frame.is_empty():
        return
    names = ", ".join(f'"{c}"' for c in columns)
    found = frame.select(columns).to_arrow()
    encoder = pgpq.ArrowToPostgresBinaryEncoder(found.schema)
    data = b"".join([encoder.write_header(), *map(encoder.write_batch, found.to_batches()), encoder.finish()])
    cur.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", BytesIO(data), _BLOCK)
