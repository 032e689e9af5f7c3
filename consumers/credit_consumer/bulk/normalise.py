"""Step 3 by columns: digests in place of keys, persons sealed at rest, deadlines reckoned.

What leaves this file may be stored. Records of subjects with a unified code, nearly all of them, are put together by
columns; of the others keys and subjects are made one by one, by the functions of the ordinary step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from credit_schemas.dataset import Dataset, Field
from credit_schemas.documents import normal_document_no
from credit_schemas.keys import SEP
from credit_schemas.publicity import Publicity, publicity_of

from ..normalise import Center, Person, Subject, person_of, registration_of, subject_of
from .codes import usccs_fine
from .frames import filled
from .screen import SPAN_ROLES

# Document numbers that are in normal form already: a year in its brackets, the rest letters, digits, Han and hyphens.
_NORMAL = r"^[0-9A-Za-z\x{4e00}-\x{9fff}-]*(?:〔(?:19|20)[0-9]{2}〕[0-9A-Za-z\x{4e00}-\x{9fff}-]*)?$"
# Cases whose publicity is remembered: days of a few years times kinds times offences.
_CASES_REMEMBERED = 1 << 15
# Roles on which the publicity of a row depends (`credit_schemas.publicity`).
_PUBLICITY = ("publicity.scope", "publicity.until", *SPAN_ROLES)


@dataclass
class Bulk:
    """Rows of one dataset, ready to load.

    Attributes:
        frame: One row each: `at` (its place in the batch), what landing and core hold of it, `subject` (lookup digest),
            `subject_name`, `registration_no`, and in each sealed column the lookup digest of the person.
        persons, subjects: By lookup digest.
    """

    dataset: Dataset
    frame: pl.DataFrame
    persons: dict[bytes, Person]
    subjects: dict[bytes, Subject]


class Normaliser:
    """Brings checked rows of one dataset to warehouse form."""

    def __init__(self, dataset: Dataset, center: Center) -> None:
        self._dataset, self._center = dataset, center
        self._coded_key = _coded_key(dataset)
        self._public: dict[tuple[Any, ...], Publicity] = {}

    def normalise(self, frame: pl.DataFrame) -> Bulk:
        """Digest, seal and reckon."""
        dataset, center = self._dataset, self._center
        frame = frame.with_columns(content_digest=_digests(frame, _content(frame, dataset), center.digests.of_content))
        frame = _documents(frame, dataset)
        lookups, persons = _persons(frame, dataset, center)
        keys, named, subjects = _keys(frame, dataset, center, lookups, self._coded_key)
        frame = frame.with_columns(
            pl.Series("natural_key", keys, dtype=pl.Binary),
            pl.Series("subject", named, dtype=pl.Binary),
            *[pl.Series(column, found, dtype=pl.Binary) for column, found in lookups.items()],
            *self._days(frame),
            pl.Series("registration_no", _registrations(frame, dataset), dtype=pl.String),
            subject_name=_role(dataset, "subject.name"),
            authority_code=_role(dataset, "authority.code"),
            decision_date=_role(dataset, "decision.date").cast(pl.Date),
            period=_role(dataset, "period"),
        )
        return Bulk(dataset, frame, persons, subjects)

    def _days(self, frame: pl.DataFrame) -> list[pl.Series]:
        """Deadline and publicity, reckoned once for each distinct case."""
        dataset, county, calendar = self._dataset, self._center.catalogue.county, self._center.catalogue.calendar
        limit, count = county.report_within_workdays, county.count_decision_day
        runs_from = _cells(frame, _role(dataset, dataset.deadline or ""))
        due = {d: calendar.add_workdays(d, limit, count_decision_day=count) for d in set(runs_from) if d is not None}
        columns = [f.column for f in map(dataset.by_role.get, _PUBLICITY) if f is not None]
        cases = frame.select(columns).rows() if columns else [()] * len(frame)
        if len(self._public) > _CASES_REMEMBERED:
            self._public.clear()
        for case in set(cases) - self._public.keys():
            told = {c: v for c, v in zip(columns, case, strict=True) if v is not None}
            self._public[case] = publicity_of(dataset, told)
        public = [self._public[case] for case in cases]
        return [
            pl.Series("due_on", [due[d].day if d in due else None for d in runs_from], dtype=pl.Date),
            pl.Series("due_provisional", [d in due and due[d].provisional for d in runs_from], dtype=pl.Boolean),
            pl.Series("publicity_ends", [p.ends for p in public], dtype=pl.Date),
            pl.Series("published", [p.published for p in public], dtype=pl.Boolean),
        ]


def _role(dataset: Dataset, name: str) -> pl.Expr:
    """The column that plays a role, an empty cell as what it means (`Dataset.value`)."""
    found = dataset.by_role.get(name)
    if found is None:
        return pl.lit(None, dtype=pl.String)
    column = pl.col(found.column)
    return column if found.blank_means is None else column.fill_null(found.blank_means)


def _cells(frame: pl.DataFrame, expression: pl.Expr) -> list[Any]:
    """One value for each row, of an expression that may be a constant."""
    return frame.with_columns(expression.alias("cells"))["cells"].to_list()


def _text(f: Field) -> pl.Expr:
    """A typed value as `str` writes it."""
    column = pl.col(f.column)
    return column.dt.strftime("%Y-%m-%d") if f.form == "date" else column.cast(pl.String)


def _content(frame: pl.DataFrame, dataset: Dataset) -> pl.Expr:
    """As `keys.content_digest` puts it together: the filled columns under their names."""
    used = set(filled(frame, [f.column for f in dataset.fields]))
    cells = [pl.lit(f"{f.column}=") + _text(f) for f in dataset.fields if f.column in used]
    return pl.concat_str([pl.lit(dataset.id), *cells], separator=SEP, ignore_nulls=True)


def _coded_key(dataset: Dataset) -> pl.Expr:
    """As `digests.record` and `keys.natural_key` put it together, for a subject with a unified code."""
    parts = [pl.col("unit"), pl.lit(dataset.id)]
    for name in dataset.natural_key:
        if name == "subject":
            parts += [pl.lit("code"), _role(dataset, "subject.code")]
        elif name == "document.no":
            parts.append(pl.col("document_no").fill_null(""))
        else:
            found = dataset.by_role.get(name)
            shown = _role(dataset, name)
            parts.append((shown.dt.strftime("%Y-%m-%d") if found and found.form == "date" else shown).fill_null(""))
    return pl.concat_str(parts, separator=SEP)


def _digests(frame: pl.DataFrame, clear: pl.Expr, digest: Callable[[str], bytes]) -> pl.Series:
    return pl.Series([digest(text) for text in _cells(frame, clear)], dtype=pl.Binary)


def _documents(frame: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Document numbers in normal form: ledger and figures match on it."""
    frame = frame.with_columns(_normal(frame, f.column) for f in dataset.fields if f.form == "document_no")
    number = dataset.by_role.get("document.no")
    if number is None:
        return frame.with_columns(document_no=pl.lit(None, dtype=pl.String))
    return frame.with_columns(document_no=_normal(frame, number.column))


