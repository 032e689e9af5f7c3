"""A department with a program of its own: its spool keeps an event until its receipt and sends again when asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from credit_consumer.relay import relay
from credit_producer import CreditProducer
from credit_producer.receipts import fetch_receipts
from credit_producer.settings import KafkaLogin, UnitSettings
from events import World
from unit.rows import PENALTY, PERSON_PENALTY


class Department:
    """Reports rows, reads its receipts, sends again what it is asked for. `made`: ids of all it has reported."""

    def __init__(self, world: World, unit: str, folder: Path) -> None:
        client = world.county.client(f"unit.{unit}")
        self.world, self.unit = world, unit
        self.made: list[str] = []
        self.settings = UnitSettings(
            unit=unit,
            county=world.county.code,
            center_key=str(world.center.keys.center[-1].public),
            salt="5a" * 16,
            spool=folder / f"{unit}.sqlite",
            attachments=folder / "attachments",
            kafka=KafkaLogin(
                bootstrap=client["bootstrap_servers"],
                username=client["sasl_plain_username"],
                password=client["sasl_plain_password"],
                cafile=client["ssl_cafile"],
            ),
        )

    def opened(self) -> CreditProducer:
        return CreditProducer(self.unit, settings=self.settings, catalogue=self.world.center.catalogue)

    def report(self, tag: str, numbers: Iterable[int], content: str = "罚款500元") -> list[str]:
        """Report rows and send them; returns their ids."""
        ids = []
        with self.opened() as producer:
            for n in numbers:
                row = {**(PERSON_PENALTY if n % 5 == 0 else PENALTY), "CF_WSH": f"{tag}〔2026〕{n}号", "CF_NR": content}
                answer = producer.report("penalty", row)
                assert answer.ce_id, answer.problems
                ids.append(answer.ce_id)
        self.made += ids
        return ids

    def hear(self) -> int:
        """Read the receipts and send again what the center asks for; returns how many events that were."""
        with self.opened() as producer:
            return fetch_receipts(self.settings, producer.spool).again

    def unanswered(self) -> int:
        """Events without a final receipt."""
        with closing(sqlite3.connect(self.settings.spool)) as con:
            return int(con.execute("SELECT count(*) FROM event WHERE state <> 'settled'").fetchone()[0])


def tell(world: World) -> int:
    """Receipts leave for their units."""
    return relay(world.settings, county=world.county.code, until_idle=0.5)
