"""The whole road, measured on an embedded stack of its own: publish → province's receipt, and the loader's rate.

Figures of one machine on one day, for comparing: no test asserts them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2

from credit_consumer.run import consume
from credit_local import processes
from credit_local.stack import Stack
from credit_producer.sdk import CreditProducer
from credit_producer.settings import read_settings, unit_config_path
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.connect import dsn
from credit_warehouse.settings import ENV_FILE, Settings
from unit.rows import PENALTY

UNIT = "market"
# Enough for a p95 that is not the maximum; each waits for its own receipt, so they do not disturb one another.
SINGLE_EVENTS = 40
# A backlog of an upload day; the loader takes it in batches of its own size.
BACKLOG = 20_000
ANSWER_TIMEOUT_S = 60.0


def measure() -> dict[str, Any]:
    """Publish → accepted by the province in seconds (p50, p95), rows per second of SDK and loader."""
    with stack() as running:
        settings = Settings(_env_file=running.home / ENV_FILE, home=running.home)  # type: ignore[call-arg]
        unit = read_settings(unit_config_path(UNIT, running.home))
        with CreditProducer(UNIT, settings=unit) as producer:
            waits = sorted(latency(settings, producer, n) for n in range(SINGLE_EVENTS))
            processes.stop(running.home, "loader")
            began = time.perf_counter()
            for n in range(BACKLOG):
                producer.report("penalty", row(1000 + n))
            producer.flush()
            sent = time.perf_counter() - began
        began = time.perf_counter()
        loaded = consume(settings, until_idle=1.0)
        took = time.perf_counter() - began - 1.0
    return {
        "publish_to_province_receipt_s": {
            "events": SINGLE_EVENTS,
            "p50": round(statistics.median(waits), 2),
            "p95": round(waits[int(0.95 * len(waits)) - 1], 2),
        },
        "sdk_rows_per_s": round(BACKLOG / sent),
        "loader_rows_per_s": round(sum(loaded.values()) / took),
    }


@contextmanager
def stack() -> Iterator[Stack]:
    """A stack that is gone afterwards, its database too."""
    with TemporaryDirectory() as folder:
        running = Stack(Path(folder))
        try:
            running.up(lambda _step: None)
            yield running
        finally:
            running.down()
            running.postgres.destroy()


def row(n: int) -> dict[str, Any]:
    """A penalty of the unit itself, each another one."""
    market = load_catalogue().county.units.get(UNIT)
    decided = date.today() - timedelta(1 + n % 20)
    return PENALTY | {
        "CF_WSH": f"示市监处罚〔2026〕{n}号",
        "CF_JDRQ": decided.isoformat(),
        "CF_YXQ": (decided + timedelta(365)).isoformat(),
        "CF_CFJGDM": market.uscc,
        "CF_SJLYDM": market.uscc,
    }


def latency(settings: Settings, producer: CreditProducer, n: int) -> float:
    """Seconds from handing a row to the SDK to the moment the province's answer stands as a receipt."""
    began = time.time()
    answer = producer.report("penalty", row(n))
    producer.flush()
    con = psycopg2.connect(dsn(settings, "reader"))
    con.autocommit = True
    try:
        with con.cursor() as cur:
            while time.time() - began < ANSWER_TIMEOUT_S:
                cur.execute(
                    "SELECT extract(epoch FROM at) FROM exchange.receipt WHERE ce_id = %s AND status = 'accepted'"
                    " AND destination = 'province'",
                    [answer.ce_id],
                )
                found = cur.fetchone()
                if found:
                    return float(found[0]) - began
                time.sleep(0.05)
    finally:
        con.close()
    raise TimeoutError(f"no answer for event {n}; see the stack's logs")
