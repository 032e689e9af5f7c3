"""Which events of a batch take the columns' lane, and which of them must leave it again for one that does not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import psycopg2
from psycopg2.extensions import cursor

from ..errors import is_data_error
from ..identity import sought
from ..normalise import Center, Ready
from .check import Checker
from .decode import Decoder, Origin
from .frames import kept
from .load import load_bulk
from .normalise import Bulk, Normaliser

log = logging.getLogger(__name__)

# By what an event or a record can be meant.
Name = tuple[Any, ...]


@dataclass
class Prepared:
    """The rows of a batch that take this lane."""

    origins: Sequence[Origin]
    bulks: list[Bulk]

    def load(self, cur: cursor) -> tuple[int, list[Origin]]:
        """Write them; returns how many new records that gave, and the events that must go row by row after all.

        Raises:
            psycopg2.Error: the environment failed. What the rows themselves cause is found row by row.
        """
        left: list[int] = []
        cur.execute("SAVEPOINT bulk")
        try:
            for bulk in self.bulks:
                left += load_bulk(cur, bulk, self.origins)
        except psycopg2.Error as e:
            if not is_data_error(e):
                raise
            cur.execute("ROLLBACK TO SAVEPOINT bulk")
            left = [at for bulk in self.bulks for at in bulk.frame["at"].to_list()]
        cur.execute("RELEASE SAVEPOINT bulk")
        rows = sum(len(bulk.frame) for bulk in self.bulks)
        return rows - len(left), [self.origins[at] for at in sorted(left)]

    def leave(self, ready: Iterable[Ready]) -> list[int]:
        """Take out what shares a name with an event of the other lane: the two must keep their order."""
        names = {name for event in ready for name in _names(event)}
        return self._without(lambda name: name in names) if names else []

    def alone(self) -> None:
        """Take out all rows that share a name with another row of this lane; they are about one record."""
        if len(self.bulks) == 1 and _distinct(self.bulks[0]):
            return
        seen = Counter(name for bulk in self.bulks for names in _rows_names(bulk) for name in names)
        self._without(lambda name: seen[name] > 1)

    def _without(self, shared: Callable[[Name], bool]) -> list[int]:
        """Take out the rows that have such a name; returns their places."""
        left: list[int] = []
        for bulk in self.bulks:
            out = pl.Series([any(map(shared, names)) for names in _rows_names(bulk)], dtype=pl.Boolean)
            left += bulk.frame["at"].filter(out).to_list()
            bulk.frame = kept(bulk.frame, ~out)
        self.bulks = [bulk for bulk in self.bulks if not bulk.frame.is_empty()]
        return left


class Lane:
    """The columns' lane of one consumer."""

    def __init__(self, center: Center, least: int) -> None:
        """`least`: from how many rows of a dataset in a batch it is worth its while."""
        catalogue = center.catalogue
        self._center, self._least = center, least
        self._decoder = Decoder(catalogue.datasets.values(), catalogue.codec, catalogue.county.code)
        self._steps: dict[str, tuple[Checker, Normaliser]] = {}

    def prepare(self, origins: Sequence[Origin]) -> Prepared:
        """Steps 1 to 3 for the events that take this lane; the places of all others are left to the caller."""
        prepared = Prepared(origins, [])
        for name, rows in self._decoder.plain(origins).items():
            if len(rows) >= self._least:
                bulk = self._guarded(name, origins, rows)
                if bulk is not None:
                    prepared.bulks.append(bulk)
        prepared.alone()
        return prepared

    def _guarded(self, name: str, origins: Sequence[Origin], rows: Sequence[int]) -> Bulk | None:
        """A defect of ours stops nobody: the rows then go the ordinary way."""
        try:
            return self._of_dataset(name, origins, rows)
        except Exception as error:
            # The type alone: the error's own words may quote a row.
            log.warning("%d rows of %s met a defect by columns (%s)", len(rows), name, type(error).__name__)
            return None

    def _of_dataset(self, name: str, origins: Sequence[Origin], rows: Sequence[int]) -> Bulk | None:
        dataset = self._center.catalogue.datasets[name]
        if name not in self._steps:
            checker = Checker(dataset, self._center.catalogue, self._center.keys.opener)
            self._steps[name] = checker, Normaliser(dataset, self._center)
        checker, normaliser = self._steps[name]
        frame = self._decoder.decode(name, origins, rows)
        frame = checker.check(frame) if not frame.is_empty() else frame
        return normaliser.normalise(frame) if not frame.is_empty() else None


def _distinct(bulk: Bulk) -> bool:
    """Whether no two rows share a name."""
    frame = bulk.frame
    own = frame.select("unit", "source_key").filter(pl.col("source_key").is_not_null())
    count = len(frame)
    return frame["ce_id"].n_unique() == count == frame["natural_key"].n_unique() and own.n_unique() == len(own)


def _rows_names(bulk: Bulk) -> Iterable[list[Name]]:
    """By what names a row's event or record can be meant: its id, its keys."""
    dataset = bulk.dataset.id
    for ce_id, key, unit, source in bulk.frame.select("ce_id", "natural_key", "unit", "source_key").iter_rows():
        names: list[Name] = [("id", ce_id), (dataset, key)]
        yield [*names, (dataset, unit, source)] if source else names


def _names(event: Ready) -> list[Name]:
    """The names an event of the other lane bears or seeks."""
    owner, target = sought(event)
    names: list[Name] = [("id", event.ce_id.bytes)]
    if target.record_no:
        names.append(("id", target.record_no.bytes))
    for unit, source, key in (
        (owner, target.source_key, target.natural_key),
        *([(event.unit, event.content.source_key, event.content.natural_key)] if event.content else []),
    ):
        names += [(event.dataset, unit, source)] if source else []
        names += [(event.dataset, key)] if key else []
    return names
