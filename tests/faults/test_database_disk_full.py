"""The database's disk is full: the consumers stop and try again, blame no row, and go on once there is room.

The disk is a small tmpfs that the test fills. `data`: the warehouse's own tablespace; PostgreSQL lives and refuses.
`WAL`: the server itself falls over, and does not come up again before there is room.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

import servers
from credit_local.postgres import PostgresServer
from crew import crew, ends, reached
from events import World, build_world, wait_until
from faults.test_kill_mid_load import UNITS, landed, some_events
from faults.test_outages import assert_nothing_lost_nothing_twice
from traffic import Traffic

# What a warehouse takes before its first event, and of one event with its indexes and receipts; generous.
EMPTY_BYTES, EVENT_BYTES = 256 << 20, 10_000
# How long it stays full: a few attempts of the consumers.
FULL_S = 4.0


class Disk:
    """A small file system of its own."""

    def __init__(self, size: int) -> None:
        # Not below pytest's folder, which the database's user may not enter.
        self.path = Path(tempfile.mkdtemp(prefix="credit-disk-"))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.path)], capture_output=True, text=True
        )
        if mounted.returncode:
            self.path.rmdir()
            pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
        self.path.chmod(0o711)

    def fill(self) -> None:
        """Take all room that is left, while others take some too."""
        size, step = 0, 64 << 20
        with (self.path / "ballast").open("wb") as ballast:
            while step >= 4096:
                try:
                    os.posix_fallocate(ballast.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=True)
        self.path.rmdir()


@pytest.fixture
def disk(events_wanted) -> Iterator[Disk]:
    made = Disk(EMPTY_BYTES + events_wanted // 4 * EVENT_BYTES)
    yield made
    made.close()


@pytest.fixture
def server(disk, tmp_path_factory) -> Iterator[PostgresServer]:
    """A cluster of its own: other tests need theirs."""
    home = tmp_path_factory.mktemp("full")
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


def move(world: World, server: PostgresServer, disk: Disk, what: str) -> None:
    """Put the warehouse's tables, or the server's log, onto the small disk."""
    place = disk.path / what
    if what == "data":
        place.mkdir(mode=0o700)
        shutil.chown(place, server.data.stat().st_uid, server.data.stat().st_gid)
        for statement in (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            f" AND datname = '{world.database.name}'",
            f"CREATE TABLESPACE small LOCATION '{place}'",
            f"ALTER DATABASE {world.database.name} SET TABLESPACE small",
        ):
            run(server, statement)
    else:
        server.stop()
        subprocess.run(["cp", "-a", str(server.data / "pg_wal"), str(place)], check=True)
        shutil.rmtree(server.data / "pg_wal")
        (server.data / "pg_wal").symlink_to(place)
        server.start()


def run(server: PostgresServer, statement: str) -> None:
    con = psycopg2.connect(server.superuser_dsn)
    con.autocommit = True
    try:
        con.cursor().execute(statement)
    finally:
        con.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("what", ["data", "WAL"])
def test_a_full_disk_stops_the_load_blames_no_row_and_costs_nothing(
    world, server, disk, tmp_path, fault_table, events_wanted, what
):
    move(world, server, disk, what)
    log = tmp_path / "consumers.log"
    log.touch()
    traffic, count = Traffic(world, seed=6), events_wanted // 8
    traffic.publish([*traffic.make(count), *some_events(world, "room")])
    with crew(world, 2, group="center.full", CREW_LOG=str(log)) as pair:
        wait_until(lambda: landed(world) > 0, "they load", 60)
        disk.fill()
        traffic.publish([*traffic.make(count), *some_events(world, "full")])
        wanted = ends(world)
        if what == "data":
            wait_until(lambda: "53100" in log.read_text("utf-8"), "the disk is full", 60)
            time.sleep(FULL_S)
            assert not reached(world, wanted)
            assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0
            disk.make_room()
        else:
            fall_over(server)
            traffic.send(count)  # on top of what was left over
            wanted = ends(world)
            time.sleep(FULL_S)
            disk.make_room()
            server.start()
            assert not reached(world, wanted)
        began = time.monotonic()
        wait_until(lambda: reached(world, wanted), "they go on by themselves", 900)
        took = time.monotonic() - began
        assert all(process.is_alive() for process in pair)
    how = f"disk full ({what} of PostgreSQL)"
    assert_nothing_lost_nothing_twice(world, fault_table, how, seconds_to_recover=took)


def fall_over(server: PostgresServer) -> None:
    """Have the server ask for a new file of its log, as it does every 16 MB anyway, until it has fallen over."""
    deadline = time.monotonic() + 60
    while server.running:
        assert time.monotonic() < deadline, "the server lives on a full disk"
        try:
            run(server, "SELECT pg_switch_wal(), pg_logical_emit_message(false, 'full', repeat('x', 100000))")
        except psycopg2.Error:
            time.sleep(0.2)
