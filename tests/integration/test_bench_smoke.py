"""Every measure of `make bench` that needs no Java peer, at a size of seconds: so that it still runs when it is asked.

The figures are not looked at (they say nothing at this size), only that each side did all its work.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from bench import copies, latency, loading
from bench.rows import penalties
from bench.stack import Bench, Commit, rate, stack
from credit_schemas.catalogue import load_catalogue
from credit_schemas.rules import Context, evaluate

# Several batches for each of two consumers; a whole backlog for one.
ROWS = 2000


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A stack of its own: commit times are remembered, which the tests' common server does not."""
    with stack(units=8) as running:
        running.batch = 200
        yield running


def test_the_rows_are_clean_and_each_is_another_one() -> None:
    catalogue = load_catalogue()
    units = [u for u in catalogue.county.units if u.member][:40]
    rows = [values for _, values in penalties(2000, units, date.today())]
    dataset = catalogue.datasets["penalty"]
    found = [p for v in rows for p in evaluate(dataset, v, Context(date.today(), v["CF_CFJGDM"]))]
    assert found == []
    assert len({v["CF_WSH"] for v in rows}) == len(rows)
    persons = sum(v["CF_XDR_LB"] == "自然人" for v in rows)
    assert 0.05 <= persons / len(rows) <= 0.1


def test_the_same_number_gives_the_same_row() -> None:
    units = [u for u in load_catalogue().county.units if u.member][:3]
    again = [list(penalties(5, units, date(2026, 11, 24), first=7)) for _ in range(2)]
    assert again[0] == again[1]


def test_a_rate_leaves_out_the_warm_up() -> None:
    commits = [Commit(10.0, 200), Commit(11.0, 400), Commit(13.0, 400)]
    assert rate(commits) == 800 / 3.0
    with pytest.raises(ValueError, match="too few"):
        rate(commits[:1])


def test_road_copy_two_consumers_and_the_upsert_alone_do_all_their_work(bench: Bench) -> None:
    told = loading.measure(bench, list(bench.events(ROWS)), rounds=1, peers=(), share=0.0)
    assert set(told["ratios"]) == {"road_vs_copy_limit", "two_consumers_vs_one"}
    assert told["rows_of_a_run"]["landing.event"] == told["rows_of_a_run"]["core.penalty"] == ROWS
    assert told["consumer_peak_mb"] > 0
    assert 0 < told["rows_to_a_commit"]["single_table"] <= bench.batch


def test_waits_to_visible_and_to_polled_are_those_of_every_event(bench: Bench) -> None:
    waits = latency.measure(bench, seconds=1, warm_s=1, first=10_000_000)
    assert len(waits.visible) == len(waits.polled) == latency.RATE
    assert 0 < waits.polled[0] <= waits.polled[-1]
    assert waits.visible[0] > 0


def test_stored_records_are_records_of_their_own_and_the_road_goes_on_over_them(bench: Bench) -> None:
    filled = copies.Copies(bench)
    loaded = filled.records
    assert loaded > 0
    assert filled.fill(2 * loaded) == 2 * loaded
    assert filled.fill(3 * loaded - 1) == 3 * loaded
    ((records, keys, subjects),) = bench.execute(
        "SELECT count(*), count(DISTINCT natural_key), count(DISTINCT subject_id) FROM core.penalty"
    )
    assert records == keys == 3 * loaded
    assert subjects == bench.execute("SELECT count(*) FROM core.subject")[0][0]
    assert bench.execute(
        "SELECT count(*) FROM core.penalty p JOIN landing.event e ON e.ce_id = p.record_no"
        " JOIN exchange.mark m ON m.record_no = p.record_no JOIN exchange.receipt r ON r.ce_id = p.record_no"
    ) == [(records,)]
    assert bench.execute("SELECT count(*) FROM exchange.mark WHERE checked_run IS NULL") == [(0,)]
    bench.publish(bench.events(600, first=20_000_000))
    assert loading.finished(bench.consumer()).counts == {"loaded": 600}
