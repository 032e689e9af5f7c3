"""`kill -9` at each step of the load transaction, and within COMMIT: nothing lost, nothing applied twice.

The test stops the consumers at a step with a trigger that waits for a lock the test holds; no hook is in the product.
Two consumers share forty units; the one that stands at the step is killed, the other goes on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import psycopg2
import pytest

from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED
from credit_schemas.uuid7 import uuid7
from crew import crew, ends, reached
from events import Event, World, build_world, wait_until
from fold import assert_agrees, assert_holds, fold, tally
from traffic import Traffic
from unit.rows import PENALTY, PERSON_PENALTY

LOADER = Path(__file__).parent.parent / "loader.py"
UNITS = [u.code for u in load_catalogue(SHIPPED / "410421").county.units][:40]
LOCK = 4711
# The shortest session the broker allows by default.
SESSION_MS = 6000
# In the order in which the transaction comes by them (DESIGN, promise 1).
STEPS = {
    "01 position": ("ingest.position", "BEFORE UPDATE"),
    "02 known events": ("landing.event", "LOCK"),
    "03 landing": ("landing.event", "BEFORE INSERT"),
    "04 waiting": ("ingest.waiting", "BEFORE INSERT"),
    "05 person": ("core.person", "BEFORE INSERT"),
    "06 subject": ("core.subject", "AFTER INSERT"),
    "07 core": ("core.penalty", "AFTER INSERT"),
    "08 standing": ("core.penalty", "BEFORE UPDATE"),
    "09 act": ("core.record_act", "BEFORE INSERT"),
    "10 mark": ("exchange.mark", "BEFORE INSERT"),
    "11 receipt": ("exchange.receipt", "AFTER INSERT"),
    "12 commit": ("ingest.position", "COMMIT"),
}
# Steps that only acts come by: for the others every second round is of reports alone, the road of a large backlog.
OF_ACTS = {"04 waiting", "08 standing", "09 act"}
# Steps that every batch comes by.
OF_ALL = {"01 position", "03 landing", "11 receipt", "12 commit"}
_groups = count()


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    made.query(
        "CREATE FUNCTION public.block() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END $$"
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def traffic(world):
    return Traffic(world, seed=1, acts=0)


@pytest.fixture(scope="session")
def kills(events_wanted) -> int:
    """How often each step is killed: 25 times at the size of CI and above, twice in `make test`."""
    return max(2, min(25, events_wanted // 4000))


@contextmanager
def loader(world: World, session_ms: int = SESSION_MS) -> Iterator[subprocess.Popen[bytes]]:
    """A consumer as a process of its own; killed at the end if it still runs."""
    environment = {**os.environ, **world.environment()}
    process = subprocess.Popen(
        [sys.executable, str(LOADER), str(session_ms)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def blocked(world: World, trigger: str) -> Iterator[None]:
    """The trigger is there and waits; it lets go at the end."""
    with held(world):
        world.query(trigger)
        yield


@contextmanager
def held(world: World, statement: str = f"SELECT pg_advisory_lock({LOCK})") -> Iterator[None]:
    """A session of ours holds what consumers come by."""
    con = psycopg2.connect(world.database.dsn)
    try:
        with con.cursor() as cur:
            cur.execute(statement)
            yield
    finally:
        ours = con.info.backend_pid
        con.close()
        # Closed is not gone: the server notices a moment later.
        wait_until(lambda: not world.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [ours]), "let go")


def stands_still(world: World) -> bool:
    return bool(
        world.query("SELECT 1 FROM pg_stat_activity WHERE usename = 'credit_consumer' AND wait_event = 'advisory'")
    )


def left(world: World) -> bool:
    """The server has noticed that the killed process is gone."""
    return not sessions(world)


def sessions(world: World, condition: str = "true") -> set[int]:
    """Local ports of the consumers' sessions, those that are a client's."""
    found = world.query(
        "SELECT client_port FROM pg_stat_activity WHERE usename = 'credit_consumer' AND datname = current_database()"
        f" AND {condition}"
    )
    return {port for (port,) in found}


def whose(processes: list[BaseProcess], port: int) -> BaseProcess:
    """The consumer that has this end of a connection."""
    for process in processes:
        if any(c.laddr.port == port for c in psutil.Process(process.pid).net_connections("tcp")):
            return process
    raise AssertionError(f"nobody has port {port}")


def share(world: World, processes: list[BaseProcess]) -> None:
    """Wait until each consumer has placed its partitions: then it has a session, which stays."""

    def all_placed() -> bool:
        before = sessions(world, "state = 'idle'")
        time.sleep(0.1)
        return len(before) == len(processes) and sessions(world, "state = 'idle'") == before

    wait_until(all_placed, "each consumer has partitions", 60)


def some_events(world: World, tag: str, units: tuple[str, ...] = ("market", "edu")) -> list[Event]:
    """New records, corrections, repeats, persons and acts of two units; some acts come before their record."""
    events = []
    for unit in units:
        for n in range(6):
            row = {**(PERSON_PENALTY if n % 2 else PENALTY), "CF_WSH": f"{tag}〔2026〕{n}号"}
            first = world.event(unit, row)
            number = {"AC_JLBH": str(first.ce_id)}
            if n in (1, 4):
                paid = {**row, "CF_NR": "罚款500元，部分已缴"}
                events += [
                    world.event(unit, paid, act="correct", target={"record_no": str(first.ce_id)}),
                    world.act(unit, "revoke", **number),
                    world.act(unit, "reinstate", **number),
                ]
            events += [first, world.event(unit, row)]
            if n in (2, 4):
                events += [world.act(unit, "withdraw", **number), world.event(unit, row)]
            events.append(world.event(unit, {**row, "CF_NR": "罚款500元，已缴"}))
            if n == 2:
                events.append(world.act(unit, "reinstate", **number))
        events.append(world.act(unit, "withdraw", AC_JLBH=str(uuid7())))  # waits in vain
    return events


def landed(world: World) -> int:
    return world.one("SELECT count(*) FROM landing.event")[0]


@contextmanager
def standing_at(world: World, table: str, when: str) -> Iterator[str]:
    """Consumers that come by this step stand there; how their sessions are known."""
    if when == "LOCK":
        with held(world, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
            yield "wait_event = 'relation'"
    else:
        with held(world):
            yield "wait_event = 'advisory'"


def put_trigger(world: World, table: str, when: str) -> None:
    if when == "COMMIT":
        kind, what = "CONSTRAINT TRIGGER", "AFTER UPDATE ON {} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    else:
        kind, what = "TRIGGER", f"{when} ON {{}} FOR EACH STATEMENT"
    if when != "LOCK":
        world.query(f"CREATE {kind} block {what.format(table)} EXECUTE FUNCTION public.block()")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("step", STEPS)
def test_kill_at_a_step_of_the_load_loses_and_repeats_nothing(world, traffic, fault_table, events_wanted, kills, step):
    table, when = STEPS[step]
    rng = random.Random(step)
    put_trigger(world, table, when)
    for n in range(kills):
        with crew(world, 2, group=f"center.kill{next(_groups)}") as pair:
            share(world, pair)
            before = landed(world)
            with standing_at(world, table, when) as known_by:
                events = list(traffic.make(max(events_wanted // len(STEPS) // kills, 120)))
                if step in OF_ACTS or n % 2:
                    events += some_events(world, f"{step}-{n}", tuple(rng.sample(UNITS, 2)))
                traffic.publish(events)
                wait_until(lambda known_by=known_by: sessions(world, known_by), f"a load stands at {step}", 60)
                victim = whose(pair, sessions(world, known_by).pop())
                os.kill(victim.pid, signal.SIGKILL)
                victim.join()
                if step in OF_ALL:
                    assert landed(world) == before  # what stood there was never committed
            # The other one goes on with its own partitions, if it had any events; it dies within its next load.
            until = time.monotonic() + 2
            while landed(world) == before and time.monotonic() < until:
                time.sleep(0.05)
        wait_until(lambda: left(world), "the server has noticed")
    world.query(f"DROP TRIGGER IF EXISTS block ON {table}")
    began, wanted = time.monotonic(), ends(world)
    with crew(world, 2, group=f"center.kill{next(_groups)}"):
        wait_until(lambda: reached(world, wanted), "all is read", 900)
    took = time.monotonic() - began
    expected = fold(world, UNITS)
    fault_table(fault=f"kill -9 at {step}", **tally(world, expected), kills=kills, seconds_to_recover=took)
    assert_holds(world, expected)
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0


def test_a_consumer_frozen_in_mid_load_does_not_block_the_next_one(world):
    """SIGSTOP with locked rows in an open transaction: the next owner ends that session and goes on."""
    trigger = "CREATE TRIGGER block BEFORE INSERT ON landing.event FOR EACH STATEMENT EXECUTE FUNCTION public.block()"
    with loader(world) as frozen:
        with blocked(world, trigger):
            world.publish(some_events(world, "frozen"))
            wait_until(lambda: stands_still(world), "the load stands at landing")
            frozen.send_signal(signal.SIGSTOP)
        with loader(world):
            wait_until(
                lambda: world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh LIKE 'frozen%%'", [])[0] == 12,
                "the next owner has loaded the rows",
                60,
            )
            frozen.send_signal(signal.SIGCONT)
            world.publish(some_events(world, "thawed"))
            wait_until(
                lambda: world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh LIKE 'thawed%%'", [])[0] == 12,
                "both go on",
                60,
            )
    world.query("DROP TRIGGER block ON landing.event")
    assert_agrees(world, UNITS)


def test_sigterm_ends_a_consumer_in_good_order(world):
    with loader(world) as process:
        world.publish(some_events(world, "term"))
        wait_until(lambda: world.query("SELECT 1 FROM core.penalty WHERE cf_wsh LIKE 'term%%'", []), "it loads")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    wanted = ends(world)
    with crew(world, group="center.again"):
        wait_until(lambda: reached(world, wanted), "all is read", 60)
    assert_agrees(world, UNITS)
