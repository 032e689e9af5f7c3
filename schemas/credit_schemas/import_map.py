"""Import maps: how rows of an older generation of columns become rows of a dataset (STANDARDS 1.4).

Older generations are data (`data/import_maps/<id>.json`), never Avro versions. The words of such a file, by dataset:

`columns`: each has `code` and `headings` (how it is called in files) and `cn` (how messages call it), and one of
    `to` (it becomes that column), `join` (several old columns become one list, in their order), or
    `cases` (the first whose `when` holds says `to`); or none of these: it is not imported, or
    `keep`: its text goes into the event's map of original texts.
    `with` fills further columns beside `to`; `yields`: a column called by its new name counts before it.
    `values` says per text what becomes of it: `to` another text, `warn`, `reject`; `spelled` are other spellings of
    these texts, `else` is for any other text (without it, other texts are taken as they are).
    `tells`: a file with this heading is of this generation; `not_beside`: columns it cannot stand beside, for its
    texts mean something else in the new generation.
`supplies`: what the old generation lacks, for columns that no column of the file feeds: `value`, `copy` (of the first
    filled old column), `cases` (of `value`), `amount_in` (read from a text by `pattern`, in 元 or 万元; only when the
    row has one of the `kinds`), `unit_of` (the code of the unit another column names), `own` (of the reporting unit).
    `warn` tells of it; `missing` rejects the row when there is nothing to supply.
Conditions: `{"column", "in"}`, `{"column", "starts"}`, `{"any_filled"}`, of new columns. `basis` says where it is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .dataset import ContractError, Dataset

FOLDER = Path(__file__).parent / "data" / "import_maps"


@dataclass(frozen=True)
class Case:
    """Where a cell goes, or what is supplied, when conditions hold."""

    when: tuple[dict[str, Any], ...] = ()
    to: str = ""
    value: str = ""
    source: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    warn: str = ""


@dataclass(frozen=True)
class OldColumn:
    """One column of an older generation."""

    code: str
    cn: str
    headings: tuple[str, ...]
    cases: tuple[Case, ...]
    join: str
    keep: bool
    yields: bool
    tells: bool
    not_beside: tuple[str, ...]
    spelled: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    other: Mapping[str, str] | None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of the dataset it may feed."""
        return (self.join,) if self.join else tuple(case.to for case in self.cases)


@dataclass(frozen=True)
class Supply:
    """How a column is filled that the older generation does not have."""

    column: str
    cases: tuple[Case, ...]
    copy: tuple[str, ...]
    amount_in: str
    pattern: str
    kinds: tuple[str, ...]
    unit_of: str
    own: str
    warn: str
    missing: str


@dataclass(frozen=True)
class ImportMap:
    """One older generation of one dataset."""

    id: str
    cn: str
    dataset: Dataset
    columns: tuple[OldColumn, ...]
    supplies: tuple[Supply, ...]

    def column(self, code: str) -> OldColumn | None:
        """The old column of that code."""
        return next((c for c in self.columns if c.code == code), None)


def import_maps(dataset: Dataset, folder: Path = FOLDER) -> tuple[ImportMap, ...]:
    """The older generations a dataset can be imported from, the oldest first. Raises ContractError."""
    found = []
    for raw in _files(folder):
        if dataset.id in raw["datasets"]:
            found.append(_parse(raw, dataset))
    return tuple(found)


def import_map(dataset: Dataset, name: str) -> ImportMap | None:
    """The import map of that id for a dataset, or None."""
    return next((m for m in import_maps(dataset) if m.id == name), None)


@cache
def _files(folder: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json")))


def _parse(raw: dict[str, Any], dataset: Dataset) -> ImportMap:
    mine = raw["datasets"][dataset.id]
    found = ImportMap(
        raw["id"],
        raw["cn"],
        dataset,
        tuple(_column(c, dataset) for c in mine["columns"]),
        tuple(_supply(s) for s in mine["supplies"]),
    )
    known = dataset.by_column
    named = [t for c in found.columns for t in (*c.targets, *c.not_beside, *(b for k in c.cases for b, _ in k.beside))]
    named += [s.column for s in found.supplies]
    cases = [case for c in found.columns for case in c.cases] + [case for s in found.supplies for case in s.cases]
    conditions = [w for case in cases for w in case.when]
    named += [name for w in conditions for name in (w.get("any_filled") or [w["column"]])]
    unknown = sorted({name for name in named if name not in known})
    if unknown:
        raise ContractError(f"import map {found.id} of {dataset.id}: unknown columns {', '.join(unknown)}")
    return found


def _column(raw: dict[str, Any], dataset: Dataset) -> OldColumn:
    cases = raw.get("cases") or ([raw] if "to" in raw else [])
    new = dataset.by_column.get(raw["code"])
    return OldColumn(
        code=raw["code"],
        cn=raw.get("cn") or (new.cn if new else raw["headings"][0]),
        headings=tuple(raw["headings"]),
        cases=tuple(_case(c) for c in cases),
        join=raw.get("join", ""),
        keep=raw.get("keep", False),
        yields=raw.get("yields", False),
        tells=raw.get("tells", False),
        not_beside=tuple(raw.get("not_beside", ())),
        spelled=raw.get("spelled", {}),
        values=raw.get("values", {}),
        other=raw.get("else"),
    )


def _case(raw: dict[str, Any]) -> Case:
    return Case(
        when=tuple(raw.get("when", ())),
        to=raw.get("to", ""),
        value=raw.get("value", ""),
        source=raw.get("from", ""),
        beside=tuple(raw.get("with", {}).items()),
        warn=raw.get("warn", ""),
    )


def _supply(raw: dict[str, Any]) -> Supply:
    cases = raw.get("cases") or ([{"value": raw["value"]}] if "value" in raw else [])
    return Supply(
        column=raw["column"],
        cases=tuple(_case(c) for c in cases),
        copy=tuple(raw.get("copy", ())),
        amount_in=raw.get("amount_in", ""),
        pattern=raw.get("pattern", ""),
        kinds=tuple(raw.get("kinds", ())),
        unit_of=raw.get("unit_of", ""),
        own=raw.get("own", ""),
        warn=raw.get("warn", ""),
        missing=raw.get("missing", ""),
    )
