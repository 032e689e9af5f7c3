"""Fail-over to a database that lost its last seconds after receipts had left: read again, or asked for again.

A base copy of the running cluster stands for the replica that lagged: it is taken while two consumers load, and what
came after it is loaded, told to the units and heard by their spools before the cluster is killed and the copy started.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from kafka import TopicPartition

import servers
from credit_consumer.relay import relay
from credit_local.postgres import PostgresServer
from credit_producer.publish import Publisher
from credit_producer.receipts import fetch_receipts
from credit_producer.settings import UnitSettings, write_unit_config
from credit_producer.spool import KEEP_SETTLED, Spool, SpoolEvent
from crew import crew, ends, reached
from events import Event, World, build_world, wait_until
from faults.test_kill_mid_load import UNITS, landed
from fold import Said, assert_holds, fold_said, read_log, tally
from traffic import Traffic

# Units that send by the product's own spool; the others' events are only in the log.
SPOOLED = UNITS[:4]


@pytest.fixture
def server(tmp_path_factory) -> Iterator[PostgresServer]:
    """A cluster of its own: what falls back into the past must not take other tests along."""
    home = tmp_path_factory.mktemp("failover")
    servers.claim(home)
    own = PostgresServer(home)
    own.start()
    try:
        yield own
    finally:
        servers.clear(home)


@pytest.fixture
def world(make_county, server, tmp_path) -> Iterator[World]:
    made = build_world(make_county, server, tmp_path, UNITS)
    yield made
    made.close()


class Department:
    """A unit's spool, its sending and its reading of receipts, as the product has them."""

    def __init__(self, world: World, unit: str, folder: Path) -> None:
        principal = f"unit.{unit}"
        self.unit, self.topic = unit, world.county.intake(unit)
        self.settings: UnitSettings = write_unit_config(
            folder / f"{unit}.toml",
            unit=unit,
            county=world.county.code,
            bootstrap=world.county.server.bootstrap,
            username=principal,
            password=world.county.passwords[principal],
            center_key=str(world.center.keys.center[-1].public),
            cafile=world.county.server.cafile,
        )
        self.spool = Spool(folder / f"{unit}.db")
        self.publisher = Publisher(self.settings)

    def send(self, events: list[Event]) -> None:
        now = round(time.time() * 1000)
        self.spool.add(
            SpoolEvent(str(e.ce_id), self.topic, e.key, e.value, e.headers, now, "penalty", "report", e.ce_id.bytes)
            for e in events
        )
        self.publisher.publish(self.spool)

    def hear(self) -> int:
        """Read receipts; how many events the center asks for again."""
        return fetch_receipts(self.settings, self.spool).again

    def unsettled(self) -> int:
        return sum(n for (_, state, _), n in self.spool.counts().items() if state != "settled")

    def numbers_changed(self) -> list[str]:
        """Events that were told of another record than before: a number once given stays."""
        numbers: dict[str, set[str]] = {}
        for receipt in self.spool.receipts():
            if receipt["status"] in ("loaded", "unchanged"):
                numbers.setdefault(receipt["ce_id"], set()).add(receipt["record_no"])
        assert numbers
        return [ce_id for ce_id, given in numbers.items() if len(given) > 1]

    def close(self) -> None:
        self.publisher.close()
        self.spool.close()


