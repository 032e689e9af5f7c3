"""Acts: what may be done to a reported record, and by whom (county file `acts.toml`).

A unit answers for what it reported and takes it back itself; repairs and disputes are the credit office's and the
higher platforms' (信用修复管理办法; 河南省社会信用条例). What an act makes of a record: `credit_consumer.standing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .county_errors import UnknownUnit
from .county_files import Defects, read_toml
from .envelope import STATE_ACTS
from .units import KINDS, Units

if TYPE_CHECKING:
    from .dataset import Dataset

FILE = "acts.toml"
# A record's states, and what people call them; which follows from which is in the consumer's `standing`.
STATE_NAMES = {"active": "有效", "disputed": "异议处理中", "ended": "已终止", "withdrawn": "已撤回"}


@dataclass(frozen=True)
class ActRule:
    """Who may do one act.

    Attributes:
        own: True when every unit may do it to records it reported itself.
        kinds: Kinds of units that may do it to anybody's record; `units` lists single ones by code.
    """

    own: bool
    kinds: frozenset[str]
    units: frozenset[str]


# What a county without the file goes by: everybody takes back what is his, and nobody touches another's.
DEFAULT: Mapping[str, ActRule] = MappingProxyType(
    {act: ActRule(act in ("revoke", "withdraw", "reinstate"), frozenset(), frozenset()) for act in STATE_ACTS}
)


def read_acts(folder: Path, units: Units, defects: Defects) -> Mapping[str, ActRule]:
    """The rules in `acts.toml`, by act; an act the file does not name keeps its default."""
    toml = read_toml(folder / FILE, defects, may_miss=True)
    found = dict(DEFAULT)
    keys: dict[str, tuple[type, bool]] = {
        "id": (str, True), "own": (bool, True), "kinds": (list, False), "units": (list, False), "basis": (str, True),
    }  # fmt: skip
    for index, raw in enumerate(toml.tables("act")):
        if not toml.typed("act", index, raw, keys):
            continue
        if raw["id"] not in STATE_ACTS:
            toml.bad("act", index, "id", f"没有操作“{raw['id']}”；可用的：{'、'.join(STATE_ACTS)}。")
        for kind in raw.get("kinds", ()):
            if kind not in KINDS:
                toml.bad("act", index, "kinds", f"没有单位类型“{kind}”；可用的：{'、'.join(KINDS)}。")
        listed = set()
        for spelling in raw.get("units", ()):
            try:
                listed.add(units.resolve(spelling).code)
            except UnknownUnit as error:
                toml.bad("act", index, "units", str(error))
        found[raw["id"]] = ActRule(raw["own"], frozenset(raw.get("kinds", ())), frozenset(listed))
    return MappingProxyType(found)


def reach(acts: Mapping[str, ActRule], units: Units, unit: str, act: str, on: date) -> tuple[bool, bool]:
    """Whether a unit may do an act to its own records, and whether to everybody's, on a day."""
    rule = acts[act]
    try:
        standing = units.get(unit)
    except UnknownUnit:
        return False, False
    anybody = standing.valid_on(on) and (standing.kind in rule.kinds or standing.code in rule.units)
    return rule.own or anybody, anybody


def act_of(dataset: Dataset, word: str) -> str | None:
    """The act a word of the form's list stands for (`误报撤回` is `withdraw`); None for another word."""
    codes = dataset.by_role["act"].code_set
    return next((a for a in STATE_ACTS if codes and codes.aliases.get(a) == word), None)


def word_of(dataset: Dataset, act: str) -> str:
    """The word the form's list has for an act."""
    codes = dataset.by_role["act"].code_set
    return codes.aliases[act] if codes else act
