"""Obligations: what the county's yearly plan asks of which units, how often (one per row of the plan's annex)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .county_errors import UnknownUnit
from .county_files import Defects, Toml, read_toml
from .periods import MONTHS
from .units import Unit, Units

if TYPE_CHECKING:
    from .county import County

# Closed vocabulary; beside these `event:<n>wd`, due n working days after each decision.
PERIODS = ("monthly", "quarterly", "yearly", "continuous", "on_demand")
# For which the plan states no end: due by the end of the period that the county's parameter UNSTATED_PERIOD names.
UNSTATED = ("continuous", "on_demand")
# Parameters of county.toml: working days after a period's end within which its reports are in time (0 without one);
# and the period of duties whose plan states none.
GRACE_WORKDAYS = "duty_grace_workdays"
UNSTATED_PERIOD = "unstated_period"
# More than this would reach beyond the next month, and an arrival could count for two months.
MOST_GRACE = 10
_EVENT = re.compile(r"event:(\d{1,3})wd")
_DATASET = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Obligation:
    """One duty.

    Attributes:
        annex_row: Row of the plan's annex, counted from 1.
        title: 三级指标, with level1 and level2 above it.
        units_text: Responsible units as the plan writes them; `responsible` gives the units.
        datasets: Dataset ids that fulfil it, the main one first.
        fulfil: `any` when one of the datasets is enough, `all` when each is due.
        denominators: Dataset ids that give the totals of a rate (ledger, counts).
        period: `monthly`, `quarterly`, `yearly`, `continuous`, `on_demand` or `event:<n>wd`.
        lead: Spelling of the leading unit, or "".
        content: What must be handed in, in the plan's words; `hand_in` lists its parts.
        condition: Which of the units it binds when not all (in words), or "".
        condition_datasets: Lists whose reporting unit is bound, while somebody it reported stands on one; empty: all.
        ratio_datasets: Lists of the rate's numerator (distinct subjects), empty when the duty has no rate.
        ratio_code_prefixes: First characters of the unified codes that are counted.
        ratio_counted: Kinds in `denominators` whose totals make the denominator.
        open_list: True when the plan's list of units is open-ended (等).
    """

    annex_row: int
    title: str
    level1: str
    level2: str
    units_text: str
    datasets: tuple[str, ...]
    fulfil: str
    denominators: tuple[str, ...]
    period: str
    lead: str
    content: str
    hand_in: tuple[str, ...]
    condition: str
    condition_datasets: tuple[str, ...]
    ratio_datasets: tuple[str, ...]
    ratio_code_prefixes: tuple[str, ...]
    ratio_counted: tuple[str, ...]
    open_list: bool
    basis: str
    remark: str

    @property
    def workdays(self) -> int | None:
        """Working days after the decision for an event duty, else None."""
        event = _EVENT.fullmatch(self.period)
        return int(event[1]) if event else None


_KEYS: dict[str, tuple[type, bool]] = {
    "annex_row": (int, True),
    "level1": (str, True),
    "level2": (str, True),
    "title": (str, True),
    "units": (str, True),
    "lead": (str, False),
    "datasets": (list, True),
    "fulfil": (str, False),
    "denominators": (list, False),
    "period": (str, True),
    "content": (str, True),
    "hand_in": (list, False),
    "condition": (str, False),
    "condition_datasets": (list, False),
    "ratio_datasets": (list, False),
    "ratio_code_prefixes": (list, False),
    "ratio_counted": (list, False),
    "open_list": (bool, False),
    "basis": (str, True),
    "remark": (str, False),
}


def annex_rows(obligations: Iterable[Obligation]) -> frozenset[int]:
    """The rows that the county's plan has."""
    return frozenset(o.annex_row for o in obligations)


def read_obligations(folder: Path, units: Units, report_within: int, defects: Defects) -> tuple[Obligation, ...]:
    """The duties in `obligations.toml`, in order of annex row; a county may do without.

    Args:
        folder: The county folder.
        units: Its units; every spelling in a duty must resolve.
        report_within: The county's limit in working days, which event duties must agree with.
        defects: Where mistakes are noted.
    """
    toml = read_toml(folder / "obligations.toml", defects, may_miss=True)
    duties: dict[int, Obligation] = {}
    for index, values in enumerate(toml.tables("obligation")):
        if not toml.typed("obligation", index, values, _KEYS):
            continue
        duty = _obligation(values)
        if duty.annex_row in duties:
            toml.bad("obligation", index, "annex_row", f"分解表第 {duty.annex_row} 行已经登记过。")
        if duty.fulfil not in ("any", "all"):
            toml.bad("obligation", index, "fulfil", f"“{duty.fulfil}”应为 any（其一即可）或 all（都要报）。")
        if duty.period not in PERIODS and duty.workdays is None:
            toml.bad(
                "obligation", index, "period", f"没有周期“{duty.period}”；可用的：event:7wd、{'、'.join(PERIODS)}。"
            )
        if duty.workdays not in (None, report_within):
            message = f"{duty.period} 与 county.toml 的 report_within_workdays = {report_within} 不一致。"
            toml.bad("obligation", index, "period", message)
        parts = [bool(getattr(duty, f"ratio_{part}")) for part in ("datasets", "code_prefixes", "counted")]
        if any(parts) and not (all(parts) and duty.denominators):
            message = "占比要写全 ratio_datasets、ratio_code_prefixes、ratio_counted 和 denominators。"
            toml.bad("obligation", index, "ratio_datasets", message)
        for key in ("datasets", "denominators", "condition_datasets", "ratio_datasets"):
            for dataset in getattr(duty, key):
                if not _DATASET.fullmatch(dataset):
                    toml.bad("obligation", index, key, f"“{dataset}”不是数据集代码（小写字母、数字、下划线）。")
        for key, text in (("units", duty.units_text), ("lead", duty.lead)):
            try:
                units.expand(text)
            except UnknownUnit as error:
                toml.bad("obligation", index, key, str(error))
        duties.setdefault(duty.annex_row, duty)
    return tuple(duties[row] for row in sorted(duties))