@contextmanager
def relaying(world: World) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=relay, args=(world.settings,), kwargs={"county": world.county.code, "stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def base_copy(server: PostgresServer, target: Path) -> None:
    """A copy of the running cluster by PostgreSQL's low-level backup: the state of about now."""
    con = psycopg2.connect(server.superuser_dsn)
    con.autocommit = True
    try:
        with con.cursor() as cur:
            cur.execute("SELECT pg_backup_start('copy', fast => true)")
            shutil.copytree(server.data, target, ignore=_left_out, ignore_dangling_symlinks=True, copy_function=_copied)
            cur.execute("SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)")
            (label,) = cur.fetchone()
    finally:
        con.close()
    (target / "backup_label").write_text(label)
    shutil.copytree(server.data / "pg_wal", target / "pg_wal", copy_function=_copied, dirs_exist_ok=True)
    owner = server.data.stat()
    for path in (target, *target.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    target.chmod(0o700)


def _left_out(folder: str, names: list[str]) -> list[str]:
    away = {"pg_wal", "postmaster.pid", "postmaster.opts", "pg_replslot", "pg_stat_tmp"}
    return [n for n in names if n.startswith("pgsql_tmp") or (Path(folder).name == "data" and n in away)]


def _copied(source: str, target: str) -> str:
    """A file may be dropped while it is looked at."""
    try:
        return shutil.copyfile(source, target)
    except FileNotFoundError:
        return target


def fail_over(server: PostgresServer, copy: Path) -> None:
    """The cluster is gone; the copy takes its place, on its address."""
    server.kill()
    lost = server.data.with_name("lost")
    server.data.rename(lost)
    shutil.copytree(copy, server.data, copy_function=shutil.copy2)
    owner = lost.stat()
    for path in (server.data, *server.data.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    for missing in ("pg_replslot", "pg_stat_tmp"):
        (server.data / missing).mkdir(mode=0o700, exist_ok=True)
        shutil.chown(server.data / missing, owner.st_uid, owner.st_gid)
    server.data.chmod(0o700)
    server.start()


def positions(world: World) -> dict[str, int]:
    """Where each unit is read on."""
    return dict(world.query("SELECT unit, next_offset FROM ingest.position JOIN ingest.topic USING (topic_id)"))


def told_everything(world: World) -> bool:
    return world.one("SELECT count(*) FROM exchange.receipt WHERE published_at IS NULL")[0] == 0


def by_unit(log: list[Said]) -> dict[str, list[Said]]:
    units: dict[str, list[Said]] = {}
    for said in log:
        units.setdefault(said.unit, []).append(said)
    return units


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("retention", ["keeps the log", "has removed it"])
def test_a_database_that_lost_its_last_second_after_receipts_had_left_loses_and_repeats_nothing(
    world, server, kafka_admin, tmp_path, fault_table, events_wanted, retention
):
    count = events_wanted // 8
    traffic = Traffic(world, seed=3, acts=0.002)
    spooled = Traffic(world, seed=4, tag="暂存", acts=0, resent=0)  # a spool holds each event once
    with ExitStack() as stack:
        departments = [Department(world, unit, tmp_path) for unit in SPOOLED]
        for department in departments:
            stack.callback(department.close)

        def send(n: int) -> None:
            traffic.publish(traffic.make(n, UNITS[len(SPOOLED) :]))
            for department in departments:
                department.send(list(spooled.make(n // 20, [department.unit])))

        send(count)
        stack.enter_context(relaying(world))
        stack.enter_context(crew(world, 2, group="center.failover"))
        wait_until(lambda: landed(world) > 0, "they load", 60)
        base_copy(server, tmp_path / "copy")
        send(count)  # the last second
        wanted = ends(world)
        wait_until(lambda: reached(world, wanted), "all is loaded", 600)
        wait_until(lambda: told_everything(world), "the units are told", 300)
        for department in departments:
            department.hear()
            assert department.unsettled() == 0  # no spool has anything left to send
        whole = by_unit(list(read_log(world, UNITS)))
        if retention == "has removed it":
            gone = {TopicPartition(d.topic, 0): wanted[d.topic] for d in departments}
            kafka_admin.delete_records(gone)
        fail_over(server, tmp_path / "copy")
        began, restored = time.monotonic(), positions(world)
        lost = {unit: wanted[world.county.intake(unit)] - restored.get(unit, 0) for unit in UNITS}
        assert sum(lost.values()) >= count  # the copy is older than the last second
        wait_until(lambda: reached(world, wanted), "all is read again, or its loss noticed", 900)
        if retention == "has removed it":
            assert_gaps(world, {d.unit: lost[d.unit] for d in departments})
            assert mend(world, departments, spooled, lost) > 0
            wanted = ends(world)
            wait_until(lambda: reached(world, wanted), "what was asked for is loaded", 300)
        took = time.monotonic() - began
        wait_until(lambda: told_everything(world), "the units are told again", 300)
        for department in departments:
            department.hear()
            assert department.unsettled() == 0
            assert department.numbers_changed() == []
    # What the copy had read, and what could be read after it.
    now = by_unit(list(read_log(world, UNITS)))
    short = SPOOLED if retention == "has removed it" else []
    log = [s for u in UNITS for s in ([*whole[u][: restored.get(u, 0)], *now[u]] if u in short else whole[u])]
    expected = fold_said(world, log)
    fault = "fail-over to a database that lost its last second" + (", log gone" if short else "")
    fault_table(fault=fault, **tally(world, expected), seconds_to_recover=took)
    assert_holds(world, expected)


def assert_gaps(world: World, lost: dict[str, int]) -> None:
    """Each unit's gap is known by its exact count, and it is asked to send again, answered or not."""
    gaps = world.query(
        "SELECT unit, sum(to_offset - from_offset) FROM ingest.gap JOIN ingest.topic USING (topic_id) GROUP BY unit"
    )
    assert {unit: int(n) for unit, n in gaps} == lost
    asked = world.query("SELECT unit, since FROM exchange.receipt WHERE status = 'resend'")
    assert sorted(unit for unit, _ in asked) == sorted(lost)
    assert all(since < datetime.now(UTC) - timedelta(hours=23) for _, since in asked)


def mend(world: World, departments: list[Department], traffic: Traffic, lost: dict[str, int]) -> int:
    """Spools send what is asked for, settled or not; one has dropped it and its department reports it anew."""
    wait_until(lambda: told_everything(world), "the units are asked", 300)
    *whole, empty = departments
    assert empty.spool.forget_settled(datetime.now(UTC) + KEEP_SETTLED + timedelta(days=1)) > 0
    again = 0
    for department in whole:
        asked = department.hear()
        assert asked >= lost[department.unit]
        again += department.publisher.publish(department.spool)
    assert empty.hear() == 0
    empty.send(list(traffic.make(lost[empty.unit], [empty.unit])))
    return again
