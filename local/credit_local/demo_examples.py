"""The demo's rows of all other datasets: the examples that people copy, reported as a program of a department would."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from credit_producer import CreditProducer
from credit_producer.settings import read_settings, unit_config_path
from credit_schemas.catalogue import Catalogue

from .demo_files import ROWS

# Which unit tells of which dataset in the demo.
REPORTERS = ROWS / "reporters.csv"
# The photos and documents that the examples of work reports name.
PAPERS = ROWS / "材料"


@dataclass
class Sent:
    """What became of one unit's rows of one dataset at the department's door; `title` is for the closing table."""

    unit: str
    dataset: str
    title: str
    rows: int = 0
    refused: int = 0
    ce_ids: list[str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


def report_examples(home: Path, catalogue: Catalogue, done: Iterable[str]) -> list[Sent]:
    """Report the examples of every dataset that is not among `done`."""
    left = {name: unit for name, unit in reporters(catalogue).items() if name not in set(done)}
    sent = []
    for unit in sorted(set(left.values())):
        settings = read_settings(unit_config_path(unit, home))
        with CreditProducer(unit, settings=settings, catalogue=catalogue) as producer:
            for name in (name for name, owner in left.items() if owner == unit):
                sent.append(_report(producer, catalogue, unit, name))
    return sent


def reporters(catalogue: Catalogue) -> dict[str, str]:
    """Dataset to the unit that reports it in the demo; a dataset without one in `reporters.csv` is no demo's."""
    with REPORTERS.open(encoding="utf-8", newline="") as file:
        listed = {row["dataset"]: row["unit"] for row in csv.DictReader(file)}
    return {name: listed[name] for name in catalogue.datasets if name in listed}


def _report(producer: CreditProducer, catalogue: Catalogue, unit: str, name: str) -> Sent:
    found = Sent(unit, name, catalogue.datasets[name].cn)
    for row in catalogue.datasets[name].examples:
        answer = producer.report(name, row, attachments=PAPERS)
        found.rows += 1
        if answer.verdict == "reject":
            found.refused += 1
            found.rejected.update(p.message for p in answer.problems if p.severity == "reject")
        if answer.ce_id:
            found.ce_ids.append(answer.ce_id)
    return found
