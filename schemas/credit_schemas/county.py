"""The county: one folder of data that says who reports, what is due and where it goes. No code names a county.

Which folder: the setting CREDIT_COUNTY (a folder, or the code of a shipped county), else `counties/default.toml`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from .acts import ActRule, reach, read_acts
from .county_errors import CountyNotFound
from .county_files import Defects, Toml, read_toml
from .county_units import Region, read_regions, read_units
from .mandates import Mandate, mandated, read_mandates
from .obligations import Obligation, check_parameters, read_obligations
from .units import Units, county_prefixes

SETTING = "CREDIT_COUNTY"
SHIPPED = Path(__file__).parent / "counties"


@dataclass(frozen=True, eq=False)  # one object per folder and process: compared and hashed by identity
class County:
    """A county folder, read and checked.

    Attributes:
        code: Six-digit region code; part of every topic name.
        parent: Region code of the level above; `above` holds the names of all levels above, highest first.
        time_zone: IANA name; days and deadlines are reckoned in it.
        site_name: The public site (信用中国 …).
        report_within_workdays: Limit for licences and penalties after the decision.
        count_decision_day: True when the decision day is day 1, False when it is day 0.
        parameters: Every parameter of the folder by name, those two included.
        mandates: Who may report decisions of which other body.
        acts: Who may do what to whose record.
        folder: Where it was read from; `destinations/` lies below.
    """

    code: str
    name: str
    parent: str
    above: tuple[str, ...]
    time_zone: str
    site_name: str
    report_within_workdays: int
    count_decision_day: bool
    parameters: Mapping[str, Any]
    units: Units
    regions: tuple[Region, ...]
    obligations: tuple[Obligation, ...]
    mandates: tuple[Mandate, ...]
    acts: Mapping[str, ActRule]
    folder: Path

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.time_zone)

    def mandated(self, unit: str, dataset: str, on: date) -> frozenset[str]:
        """Unified codes of the bodies whose rows of a dataset a unit may report on a day, its own aside."""
        return mandated(self.mandates, unit, dataset, on)

    def reach(self, unit: str, act: str, on: date) -> tuple[bool, bool]:
        """Whether a unit may do an act to its own records, and whether to everybody's, on a day."""
        return reach(self.acts, self.units, unit, act, on)


def shipped_counties() -> list[str]:
    """Codes of the counties that come with the package."""
    return sorted(p.parent.name for p in SHIPPED.glob("*/county.toml"))


def county_folder(named: str | Path | None = None) -> Path:
    """The folder a setting means.

    Args:
        named: A folder or a shipped code; without it the setting CREDIT_COUNTY, else the shipped default.

    Raises:
        CountyNotFound: It is neither.
    """
    choice = str(named or os.environ.get(SETTING, "").strip() or _default())
    if choice in shipped_counties():
        return SHIPPED / choice
    folder = Path(choice).expanduser()
    if not folder.is_dir():
        raise CountyNotFound(choice, shipped_counties())
    return folder.resolve()


def load_county(path: Path | None = None) -> County:
    """The county of a folder (`path`, else by setting), read once per process.

    Raises:
        CountyNotFound: The setting names no folder.
        CountyDataError: The folder has mistakes; all of them are listed with file, line and column.
    """
    return _load(county_folder(path))


def _default() -> str:
    return str(tomllib.loads((SHIPPED / "default.toml").read_text(encoding="utf-8"))["county"])


@lru_cache(maxsize=8)  # a process knows one county, a test a few
def _load(folder: Path) -> County:
    defects = Defects(folder)
    toml = read_toml(folder / "county.toml", defects, may_miss=False)
    defects.stop()
    head, parameters = _head(toml)
    # Without a sound head nothing else can be judged: prefixes and limits come from it.
    defects.stop()
    above = tuple(head.get("above", ()))
    units = read_units(folder, county_prefixes(head["name"], above), defects)
    regions = read_regions(folder, defects)
    within = parameters["report_within_workdays"]
    obligations = read_obligations(folder, units, within, defects)
    mandates = read_mandates(folder, units, defects)
    acts = read_acts(folder, units, defects)
    defects.stop()
    return County(
        code=head["code"],
        name=head["name"],
        parent=head["parent"],
        above=above,
        time_zone=head["time_zone"],
        site_name=head["site_name"],
        report_within_workdays=within,
        count_decision_day=parameters["count_decision_day"],
        parameters=MappingProxyType(parameters),
        units=units,
        regions=regions,
        obligations=obligations,
        mandates=mandates,
        acts=acts,
        folder=folder,
    )


def _head(toml: Toml) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables `[county]` and `[parameters]`, checked."""
    head, parameters = toml.table("county"), toml.table("parameters")
    keys = dict.fromkeys(("code", "name", "parent", "time_zone", "site_name"), (str, True))
    if toml.typed("county", 0, head, {**keys, "above": (list, False)}):
        for key in ("code", "parent"):
            if not re.fullmatch(r"\d{6}", head[key]):
                toml.bad("county", 0, key, f"“{head[key]}”不是 6 位数字的区划代码。")
        if len(head["name"]) < 2:
            toml.bad("county", 0, "name", f"“{head['name']}”不是县名全称（要带“县”“区”“市”）。")
        try:
            ZoneInfo(head["time_zone"])
        except (KeyError, ValueError):
            toml.bad("county", 0, "time_zone", f"没有时区“{head['time_zone']}”，我国为 Asia/Shanghai。")
    needed = {"report_within_workdays": (int, True), "count_decision_day": (bool, True)}
    known = {key: value for key, value in parameters.items() if key in needed}
    if toml.typed("parameters", 0, known, needed) and parameters["report_within_workdays"] < 1:
        toml.bad("parameters", 0, "report_within_workdays", "至少为 1 个工作日。")
    check_parameters(toml, parameters)
    return head, parameters
