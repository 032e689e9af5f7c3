"""The connection breaks within COMMIT: before the server hears of it, or after it was carried out. Nobody can tell
which from the client's side, so positions are read again; nothing is lost, nothing is applied twice."""

from __future__ import annotations

import time

import pytest

from crew import crew, ends, reached
from cutting_proxy import cutting_proxy
from events import build_world, wait_until
from faults.test_kill_mid_load import UNITS, share, some_events
from faults.test_outages import assert_nothing_lost_nothing_twice
from traffic import Traffic


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, UNITS)
    yield made
    made.close()


@pytest.mark.timeout(1800)
def test_connections_cut_within_commit_lose_and_repeat_nothing(world, postgres_server, fault_table, events_wanted):
    traffic = Traffic(world, seed=5)
    # Each cut costs a back-off: as many as the size allows.
    cuts = max(8, min(100, events_wanted // 2000))
    with (
        cutting_proxy(postgres_server.port, seed=5) as cutter,
        crew(world, 2, group="center.cut", CREDIT_DATABASE_PORT=str(cutter.port)) as pair,
    ):
        share(world, pair)
        cutter.cut = 0.3
        until = time.monotonic() + 900
        while min(cutter.cuts["before"], cutter.cuts["after"]) < cuts // 2:
            assert time.monotonic() < until, cutter.cuts
            round_ = sum(cutter.cuts.values())
            traffic.publish([*traffic.make(max(events_wanted // cuts, 40)), *some_events(world, f"cut-{round_}")])
            wanted = ends(world)
            wait_until(lambda wanted=wanted: reached(world, wanted), "all is read in spite of it", 100)
        traffic.send(max(events_wanted // cuts, 40))
        cutter.cut = 0.0
        began, wanted = time.monotonic(), ends(world)
        wait_until(lambda: reached(world, wanted), "all is read", 900)
        took = time.monotonic() - began
        assert all(process.is_alive() for process in pair)
    how = f"connection cut within COMMIT: {cutter.cuts['before']} before, {cutter.cuts['after']} after it was done"
    assert_nothing_lost_nothing_twice(world, fault_table, how, kills=sum(cutter.cuts.values()), seconds_to_recover=took)
