"""Finding the heading row and matching its cells to the columns the caller expects.

STANDARDS 9 row 23: headings match without stars, blanks, line breaks and bracket width; rows above are skipped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import FileRefused, Heading, Layout
from .places import FileKind, address, listed

SEARCH_ROWS = 20  # titles, notes and filling instructions above a heading row never reached ten lines in practice
_IGNORED = re.compile(r"[\s*\u200b-\u200f\u2060\ufeff\x00-\x1f\x7f]+")


def normal_heading(text: str) -> str:
    """The form headings are compared in: NFKC (full width to half width), no stars, blanks or invisible signs."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", text)).casefold()


class Matcher:
    """Knows every accepted spelling of every heading of one layout (by itself: of the caller's own headings)."""

    def __init__(self, headings: Sequence[Heading], layout: Layout | None = None) -> None:
        """Raises ValueError when two columns share a spelling: the caller's mistake, not the clerk's."""
        self._codes: dict[str, str] = {}
        self.layout = layout.name if layout else ""
        self.title = layout.title if layout else ""
        self.names = {heading.code: heading.name for heading in headings}
        self.needs = (layout.needs if layout else ()) or tuple((h.code,) for h in headings if h.mandatory)
        self.telling = frozenset(heading.code for heading in headings if heading.tells)
        self.excludes = {heading.code: heading.excludes for heading in headings if heading.excludes}
        if not headings or len(self.names) != len(headings):
            raise ValueError("headings must be given, each column code once")
        for heading in headings:
            for spelling in (heading.code, heading.name, *heading.aliases):
                normal = normal_heading(spelling)
                if not normal or self._codes.setdefault(normal, heading.code) != heading.code:
                    raise ValueError(f"heading {spelling!r} of {heading.code} is empty or means two columns")

    def code(self, text: str) -> str | None:
        """The national code a heading text means."""
        return self._codes.get(normal_heading(text))

    def match(self, cells: Mapping[int, object]) -> dict[int, str]:
        """Physical column → national code, for the cells of a row that are known headings."""
        found = {}
        for column, value in cells.items():
            if isinstance(value, str):
                code = self.code(value)
                if code is not None:
                    found[column] = code
        return found

    def plausible(self, found: Mapping[int, str]) -> bool:
        """Whether these matches make a heading row: two known headings, or half of the mandatory ones."""
        known = set(found.values())
        mandatory = sum(not known.isdisjoint(group) for group in self.needs)
        return len(known) >= 2 or (mandatory > 0 and 2 * mandatory >= len(self.needs))


@dataclass(frozen=True, slots=True)
class HeadingRow:
    """A heading row found in a file: the line it stands on, code → column, column → text nobody knows."""

    line: int
    columns: Mapping[str, int]
    unknown: Mapping[int, str]
    last: int  # the right-most column with a heading


def best_heading(rows: Sequence[Mapping[int, object]], matchers: Sequence[Matcher]) -> int | None:
    """The index of the heading row: the first that knows half as many headings as the best; None if none is plausible.

    Not simply the best one: of two tables joined in one file, the first would pass for a title.
    """
    known = [known_headings(cells, matchers) for cells in rows]
    most = max(known, default=0)
    return next((index for index, count in enumerate(known) if most and 2 * count >= most), None)


def known_headings(cells: Mapping[int, object], matchers: Sequence[Matcher]) -> int:
    """How many columns a row names in the layout that knows most of it; 0 when it is no plausible heading row."""
    matches = ((matcher, matcher.match(cells)) for matcher in matchers)
    return max((len(set(found.values())) for matcher, found in matches if matcher.plausible(found)), default=0)


def heading_row(line: int, cells: Mapping[int, object], matcher: Matcher, kind: FileKind) -> HeadingRow:
    """Turn the chosen row into a layout.

    Raises:
        FileRefused: `duplicate_heading` (one column twice: nobody can say which one counts) or
            `missing_heading` (naming every mandatory column that is absent).
    """
    found = matcher.match(cells)
    places: dict[str, list[int]] = {}
    for column, code in found.items():
        places.setdefault(code, []).append(column)
    twice = [
        f"“{matcher.names[code]}”（{'、'.join(address(kind, column, line) for column in columns)}）"
        for code, columns in places.items()
        if len(columns) > 1
    ]
    if twice:
        raise FileRefused(
            "duplicate_heading", f"表头有重复的列：{listed(twice)}。请只保留一列，或改正其中一个列名，再重新提交。"
        )
    missing = [
        f"“{matcher.names[group[0]]}”（{group[0]}）" for group in matcher.needs if places.keys().isdisjoint(group)
    ]
    if missing:
        raise FileRefused(
            "missing_heading",
            f"第{line}行的表头缺少必填列：{listed(missing, 40)}。请补上这些列（可用中文列名或国标代码），再重新提交。",
        )
    unknown = {
        column: " ".join(str(value).split())
        for column, value in cells.items()
        if column not in found and str(value).strip()
    }
    return HeadingRow(line, {code: at[0] for code, at in places.items()}, unknown, max(cells))


def is_repeated(cells: Mapping[int, object], heading: HeadingRow, matcher: Matcher) -> dict[int, str] | None:
    """The matches of a row that is a heading row again (joined files, headings printed on every page).

    Every non-blank cell must be a known heading or one of this file's own unknown ones, and they must be half of
    the file's columns: no data row looks like that.
    """
    own: set[str] | None = None
    found = {}
    for column, value in cells.items():  # a data row is told by its first cell: this runs for every row
        if not isinstance(value, str):
            return None
        if not value.strip():
            continue
        code = matcher.code(value)
        if code is not None:
            found[column] = code
            continue
        if own is None:
            own = {normal_heading(text) for text in heading.unknown.values()}
        if normal_heading(value) not in own:
            return None
    return found if found and 2 * len(found) >= len(heading.columns) else None
