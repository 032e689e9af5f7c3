"""Units, aliases, groups and regions of a county folder: read, and checked against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .county_errors import UnknownUnit
from .county_files import Defects, Row, read_table, read_toml
from .identifiers import uscc_problem
from .units import KINDS, Group, Phrases, Unit, Units, spelling_key

# A unit's code becomes part of a Kafka topic, a principal and file names, where only these letters are safe everywhere.
_CODE = re.compile(r"[a-z][a-z0-9-]{0,30}")
USCC_PROBLEMS = {
    "placeholder": "这是个体工商户的占位码，单位必须有自己的代码",
    "length": "应为 18 位",
    "alphabet": "含有不允许的字符（只用大写字母和数字，没有 I、O、S、V、Z）",
    "category": "第 1 位不是登记管理部门代码",
    "checksum": "第 18 位校验码不对，多半是抄错了一位",
}
_REGION = re.compile(r"\d{6}|\d{9}|\d{12}")


@dataclass(frozen=True)
class Region:
    """An administrative division: statistical code (6 digits for a county, 9 for a township), name, parent code."""

    code: str
    name: str
    parent: str


def read_units(folder: Path, prefixes: tuple[str, ...], defects: Defects) -> Units:
    """The units of a folder: `units.csv` with `aliases.csv` and `groups.toml`; mistakes go to `defects`."""
    units, lines = _units(folder, defects)
    by_code = _with_aliases(folder, units, lines, prefixes, defects)
    found = Units(by_code.values(), prefixes=prefixes)
    groups, phrases = _groups(folder, found, defects)
    return Units(found, groups, prefixes, phrases)


def read_regions(folder: Path, defects: Defects) -> tuple[Region, ...]:
    """The divisions in `regions.csv`; a county may do without."""
    regions: dict[str, Region] = {}
    for row in read_table(folder / "regions.csv", ("code", "name", "parent"), (), defects, may_miss=True):
        region = Region(row.text("code"), row.text("name"), row.text("parent"))
        if region.code and not _REGION.fullmatch(region.code):
            row.bad("code", f"“{region.code}”不是 6、9 或 12 位数字的区划代码。")
        if region.code in regions:
            row.bad("code", f"区划代码“{region.code}”重复。")
        regions[region.code] = region
    return tuple(regions.values())


def _units(folder: Path, defects: Defects) -> tuple[dict[str, Unit], dict[str, int]]:
    required = ("code", "name", "full_name", "uscc", "kind", "member")
    optional = ("uscc_basis", "valid_from", "valid_to", "note")
    units: dict[str, Unit] = {}
    lines: dict[str, int] = {}
    for row in read_table(folder / "units.csv", required, optional, defects, may_miss=False):
        unit = _unit(row)
        if not unit.code:
            continue
        if unit.code in units:
            row.bad("code", f"单位代码“{unit.code}”与第 {lines[unit.code]} 行重复。")
            continue
        for other in units.values():
            if unit.uscc and unit.uscc == other.uscc and unit.overlaps(other):
                row.bad("uscc", f"与第 {lines[other.code]} 行“{other.name}”的统一社会信用代码相同，且有效期重叠。")
        units[unit.code] = unit
        lines[unit.code] = row.line
    return units, lines


def _unit(row: Row) -> Unit:
    unit = Unit(
        code=row.text("code"),
        name=row.text("name"),
        full_name=row.text("full_name"),
        uscc=row.text("uscc"),
        uscc_basis=row.text("uscc_basis", required=False),
        kind=row.text("kind"),
        member=row.flag("member"),
        valid_from=row.day("valid_from"),
        valid_to=row.day("valid_to"),
        note=row.text("note", required=False),
    )
    if unit.code and not _CODE.fullmatch(unit.code):
        row.bad("code", f"“{unit.code}”应以小写字母开头，只用小写字母、数字和连字符，不超过 31 个字符。")
    problem = uscc_problem(unit.uscc) if unit.uscc else None
    if problem:
        row.bad("uscc", f"统一社会信用代码“{unit.uscc}”不正确：{USCC_PROBLEMS[problem]}。")
    if unit.kind and unit.kind not in KINDS:
        row.bad("kind", f"没有单位类型“{unit.kind}”；可用的：{'、'.join(KINDS)}。")
    if unit.valid_from and unit.valid_to and unit.valid_from > unit.valid_to:
        row.bad("valid_to", f"有效期止 {unit.valid_to} 早于有效期起 {unit.valid_from}。")
    return unit


def _with_aliases(
    folder: Path, units: dict[str, Unit], lines: dict[str, int], prefixes: tuple[str, ...], defects: Defects
) -> dict[str, Unit]:
    """The units with their aliases; a spelling that could mean two units of the same time is a mistake."""
    bearers: dict[str, list[tuple[Unit, str]]] = {}
    forms = Units((), prefixes=prefixes).forms

    def taken(unit: Unit, spelling: str) -> str | None:
        """Who else bears the spelling, in words; notes it as this unit's when nobody does."""
        keys = [spelling_key(spelling)] if spelling == unit.code else forms(spelling)
        for key in keys:
            for other, where in bearers.get(key, []):
                if other.code != unit.code and other.overlaps(unit):
                    return f"“{other.name}”（{where}）"
        return None

    def note(unit: Unit, spelling: str, where: str) -> None:
        keys = [spelling_key(spelling)] if spelling == unit.code else forms(spelling)
        for key in keys:
            bearers.setdefault(key, []).append((unit, where))

    for unit in units.values():
        for column in ("code", "name", "full_name"):
            spelling = getattr(unit, column)
            other = taken(unit, spelling) if spelling else None
            if other:
                defects.add("units.csv", lines[unit.code], column, f"“{spelling}”已经是{other}的写法，不能指两个单位。")
            elif spelling:
                note(unit, spelling, f"units.csv 第 {lines[unit.code]} 行")

    aliases: dict[str, list[str]] = {}
    for row in read_table(folder / "aliases.csv", ("alias", "unit"), ("basis",), defects, may_miss=True):
        alias, code = row.text("alias"), row.text("unit")
        if not alias or not code:
            continue
        if code not in units:
            row.bad("unit", f"别名“{alias}”指向的单位代码“{code}”不在 units.csv 中。")
        elif not spelling_key(alias):
            row.bad("alias", f"别名“{alias}”里没有文字。")
        elif other := taken(units[code], alias):
            row.bad("alias", f"别名“{alias}”已经是{other}的写法，不能再指“{units[code].name}”。")
        else:
            note(units[code], alias, f"aliases.csv 第 {row.line} 行")
            aliases.setdefault(code, []).append(alias)
    return {c: replace(u, aliases=tuple(dict.fromkeys(aliases.get(c, ())))) for c, u in units.items()}


