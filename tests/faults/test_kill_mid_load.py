"""`kill -9` at each step of the load transaction, and within COMMIT: nothing lost, nothing applied twice.

The test stops the consumer at a step with a trigger that waits for a lock the test holds; no hook is in the product.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from credit_schemas.uuid7 import uuid7
from events import World, build_world, wait_until
from fold import assert_agrees
from unit.rows import PENALTY, PERSON_PENALTY

LOADER = Path(__file__).parent.parent / "loader.py"
LOCK = 4711
# The shortest session the broker allows by default.
SESSION_MS = 6000
STEPS = {
    "position": ("ingest.position", "BEFORE UPDATE"),
    "landing": ("landing.event", "BEFORE INSERT"),
    "person": ("core.person", "BEFORE INSERT"),
    "subject": ("core.subject", "AFTER INSERT"),
    "waiting": ("ingest.waiting", "BEFORE INSERT"),
    "core": ("core.penalty", "AFTER INSERT"),
    "standing": ("core.penalty", "BEFORE UPDATE"),
    "act": ("core.record_act", "BEFORE INSERT"),
    "mark": ("exchange.mark", "BEFORE INSERT"),
    "receipt": ("exchange.receipt", "AFTER INSERT"),
}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "edu"])
    made.query(
        "CREATE FUNCTION public.block() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END $$"
    )
    yield made
    made.close()


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
    con = psycopg2.connect(world.database.dsn)
    try:
        with con.cursor() as cur:
            cur.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            con.commit()
            world.query(trigger)
            yield
            cur.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
            con.commit()
    finally:
        con.close()


def stands_still(world: World) -> bool:
    return bool(
        world.query("SELECT 1 FROM pg_stat_activity WHERE usename = 'credit_consumer' AND wait_event = 'advisory'")
    )


def left(world: World) -> bool:
    """The server has noticed that the killed process is gone."""
    return not world.query(
        "SELECT 1 FROM pg_stat_activity WHERE usename = 'credit_consumer' AND datname = current_database()"
    )


def some_events(world: World, tag: str):
    """New records, corrections, repeats, persons and acts of two units; some acts come before their record."""
    events = []
    for unit in ("market", "edu"):
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


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_a_step_of_the_load_loses_and_repeats_nothing(world, step):
    table, when = STEPS[step]
    trigger = f"CREATE TRIGGER block {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.block()"
    world.query(
        "TRUNCATE core.subject_name, core.penalty, core.subject, core.person CASCADE"
    )  # so that each step has work
    world.query("TRUNCATE landing.event, exchange.receipt, exchange.mark, core.former_key")
    world.query("TRUNCATE ingest.waiting, core.record_act")
    world.query("UPDATE ingest.position SET next_offset = 0")  # as a restored database: all is read again
    with blocked(world, trigger):
        world.publish(some_events(world, step))
        with loader(world) as process:
            wait_until(lambda: stands_still(world), f"the load stands at {step}")
            process.send_signal(signal.SIGKILL)
            process.wait()
    wait_until(lambda: left(world), "the server has rolled back")
    world.query(f"DROP TRIGGER block ON {table}")
    assert world.one("SELECT count(*) FROM landing.event")[0] == 0
    world.consume()
    assert_agrees(world, ["market", "edu"])


def test_kill_within_commit_loses_and_repeats_nothing(world):
    """The client never hears of this COMMIT; the server carries it out once the lock is free."""
    trigger = (
        "CREATE CONSTRAINT TRIGGER block AFTER UPDATE ON ingest.position DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION public.block()"
    )
    before = world.one("SELECT count(*) FROM landing.event")[0]
    events = some_events(world, "commit")
    with blocked(world, trigger):
        world.publish(events)
        with loader(world) as process:
            wait_until(lambda: stands_still(world), "the load stands within COMMIT")
            process.send_signal(signal.SIGKILL)
            process.wait()
    wait_until(lambda: left(world), "the server is done")
    world.query("DROP TRIGGER block ON ingest.position")
    assert world.one("SELECT count(*) FROM landing.event")[0] > before
    world.consume()
    assert_agrees(world, ["market", "edu"])


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
    assert_agrees(world, ["market", "edu"])


def test_sigterm_ends_a_consumer_in_good_order(world):
    with loader(world) as process:
        world.publish(some_events(world, "term"))
        wait_until(lambda: world.query("SELECT 1 FROM core.penalty WHERE cf_wsh LIKE 'term%%'", []), "it loads")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    world.consume()
    assert_agrees(world, ["market", "edu"])
