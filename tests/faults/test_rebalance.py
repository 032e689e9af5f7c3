"""Consumers come, go, are killed, freeze and wake every second under a backlog: nothing lost, nothing applied twice."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from events import World, build_world, wait_until
from faults.kafka_support import UNITS, Running, accounts, start, wait_for_the_end
from fold import fold
from traffic import Traffic

AT_MOST = 3


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, UNITS)
    yield made
    made.close()


class Crew:
    """The consumers of a storm. `kills`: how many went by SIGKILL or were frozen."""

    def __init__(self, world: World, folder: Path, seed: int) -> None:
        self._world, self._folder, self._rng = world, folder, random.Random(seed)
        self.awake: list[Running] = []
        self.frozen: list[Running] = []
        self.started = self.kills = 0

    def join(self) -> None:
        self.awake.append(start(self._world, self._folder, f"storm{self.started}"))
        self.started += 1

    def one_thing_happens(self) -> None:
        """At least one consumer stays awake, at most three live."""
        can = ["join"] * (len(self.awake) + len(self.frozen) < AT_MOST)
        can += ["end", "kill", "freeze"] * (len(self.awake) > 1)
        can += ["wake"] * len(self.frozen)
        what = self._rng.choice(can)
        if what == "join":
            self.join()
            return
        among = self.frozen if what == "wake" else self.awake
        one = among.pop(self._rng.randrange(len(among)))
        self.kills += what in ("kill", "freeze")
        if what == "end":
            one.process.terminate()
            one.process.wait(90)
        elif what == "kill":
            one.kill()
        elif what == "freeze":
            one.process.send_signal(signal.SIGSTOP)
            self.frozen.append(one)
        else:
            one.process.send_signal(signal.SIGCONT)
            self.awake.append(one)

    def calm(self) -> None:
        """All that are frozen wake."""
        for one in self.frozen:
            one.process.send_signal(signal.SIGCONT)
        self.awake, self.frozen = self.awake + self.frozen, []

    def end(self) -> None:
        """Every one that lives leaves in good order; none has died of what happened."""
        for one in self.awake:
            assert one.process.poll() is None, "a consumer has ended by itself"
            one.end()
        self.awake = []
        for said in self._folder.glob("storm*.log"):
            # Places in our files stand in tracebacks alone; the client logs some of its own when sockets are closed.
            assert "credit_consumer/" not in said.read_text("utf-8"), said

    def kill(self) -> None:
        for one in self.awake + self.frozen:
            one.kill()


@pytest.mark.timeout(3600)
def test_a_storm_of_reassignments_under_a_backlog_loses_and_repeats_nothing(
    world, tmp_path, events_wanted, fault_table
):
    things = min(120, max(10, events_wanted // 8000))
    traffic = Traffic(world, seed=42)
    sent = traffic.send(events_wanted // 2)
    crew = Crew(world, tmp_path, 42)
    try:
        for _ in range(AT_MOST):
            crew.join()
        wait_until(lambda: world.query("SELECT 1 FROM landing.event LIMIT 1"), "the first of them loads", 180)
        for _ in range(things):
            crew.one_thing_happens()
            sent += traffic.send(events_wanted // 2 // things)
            time.sleep(1)
        crew.calm()
        took = wait_for_the_end(world, UNITS, 120 + sent / 500)
        crew.end()
    finally:
        crew.kill()
    fault = f"reassignment storm, {things} in {things} s and more"
    counted = accounts(world, fold(world, UNITS)) | {"events": sent}
    fault_table(fault=fault, kills=crew.kills, **counted, seconds_to_recover=took)
