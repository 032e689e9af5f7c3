"""Which of several layouts a heading row is written in: the caller's own, or an older standard's.

Told by its headings alone, so that nobody has to choose. Two headings that cannot both count refuse the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .headings import HeadingRow, Matcher, heading_row
from .model import FileRefused, Heading, Layout
from .places import FileKind, address, listed


def matchers_of(headings: Sequence[Heading], layouts: Sequence[Layout]) -> list[Matcher]:
    """The matcher of the caller's own headings, then those of the other layouts. Raises ValueError as `Matcher`."""
    return [Matcher(headings), *(Matcher(layout.headings, layout) for layout in layouts)]


def read_heading(
    line: int, cells: Mapping[int, object], matchers: Sequence[Matcher], kind: FileKind
) -> tuple[Matcher, HeadingRow]:
    """The layout of a heading row and its columns: the first other layout that a heading tells, else the own one.

    Raises:
        FileRefused: `heading_mix` (headings of two layouts that cannot both count), and those of `heading_row`.
    """
    own, *others = matchers
    chosen = next((m for m in others if not m.telling.isdisjoint(m.match(cells).values())), own)
    _refuse_mix(line, cells, chosen, kind)
    return chosen, heading_row(line, cells, chosen, kind)


def _refuse_mix(line: int, cells: Mapping[int, object], matcher: Matcher, kind: FileKind) -> None:
    places = {code: (column, str(cells[column])) for column, code in matcher.match(cells).items()}

    def spoken(code: str) -> str:
        column, text = places[code]
        return f"“{' '.join(text.split())}”（{address(kind, column, line)}）"

    pairs = [
        f"{spoken(code)}和{spoken(other)}"
        for code, excluded in matcher.excludes.items()
        if code in places
        for other in excluded
        if other in places
    ]
    if pairs:
        telling = [spoken(code) for code in matcher.telling if code in places]
        raise FileRefused(
            "heading_mix",
            f"表头里混用了{matcher.title}的列名（{listed(sorted(telling), 5)}）和现行标准的列名，无法确定以哪个为准："
            f"{listed(pairs, 5)}。请统一成一种标准的列名，最好改用新下载的模板，再重新提交。",
        )
