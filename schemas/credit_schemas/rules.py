"""The one evaluator: rules as data, in a closed vocabulary, over the typed values of one row.

The kinds and what each tests are in `rule_kinds`. (`numeric`, `date`, `amount`, `decimals` and `negative` are found
when a cell is read, see `forms`.) A rule is a JSON object in the dataset's file: `kind`, and optionally `id`,
`severity` (`reject` unless said), `when` (all conditions hold), `from`/`to` (dates of decision it applies to),
`message`, `basis`. No third-party import: the portal, the SDK and the consumer run the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from .dataset import ContractError, Dataset, Field
from .forms import JOINED_BY
from .problems import NOT_REPORTABLE, Problem
from .rule_kinds import KINDS, MESSAGES, Context, Test, Values
from .sound_rows import Sound, sound_test

__all__ = ["Context", "Rule", "compiled_rules", "evaluate"]

# Outcomes of conditions remembered per column; a list of kinds has thousands of combinations, a county uses a few.
OUTCOMES = 1024
# Stands for the cell that is not there: of it an assumption may hold (`blank_means`).
EMPTY = object()


@dataclass(frozen=True)
class Rule:
    """One compiled rule. `raw` is the rule as the dataset's file has it (of a width: as it would have it)."""

    column: str
    id: str
    kind: str
    severity: str
    when: tuple[int, ...]
    test: Test
    message: str | None
    name: str
    since: date | None
    until: date | None
    raw: dict[str, Any] = field(repr=False, hash=False, compare=False)

    def in_force(self, day: date) -> bool:
        """True when the rule applies to a decision of that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class _Step(NamedTuple):
    """The rules of one column that can fail in the rows of one plan: for an empty cell, for a filled one."""

    column: str
    empty: tuple[Rule, ...]
    filled: tuple[Rule, ...]


class _Plan(NamedTuple):
    """What to test in the rows whose conditions come out alike, and the short way to see that a row has no fault."""

    refusal: Rule | None
    steps: tuple[_Step, ...]
    sound: Sound


class _Asked:
    """The conditions about one column; their outcomes, as bits, are remembered for empty cells and listed words."""

    def __init__(self, dataset: Dataset, raws: list[tuple[int, dict[str, Any]]]) -> None:
        self.column: str = raws[0][1]["column"]
        self._tests = [(1 << place, condition(dataset, raw)) for place, raw in raws]
        codes = dataset.by_column[self.column].code_set
        self._listed = frozenset(codes.values) if codes else frozenset()
        # Where it only matters whether the cell is filled, what stands in it need not be looked at.
        self._filled = self._outcomes({self.column: ""}) if all("filled" in raw for _, raw in raws) else None
        self._known: dict[Any, int] = {EMPTY: self._outcomes({}), None: self._outcomes({self.column: None})}

    def bits(self, value: Any) -> int:
        """The outcomes for a value of the column, or for EMPTY."""
        found = self._known.get(value)
        if found is not None:
            return found
        if self._filled is not None:
            return self._filled
        found = self._outcomes({self.column: value})
        # What a person wrote in his own words is not to linger in memory.
        if len(self._known) < OUTCOMES and self._listed.issuperset(str(value).split(JOINED_BY)):
            self._known[value] = found
        return found

    def _outcomes(self, row: Values) -> int:
        return sum(bit for bit, test in self._tests if test(row))


class _Compiled:
    """A dataset's rules. Rows differ in few ways (category, kinds, what is filled), so the rules that apply are
    chosen once for each way and remembered."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.dated_by = dataset.column("decision.date") or ""
        self._conditions: dict[str, tuple[int, dict[str, Any]]] = {}
        self.rules = [self._compile(f, r) for f in dataset.fields for r in _all_rules(f)]
        self.rules += [self._compile(dataset.by_column[r["column"]], r) for r in dataset.rules]
        about: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for place, raw in self._conditions.values():
            about.setdefault(raw["column"], []).append((place, raw))
        self._asked = [_Asked(dataset, raws) for raws in about.values()]
        self._plans: dict[int, _Plan] = {}

    def plan(self, values: Values) -> _Plan:
        outcomes, get = 0, values.get
        for asked in self._asked:
            outcomes |= asked.bits(get(asked.column, EMPTY))
        found = self._plans.get(outcomes)
        if found is None:
            found = self._plans[outcomes] = self._make_plan(outcomes)
        return found

    def _make_plan(self, outcomes: int) -> _Plan:
        active = [r for r in self.rules if all(outcomes >> i & 1 for i in r.when)]
        refusal = next((r for r in active if r.kind == "refuse"), None)
        active = [r for r in active if r.kind != "refuse"]
        steps = []
        for f in self.dataset.fields:
            own = [r for r in active if r.column == f.column]
            empty = tuple(r for r in own if KINDS[r.kind].of_empty)
            if own:
                steps.append(_Step(f.column, empty, tuple(r for r in own if KINDS[r.kind].of_filled)))
        return _Plan(refusal, tuple(steps), sound_test(steps))

    def _compile(self, f: Field, raw: dict[str, Any]) -> Rule:
        kind = raw["kind"]
        if kind not in KINDS:
            raise ContractError(f"{self.dataset.id}.{f.column}: unknown rule kind {kind!r}")
        short = raw.get("id") or (f"{kind}.{raw['algorithm']}" if kind == "checksum" else kind)
        return Rule(
            column=f.column,
            id=NOT_REPORTABLE if kind == "refuse" else f"{f.column}.{short}",
            kind=kind,
            severity=raw.get("severity", "reject"),
            when=tuple(self._condition(c) for c in raw.get("when", ())),
            test=KINDS[kind].make(self.dataset, f, raw),
            message=raw.get("message"),
            name=f.cn,
            since=date.fromisoformat(raw["from"]) if "from" in raw else None,
            until=date.fromisoformat(raw["to"]) if "to" in raw else None,
            raw=raw,
        )

    def _condition(self, raw: dict[str, Any]) -> int:
        """The place of a condition among those of the dataset; equal ones are tested once a row."""
        condition(self.dataset, raw)  # a mistake in it is told at once
        index, _ = self._conditions.setdefault(str(raw), (len(self._conditions), raw))
        return index


