"""A department's disk is full, or its spool damaged: told in Chinese, nothing half-written, all arrives once."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from credit_producer import CreditProducer
from credit_producer.errors import SpoolDamaged, SpoolUnusable
from credit_producer.settings import UnitSettings, write_unit_config
from credit_producer.spool import Spool
from credit_schemas import topics
from credit_schemas.catalogue import Catalogue
from events import World, build_world
from fold import assert_holds, fold, tally
from unit.rows import PENALTY

UNIT = "market"
# Rows the small disk cannot hold.
MOST = 5000


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory) -> Iterator[World]:
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), [UNIT])
    yield made
    made.close()


def configured(world: World, folder: Path, spool: Path) -> UnitSettings:
    principal = topics.unit_principal(UNIT)
    return write_unit_config(
        folder / f"{UNIT}.toml",
        unit=UNIT,
        county=world.county.code,
        bootstrap=world.county.server.bootstrap,
        username=principal,
        password=world.county.passwords[principal],
        center_key=str(world.center.keys.center[-1].public),
        cafile=world.county.server.cafile,
        spool=spool,
        attachments=folder / "attachments",
    )


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1.5 MB; `mount -o remount,size=…` makes room on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def row(tag: str, n: int) -> dict[str, Any]:
    return {**PENALTY, "CF_WSH": f"{tag}〔2026〕{n}号", "CF_SY": f"销售超过保质期的食品，第{n}件" * 20}


def fill(producer: CreditProducer) -> tuple[int, SpoolUnusable | None]:
    """Report until the disk is full; how many rows were taken, and what was said then."""
    for n in range(MOST):
        try:
            producer.report("penalty", row("满盘", n))
        except SpoolUnusable as full:
            return n, full
    return MOST, None


def fill_up(disk: Path) -> Path:
    """A file that takes all that is left of a disk."""
    rest = disk / "rest"
    left = os.statvfs(disk)
    rest.write_bytes(b"x" * (left.f_bavail * left.f_frsize))
    return rest


def counted(world: World, tag: str, numbers: range) -> tuple[int, int]:
    """Rows lost and rows that are there twice, by the warehouse."""
    held = Counter(r[0] for r in world.query("SELECT cf_wsh FROM core.penalty WHERE cf_wsh LIKE %s", [f"{tag}%"]))
    changed = world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh LIKE %s AND revision <> 1", [f"{tag}%"])[0]
    wanted = [row(tag, n)["CF_WSH"] for n in numbers]
    return sum(w not in held for w in wanted), changed + sum(held[w] - 1 for w in wanted if w in held)


def note(world: World, fault: str, numbers: range, tag: str, began: float, fault_table: Any) -> None:
    folded = fold(world, [UNIT])
    by_log = tally(world, folded)
    lost, twice = counted(world, tag, numbers)
    fault_table(
        fault=f"spool: {fault}",
        events=len(numbers),
        kills=None,
        lost=lost + by_log["lost"],
        twice=twice + by_log["twice"],
        seconds_to_recover=time.monotonic() - began,
    )
    assert (lost, twice) == (0, 0)
    assert_holds(world, folded)


def test_a_full_disk_is_told_takes_no_half_batch_and_goes_on_once_there_is_room(
    world, tmp_path, small_disk, fault_table
):
    settings = configured(world, tmp_path, small_disk / "market.sqlite")
    with closing(CreditProducer(UNIT, settings=settings, catalogue=world.center.catalogue).open()) as producer:
        taken, full = fill(producer)
        assert 10 < taken < MOST
        assert full is not None
        assert full.retriable
        assert "磁盘" in str(full)
        assert producer.spool.waiting() == taken  # the row that was refused is not there, all others are
        with pytest.raises(SpoolUnusable, match="磁盘"):
            producer.report_many("penalty", [row("满盘", n) for n in range(taken, taken + 300)])
        assert producer.spool.waiting() == taken
        began = time.monotonic()
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        answers = producer.report_many("penalty", [row("满盘", n) for n in range(taken, taken + 300)])
        assert all(a.ce_id for a in answers)
        assert producer.flush() == taken + 300
    world.consume()
    note(world, "disk full", range(taken + 300), "满盘", began, fault_table)


def test_a_disk_that_fills_while_sending_costs_a_second_sending_and_no_row(world, tmp_path, small_disk, fault_table):
    """Kafka has the events, the mark finds no room: they go out again, and the center knows them by their ids."""
    settings = configured(world, tmp_path, small_disk / "market.sqlite")
    with closing(CreditProducer(UNIT, settings=settings, catalogue=world.center.catalogue).open()) as producer:
        producer.report_many("penalty", [row("发送", n) for n in range(100)])
        producer.spool._con.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else there is room within its journal
        rest = fill_up(small_disk)
        with pytest.raises(SpoolUnusable, match="磁盘"):
            producer.flush()
        began = time.monotonic()
        rest.unlink()
        assert producer.flush() == 100
        assert producer.spool.waiting() == 0
    world.consume()
    note(world, "disk fills while sending", range(100), "发送", began, fault_table)


def damage(spool: Path) -> None:
    """Overwrite the pages behind the first as a dying disk does."""
    with spool.open("r+b") as file:
        file.seek(4096)
        while file.tell() < spool.stat().st_size:
            file.write(b"\xde\xad" * 2048)


def test_a_damaged_spool_is_told_left_alone_and_replaced_by_reporting_again(world, tmp_path, fault_table):
    settings = configured(world, tmp_path, tmp_path / "market.sqlite")
    catalogue = world.center.catalogue
    with CreditProducer(UNIT, settings=settings, catalogue=catalogue) as producer:
        producer.report_many("penalty", [row("损坏", n) for n in range(60)])
    with closing(CreditProducer(UNIT, settings=settings, catalogue=catalogue).open()) as producer:
        producer.report_many("penalty", [row("损坏", n) for n in range(60, 100)])
    damage(settings.spool)
    before = settings.spool.read_bytes()
    for _ in range(2):  # what failed holds no lock
        with pytest.raises(SpoolDamaged, match="请不要删除"):
            report_one(settings, catalogue)
    assert settings.spool.read_bytes() == before
    began = time.monotonic()
    settings.spool.rename(tmp_path / "damaged.sqlite")
    with CreditProducer(UNIT, settings=settings, catalogue=catalogue) as producer:
        producer.report_many("penalty", [row("损坏", n) for n in range(100)])
    world.consume()
    with Spool(settings.spool) as spool:
        assert spool.waiting() == 0
    note(world, "file damaged, reported again", range(100), "损坏", began, fault_table)


def report_one(settings: UnitSettings, catalogue: Catalogue) -> None:
    with CreditProducer(UNIT, settings=settings, catalogue=catalogue) as producer:
        producer.report("penalty", row("损坏", 0))
