"""A row of cells in, a verdict out: the same call for portal, SDK and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .dataset import Dataset
from .forms import Unreadable, read_cell, read_row
from .problems import Change, Problem, Verdict, verdict_of
from .rules import Context, condition, evaluate


class Checked(NamedTuple):
    """A checked row. `values` are typed and in clear: they live in memory only until sealed."""

    verdict: Verdict
    problems: list[Problem]
    changes: list[Change]
    values: dict[str, Any]
    original: dict[str, str]


def check_row(dataset: Dataset, cells: Mapping[str, Any], context: Context) -> Checked:
    """Normalise and check one row of cells (national column code to str, number, date or None)."""
    values, original, changes, unread = read_row(dataset.fields, _moved(dataset, cells) if dataset.moves else cells)
    found = evaluate(dataset, values, context, [p.column for p in unread] if unread else ())
    problems = unread + found if unread else found
    return Checked(verdict_of(problems) if problems else "accept", problems, changes, values, original)


def _moved(dataset: Dataset, cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells with those that belong in another column put there (`dataset.Move`)."""
    out = dict(cells)
    for move in dataset.moves:
        asked = [dataset.by_column[c["column"]] for c in move.when]
        values = {}
        for f in asked:
            try:
                values[f.column] = read_cell(f, out[f.column])[0] if out.get(f.column) is not None else None
            except Unreadable:
                values[f.column] = None
        if all(condition(dataset, c)(values) for c in move.when):
            found = out.pop(move.source, None)
            # A program may have named the sealed column itself.
            out[move.target] = out.get(move.target) if found in (None, "") else found
    return out
