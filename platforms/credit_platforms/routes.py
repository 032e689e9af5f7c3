"""What a destination takes of each dataset: `[takes]`, `[datasets.…]` and `[columns.…]` of its file.

`[takes]` says it for whole scopes, so that a new dataset needs no line here; a dataset's own section overrides it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from typing import Any, NamedTuple

from credit_schemas.acts import STATE_NAMES
from credit_schemas.county_files import Toml
from credit_schemas.dataset import KINDS, SCOPES, Dataset
from credit_schemas.destination_terms import taken

STATES = tuple(STATE_NAMES)
# What needs the subject's consent goes nowhere by default: each such dataset is named.
OPEN_SCOPES = SCOPES[:2]

_TAKES: dict[str, tuple[type, bool]] = {
    "scopes": (list, False),
    "kinds": (list, False),
    "datasets": (list, False),
    "states": (list, False),
    "until_publicity_ends": (bool, False),
}
_ROUTE = ("enabled", "table", "columns", "states", "only", "until_publicity_ends")
_COLUMN = ("as", "from", "to")


class Mapped(NamedTuple):
    """A column and the destination's name of it, from the first to the last day given (None: without end)."""

    column: str
    name: str
    first: date | None = None
    last: date | None = None

    def on(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return (self.first or day) <= day <= (self.last or day)

    def meets(self, other: Mapped) -> bool:
        """Whether both are in force on some day."""
        return (self.first or date.min) <= (other.last or date.max) and (other.first or date.min) <= (
            self.last or date.max
        )


@dataclass(frozen=True)
class Route:
    """What a destination takes of one dataset.

    Attributes:
        table: The destination's own name of the dataset.
        columns: In upload order; never a county extension column, never the target of a move.
        states: Record states that it shows; any other ends the copy.
        only: Role to accepted values; a row with another value is not for this destination.
        until_publicity_ends: True when the copy ends with the publicity period.
    """

    dataset: Dataset
    table: str
    columns: tuple[Mapped, ...]
    states: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]
    until_publicity_ends: bool

    def names(self, day: date) -> dict[str, str]:
        """National code to the destination's, as on that day."""
        return {m.column: m.name for m in self.columns if m.on(day)}


def read_routes(toml: Toml, datasets: Mapping[str, Dataset]) -> dict[str, Route]:
    """The routes of a destination file, by dataset; mistakes are noted in `toml`."""
    _check_takes(toml, datasets)
    own, dated = toml.table("datasets"), toml.table("columns")
    for section, found in (("datasets", own), ("columns", dated)):
        for name, raw in found.items():
            if name not in datasets:
                toml.bad(f"{section}.{name}", 0, name, f"没有这个数据集；可用的：{'、'.join(sorted(datasets))}。")
            elif not isinstance(raw, dict):
                toml.bad(section, 0, name, f"应写成 [{section}.{name}]。")
    for name, raw in own.items():
        if name in datasets and isinstance(raw, dict):
            for key in raw:
                if key not in _ROUTE:
                    toml.bad(f"datasets.{name}", 0, key, f"没有这一项；可用的：{'、'.join(_ROUTE)}。")
            if not isinstance(raw.get("enabled", True), bool):
                toml.bad(f"datasets.{name}", 0, "enabled", "应为true 或 false。")
    routes = {}
    for name, raw in taken(toml, datasets).items():
        section = f"datasets.{name}" if name in own else "takes"
        route = _route(toml, section, datasets[name], raw, dated.get(name, {}))
        if route:
            routes[name] = route
    for a, b in combinations(routes.values(), 2):
        if a.table == b.table:
            toml.bad(
                f"datasets.{b.dataset.id}",
                0,
                "table",
                f"{b.dataset.id} 与 {a.dataset.id} 用了对方的同一张表 {a.table}。",
            )
    return routes


def _check_takes(toml: Toml, datasets: Mapping[str, Dataset]) -> None:
    takes = toml.table("takes")
    toml.typed("takes", 0, takes, _TAKES)
    for key, known in (("scopes", OPEN_SCOPES), ("kinds", KINDS), ("datasets", sorted(datasets))):
        wrong = [v for v in _texts(takes.get(key)) if v not in known]
        if wrong:
            more = "；授权查询的数据集要在 datasets 中逐个写明" if key == "scopes" else ""
            toml.bad("takes", 0, key, f"{'、'.join(wrong)} 不可用；可用的：{'、'.join(known)}{more}。")


