"""A quality run over the same new slice with few and with very many records stored.

Left out on both sides: importing Great Expectations, which a run of the scheduler pays once (6 s on the machine of
TRAPS.md) and which has nothing to do with the data. In both warehouses what is stored was checked before: the books are
of it, as any run leaves them, and the first run of the day is over (its time is given too).
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg2

from bench.stored_penalties import add_slice, fill, settle
from credit_expectations.book_statements import ONE_MOMENT
from credit_expectations.books import close_books, keep_books
from credit_expectations.run import run_due
from credit_local import processes
from credit_local.postgres import PostgresServer
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.connect import connect
from quality_rows import TODAY, Warehouse, running_warehouse

# New records of three units (and as many ledger lines, and refusals): an hour of an upload day.
SLICE = 3000
# The sides take turns, and of each the best round counts: the machine is shared, and nothing makes a run too fast.
ROUNDS = 5


def measure(small: int = 1_000_000, large: int = 10_000_000, rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds of a run over a new slice with `small` and with `large` records stored, and their ratio (goal: 1.2)."""
    import credit_expectations.checker  # noqa: F401 - the import is not what is measured

    found: dict[str, Any] = {"slice": SLICE, "stored": [small, large], "import_of_great_expectations": "excluded"}
    times: dict[str, list[tuple[float, float]]] = {"small": [], "large": []}
    with TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            with (
                running_warehouse(server, "small", Path(folder) / "small") as few,
                running_warehouse(server, "large", Path(folder) / "large") as many,
            ):
                sides = {"small": (few, small), "large": (many, large)}
                for name, (world, rows) in sides.items():
                    found[f"{name}_prepared"] = _prepare(world, rows)
                _stop_autovacuum(server)
                for number in range(rounds):
                    for name, (world, rows) in sides.items():
                        add_slice(world, rows, SLICE, number)
                        settle(world)
                        times[name].append(_timed(server, world))
        finally:
            server.destroy()
    wall, cpu = ({name: min(t[i] for t in taken) for name, taken in times.items()} for i in (0, 1))
    return {
        **found,
        "rounds_s": {name: [round(t[0], 2) for t in taken] for name, taken in times.items()},
        "small_s": round(wall["small"], 2),
        "large_s": round(wall["large"], 2),
        "small_cpu_s": round(cpu["small"], 2),
        "large_cpu_s": round(cpu["large"], 2),
        "ratio": round(wall["large"] / wall["small"], 3),
        "ratio_cpu": round(cpu["large"] / cpu["small"], 3),
    }


def _prepare(world: Warehouse, rows: int) -> dict[str, float]:
    began = time.perf_counter()
    fill(world, rows)
    filled = time.perf_counter()
    con = connect(world.settings, "quality")
    with con, con.cursor() as cur:
        cur.execute(ONE_MOMENT)
        keep_books(cur, load_catalogue(), whole=True)
        close_books(cur, TODAY, whole=True)
    con.close()
    booked = time.perf_counter()
    outcome = run_due(TODAY, world.settings)
    assert not outcome["whole"]
    day = time.perf_counter() - booked
    return {"fill_s": round(filled - began, 1), "books_s": round(booked - filled, 1), "first_of_day_s": round(day, 1)}


def _stop_autovacuum(server: PostgresServer) -> None:
    """`settle` does its work between the rounds; on its own it would fall upon one side and not the other."""
    with closing(psycopg2.connect(server.superuser_dsn)) as con:
        con.autocommit = True
        with con.cursor() as cur:
            cur.execute("ALTER SYSTEM SET autovacuum = off")
            cur.execute("SELECT pg_reload_conf()")


def _timed(server: PostgresServer, world: Warehouse) -> tuple[float, float]:
    """Seconds of a run by the clock, and of processor time here and in the server."""
    began, spent = time.perf_counter(), _cpu(server)
    outcome = run_due(TODAY, world.settings)
    took = time.perf_counter() - began, _cpu(server) - spent
    assert outcome["marks"] == 2 * SLICE, outcome
    assert not outcome["whole"], outcome
    assert outcome["holds_opened"] == 0, outcome
    return took


def _cpu(server: PostgresServer) -> float:
    """Processor seconds of this process and of the server, its ended sessions included."""
    spent = _ticks(server)
    while (again := _ticks(server)).keys() != spent.keys():
        spent = again  # a session ended meanwhile: its time may have been counted twice, or not
    return time.process_time() + sum(spent.values()) / os.sysconf("SC_CLK_TCK")


def _ticks(server: PostgresServer) -> dict[int, int]:
    """Of each process of the server; of the first one also what its ended children took."""
    leader = processes.find(server.home, "postgres")
    assert leader
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            if pid == leader.pid or int(fields[1]) == leader.pid:
                found[pid] = sum(map(int, fields[11 : 15 if pid == leader.pid else 13]))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3])), ensure_ascii=False, indent=1))
