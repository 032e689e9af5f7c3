"""Destinations: one TOML file each in the county folder says what goes where, in which columns and how.

`destination_ids` reads file names only, because Airflow asks for them every half minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credit_schemas.county import County, county_folder, load_county
from credit_schemas.county_files import Defects, Toml, read_toml
from credit_schemas.dataset import DATASETS, Dataset, current_datasets, load_schemas

from .errors import UnknownDestination

FOLDER = "destinations"
# The id becomes a DAG id, a pool, an environment variable and a value in tables.
ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
STATES = ("active", "disputed", "ended", "withdrawn")
PERSONAL = ("clear", "omit")
MAX_BATCH_ROWS = 500  # docs/sandbox-protocol.md: a batch has 500 rows at most

_HEAD: dict[str, tuple[type, bool]] = {
    "id": (str, True),
    "name": (str, True),
    "enabled": (bool, True),
    "transport": (str, True),
    "url": (str, False),
    "client": (str, True),
    "date_form": (str, True),
    "personal": (str, True),
    "can_withdraw": (bool, True),
}
_SENDING: dict[str, tuple[type, bool]] = dict.fromkeys(
    (
        "batch_rows",
        "canary_rows",
        "pause_percent",
        "pause_min_rows",
        "attempts",
        "connect_timeout_s",
        "answer_timeout_s",
        "verdict_wait_s",
        "lost_after_s",
    ),
    (int, True),
)
_CODES: dict[str, tuple[type, bool]] = {"version_conflict": (list, False), "cannot": (list, False)}


@dataclass(frozen=True)
class Sending:
    """How rows are sent.

    Attributes:
        batch_rows: Rows of a batch, at most 500.
        canary_rows: Rows of the first batch of a run that has more.
        pause_percent: More rejected rows than this pause the destination.
        pause_min_rows: Answered rows below which a share says nothing: one rejected row of two is no flood.
        attempts: How often a safe request is tried.
        connect_timeout_s: Seconds to connect.
        answer_timeout_s: Seconds to wait for an answer; after that the outcome is unknown.
        verdict_wait_s: Seconds a run waits for the verdicts on what it has sent.
        lost_after_s: Seconds after which a row without verdict is looked up in the destination's own records.
    """

    batch_rows: int
    canary_rows: int
    pause_percent: int
    pause_min_rows: int
    attempts: int
    connect_timeout_s: int
    answer_timeout_s: int
    verdict_wait_s: int
    lost_after_s: int


@dataclass(frozen=True)
class Route:
    """What a destination takes of one dataset.

    Attributes:
        table: The destination's own name of the dataset.
        columns: National code to the destination's code, in upload order; never a county extension column.
        states: Record states that it shows; any other ends the copy.
        only: Role to accepted values; a row with another value is not for this destination.
        until_publicity_ends: True when the copy ends with the publicity period.
    """

    dataset: Dataset
    table: str
    columns: Mapping[str, str]
    states: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]
    until_publicity_ends: bool


@dataclass(frozen=True)
class Destination:
    """One destination, as its file describes it.

    Attributes:
        personal: `clear` or `omit`: what happens to the numbers of natural persons.
        version_conflict: Codes that say "I hold another version", to be settled by looking what it holds.
        cannot: Codes that say "I am not able to", which need a person.
    """

    id: str
    name: str
    enabled: bool
    transport: str
    url: str
    client: str
    date_form: str
    personal: str
    can_withdraw: bool
    sending: Sending
    version_conflict: frozenset[str]
    cannot: frozenset[str]
    routes: Mapping[str, Route]


def destination_ids() -> list[str]:
    """Ids of the destinations of the county the setting chooses: names of files, nothing is read."""
    return sorted(p.stem for p in (county_folder() / FOLDER).glob("*.toml") if ID.fullmatch(p.stem))


def load_destinations(county: County | None = None) -> dict[str, Destination]:
    """All destinations of a county (without one: of the county the setting chooses), disabled ones included.

    Raises:
        CountyDataError: A file has mistakes; all of them are listed with file, line and key.
    """
    folder = (county or load_county()).folder
    own = folder / "datasets"
    datasets = current_datasets(load_schemas([DATASETS, own] if own.is_dir() else [DATASETS]))
    defects = Defects(folder / FOLDER)
    found = {}
    for path in sorted((folder / FOLDER).glob("*.toml")):
        before = len(defects.found)
        destination = _read(read_toml(path, defects, may_miss=False), path.stem, datasets)
        if len(defects.found) == before and destination:
            found[destination.id] = destination
    defects.stop()
    return found


def find_destination(name: str, county: County | None = None) -> Destination:
    """One destination. Raises UnknownDestination, CountyDataError."""
    known = load_destinations(county)
    if name not in known:
        raise UnknownDestination(name, known)
    return known[name]


def _read(toml: Toml, stem: str, datasets: Mapping[str, Dataset]) -> Destination | None:
    for key in toml.data:
        # [limits.…] is read by credit_schemas.destination_terms, which quality asks too
        if key not in ("destination", "sending", "codes", "datasets", "limits"):
            toml.bad(key, 0, key, "没有这一节；可用的：[destination]、[sending]、[codes]、[datasets.…]、[limits.…]。")
    head, sending, codes = toml.table("destination"), toml.table("sending"), toml.table("codes")
    sound = toml.typed("destination", 0, head, _HEAD)
    sound &= toml.typed("sending", 0, sending, _SENDING)
    sound &= toml.typed("codes", 0, codes, _CODES)
    routes = {}
    for name, raw in toml.table("datasets").items():
        if name not in datasets:
            toml.bad(f"datasets.{name}", 0, name, f"没有这个数据集；可用的：{'、'.join(sorted(datasets))}。")
        elif not isinstance(raw, dict):
            toml.bad("datasets", 0, name, f"应写成 [datasets.{name}]。")
        else:
            route = _route(toml, datasets[name], raw)
            if route:
                routes[name] = route
    if not sound:
        return None
    _check_head(toml, head, stem)
    _check_sending(toml, sending)
    return Destination(
        **{"url": "", **head},
        sending=Sending(**sending),
        version_conflict=frozenset(codes.get("version_conflict", ())),
        cannot=frozenset(codes.get("cannot", ())),
        routes=routes,
    )


def _check_head(toml: Toml, head: dict[str, Any], stem: str) -> None:
    from .transports import TRANSPORTS  # not at the top: file names must be known without an HTTP client

    if head["id"] != stem or not ID.fullmatch(head["id"]):
        toml.bad(
            "destination", 0, "id", f"应与文件名“{stem}”相同：小写字母开头，只含小写字母、数字和下划线，最长 32 位。"
        )
    if head["transport"] not in TRANSPORTS:
        toml.bad("destination", 0, "transport", f"没有这种传输方式；可用的：{'、'.join(sorted(TRANSPORTS))}。")
    if head["personal"] not in PERSONAL:
        toml.bad("destination", 0, "personal", "应为 clear（证件号码明文上报）或 omit（不上报证件号码）。")
    if not all(part in head["date_form"] for part in ("%Y", "%m", "%d")):
        toml.bad("destination", 0, "date_form", "应含 %Y、%m 和 %d，例如 %Y-%m-%d。")


def _check_sending(toml: Toml, sending: dict[str, Any]) -> None:
    for key, value in sending.items():
        if value < 1:
            toml.bad("sending", 0, key, "应为正整数。")
    if sending["batch_rows"] > MAX_BATCH_ROWS:
        toml.bad("sending", 0, "batch_rows", f"一批最多 {MAX_BATCH_ROWS} 行。")
    if sending["pause_percent"] >= 100:
        toml.bad("sending", 0, "pause_percent", "应小于 100，否则永远不会暂停。")


_ROUTE_KEYS = ("table", "columns", "states", "only", "until_publicity_ends")


def _route(toml: Toml, dataset: Dataset, raw: dict[str, Any]) -> Route | None:
    section = f"datasets.{dataset.id}"
    before = len(toml.defects.found)
    for key in raw:
        if key not in _ROUTE_KEYS:
            toml.bad(section, 0, key, f"没有这一项；可用的：{'、'.join(_ROUTE_KEYS)}。")
    plain = {k: v for k, v in raw.items() if k in ("table", "states", "until_publicity_ends")}
    kinds: dict[str, tuple[type, bool]] = {
        "table": (str, True),
        "states": (list, False),  # an empty list takes the whole dataset back from the destination
        "until_publicity_ends": (bool, True),
    }
    toml.typed(section, 0, plain, kinds)
    if "states" not in raw:
        toml.bad(section, 0, "states", "缺少这一项。")
    elif isinstance(raw["states"], list) and any(s not in STATES for s in raw["states"]):
        toml.bad(section, 0, "states", f"状态只能是：{'、'.join(STATES)}。")
    columns = _columns(toml, section, dataset, raw.get("columns"))
    only = _only(toml, section, dataset, raw.get("only", {}))
    if len(toml.defects.found) > before:
        return None
    return Route(dataset, raw["table"], columns, tuple(raw["states"]), only, raw["until_publicity_ends"])


def _columns(toml: Toml, section: str, dataset: Dataset, given: object) -> dict[str, str]:
    national = [f.column for f in dataset.fields if not f.extension]
    if given == "all":
        return dict(zip(national, national, strict=True))
    if isinstance(given, list) and given and all(isinstance(c, str) for c in given):
        given = dict(zip(given, given, strict=True))
    if not isinstance(given, dict) or not given or not all(isinstance(c, str) for c in given.values()):
        toml.bad(section, 0, "columns", '应为 "all"、列名的列表，或国标列名到对方列名的对照表。')
        return {}
    for column in given:
        field = dataset.by_column.get(column)
        if field is None:
            toml.bad(section, 0, "columns", f"{dataset.cn}没有列 {column}。")
        elif field.extension:
            toml.bad(section, 0, "columns", f"{column} 是县里加的列，不得上报。")
    if len(set(given.values())) < len(given):
        toml.bad(section, 0, "columns", "两列对到了对方的同一列。")
    return {c: given[c] for c in national if c in given}


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
        elif field.sealed or field.form in ("date", "amount"):
            toml.bad(section, 0, "only", f"{role} 不是文字列，不能用来筛选。")
    return {role: tuple(values) for role, values in given.items()}
