"""A department's program killed at every step of its spool: every row it was told is taken arrives just once.

25 kills a step at full size, 2 in `make test`. Counted in the warehouse: a row arrived once when its record is there,
in its first revision, with one mark and one last word; and the whole warehouse agrees with the fold over the log.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from credit_consumer.relay import relay
from credit_producer.settings import write_unit_config
from credit_producer.spool import Spool
from credit_schemas import topics
from events import World, build_world
from faults.spool_lives import STEPS, UNIT, document, rows
from fold import assert_holds, fold, tally
from producer_support import write_csv

PROGRAM = Path(__file__).with_name("spool_lives.py")
RESENDING = ("within putting back for re-sending", "re-sent, no answer yet", "re-sent, not marked")
# Each test has numbers of its own: all of them share a warehouse.
_departments = itertools.count(1)
HEARING = ("within the storing of receipts", "receipts stored, position not moved")


class Department:
    """One unit's machine: its spool, and lives of its program one after the other.

    `taken`: row number to id, of the rows of which the program was told that they are taken.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        principal = topics.unit_principal(UNIT)
        self.config = folder / "market.toml"
        self.spool = folder / "spool" / "market.sqlite"
        write_unit_config(
            self.config,
            unit=UNIT,
            county=world.county.code,
            bootstrap=world.county.server.bootstrap,
            username=principal,
            password=world.county.passwords[principal],
            center_key=str(world.center.keys.center[-1].public),
            cafile=world.county.server.cafile,
            spool=self.spool,
            attachments=folder / "attachments",
        )
        self.taken: dict[int, str] = {}
        self.first = self.reported = 1_000_000 * next(_departments)
        environment = {**os.environ, "CREDIT_COUNTY": str(world.folder), "CREDIT_HOME": str(folder)}
        self._lives = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def close(self) -> None:
        assert self._lives.stdin is not None
        self._lives.stdin.close()
        self._lives.wait()

    def live(self, do: str, **life: Any) -> bool:
        """One life; whether it was killed."""
        assert self._lives.stdin is not None
        assert self._lives.stdout is not None
        self._lives.stdin.write(json.dumps({"do": do, **life}) + "\n")
        self._lives.stdin.flush()
        for line in self._lives.stdout:
            said = json.loads(line)
            if said.get("ended"):
                assert not said["failed"], life
                return bool(said["killed"])
            self.taken.update(zip(said["taken"], said["ids"], strict=True))
        raise AssertionError("the program is gone")

    def new_rows(self, count: int) -> dict[str, int]:
        """Numbers no row had yet."""
        first, self.reported = self.reported, self.reported + count
        return {"first": first, "count": count}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory) -> Iterator[World]:
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), [UNIT])
    yield made
    made.close()


@pytest.fixture
def department(world, tmp_path) -> Iterator[Department]:
    with closing(Department(world, tmp_path)) as made:
        yield made


@pytest.fixture(scope="session")
def kills(events_wanted) -> int:
    return 25 if events_wanted >= 100_000 else 2


def hear(department: Department, **life: Any) -> bool:
    """What the warehouse has to say reaches the unit's topic, and the department reads it."""
    department.world.consume()
    relay(department.world.settings, until_idle=0.3, county=department.world.county.code)
    return department.live("receipts", **life)


def arrived_once(department: Department, numbers: range) -> tuple[int, int]:
    """How many of these rows are lost, and how many arrived twice, by what the warehouse holds."""
    held = department.world.query(
        "SELECT p.cf_wsh, p.revision, (SELECT count(*) FROM exchange.mark m WHERE m.record_no = p.record_no) AS marks,"
        " (SELECT count(*) FROM exchange.receipt r WHERE r.record_no = p.record_no AND r.status = 'loaded') AS words"
        " FROM core.penalty p WHERE p.unit = %s",
        [UNIT],
    )
    documents = Counter(r["cf_wsh"] for r in held)
    lost = sum(document(n) not in documents for n in numbers)
    wanted = {document(n) for n in numbers}
    once = {r["cf_wsh"] for r in held if (r["revision"], r["marks"], r["words"]) == (1, 1, 1)}
    return lost, len(wanted & documents.keys() - once) + sum(documents[d] - 1 for d in wanted & documents.keys())


def settle(department: Department, fault: str, kills: int, fault_table: Any, began: float) -> None:
    """The program runs once more undisturbed; then every row must be there once, and the spool must know."""
    assert not department.live("resend")
    assert not hear(department)
    took = time.monotonic() - began
    numbers = range(department.first, department.reported)
    lost, twice = arrived_once(department, numbers)
    told = {r[0] for r in department.world.query("SELECT ce_id FROM landing.event")}
    lost += len([n for n, ce_id in department.taken.items() if ce_id not in told])
    folded = fold(department.world, [UNIT])
    counted = tally(department.world, folded)
    fault_table(
        fault=f"spool: {fault}",
        events=len(numbers),
        kills=kills,
        lost=lost + counted["lost"],
        twice=twice + counted["twice"],
        seconds_to_recover=took,
    )
    assert (lost, twice) == (0, 0)
    assert_holds(department.world, folded)
    with Spool(department.spool) as spool:
        assert spool.waiting() == 0
        assert spool.oldest_unsettled() is None, spool.counts()


@pytest.mark.parametrize("step", STEPS)
def test_a_program_killed_at_a_step_of_its_spool_loses_and_repeats_no_row(
    department, step, kills, events_wanted, fault_table
):
    size = max(20, events_wanted // 1000)
    for n in range(kills):
        todo = department.new_rows(size)
        if step in RESENDING:
            assert not department.live("report", **todo)
            assert department.live("resend", step=step)
        elif step in HEARING:
            assert not department.live("report", **todo)
            assert hear(department, step=step)
        else:
            assert department.live("report" if n % 2 else "one", step=step, passes=1, **todo)
            # The program goes on, as any would, with what it was not told is taken.
            left = [m for m in range(todo["first"], todo["first"] + size) if m not in department.taken]
            if left:
                assert not department.live("report", first=left[0], count=len(left))
    settle(department, step, kills, fault_table, time.monotonic())


def test_sending_a_file_killed_at_any_moment_and_started_again_loses_and_repeats_no_row(
    department, tmp_path, kills, events_wanted, fault_table
):
    size = max(600, events_wanted // 100)
    todo = department.new_rows(size)
    file = write_csv(tmp_path / "处罚.csv", rows(**todo))
    killed = 0
    for n in range(kills):
        killed += department.live("send", file=str(file), step="at any moment", passes=n)
        step = list(STEPS)[n % 6]
        killed += department.live("send", file=str(file), step=step, passes=1 if n % 2 else 2)
    assert killed
    assert not department.live("send", file=str(file))
    department.world.consume()
    settle(department, "send FILE, at any moment", killed, fault_table, time.monotonic())