def _route(toml: Toml, section: str, dataset: Dataset, raw: Mapping[str, Any], dated: object) -> Route | None:
    before = len(toml.defects.found)
    plain = {k: v for k, v in raw.items() if k in ("table", "states", "until_publicity_ends")}
    kinds: dict[str, tuple[type, bool]] = {
        "table": (str, True),
        "states": (list, False),  # an empty list takes the whole dataset back from the destination
        "until_publicity_ends": (bool, True),
    }
    toml.typed(section, 0, plain, kinds)
    if "states" not in raw:
        toml.bad(section, 0, "states", "缺少这一项。")
    elif any(s not in STATES for s in _texts(raw["states"])):
        toml.bad(section, 0, "states", f"状态只能是：{'、'.join(STATES)}。")
    columns = _columns(toml, section, dataset, raw.get("columns"), dated if isinstance(dated, dict) else {})
    only = _only(toml, section, dataset, raw.get("only", {}))
    if len(toml.defects.found) > before:
        return None
    return Route(dataset, raw["table"], columns, tuple(raw["states"]), only, raw["until_publicity_ends"])


def _columns(
    toml: Toml, section: str, dataset: Dataset, given: object, dated: Mapping[str, object]
) -> tuple[Mapped, ...]:
    """The map of columns: what `columns` says, and over it the dated lines of `[columns.<dataset>]`."""
    national = [f.column for f in dataset.file_fields if not f.extension]
    if given == "all":
        given = national
    if isinstance(given, list) and given and all(isinstance(c, str) for c in given):
        given = dict(zip(given, given, strict=True))
    if not isinstance(given, dict) or not given or not all(isinstance(c, str) for c in given.values()):
        toml.bad(section, 0, "columns", '应为 "all"、列名的列表，或国标列名到对方列名的对照表。')
        return ()
    _check_columns(toml, section, dataset, given, "columns")
    _check_columns(toml, f"columns.{dataset.id}", dataset, dated)
    found = {c: [Mapped(c, name)] for c, name in given.items()}
    for column, raw in dated.items():
        found[column] = _dated(toml, f"columns.{dataset.id}", column, str(given.get(column, column)), raw)
    flat = tuple(m for c in national for m in found.get(c, ()))
    at, key = (f"columns.{dataset.id}", "") if dated else (section, "columns")
    for a, b in combinations(flat, 2):
        if (a.column == b.column or a.name == b.name) and a.meets(b):
            what = f"{a.column} 有两种写法" if a.column == b.column else "两列对到了对方的同一列"
            toml.bad(at, 0, key or b.column, f"{what}，期间重叠。" if dated else f"{what}。")
    return flat


def _check_columns(toml: Toml, section: str, dataset: Dataset, given: Mapping[str, object], key: str = "") -> None:
    for column in given:
        field = dataset.by_column.get(column)
        if field is None:
            toml.bad(section, 0, key or column, f"{dataset.cn}没有列 {column}。")
        elif field.extension:
            toml.bad(section, 0, key or column, f"{column} 是县里加的列，不得上报。")
        elif column in dataset.moved_from:
            source = dataset.moved_from[column]
            toml.bad(section, 0, key or column, f"{column} 随 {source} 一列上报，不能单独写。")


def _dated(toml: Toml, section: str, column: str, name: str, raw: object) -> list[Mapped]:
    lines: Sequence[object] = raw if isinstance(raw, list) else [raw]
    made = []
    for line in lines:
        if not isinstance(line, dict) or not line or any(key not in _COLUMN for key in line):
            toml.bad(section, 0, column, '应写成 { as = "对方列名", from = 2027-01-01, to = 2027-12-31 }，各项可省。')
            continue
        first, last = line.get("from"), line.get("to")
        if any(d is not None and (not isinstance(d, date) or isinstance(d, datetime)) for d in (first, last)):
            toml.bad(section, 0, column, "from 和 to 应为不加引号的日期，如 2027-01-01。")
            continue
        if first and last and first > last:
            toml.bad(section, 0, column, "from 晚于 to。")
            continue
        written = line.get("as", name)
        if not isinstance(written, str) or not written:
            toml.bad(section, 0, column, "as 应为对方的列名。")
            continue
        made.append(Mapped(column, written, first, last))
    return made


def _only(toml: Toml, section: str, dataset: Dataset, given: object) -> dict[str, tuple[str, ...]]:
    sound = isinstance(given, dict) and all(
        isinstance(v, list) and v and all(isinstance(i, str) for i in v) for v in given.values()
    )
    if not isinstance(given, dict) or not sound:
        toml.bad(section, 0, "only", '应写成 { "角色" = ["可报的值", …] }。')
        return {}
    for role in given:
        field = dataset.by_role.get(role)
        if field is None:
            toml.bad(section, 0, "only", f"{dataset.cn}没有角色 {role}。")
        elif field.sealed or field.form in ("date", "amount", "integer"):
            toml.bad(section, 0, "only", f"{role} 不是文字列，不能用来筛选。")
    return {role: tuple(values) for role, values in given.items()}


def _texts(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
