"""The short way of judging a row: one test that a row without any fault passes; `rules` looks at all others.

Rows of a dataset differ in few ways, so for each set of filled columns it is settled once what there is to test. What
many columns have in common is asked of all at once: which must be there, which must not, how long they are, that none
of the free texts holds a number long enough to be a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import gt, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from .personal import LONG

if TYPE_CHECKING:
    from .rules import Rule

Values = dict[str, Any]
Sound = Callable[[Values, Any], bool]
# Between texts that are searched as one: part of no number.
BETWEEN_TEXTS = "\0"
# Sets of filled columns remembered for each way a row's conditions may come out; a county's files have a few dozen.
SHAPES = 512


class _Checks(NamedTuple):
    """What is left to test where these columns are filled."""

    sized: Callable[[Values], tuple[Any, ...]]
    limits: tuple[int, ...]
    free: Callable[[Values], tuple[str, ...]]
    tests: tuple[tuple[str, Callable[[Any, Values, Any], Any]], ...]


def picker(columns: Iterable[str]) -> Callable[[Values], tuple[Any, ...]]:
    """What takes these columns out of a row that has them all."""
    names = tuple(columns)
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def sound_test(steps: Iterable[tuple[str, Iterable[Rule], Iterable[Rule]]]) -> Sound:
    """The test of rows for rules given as (column, those that an empty cell can break, those a filled one can).

    It is True only when none of them can fail. It knows no order, no dates and no messages.
    """
    rules = [(column, rule, True) for column, empty, _ in steps for rule in empty]
    rules += [(column, rule, False) for column, _, filled in steps for rule in filled]
    shapes: dict[tuple[str, ...], _Checks | None] = {}

    def sound(values: Values, context: Any) -> bool:
        shape = tuple(values)
        try:
            checks = shapes[shape]
        except KeyError:
            if len(shapes) >= SHAPES:
                shapes.clear()
            checks = shapes[shape] = _checks(rules, frozenset(shape))
        if checks is None or None in values.values():
            return False
        sized, limits, free, tests = checks
        if any(map(gt, map(len, sized(values)), limits)):
            return False
        for column, test in tests:
            if test(values.get(column), values, context):
                return False
        return not LONG.search(BETWEEN_TEXTS.join(free(values)))

    return sound


def _checks(rules: Iterable[tuple[str, Rule, bool]], present: frozenset[str]) -> _Checks | None:
    """What to test where these columns are filled; None where a fault is certain."""
    limits: list[tuple[str, int]] = []
    free: list[str] = []
    tests: list[tuple[str, Callable[[Any, Values, Any], Any]]] = []
    for column, rule, of_empty in rules:
        if of_empty == (column in present):
            continue
        if rule.kind == "required" or (rule.kind == "blank" and not rule.raw.get("zero_is_blank")):
            return None
        if rule.kind == "length":
            limits.append((column, rule.raw["max"]))
        elif rule.kind == "no_personal_number":
            free.append(column)
        else:
            tests.append((column, rule.test))
    return _Checks(picker(c for c, _ in limits), tuple(limit for _, limit in limits), picker(free), tuple(tests))
