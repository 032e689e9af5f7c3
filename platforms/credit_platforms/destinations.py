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
from .routes import Route, read_routes

FOLDER = "destinations"
# The id becomes a DAG id, a pool, an environment variable and a value in tables.
ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
PERSONAL = ("clear", "omit")
PERSON_NAMES = ("clear", "mask")
SECTIONS = ("destination", "sending", "codes", "takes", "datasets", "columns", "limits")
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
    "person_names": (str, False),
    "public": (bool, False),
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
_CODES: dict[str, tuple[type, bool]] = dict.fromkeys(("version_conflict", "cannot", "unknown_table"), (list, False))


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
class Destination:
    """One destination, as its file describes it.

    Attributes:
        personal: `clear` or `omit`: what happens to the numbers of natural persons.
        person_names: `clear` or `mask`: what happens to their names.
        public: Everybody reads it: it gets only what the law lets be published.
        version_conflict: Codes that say "I hold another version", to be settled by looking what it holds.
        cannot: Codes that say "I am not able to", which need a person.
        unknown_table: Codes that refuse a batch or a list because the table is not known there.
    """

    id: str
    name: str
    enabled: bool
    transport: str
    url: str
    client: str
    date_form: str
    personal: str
    person_names: str
    public: bool
    can_withdraw: bool
    sending: Sending
    version_conflict: frozenset[str]
    cannot: frozenset[str]
    unknown_table: frozenset[str]
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
        if key not in SECTIONS:
            toml.bad(key, 0, key, f"没有这一节；可用的：{'、'.join(f'[{s}]' for s in SECTIONS)}。")
    head, sending, codes = toml.table("destination"), toml.table("sending"), toml.table("codes")
    sound = toml.typed("destination", 0, head, _HEAD)
    sound &= toml.typed("sending", 0, sending, _SENDING)
    sound &= toml.typed("codes", 0, codes, _CODES)
    routes = read_routes(toml, datasets)
    if not sound:
        return None
    _check_head(toml, head, stem)
    _check_sending(toml, sending)
    return Destination(
        **{"url": "", "person_names": PERSON_NAMES[0], "public": False, **head},
        sending=Sending(**sending),
        version_conflict=frozenset(codes.get("version_conflict", ())),
        cannot=frozenset(codes.get("cannot", ())),
        unknown_table=frozenset(codes.get("unknown_table", ())),
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
    if head.get("person_names", PERSON_NAMES[0]) not in PERSON_NAMES:
        toml.bad("destination", 0, "person_names", "应为 clear（自然人姓名照报）或 mask（只报姓，其余为 *）。")
    if head.get("public") and (head["personal"], head.get("person_names")) != ("omit", "mask"):
        toml.bad("destination", 0, "public", '向社会公开的去向应写 personal = "omit" 和 person_names = "mask"。')
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