def check_parameters(toml: Toml, parameters: dict[str, Any]) -> None:
    """Note what is wrong with the parameters of county.toml that duties live by; a county may do without."""
    known = {key: value for key, value in parameters.items() if key in (GRACE_WORKDAYS, UNSTATED_PERIOD)}
    kinds: dict[str, tuple[type, bool]] = {GRACE_WORKDAYS: (int, False), UNSTATED_PERIOD: (str, False)}
    if not toml.typed("parameters", 0, known, kinds):
        return
    if not 0 <= parameters.get(GRACE_WORKDAYS, 0) <= MOST_GRACE:
        toml.bad("parameters", 0, GRACE_WORKDAYS, f"应为 0 到 {MOST_GRACE} 个工作日。")
    if parameters.get(UNSTATED_PERIOD, "yearly") not in MONTHS:
        toml.bad("parameters", 0, UNSTATED_PERIOD, f"应为 {'、'.join(MONTHS)} 之一。")


def reckoned_by(obligation: Obligation, county: County) -> str:
    """The kind of period a duty is reckoned by: `monthly` (decisions too, by their month), `quarterly` or `yearly`."""
    if obligation.workdays is not None:
        return "monthly"
    if obligation.period in UNSTATED:
        return str(county.parameters.get(UNSTATED_PERIOD, "yearly"))
    return obligation.period


def _obligation(values: dict[str, Any]) -> Obligation:
    return Obligation(
        annex_row=values["annex_row"],
        title=values["title"],
        level1=values["level1"],
        level2=values["level2"],
        units_text=values["units"],
        datasets=tuple(values["datasets"]),
        fulfil=values.get("fulfil", "any"),
        denominators=tuple(values.get("denominators", ())),
        period=values["period"],
        lead=values.get("lead", ""),
        content=values["content"],
        hand_in=tuple(values.get("hand_in", ())),
        condition=values.get("condition", ""),
        condition_datasets=tuple(values.get("condition_datasets", ())),
        ratio_datasets=tuple(values.get("ratio_datasets", ())),
        ratio_code_prefixes=tuple(values.get("ratio_code_prefixes", ())),
        ratio_counted=tuple(values.get("ratio_counted", ())),
        open_list=values.get("open_list", False),
        basis=values["basis"],
        remark=values.get("remark", ""),
    )


def responsible(obligation: Obligation, county: County, on: date | None = None) -> list[Unit]:
    """The units bound by a duty on a day (every unit ever bound, without one), each once, in the plan's order.

    A named unit that does not exist on the day is left out: its successor, bearing the same spelling, stands in.
    """
    units = county.units
    standing = (units.standing_for(unit, on) for unit in units.expand(obligation.units_text))
    return list(dict.fromkeys(unit for unit in standing if unit))


def obligation_record(obligation: Obligation, county: County, on: date | None = None) -> dict[str, Any]:
    """The duty as the catalogue prints it: plain JSON values, units and lead as unit codes.

    `dataset` is the main dataset id, `datasets` all of them.
    """
    return {
        "annex_row": obligation.annex_row,
        "dataset": obligation.datasets[0],
        "datasets": list(obligation.datasets),
        "fulfil": obligation.fulfil,
        "denominators": list(obligation.denominators),
        "units": [unit.code for unit in responsible(obligation, county, on)],
        "units_text": obligation.units_text,
        "open_list": obligation.open_list,
        "lead": county.units.resolve(obligation.lead).code if obligation.lead else None,
        "period": obligation.period,
        "level1": obligation.level1,
        "level2": obligation.level2,
        "title": obligation.title,
        "content": obligation.content,
        "hand_in": list(obligation.hand_in),
        "condition": obligation.condition,
        "condition_datasets": list(obligation.condition_datasets),
        "ratio_datasets": list(obligation.ratio_datasets),
        "ratio_code_prefixes": list(obligation.ratio_code_prefixes),
        "ratio_counted": list(obligation.ratio_counted),
        "basis": obligation.basis,
        "remark": obligation.remark,
    }
