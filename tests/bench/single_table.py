"""Our decode and upsert alone: the topic's Avro messages into the peers' one table, nothing checked.

As the bulk lane does it: bodies read together as one Avro block, COPY BINARY into a temporary table, INSERT … ON
CONFLICT, the database in a thread of its own. A process of its own, as every other side.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import closing
from typing import Any

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from bench.peers import one_table
from bench.stack import Bench
from credit_schemas.catalogue import load_catalogue
from credit_schemas.codec import FRAME, MAGIC, CodecError

BATCH = 5000
_LOAD_S = 300
# So many batches may be decoded ahead of the database.
_AHEAD = 2


def load(bench: Bench, topic: str, rows: int, table: str) -> None:
    """Upsert the whole topic into the table (made anew); raises when rows are missing afterwards."""
    one_table.create(bench, table)
    told: dict[str, Any] = {
        "kafka": bench.kafka.client_config(),
        "dsn": bench.dsn,
        "topic": topic,
        "table": table,
        "rows": rows,
    }
    told["batch"] = bench.batch or BATCH
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-m", "bench.single_table"]
    subprocess.run(argv, input=json.dumps(told), env=env, text=True, check=True, timeout=_LOAD_S)
    if (found := bench.execute(f"SELECT count(*) FROM {table}")[0][0]) != rows:
        raise RuntimeError(f"{found} of {rows} rows were upserted")


def _run(told: dict[str, Any]) -> None:
    # Polars is the center's, not every measurement's.
    import polars as pl

    from credit_consumer.bulk.block import BlockReader

    catalogue = load_catalogue()
    dataset = catalogue.datasets["penalty"]
    frame_of = FRAME.pack(MAGIC, dataset.schema_id)

    def readable(body: bytes) -> bool:
        try:
            return catalogue.codec.decode(frame_of + body) is not None
        except CodecError:
            return False

    reader = BlockReader(dataset.schema, readable)
    names = [one_table.KEY, *one_table.columns(dataset)]
    cells = [
        (pl.col(f.column).bin.encode("base64") if f.sealed else pl.col(f.column)).alias(f.column.lower())
        for f in dataset.fields
    ]
    partition = TopicPartition(told["topic"], 0)
    waiting: queue.Queue[pl.DataFrame | None] = queue.Queue(_AHEAD)
    writer = threading.Thread(target=_write, args=(told, names, waiting))
    writer.start()
    with closing(KafkaConsumer(**told["kafka"], max_poll_records=told["batch"], **_FETCH)) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        left = told["rows"]
        while left and writer.is_alive():
            records = consumer.poll(timeout_ms=1000).get(partition, [])
            if not records:
                continue
            frame, kept = reader.read([r.value[FRAME.size :] for r in records])
            if len(kept) != len(records):
                raise RuntimeError("a message could not be read")
            ids = pl.Series(one_table.KEY, [r.headers[1][1].decode() for r in records])
            waiting.put(frame.select(cells).insert_column(0, ids))
            left -= len(records)
    waiting.put(None)
    writer.join()


def _write(told: dict[str, Any], names: list[str], waiting: queue.Queue[Any]) -> None:
    from credit_consumer.bulk.copying import copy_frame

    listed = ", ".join(names)
    changed = ", ".join(f"{n} = excluded.{n}" for n in names[1:])
    with closing(psycopg2.connect(told["dsn"])) as con, con.cursor() as cur:
        cur.execute(f"CREATE TEMP TABLE stage (LIKE {told['table']}) ON COMMIT DELETE ROWS")
        con.commit()
        while (frame := waiting.get()) is not None:
            # One batch with a key twice could not be upserted; the later message counts.
            if frame[one_table.KEY].n_unique() != len(frame):
                frame = frame.unique(one_table.KEY, keep="last", maintain_order=True)
            copy_frame(cur, "stage", names, frame)
            cur.execute(
                f"INSERT INTO {told['table']} ({listed}) SELECT {listed} FROM stage"
                f" ON CONFLICT ({one_table.KEY}) DO UPDATE SET {changed}"
            )
            con.commit()


# A whole batch a fetch, as the peers are given.
_FETCH = {
    "max_partition_fetch_bytes": 16 << 20,
    "fetch_max_bytes": 64 << 20,
    "fetch_min_bytes": 1 << 20,
    "fetch_max_wait_ms": 20,
}

if __name__ == "__main__":
    _run(json.load(sys.stdin))
