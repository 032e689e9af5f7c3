"""Units (责任单位): who may report, under which spellings they are known, and what a group of them means.

A spelling is found whatever its blanks, brackets and letter width, and with or without the county's own name in front
(its level, its short name, its full name, the levels above): those prefixes are derived from the county file.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .county_errors import UnknownUnit
from .personal import without_numbers

# Closed vocabulary: the catalogue says per kind which acts a unit may do, so a new kind is a change of the contract.
KINDS: Mapping[str, str] = {
    "government": "政府部门",
    "party": "党委部门",
    "court": "法院",
    "procuratorate": "检察院",
    "mass_organisation": "群团组织",
    "public_institution": "事业单位",
    "utility": "公用事业企业",
    "bank": "银行机构",
    "township": "乡镇（街道）",
    "center": "大数据中心",
    "credit_office": "信用办",
    "city": "市级平台",
    "province": "省级平台",
}

_SEPARATOR = re.compile(r"[、，,；;。|/\n\t]+")
_CLOSE_ENOUGH = 0.5  # below this ratio difflib's suggestions share little more than the ending 局
_SUGGESTIONS = 5


def spelling_key(text: str) -> str:
    """`text` reduced to its letters and digits: half-width, lower-case, without blanks, brackets and marks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LN")


def county_prefixes(name: str, above: Iterable[str] = ()) -> tuple[str, ...]:
    """What may stand before a unit's own name, longest first.

    Args:
        name: Full county name, ending in its level (县, 区, 市, 旗).
        above: Names of the levels above, highest first.
    """
    higher = [spelling_key(n) for n in above]
    own = spelling_key(name)
    long = ["".join(higher[i:]) + own for i in range(len(higher) + 1)]
    short = [own[:-1]] if len(own) > 2 else []  # 叶县 without its level is one character: too little to go by
    return tuple(dict.fromkeys([*long, *short, own[-1:]]))


@dataclass(frozen=True)
class Unit:
    """One unit. `uscc_basis` says where its unified code comes from; None as a date means no limit."""

    code: str
    name: str
    full_name: str
    uscc: str
    uscc_basis: str
    kind: str
    member: bool
    valid_from: date | None = None
    valid_to: date | None = None
    note: str = ""
    aliases: tuple[str, ...] = ()

    def valid_on(self, on: date | None) -> bool:
        """Whether the unit exists on that day; without a day, whether it ever did."""
        if on is None:
            return True
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on <= self.valid_to)

    def overlaps(self, other: Unit) -> bool:
        """Whether both units exist on some same day."""
        first = max(self.valid_from or date.min, other.valid_from or date.min)
        return first <= min(self.valid_to or date.max, other.valid_to or date.max)

    @property
    def spellings(self) -> tuple[str, ...]:
        """All spellings: name, full name, aliases."""
        return tuple(dict.fromkeys((self.name, self.full_name, *self.aliases)))


