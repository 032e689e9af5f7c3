"""What the tests of Kafka's faults share: forty units, consumers as processes whose log is kept, and the accounts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from credit_consumer.topics import provision
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED
from events import World, wait_until
from fold import Folded, assert_holds, tally

LOADER = Path(__file__).parent.parent / "loader.py"
UNITS = [u.code for u in load_catalogue(SHIPPED / "410421").county.units][:40]
# The shortest session the broker allows by default.
SESSION_MS = 6000


@dataclass
class Running:
    """A consumer process and the file of its log."""

    process: subprocess.Popen[bytes]
    said: Path

    def fenced(self) -> int:
        """How often the fence told it that somebody else was there."""
        return self.said.read_text("utf-8").count("moved by somebody else")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """In good order: it leaves the group at once."""
        self.process.terminate()
        assert self.process.wait(90) == 0, self.said.read_text("utf-8")[-2000:]


@contextmanager
def running(world: World, folder: Path, name: str, *, group: str = "center.loader") -> Iterator[Running]:
    """A consumer as a process of its own; killed at the end if it still runs. `name`: the setting `credit.who` of its
    database sessions, by which a trigger knows it."""
    started = start(world, folder, name, group=group)
    try:
        yield started
    finally:
        started.kill()


def start(world: World, folder: Path, name: str, *, group: str = "center.loader") -> Running:
    """The same for who ends it himself."""
    said = folder / f"{name}.log"
    environment = {**os.environ, **world.environment(), "PGOPTIONS": f"-c credit.who={name}"}
    with said.open("wb") as out:
        command = [sys.executable, str(LOADER), str(SESSION_MS), group]
        return Running(subprocess.Popen(command, env=environment, stdout=out, stderr=out), said)


def landed(world: World) -> int:
    return int(world.one("SELECT count(*) FROM landing.event")[0])


def ends(world: World, units: Iterable[str]) -> dict[str, int]:
    """The offset after the last of each unit's intake topic."""
    with closing(KafkaConsumer(**world.county.client("center.consumer"), enable_auto_commit=False)) as kafka:
        found = kafka.end_offsets([TopicPartition(world.county.intake(u), 0) for u in units])
    return {p.topic: end for p, end in found.items()}


def wait_for_the_end(world: World, units: Iterable[str], timeout_s: float = 180.0) -> float:
    """Wait until the stored positions have reached the ends of the topics; returns how many seconds it took."""
    wanted, began = ends(world, units), time.monotonic()
    newest = (
        "SELECT DISTINCT ON (t.name) t.name, p.next_offset FROM ingest.topic t JOIN ingest.position p USING (topic_id)"
        " ORDER BY t.name, t.first_seen DESC"
    )

    def reached() -> bool:
        stored = {row["name"]: row["next_offset"] for row in world.query(newest)}
        return all(stored.get(topic) == end for topic, end in wanted.items() if end)

    wait_until(reached, "all is read to the end", timeout_s)
    return time.monotonic() - began


def recreate(world: World, admin: KafkaAdminClient, unit: str) -> None:
    """Delete a unit's intake topic and make it again, as an administrator's slip would."""
    topic = world.county.intake(unit)
    admin.delete_topics([topic])
    wait_until(lambda: topic not in admin.list_topics(), "the topic is gone")
    provision(admin, world.county.code, [unit], {})
    # An idempotent producer goes on counting where the old topic stopped: it is made anew.
    for principal in ("portal", f"unit.{unit}"):
        if producer := world._producers.pop(principal, None):
            producer.close()


def expire(world: World, admin: KafkaAdminClient, before: dict[str, int]) -> None:
    """Take away what lies before an offset of each unit's topic, as retention does."""
    admin.delete_records({TopicPartition(world.county.intake(u), 0): offset for u, offset in before.items()})


def accounts(world: World, expected: Folded) -> dict[str, int]:
    """`events`, `lost` and `twice` for the fault table, counted against the fold; all else must agree as well."""
    counted = tally(world, expected)
    assert (counted["lost"], counted["twice"]) == (0, 0)
    assert_holds(world, expected)
    return counted


def gaps(world: World) -> list[tuple[str, int, int]]:
    """(unit, first offset that was not read, first that was again), oldest first."""
    rows = world.query(
        "SELECT t.unit, g.from_offset, g.to_offset FROM ingest.gap g JOIN ingest.topic t USING (topic_id)"
        " ORDER BY g.gap_id"
    )
    return [tuple(r) for r in rows]


def asked_again(world: World) -> list[str]:
    """Units that were asked to send again."""
    asked = world.query("SELECT unit FROM exchange.receipt WHERE status = 'resend' ORDER BY receipt_id")
    return [r["unit"] for r in asked]
