"""The load path against its limit and its peers, the sides by turns: a ratio is the median of its rounds' ratios."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from bench import copy_limit, single_table
from bench.peers import debezium, one_table, quix
from bench.stack import Bench, Commit, Consumed, Event, finished, rate

# Two consumers come one after the other and share the units anew; by then this part of the backlog is through.
BOTH_WARM = 0.4
# Each of two must have done at least this part, or the figure would be of one.
BOTH_SHARE = 0.2
PEERS = ("debezium", "quix")


class Road(NamedTuple):
    """A run of the whole path over a backlog: rows a second, and what the process told."""

    rows_per_s: float
    told: Consumed


def road(bench: Bench, events: int, where: str = "true") -> Road:
    """One consumer over everything it has not read yet, which must be `events` new penalties."""
    told = finished(bench.consumer())
    if told.counts != {"loaded": events}:
        raise RuntimeError(f"not every event was loaded: {told.counts}")
    return Road(rate(bench.commits("core.penalty", where)), told)


def two_roads(bench: Bench, events: int, share: float = BOTH_SHARE) -> float:
    """Two consumers of one group over the same backlog from the beginning; rows a second together.

    Raises RuntimeError when one of them did less than `share` of the work.
    """
    bench.empty()
    both = [bench.consumer(), bench.consumer()]
    shares = [sum(finished(one).counts.values()) for one in both]
    if sum(shares) != events or min(shares) < share * events:
        raise RuntimeError(f"the consumers loaded {shares} of {events}")
    return rate(bench.commits("core.penalty"), BOTH_WARM)


def fill_topics(bench: Bench, events: list[Event], peers: Iterable[str] = PEERS) -> None:
    """The same rows for every side: units' topics for the road, one topic each for those who can only do one."""
    dataset = bench.world.dataset("penalty")
    bench.publish(events)
    bench.topic("bench.avro", one_table.avro_messages(events))
    for peer in peers:
        bench.topic(f"bench.{peer}", one_table.json_messages(events, dataset, iso=peer == "quix"))


def measure(
    bench: Bench, events: list[Event], rounds: int, peers: Iterable[str] = PEERS, share: float = BOTH_SHARE
) -> dict[str, Any]:
    """Rates of each round (`rates`) and the ratios, and rows to a CPU second of all processes, their start included."""
    peers = tuple(peers)
    fill_topics(bench, events, peers)
    rates: dict[str, list[float]] = {}
    by_cpu: dict[str, list[float]] = {}
    a_commit: dict[str, int] = {}
    peaks: list[float] = []
    limit_rows: dict[str, int] = {}

    def note(name: str, rows_per_s: float) -> None:
        print(f"  {name}: {rows_per_s:,.0f} rows/s", flush=True)
        rates.setdefault(name, []).append(rows_per_s)

    def note_cpu(name: str, before: float, rows: int = len(events)) -> None:
        by_cpu.setdefault(name, []).append(rows / (bench.cpu_s() - before))

    def upsert(name: str, load: Callable[[Bench, str, int, str], None], topic: str) -> None:
        table = f"one_{name}"
        before = bench.cpu_s()
        load(bench, topic, len(events), table)
        note_cpu(name, before)
        commits = bench.commits(table)
        a_commit[name] = rows_to_a_commit(commits)
        note(name, rate(commits))
        bench.execute(f"DROP TABLE {table}")

    for _ in range(rounds):
        bench.empty()
        before = bench.cpu_s()
        ran = road(bench, len(events))
        note_cpu("road", before)
        note("road", ran.rows_per_s)
        a_commit["road"] = rows_to_a_commit(bench.commits("core.penalty"))
        peaks.append(ran.told.peak_mb)
        taken = copy_limit.dump(bench)
        before = bench.cpu_s()
        limit = copy_limit.measure(bench, taken, len(events))
        note_cpu("copy, both ways", before, 2 * len(events))
        note("copy_by_batch", limit.by_batch)
        note("copy_by_table", limit.by_table)
        limit_rows = limit.rows
        note("two_consumers", two_roads(bench, len(events), share))
        upsert("single_table", single_table.load, "bench.avro")
        if "debezium" in peers:
            upsert("debezium", debezium.load, "bench.debezium")
        if "quix" in peers:
            upsert("quix", quix.load, "bench.quix")
    return {
        "rates": rates,
        "rows_per_cpu_s": {name: statistics.median(found) for name, found in by_cpu.items()},
        "rows_to_a_commit": a_commit,
        "ratios": ratios(rates),
        "consumer_peak_mb": max(peaks),
        "rows_of_a_run": limit_rows,
    }


def rows_to_a_commit(commits: Sequence[Commit]) -> int:
    """The size of commit by which most rows came: half of them in commits of at least so many."""
    sizes = sorted((c.rows for c in commits), reverse=True)
    half, seen = sum(sizes) / 2, 0
    for size in sizes:
        seen += size
        if seen >= half:
            return size
    return 0


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """The issue's ratios that these rates allow."""
    limits = [max(pair) for pair in zip(rates["copy_by_batch"], rates["copy_by_table"], strict=True)]
    sides = {
        "road_vs_copy_limit": (rates["road"], limits),
        "road_vs_debezium_upsert": (rates["road"], rates.get("debezium")),
        "single_table_vs_debezium_upsert": (rates["single_table"], rates.get("debezium")),
        "road_vs_quix_upsert": (rates["road"], rates.get("quix")),
        "two_consumers_vs_one": (rates["two_consumers"], rates["road"]),
    }
    return {
        name: statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        for name, (ours, theirs) in sides.items()
        if theirs
    }