def _groups(folder: Path, units: Units, defects: Defects) -> tuple[list[Group], Phrases]:
    toml = read_toml(folder / "groups.toml", defects, may_miss=True)
    kinds_of = {"name": (str, True), "aliases": (list, False), "member": (bool, False), "kinds": (list, False)}
    kinds_of |= {"units": (list, False), "basis": (str, False)}
    groups: list[Group] = []
    seen: dict[str, str] = {}
    for index, values in enumerate(toml.tables("group")):
        if not toml.typed("group", index, values, kinds_of):
            continue
        group = Group(
            name=values["name"],
            aliases=tuple(values.get("aliases", ())),
            member=values.get("member", False),
            kinds=tuple(values.get("kinds", ())),
            units=tuple(values.get("units", ())),
        )
        for kind in group.kinds:
            if kind not in KINDS:
                toml.bad("group", index, "kinds", f"没有单位类型“{kind}”；可用的：{'、'.join(KINDS)}。")
        for problem in _unknown(units, group.units):
            toml.bad("group", index, "units", problem)
        for spelling in group.spellings:
            key = spelling_key(spelling)
            if seen.get(key, group.name) != group.name:
                toml.bad("group", index, "aliases", f"“{spelling}”已经是单位组“{seen[key]}”的写法。")
            elif _is_unit(units, spelling):
                toml.bad("group", index, "aliases", f"“{spelling}”已经是一个单位的写法，不能再作单位组。")
            seen.setdefault(key, group.name)
        groups.append(group)
    phrases = toml.table("phrases")
    if phrases and not toml.typed("phrases", 0, phrases, {"before": (list, False), "after": (list, False)}):
        return groups, Phrases()
    return groups, Phrases(tuple(phrases.get("before", ())), tuple(phrases.get("after", ())))


def _unknown(units: Units, spellings: Iterable[str]) -> list[str]:
    problems = []
    for spelling in spellings:
        try:
            units.resolve(spelling)
        except UnknownUnit as error:
            problems.append(str(error))
    return problems


def _is_unit(units: Units, spelling: str) -> bool:
    return not _unknown(units, [spelling])