def _normal(frame: pl.DataFrame, column: str) -> pl.Series:
    numbers = frame[column]
    odd = (~numbers.str.contains(_NORMAL)).fill_null(value=False)
    if not odd.any():
        return numbers
    return pl.Series(
        column,
        [normal_document_no(n) if o else n for n, o in zip(numbers.to_list(), odd.to_list(), strict=True)],
        pl.String,
    )


def _persons(
    frame: pl.DataFrame, dataset: Dataset, center: Center
) -> tuple[dict[str, list[bytes | None]], dict[bytes, Person]]:
    """Of each sealed column the lookup digests, and the persons."""
    lookups: dict[str, list[bytes | None]] = {}
    persons: dict[bytes, Person] = {}
    for f in dataset.fields:
        if not f.sealed:
            continue
        kind = dataset.column(f.role.rpartition(".")[0] + ".id_type")
        kinds: Sequence[str | None] = frame[kind].to_list() if kind else [None] * len(frame)
        found = lookups[f.column] = [None] * len(frame)
        for i, (number, told) in enumerate(zip(frame[f.column].to_list(), kinds, strict=True)):
            if number is not None:
                values = {f.column: number} | ({kind: told} if kind and told is not None else {})
                person = person_of(center.keys, dataset, f, values)
                if person.lookup not in persons or person.as_written:
                    persons[person.lookup] = person
                found[i] = person.lookup
    return lookups, persons


def _keys(
    frame: pl.DataFrame,
    dataset: Dataset,
    center: Center,
    lookups: dict[str, list[bytes | None]],
    coded_key: pl.Expr,
) -> tuple[list[bytes], list[bytes | None], dict[bytes, Subject]]:
    """Natural keys, whom each row is about, and those subjects."""
    digests = center.digests
    coded = _coded(frame, dataset)
    keys = [digests.of_record(text) if text is not None else b"" for text in _cells(frame, coded_key)]
    named: list[bytes | None] = [None] * len(frame)
    subjects: dict[bytes, Subject] = {}
    code = dataset.column("subject.code")
    if code and dataset.column("subject.name"):
        lookups_of = {c: digests.subject(("code", c)) for c in frame[code].filter(coded).unique().to_list()}
        named = [lookups_of.get(c) for c in frame[code].to_list()]
        subjects = {k: Subject(k, "code", c, None, None, None, None) for c, k in lookups_of.items()}
    # The others one by one.
    for i in (~coded).arg_true():
        row = frame.row(i, named=True)
        values = {f.column: row[f.column] for f in dataset.fields if row[f.column] is not None}
        keys[i] = digests.record(dataset, values, row["unit"])
        subject = subject_of(dataset, values, row["unit"], digests, {c: found[i] for c, found in lookups.items()})
        named[i] = subject.lookup if subject else None
        if subject is not None:
            subjects[subject.lookup] = subject
    return keys, named, subjects


def _coded(frame: pl.DataFrame, dataset: Dataset) -> pl.Series:
    """Which rows are about a subject with a unified code; all, where a dataset is about nobody."""
    code = dataset.column("subject.code")
    if code:
        return pl.Series(usccs_fine(frame[code]))
    nobody = not dataset.column("subject.name") and "subject" not in dataset.natural_key
    return pl.Series([nobody] * len(frame), dtype=pl.Boolean)


def _registrations(frame: pl.DataFrame, dataset: Dataset) -> list[str | None]:
    """Registration numbers that can identify."""
    return [registration_of(n) for n in _cells(frame, _role(dataset, "subject.registration_no"))]