# Keyed by identity; the value holds the dataset itself, so that its id cannot be given to another object.
_CACHE: dict[int, _Compiled] = {}


def _compiled(dataset: Dataset) -> _Compiled:
    found = _CACHE.get(id(dataset))
    if found is None:
        found = _CACHE[id(dataset)] = _Compiled(dataset)
    return found


def compiled_rules(dataset: Dataset) -> list[Rule]:
    """Every rule of a dataset, widths and legal filters included, in the order they are tested."""
    return list(_compiled(dataset).rules)


def evaluate(dataset: Dataset, values: Values, context: Context, unread: Iterable[str] = ()) -> list[Problem]:
    """All broken rules of one row.

    `values` holds the typed values of the non-empty columns, personal numbers in clear (in memory only).
    `unread` names columns whose cell could not be read: their rules are silent, the reading problem says it all.
    A row that may not be reported at all gets that one problem and no other.
    """
    compiled = _compiled(dataset)
    refusal, steps, sound = compiled.plan(values)
    if refusal:
        return [Problem(refusal.column, refusal.id, "reject", refusal.message or "")]
    if sound(values, context):
        return []
    silent = frozenset(unread)
    get = values.get
    found: list[Problem] = []
    for column, empty, filled in steps:
        value = get(column)
        refused = False
        for rule in empty if value is None else filled:
            # A value that is refused anyway needs no doubts beside it.
            if (refused and rule.severity == "warn") or column in silent:
                continue
            failure = rule.test(value, values, context)
            if failure and rule.in_force(get(compiled.dated_by) or context.today):
                key, params = failure
                text = (rule.message or MESSAGES[key]).format(name=rule.name, **params)
                found.append(Problem(column, rule.id, rule.severity, text))  # type: ignore[arg-type]
                refused = refused or rule.severity == "reject"
    return found


# Rules that every column of a form has: told once for all columns, not at each.
IMPLIED = ("length", "no_personal_number")
# What is written in words may hold a number that belongs in a sealed column.
FREE_FORMS = ("text", "choices", "document_no", "code_text")


def _all_rules(f: Field) -> list[dict[str, Any]]:
    """A column's own rules and the two that follow from what it is: its width, and no personal number in free text."""
    made: list[dict[str, Any]] = (
        [{"kind": "length", "max": f.width}] if f.width and f.form not in ("amount", "integer") else []
    )
    # A column of unified codes is checked digit by digit; the other codes are whatever an office once gave out. A code
    # that must repeat a date of its row cannot hold a number, yet often looks as if it did: region, day, a check digit
    # that fits one time in eleven.
    checked = any(r.get("algorithm") == "uscc" or r["kind"] == "embeds" for r in f.rules)
    free = f.form in FREE_FORMS or (f.form == "code" and not checked)
    made += [{"kind": "no_personal_number"}] if free else []
    return made + list(f.rules)


def condition(dataset: Dataset, raw: dict[str, Any]) -> Callable[[Values], bool]:
    """One condition of a `when` as a test of a row's typed values."""
    column = raw["column"]
    if column not in dataset.by_column:
        raise ContractError(f"{dataset.id}: a condition names the unknown column {column}")
    assumed = dataset.by_column[column].blank_means
    if "in" in raw:
        wanted = frozenset(raw["in"])
        return lambda values: values.get(column, assumed) in wanted
    if "filled" in raw:
        return lambda values: (values.get(column) is not None) is raw["filled"]
    if "has" in raw:
        kinds = frozenset(raw["has"])
        return lambda values: not kinds.isdisjoint((values.get(column) or "").split(JOINED_BY))
    if "lacks" in raw:
        kinds = frozenset(raw["lacks"])
        return lambda values: bool(values.get(column)) and kinds.isdisjoint(values[column].split(JOINED_BY))
    raise ContractError(f"{dataset.id}: unknown condition {raw}")
