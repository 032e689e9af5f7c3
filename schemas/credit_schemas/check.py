"""A row of cells in, a verdict out: the same call for portal, SDK and tests."""

from __future__ import annotations

from typing import Any, NamedTuple

from .dataset import Dataset
from .forms import read_row
from .problems import Change, Problem, Verdict, verdict_of
from .rules import Context, evaluate


class Checked(NamedTuple):
    """A checked row. `values` are typed and in clear: they live in memory only until sealed."""

    verdict: Verdict
    problems: list[Problem]
    changes: list[Change]
    values: dict[str, Any]
    original: dict[str, str]


def check_row(dataset: Dataset, cells: dict[str, Any], context: Context) -> Checked:
    """Normalise and check one row of cells (national column code to str, number, date or None)."""
    read = read_row(dataset.fields, cells)
    unread = [p.column for p in read.problems]
    problems = read.problems + evaluate(dataset, read.values, context, unread)
    return Checked(verdict_of(problems), problems, read.changes, read.values, read.original)
