"""`make bench`: the ratios of issue 5 in one run, written to results.json and docs/benchmarks.md.

`python -m bench [PART …]` measures only some parts and keeps the other figures of results.json. Sizes come from the
environment: BENCH_ROWS (of a backlog), BENCH_ROUNDS, BENCH_STORED (records), BENCH_SECONDS (at 1,000 events a second).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from bench import bench_publish, bench_quality, bench_road, bench_rules, copies, latency, loading, report
from bench.peers import debezium, quix
from bench.stack import stack
from credit_local.kafka_jars import KAFKA_VERSION

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
STORED = int(os.environ.get("BENCH_STORED", "10000000"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "20"))
# The smaller store of `quality_10m_vs_1m`.
TENTH = 10
# What each part was measured with.
_SIZES: dict[str, dict[str, int]] = {
    "loading": {"rows": ROWS, "rounds": ROUNDS},
    "latency": {"seconds": SECONDS},
    "stored": {"rows": ROWS, "stored": STORED},
    "quality": {"stored": STORED},
}
# Numbers of made-up rows, so that no part meets the rows of another.
_LATENCY_FROM, _STORED_FROM = 10_000_000, 20_000_000


def main(parts: list[str]) -> None:
    """Measure the parts (all without any named) and write what they come to."""
    known: dict[str, Callable[[dict[str, Any]], None]] = {
        "rules": _rules,
        "road": _whole_road,
        "publish": _publish,
        "loading": _loading,
        "latency": _latency,
        "stored": _stored,
        "quality": _quality,
    }
    unknown = set(parts) - known.keys()
    if unknown:
        sys.exit(f"no part is called {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    kept = json.loads(report.RESULTS.read_text("utf-8")) if parts and report.RESULTS.exists() else {}
    results = _about() | {key: kept.get(key, {}) for key in ("parts", "ratios", "rates", "details")}
    results |= {key: kept[key] for key in ("consumer_peak_mb", "rows_of_a_run", "rules", "road") if key in kept}
    for name in parts or known:
        print(f"{name} …", flush=True)
        began, load = time.monotonic(), os.getloadavg()[0]
        known[name](results)
        took = round((time.monotonic() - began) / 60, 1)
        results["parts"][name] = {"day": date.today().isoformat(), "load_before": round(load, 1), "minutes": took}
        results["parts"][name] |= _SIZES.get(name, {})
        report.write(results)
    print(report.table(results))


def _rules(results: dict[str, Any]) -> None:
    results["rules"] = bench_rules.figures()


def _whole_road(results: dict[str, Any]) -> None:
    results["road"] = bench_road.measure()


def _publish(results: dict[str, Any]) -> None:
    told = bench_publish.measure()
    results["ratios"]["publish_vs_bare_send"] = told["publish_vs_bare_send"]
    results["details"]["Publishing"] = told


def _loading(results: dict[str, Any]) -> None:
    with stack() as bench:
        told = loading.measure(bench, list(bench.events(ROWS)), ROUNDS)
    results["ratios"] |= {k: round(v, 3) for k, v in told["ratios"].items()}
    results["rates"] |= {name: _rounds(rates) for name, rates in told["rates"].items()}
    results["consumer_peak_mb"] = round(told["consumer_peak_mb"])
    results["details"]["Rows to a CPU second of client, broker and database, start-up included"] = {
        name: f"{found:,.0f}" for name, found in told["rows_per_cpu_s"].items()
    }
    results["details"]["Rows to a commit (half of the rows came in commits of at least so many)"] = told[
        "rows_to_a_commit"
    ]
    results["rows_of_a_run"] = told["rows_of_a_run"]


def _latency(results: dict[str, Any]) -> None:
    with stack() as bench:
        waits = latency.measure(bench, SECONDS, _LATENCY_FROM)
    results["ratios"]["visible_vs_polled_p99"] = round(waits.ratio, 2)
    results["details"]["At a steady rate"] = waits.figures() | {"events_per_s": round(waits.events_per_s)}


def _stored(results: dict[str, Any]) -> None:
    """The road's rate into empty tables and into tables that hold very many records."""
    with stack() as bench:
        bench.publish(bench.events(ROWS))
        loading.road(bench, ROWS)
        # Once more, so that both rates are of a server that has been used.
        bench.empty()
        empty = loading.road(bench, ROWS)
        began = time.monotonic()
        held = copies.Copies(bench).fill(STORED)
        print(f"  {held:,} records stored in {time.monotonic() - began:.0f} s", flush=True)
        first = str(next(iter(bench.events(1))).ce_id)
        bench.publish(bench.events(ROWS, _STORED_FROM))
        full = loading.road(bench, ROWS, f"record_no >= '{first}'")
    results["ratios"]["stored_10m_vs_empty"] = round(full.rows_per_s / empty.rows_per_s, 3)
    results["rates"] |= {"road_into_empty": _rounds([empty.rows_per_s]), "road_into_stored": _rounds([full.rows_per_s])}
    results["consumer_peak_mb"] = max(results.get("consumer_peak_mb", 0), round(full.told.peak_mb))


def _quality(results: dict[str, Any]) -> None:
    told = bench_quality.measure(STORED // TENTH, STORED)
    results["ratios"]["quality_10m_vs_1m"] = told["ratio"]
    results["details"]["Quality run"] = told


def _rounds(rates: list[float]) -> dict[str, Any]:
    return {"median": round(statistics.median(rates)), "rounds": [round(r) for r in rates]}


def _about() -> dict[str, Any]:
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": {
            "processor": processor[1] if processor else platform.machine(),
            "cores": os.cpu_count(),
            "memory_gb": round(memory / 2**30),
        },
        "versions": {
            "Python": platform.python_version(),
            "Kafka": KAFKA_VERSION,
            "Debezium": debezium.VERSION,
            "Quix Streams": quix.VERSION,
            **{name: importlib.metadata.version(name) for name in ("kafka-python", "psycopg2-binary", "polars")},
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