@dataclass(frozen=True)
class Group:
    """A collective spelling (各成员单位): members, units of some kinds and listed units, put together."""

    name: str
    aliases: tuple[str, ...] = ()
    member: bool = False
    kinds: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """All spellings of the group."""
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class Phrases:
    """Words around units in running text that are no part of a name, such as 牵头 or 等部门."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Units:
    """The units of one county, found by code, unified code or any spelling. Immutable after construction.

    Args:
        units: The units, in file order.
        groups: The collective spellings.
        prefixes: What may stand before a name (`county_prefixes`).
        phrases: Words to strip in `expand`.
    """

    def __init__(
        self,
        units: Iterable[Unit],
        groups: Iterable[Group] = (),
        prefixes: tuple[str, ...] = (),
        phrases: Phrases | None = None,
    ) -> None:
        self._units = tuple(units)
        self._by_code = {u.code: u for u in self._units}
        self._prefixes = prefixes
        self._before = _longest_first((phrases or Phrases()).before)
        self._after = _longest_first((phrases or Phrases()).after)
        self.groups = tuple(groups)
        self._groups = {spelling_key(s): g for g in self.groups for s in g.spellings}
        self._index: dict[str, list[Unit]] = {}
        for unit in self._units:
            keys = {form for s in unit.spellings for form in self.forms(s)}
            for key in keys | {spelling_key(unit.code), spelling_key(unit.uscc)}:
                self._index.setdefault(key, []).append(unit)

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)

    def forms(self, spelling: str) -> list[str]:
        """Keys a spelling may be found under: as written, then without each prefix of the county, longest first."""
        key = spelling_key(spelling)
        return [key, *(key[len(p) :] for p in self._prefixes if key.startswith(p) and len(key) > len(p) + 1)]

    def get(self, code: str) -> Unit:
        """The unit of that code; raises UnknownUnit."""
        if code not in self._by_code:
            raise UnknownUnit(code, self._similar(code))
        return self._by_code[code]

    def by_uscc(self, code: str, on: date | None = None) -> Unit | None:
        """The unit with that unified code (the latest when a successor took it over), or None."""
        return _latest(u for u in self._units if u.uscc == code.strip().upper() and u.valid_on(on))

    def group(self, spelling: str) -> Group | None:
        """The group a spelling means, or None."""
        return self._groups.get(spelling_key(spelling))

    def resolve(self, spelling: str, on: date | None = None) -> Unit:
        """The one unit a spelling, code or unified code means.

        Args:
            spelling: As people write it.
            on: Only units valid on that day; without it the latest unit that bore the spelling.

        Raises:
            UnknownUnit: Nobody (or nobody on that day) answers to it; carries close matches.
        """
        bearers: list[Unit] = []
        for form in self.forms(spelling):
            unit = _latest(u for u in self._index.get(form, ()) if u.valid_on(on))
            if unit:
                return unit
            bearers += self._index.get(form, [])
        if bearers:
            raise UnknownUnit(spelling, reason=f"{{}}在 {on} 不是有效单位（{_span(bearers[-1])}）。")
        if self.group(spelling):
            raise UnknownUnit(spelling, reason="{}是一组单位，这里只能填一个单位。")
        raise UnknownUnit(spelling, self._similar(spelling))

    def expand(self, text: str | Iterable[str], on: date | None = None) -> list[Unit]:
        """All units a text means: names and groups separated as in 发改委、各乡镇, each unit once, in order of mention.

        Raises:
            UnknownUnit: A part of the text is neither unit nor group.
        """
        found: dict[str, Unit] = {}
        for item in [text] if isinstance(text, str) else text:
            for unit in self._expand_one(item, on):
                found.setdefault(unit.code, unit)
        return list(found.values())

    def members_of(self, group: Group, on: date | None = None) -> list[Unit]:
        """Units of a group on a day, in file order."""
        named = (self.standing_for(self.resolve(s), on) for s in group.units)
        listed = {unit.code for unit in named if unit}
        return [
            u
            for u in self._units
            if u.valid_on(on) and ((group.member and u.member) or u.kind in group.kinds or u.code in listed)
        ]

    def standing_for(self, unit: Unit, on: date | None) -> Unit | None:
        """The unit itself while it exists, else who bears its name on that day, else None."""
        if unit.valid_on(on):
            return unit
        return _latest(u for u in self._index[spelling_key(unit.name)] if u.valid_on(on))

    def _expand_one(self, text: str, on: date | None) -> Iterable[Unit]:
        tokens = [t for t in _SEPARATOR.split(text) if spelling_key(t)]
        at = 0
        while at < len(tokens):
            # A group's name may itself hold separators (有行政许可及政府采购、招投标事项的…): longest match first.
            for end in range(len(tokens), at, -1):
                key = self._known_part("".join(tokens[at:end]), self._groups)
                if key:
                    yield from self.members_of(self._groups[key], on)
                    at = end
                    break
            else:
                yield self.resolve(self._known_part(tokens[at], self._index) or tokens[at], on)
                at += 1

    def _known_part(self, token: str, known: Mapping[str, Any]) -> str | None:
        """The key in `known` that a token holds, as it stands or between phrases such as 牵头 and 等; else None."""
        key = spelling_key(token)
        while True:
            for form in self.forms(key):
                if form in known:
                    return form
            shorter = _without(key, self._before, self._after)
            if shorter == key:
                return None
            key = shorter

    def _similar(self, spelling: str) -> list[str]:
        if without_numbers(spelling) != spelling:
            return []  # a person's number resembles no unit
        key = self.forms(spelling)[-1]
        within = [k for k in self._index if len(key) > 1 and (key in k or (len(k) > 1 and k in key))]
        close = difflib.get_close_matches(key, self._index, n=_SUGGESTIONS * 2, cutoff=_CLOSE_ENOUGH)
        names = dict.fromkeys(self._index[k][-1].name for k in [*close, *within])
        return list(names)[:_SUGGESTIONS]


def _longest_first(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted((spelling_key(p) for p in phrases), key=len, reverse=True))


def _without(key: str, before: Iterable[str], after: Iterable[str]) -> str:
    for phrase in before:
        if key.startswith(phrase) and len(key) > len(phrase):
            return key[len(phrase) :]
    for phrase in after:
        if key.endswith(phrase) and len(key) > len(phrase):
            return key[: -len(phrase)]
    return key


def _latest(units: Iterable[Unit]) -> Unit | None:
    return max(units, key=lambda u: (u.valid_to or date.max, u.valid_from or date.min), default=None)


def _span(unit: Unit) -> str:
    return f"{unit.name}的有效期为 {unit.valid_from or '最初'} 至 {unit.valid_to or '今'}"


def unit_record(unit: Unit, units: Units) -> dict[str, Any]:
    """The unit as the catalogue prints it: plain JSON values, dates in ISO form or null.

    `groups` are the collective spellings (各成员单位) that mean it among others: so whoever has the whole list can
    resolve every spelling, to the one unit that bears it or to the units of a group.
    """
    return {
        "code": unit.code,
        "name": unit.name,
        "full_name": unit.full_name,
        "uscc": unit.uscc,
        "aliases": list(unit.aliases),
        "kind": unit.kind,
        "groups": [spelling for g in units.groups if unit in units.members_of(g) for spelling in g.spellings],
        "valid_from": unit.valid_from.isoformat() if unit.valid_from else None,
        "valid_to": unit.valid_to.isoformat() if unit.valid_to else None,
    }
