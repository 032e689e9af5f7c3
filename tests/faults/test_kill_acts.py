"""`kill -9` while acts are done, with their record and after it: nothing lost, nothing done twice.

A forked process loads (or looks for what waited) over a connection of its own and stands still at a step, where a
trigger waits for a lock the test holds; there it is killed, and the work is done again from the same position.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from credit_schemas.uuid7 import uuid7
from events import Event, World, build_world, wait_until
from faults.test_kill_mid_load import LOCK, blocked, kills, left, stands_still  # noqa: F401 - `kills` is a fixture
from fold import assert_holds, fold_events, tally
from unit.rows import PENALTY

UNITS = ["market", "reform", "province"]
# In the order in which a transaction comes by them.
LOAD_STEPS = {
    "position": ("ingest.position", "BEFORE UPDATE"),
    "landing": ("landing.event", "BEFORE INSERT"),
    "waiting": ("ingest.waiting", "BEFORE INSERT"),
    "landed": ("landing.event", "BEFORE UPDATE"),
    "settled": ("ingest.waiting", "BEFORE UPDATE"),
    "core": ("core.penalty", "AFTER INSERT"),
    "standing": ("core.penalty", "BEFORE UPDATE"),
    "act": ("core.record_act", "BEFORE INSERT"),
    "mark": ("exchange.mark", "BEFORE INSERT"),
    "receipt": ("exchange.receipt", "AFTER INSERT"),
}
LOOK_STEPS = {step: LOAD_STEPS[step] for step in ("landed", "settled", "standing", "act", "mark", "receipt")}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    made.query(
        "CREATE FUNCTION public.block() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END $$"
    )
    made.feed(*(made.act(unit, "withdraw", AC_JLBH=str(uuid7())) for unit in UNITS))  # topics and positions
    yield made
    made.close()


@contextmanager
def killed_at(world: World, table: str, when: str, work: Callable[[World], object]) -> Iterator[None]:
    """A process of its own does `work` and is killed where the trigger stands."""
    each = "ROW" if when == "BEFORE UPDATE" and table == "core.penalty" else "STATEMENT"
    trigger = f"CREATE TRIGGER block {when} ON {table} FOR EACH {each} EXECUTE FUNCTION public.block()"
    # The work of another process: no connection and no counter is shared.
    other = dataclasses.replace(world, _con=None, _producers={}, _fed=dict(world._fed))
    with blocked(world, trigger):
        child = os.fork()
        if child == 0:
            try:
                work(other)
            finally:
                os._exit(0)
        try:
            wait_until(lambda: stands_still(world), f"the work stands at {table}")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    wait_until(lambda: left_but_ours(world), "the server has rolled back")
    world.query(f"DROP TRIGGER block ON {table}")
    yield


def left_but_ours(world: World) -> bool:
    if world._con is not None:
        world._con.close()
        world._con = None
    return left(world)


def acts_of(world: World, tag: str):
    """A record, acts of three units that come before it, and what comes with and after it."""
    row = {**PENALTY, "CF_WSH": f"{tag}号"}
    first = world.event("market", row)
    number = {"AC_JLBH": str(first.ce_id)}
    named = {"AC_WSH": row["CF_WSH"], "AC_JGDM": row["CF_CFJGDM"], "AC_JDRQ": row["CF_JDRQ"]}
    named["AC_DM"] = row["CF_XDR_SHXYM"]
    early = [
        world.event(
            "market", {**row, "CF_NR": "罚款500元，已缴"}, act="correct", target={"record_no": number["AC_JLBH"]}
        ),
        world.act("reform", "dispute_open", AC_BSDW="市场监管局", **named),
        world.act("market", "revoke", **number),
        world.act("province", "reinstate", **number),
        world.act("reform", "dispute_close", AC_JG="异议成立", **number),
    ]
    later = [
        first,
        world.act("market", "withdraw", **number),
        world.act("reform", "repair", **number),
        world.act("market", "withdraw", AC_JLBH=str(uuid7())),
    ]
    return early, later


@pytest.mark.parametrize("step", LOAD_STEPS)
def test_kill_while_a_record_comes_for_which_acts_wait_loses_and_repeats_nothing(world, fault_table, kills, step):  # noqa: F811
    events = []
    for time in range(kills):
        early, later = acts_of(world, f"load-{step}-{time}")
        world.feed(*early)
        with killed_at(world, *LOAD_STEPS[step], lambda w, later=later: w.feed(*later)):
            assert world.landed(early[0])["state"] == "waiting"
            assert not world.query("SELECT 1 FROM landing.event WHERE ce_id = %s", [str(later[0].ce_id)])
        world.feed(*later)
        assert_holds(world, fold_events(world, early + later), f"load-{step}-{time}号")
        events += early + later
    fault_table(fault=f"kill -9 at {step} of acts that waited", **counted(world, events), kills=kills)


@pytest.mark.parametrize("step", LOOK_STEPS)
def test_kill_while_looking_for_what_waited_loses_and_repeats_nothing(world, fault_table, kills, step):  # noqa: F811
    """An act and its record come at one moment through two consumers: neither sees the other, the next look does it."""
    events = []
    for time in range(kills):
        early, later = acts_of(world, f"look-{step}-{time}")
        first = later[0]
        unseen(world, early, first)
        assert world.landed(early[0])["state"] == "waiting"
        with killed_at(world, *LOOK_STEPS[step], look):
            assert world.landed(early[0])["state"] == "waiting"
        assert sum(look(world).values()) == len(early)
        assert world.settle_waiting() == {}
        assert_holds(world, fold_events(world, [*early, first]), f"look-{step}-{time}号")
        events += [*early, first]
    fault_table(fault=f"kill -9 at {step} of a look for what waited", **counted(world, events), kills=kills)


def counted(world: World, events: list[Event]) -> dict[str, int]:
    return tally(world, fold_events(world, events))


def look(world: World) -> dict[str, int]:
    world.feed()  # so that it has a connection
    return world.settle_waiting()


def unseen(world: World, early, first) -> None:
    """Load acts by a transaction that does not see the record, and the record by one that does not see the acts."""
    other = dataclasses.replace(world, _con=None, _producers={}, _fed={})
    trigger = "CREATE TRIGGER block BEFORE INSERT ON exchange.mark FOR EACH STATEMENT EXECUTE FUNCTION public.block()"
    with blocked(world, trigger):
        child = os.fork()
        if child == 0:
            try:
                other.feed(first)
            finally:
                os._exit(0)
        wait_until(lambda: stands_still(world), "the record is written and not committed")
        assert world.feed(*early) == {"waiting": len(early)}
    os.waitpid(child, 0)
    world.query("DROP TRIGGER block ON exchange.mark")
