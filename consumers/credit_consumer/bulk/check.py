"""Step 2 by columns: sealed numbers opened in memory, rules looked at, rows in doubt judged by the one evaluator."""

from __future__ import annotations

from datetime import date

import polars as pl

from credit_schemas.attachments import ROLE as ATTACHMENTS
from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.personal import holds_resident_number
from credit_schemas.problems import NOT_REPORTABLE
from credit_schemas.rules import evaluate
from credit_schemas.sealing import Opener, SealError

from ..check import SOURCE_KEY_MAX, context_of, discreet_problem
from ..copying import problems_json
from ..decode import LAST_MS
from .frames import kept
from .screen import Contexts, Screen

# Earlier years are written with fewer digits by some and with four by others, and no decision is that old.
_FIRST_DAY, _LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)


class Checker:
    """The checks of one dataset."""

    def __init__(self, dataset: Dataset, catalogue: Catalogue, opener: Opener) -> None:
        self._dataset, self._catalogue, self._opener = dataset, catalogue, opener
        self._zone = str(catalogue.county.zone)
        self._screen = Screen(dataset)
        self._columns = [f.column for f in dataset.fields]
        system = {f["name"] for f in dataset.schema["fields"]} - set(self._columns)
        self._unread = [*(system - {"source_key"}), "received_ms"]
        self._plain = self._nothing_odd(system)

    def check(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that can be accepted; the others are left out.

        Returns:
            `frame` with sealed numbers in clear, without the system fields but `source_key`, and with `received_at`,
            `received_on` (county time), `problems` (warnings as JSON, null when there are none).
        """
        frame = self._open(kept(frame, frame.select(self._plain).to_series())).drop(*self._unread, strict=False)
        if frame.is_empty():
            return frame
        days = frame.select("unit", "received_on").unique().rows()
        contexts = {row: context_of(self._catalogue.county, row[0], self._dataset.id, row[1]) for row in days}
        return self._judge(frame, self._screen.doubts(frame, contexts), contexts)

    def _nothing_odd(self, system: set[str]) -> pl.Expr:
        """What a plain report has, beyond the rules."""
        key = pl.col("source_key")
        tidy = (key.str.len_chars() <= SOURCE_KEY_MAX) & (key.str.strip_chars() == key) & (key != "")
        odd = [pl.col(name).is_not_null() for name in ("target", "reason") if name in system]
        files = self._dataset.column(ATTACHMENTS)
        odd += [pl.col(files).is_not_null()] if files else []
        odd += [
            ~pl.col(f.column).is_between(_FIRST_DAY, _LAST_DAY).fill_null(value=True)
            for f in self._dataset.fields
            if f.form == "date"
        ]
        return pl.all_horizontal(
            key.is_null() | (tidy & ~key.str.contains(r"\p{Cc}")),
            pl.col("received_ms").is_between(0, LAST_MS),
            *[~e for e in odd],
        )

    def _open(self, frame: pl.DataFrame) -> pl.DataFrame:
        moment = pl.from_epoch("received_ms", time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
        frame = frame.with_columns(received_at=moment, received_on=moment.dt.convert_time_zone(self._zone).dt.date())
        for f in self._dataset.fields:
            if f.sealed:
                frame = frame.with_columns(self._opened(frame, f.column))
                frame = kept(frame, frame[f.column].ne_missing(""))
        return frame

    def _opened(self, frame: pl.DataFrame, column: str) -> pl.Series:
        """A sealed column in clear; what cannot be opened as an empty text, which no opened number is here."""
        sealed = frame[column]
        if sealed.null_count() == len(frame):
            return pl.Series(column, [None] * len(frame), dtype=pl.String)
        found: list[str | None] = []
        for unit, cell in zip(frame["unit"].to_list(), sealed.to_list(), strict=True):
            if cell is None:
                found.append(None)
                continue
            try:
                found.append(self._opener.open(cell, f"{unit}/{self._dataset.id}/{column}"))
            except SealError:
                found.append("")
        return pl.Series(column, found, dtype=pl.String)

    def _judge(self, frame: pl.DataFrame, doubts: pl.Series, contexts: Contexts) -> pl.DataFrame:
        said: list[str | None] = [None] * len(frame)
        good = [True] * len(frame)
        for i in doubts.arg_true():
            row = frame.row(i, named=True)
            values = {c: row[c] for c in self._columns if row[c] is not None}
            odd = any(isinstance(v, str) and (not v.strip() or not v.isprintable()) for v in values.values())
            if odd or holds_resident_number(row["source_key"] or ""):
                good[i] = False  # what no sender of ours produces: `credit_consumer.check` knows what to say
                continue
            found = evaluate(self._dataset, values, contexts[row["unit"], row["received_on"]])
            if any(p.severity == "reject" or p.rule == NOT_REPORTABLE for p in found):
                good[i] = False
            else:
                said[i] = problems_json([discreet_problem(p, values.get(p.column)) for p in found])
        return kept(frame.with_columns(pl.Series("problems", said, dtype=pl.String)), pl.Series(good))
