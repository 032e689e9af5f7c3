"""Whatever happens on the way, in the end the destination agrees with the warehouse: random walks over everything that
can go wrong, against the real platform stand-in."""

from __future__ import annotations

import contextlib
import random
import time
from datetime import date

import psycopg2
import pytest

import forwarding
from core_rows import UNIT, new_penalties
from credit_platforms.errors import ForwardStopped, TransportError
from sandbox_client import end

# Fixtures, taken by name.
sandboxes, warehouse, roads, road = forwarding.sandboxes, forwarding.warehouse, forwarding.roads, forwarding.road

STEPS = 60
SWITCHES = [
    {"drop_response": True},
    {"unavailable": True},
    {"unavailable_after_apply": True},
    {"duplicate_delivery": True},
    {"lose_percent": 30},
    {"slow_ms": 300},
]


class Walk:
    """One random walk; every method is a thing that happens."""

    def __init__(self, road, seed):
        self.road, self.center = road, road.center
        self.random = random.Random(seed)

    def arrive(self):
        unit = self.random.choice([UNIT, "culture"])
        raws = new_penalties(self.random.randint(1, 4))
        self.center.records(raws, checked=self.random.random() < 0.7, unit=unit)

    def change(self):
        numbers = [n for (n,) in self.center.all("SELECT record_no::text FROM core.penalty ORDER BY 1")]
        if numbers:
            changed = self.random.choice(
                [
                    {"CF_NR": f"罚款{self.random.randint(1, 9999)}元"},
                    {"state": "withdrawn"},
                    {"state": "ended"},
                    {"state": "active"},
                    {"publicity_ends": self.random.choice([date(2026, 1, 1), date(2027, 1, 1)])},
                ]
            )
            self.center.revise(self.random.choice(numbers), checked=self.random.random() < 0.7, **changed)

    def check(self):
        self.center.check()

    def hold(self):
        with contextlib.suppress(psycopg2.errors.UniqueViolation):  # it is held already
            self.center.hold(unit=self.random.choice([UNIT, "culture"]))

    def release(self):
        self.center.all("UPDATE quality.hold SET closed_at = now()")

    def trouble(self):
        self.calm()
        self.road.ops.switch(**self.random.choice(SWITCHES))

    def calm(self):
        self.road.ops.call("DELETE", "/v1/admin/switches")

    def forward(self):
        with contextlib.suppress(ForwardStopped, TransportError):
            self.road.forward()

    def collect(self):
        with contextlib.suppress(TransportError):
            self.road.collect()

    def reconcile(self):
        with contextlib.suppress(TransportError):
            self.road.reconcile()

    def kill(self):
        self.road.kill_forward(self.random.choice(["before", "after"]))

    def restore(self):
        """Our books are lost with a restored database; the records are there."""
        self.center.all("TRUNCATE exchange.delivery")

    def meddle(self):
        """Somebody ends a copy over there."""
        self.calm()
        live = sorted(self.road.live())
        if live:
            number = self.random.choice(live)
            self.road.client.post_batch("xzcf", [end(number, self.road.copy(number)["revision"])])

    def step(self):
        often = [self.arrive, self.change, self.forward, self.collect]
        sometimes = [self.check, self.hold, self.release, self.trouble, self.calm, self.reconcile, self.meddle]
        seldom = [self.kill, self.restore]
        self.random.choice(often * 4 + sometimes * 2 + seldom)()

    def settle(self):
        """All trouble over: a few ordinary days."""
        self.calm()
        self.release()
        self.check()
        for _ in range(4):
            self.forward()
            self.collect()
            time.sleep(1.1)
            self.collect()
            self.reconcile()
        self.forward()
        self.collect()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_any_trouble_the_destination_holds_just_what_it_should(road, monkeypatch, seed):
    road.center.use_county(monkeypatch, province={"lost_after_s": 1, "verdict_wait_s": 1})
    walk = Walk(road, seed)
    for _ in range(STEPS):
        walk.step()
    walk.settle()
    query = (
        "SELECT record_no::text, cf_nr FROM core.penalty WHERE state IN ('active', 'disputed')"
        " AND coalesce(publicity_ends, 'infinity') >= current_date"
    )
    wanted = dict(road.center.all(query))
    assert wanted
    assert road.live() == set(wanted)
    assert road.states() == {"accepted": sum(road.states().values())}
    assert road.center.one("SELECT count(*) FROM exchange.batch WHERE state IN ('prepared', 'sent', 'unknown')") == 0
    # The copy is the record as it is now: what was sent last for it says so.
    last = {row["record_no"]: row for row in road.line.rows() if row["op"] == "put"}
    assert {n: last[n]["data"]["CF_NR"] for n in wanted} == wanted
    assert all(road.copy(n)["digest"] is not None for n in wanted)
    counts = road.reconcile()
    assert (counts["agree"], counts["differ"], counts["missing"], counts["extra"]) == (counts["agree"], 0, 0, 0)
