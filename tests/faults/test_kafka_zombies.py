"""A consumer paused beyond its session wakes with a batch in its hands: no offset is applied twice, whoever is first.

"A paused zombie cannot write" would be false: one that comes first does write, and the new owner's fence then finds no
row. That is a normal answer: it rolls back, reads the positions again, and goes on.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack

import pytest

from events import World, build_world, wait_until
from faults.kafka_support import UNITS, Running, accounts, landed, running, start, wait_for_the_end
from fold import fold
from traffic import Traffic

# Stops a session that is told to wait before it moves a position; no lock of the load is held there, and no lock
# timeout counts. Who waits shows by a lock that nobody else wants.
WAIT_TURN = """
CREATE TABLE public.held (who text PRIMARY KEY);
CREATE FUNCTION public.wait_turn() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE me text := coalesce(current_setting('credit.who', true), '');
BEGIN
    WHILE EXISTS (SELECT 1 FROM public.held WHERE who = me) LOOP
        PERFORM pg_try_advisory_xact_lock_shared(4712, hashtext(me));
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER wait_turn BEFORE UPDATE ON ingest.position FOR EACH STATEMENT EXECUTE FUNCTION public.wait_turn();
"""


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    made.query(WAIT_TURN)
    yield made
    made.close()


def hold(world: World, who: str) -> None:
    world.query("INSERT INTO public.held VALUES (%s)", [who])


def let_go(world: World, who: str) -> None:
    world.query("DELETE FROM public.held WHERE who = %s", [who])


def holds_a_batch(world: World, who: str) -> bool:
    """It has read a batch and stands before its first position."""
    query = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 4712 AND objid::bigint = %s"
    (number,) = world.one("SELECT hashtext(%s)::bigint & 4294967295", [who])
    return bool(world.query(query, [number]))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", ["zombie", "new owner"])
def test_paused_zombie_applies_no_offset_twice(world, tmp_path, events_wanted, fault_table, first):
    repetitions = min(25, max(1, events_wanted // 40_000))
    traffic = Traffic(world, seed=7, tag=first.replace(" ", ""))
    sent, took = 0, []
    with ExitStack() as stack:
        zombie = begin(stack, world, tmp_path, "p0")
        for n in range(repetitions):
            before = landed(world)
            hold(world, f"p{n}")
            sent += traffic.send(200)
            wait_until(lambda n=n: holds_a_batch(world, f"p{n}"), "the zombie has a batch in its hands", 180)
            zombie.process.send_signal(signal.SIGSTOP)
            if first == "zombie":
                hold(world, f"p{n + 1}")
            owner = begin(stack, world, tmp_path, f"p{n + 1}")
            if first == "zombie":
                wait_until(lambda n=n: holds_a_batch(world, f"p{n + 1}"), "the new owner has it too", 180)
                assert landed(world) == before
                wake(world, zombie, f"p{n}")
                wait_until(lambda before=before: landed(world) > before, "the zombie writes", 90)
                let_go(world, f"p{n + 1}")
                loser = owner
            else:
                wait_for_the_end(world, UNITS)
                wake(world, zombie, f"p{n}")
                loser = zombie
            woken = time.monotonic()
            wait_until(lambda loser=loser: loser.fenced() > 0, "the fence finds no row", 180)
            wait_for_the_end(world, UNITS)
            took.append(time.monotonic() - woken)
            zombie.end()
            zombie = owner
        zombie.end()
    counted = accounts(world, fold(world, UNITS)) | {"events": sent}
    fault_table(
        fault=f"consumer paused beyond its session, {first} first",
        kills=repetitions,
        **counted,
        seconds_to_recover=max(took),
    )


@pytest.mark.timeout(1800)
def test_three_groups_that_all_own_every_topic_apply_each_offset_once(world, tmp_path, events_wanted, fault_table):
    """Every batch is a race that two lose: zombies in all orders, as often as there are batches."""
    names = [f"rival{n}" for n in range(3)]
    wanted = min(200, max(20, events_wanted // 1000))
    with ExitStack() as stack:
        rivals = [stack.enter_context(running(world, tmp_path, n, group=f"center.{n}")) for n in names]
        traffic, sent, took = Traffic(world, seed=8, tag="rivals"), 0, 0.0
        # In pieces: whoever is slow to start would find a backlog read and no race to lose.
        while (lost_races := sum(r.fenced() for r in rivals)) < wanted:
            sent += traffic.send(200)
            took = max(took, wait_for_the_end(world, UNITS))
        for rival in rivals:
            rival.end()
    counted = accounts(world, fold(world, UNITS)) | {"events": sent}
    fault = f"three groups over the same topics ({lost_races} races lost)"
    fault_table(fault=fault, kills=0, **counted, seconds_to_recover=took)


def begin(stack: ExitStack, world: World, folder, name: str) -> Running:
    started = start(world, folder, name)
    stack.callback(started.kill)
    return started


def wake(world: World, zombie: Running, who: str) -> None:
    zombie.process.send_signal(signal.SIGCONT)
    let_go(world, who)
