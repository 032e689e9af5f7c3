"""What the pages and the document of the standard are made of: headings, paragraphs, lists and tables, in two dresses.

Inline, text may hold `code` between backticks and [words](target) for a link.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


class Heading(NamedTuple):
    """A heading; level 1 is the page's or chapter's own."""

    level: int
    text: str


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Steps(NamedTuple):
    """A numbered list."""

    items: tuple[str, ...]


class Table(NamedTuple):
    """A table. `shares` are the relative widths of its columns on paper."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[int, ...]


Block = Heading | Text | Steps | Table


def table(head: Sequence[str], shares: Sequence[int], rows: Iterable[Iterable[object]]) -> Table:
    """A table of whatever can be written as text. Raises ValueError for a row of another length."""
    made = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in rows)
    if any(len(row) != len(head) for row in made) or len(head) != len(shares):
        raise ValueError(f"a row of the table {head} has another number of cells")
    return Table(tuple(head), made, tuple(shares))


def markdown(blocks: Iterable[Block]) -> str:
    """The blocks as Markdown, ending in a line feed."""
    return "\n\n".join(_markdown(b) for b in blocks) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Steps):
        return "\n".join(f"{n}. {item}" for n, item in enumerate(block.items, 1))
    lines = [_row(block.head), "|" + " --- |" * len(block.head), *map(_row, block.rows)]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def plain(text: str) -> str:
    """Inline text without links; code keeps its backticks."""
    return LINK.sub(r"\1", text)


def digest(blocks: Iterable[Block]) -> str:
    """Twelve hexadecimal digits that tell two states of the content apart."""
    return hashlib.sha256(markdown(blocks).encode()).hexdigest()[:12]
