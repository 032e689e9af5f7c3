"""What a destination would not take: the sections `[limits.<dataset>]` of its file in the county folder.

A destination may be narrower than the national standard (two sources, two widths: STANDARDS 1.2). Its limits stand as
data beside its other terms; quality holds a row that breaks one, for that destination and for no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .county import County
from .county_files import Defects, Toml, read_toml
from .dataset import Dataset

FOLDER = "destinations"
_KEYS = ("max_length", "values")
# What `[takes]` may say for all datasets.
_DEFAULTS = ("states", "until_publicity_ends")


@dataclass(frozen=True)
class Limit:
    """What one column may hold; None where the destination adds nothing.

    Attributes:
        max_length: Characters.
        values: Accepted values; in a column of several choices, of each.
    """

    max_length: int | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DatasetTerms:
    """Which rows of a dataset a destination holds, and the limits of its columns.

    Attributes:
        states: Record states it shows.
        until_publicity_ends: True when a copy ends with the publicity period.
        only: Role to accepted values; rows with another value do not go there.
        limits: National code to limit.
    """

    states: tuple[str, ...]
    until_publicity_ends: bool
    only: Mapping[str, tuple[str, ...]]
    limits: Mapping[str, Limit]


@dataclass(frozen=True)
class Terms:
    """The terms of one destination; `datasets` has the datasets it takes."""

    id: str
    name: str
    datasets: Mapping[str, DatasetTerms]


def load_terms(county: County, datasets: Mapping[str, Dataset]) -> dict[str, Terms]:
    """The terms of every enabled destination of a county, by id.

    Only what this module needs is read; the rest of a file is checked by who sends.

    Raises:
        CountyDataError: A `limits` section names a dataset, column or limit that does not exist, or is no table.
    """
    defects = Defects(county.folder / FOLDER)
    found = {}
    for path in sorted((county.folder / FOLDER).glob("*.toml")):
        toml = read_toml(path, defects, may_miss=False)
        head = toml.table("destination")
        limits = _limits(toml, datasets)
        if head.get("enabled", True):
            found[path.stem] = Terms(
                path.stem,
                str(head.get("name", path.stem)),
                {name: _terms(raw, limits.get(name, {})) for name, raw in taken(toml, datasets).items()},
            )
    defects.stop()
    return found


def taken(toml: Toml, datasets: Mapping[str, Dataset]) -> dict[str, dict[str, Any]]:
    """What a destination file says of each dataset that goes there, defaults filled in.

    `[takes]` takes whole scopes and kinds, and datasets by name; a section `[datasets.<id>]` adds one or overrides
    the defaults, and `enabled = false` in it leaves one out.
    """
    takes, sections = toml.table("takes"), toml.table("datasets")
    scopes, kinds, named = (_list(takes.get(key)) for key in ("scopes", "kinds", "datasets"))
    defaults = {key: takes[key] for key in _DEFAULTS if key in takes}
    found = {}
    for name, dataset in datasets.items():
        own = sections.get(name, {})
        wanted = name in sections or name in named or (dataset.scope in scopes and dataset.kind in kinds)
        if wanted and isinstance(own, dict) and own.get("enabled", True):
            found[name] = {"table": dataset.national_table or name, "columns": "all", **defaults, **own}
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _terms(raw: Mapping[str, Any], limits: Mapping[str, Limit]) -> DatasetTerms:
    columns = raw.get("columns", "all")
    sent = limits if columns == "all" else {c: limit for c, limit in limits.items() if c in columns}
    return DatasetTerms(
        states=tuple(_list(raw.get("states"))),
        until_publicity_ends=bool(raw.get("until_publicity_ends")),
        only={role: tuple(values) for role, values in raw.get("only", {}).items()},
        limits=sent,
    )


def _limits(toml: Toml, datasets: Mapping[str, Dataset]) -> dict[str, dict[str, Limit]]:
    found: dict[str, dict[str, Limit]] = {}
    for name, section in toml.table("limits").items():
        at = f"limits.{name}"
        if name not in datasets or not isinstance(section, dict):
            toml.bad(at, 0, "", f"应写成 [limits.数据集]；数据集可以是：{'、'.join(sorted(datasets))}。")
            continue
        found[name] = {}
        for column, raw in section.items():
            limit = _limit(toml, at, datasets[name], column, raw)
            if limit:
                found[name][column] = limit
    return found


def _limit(toml: Toml, at: str, dataset: Dataset, column: str, raw: object) -> Limit | None:
    field = dataset.by_column.get(column)
    if field is None or field.extension:
        toml.bad(at, 0, column, f"{dataset.cn}没有上报的列 {column}。")
        return None
    if field.sealed or field.form in ("date", "amount", "integer"):
        toml.bad(at, 0, column, f"{field.cn}不是文字列，不能限制长度或取值。")
        return None
    if not isinstance(raw, dict) or not raw or any(key not in _KEYS for key in raw):
        toml.bad(at, 0, column, '应写成 { max_length = 2000 } 或 { values = ["甲", "乙"] }。')
        return None
    length, values = raw.get("max_length"), raw.get("values")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        toml.bad(at, 0, column, "max_length 应为正整数（字数）。")
        return None
    if values is not None and (
        not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values)
    ):
        toml.bad(at, 0, column, 'values 应为文字列表，如 ["甲", "乙"]。')
        return None
    return Limit(length, tuple(values) if values else None)
