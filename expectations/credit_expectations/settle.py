"""What the findings of a run come to: result lines, holds, work items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from . import statements as sql
from .questions import Question
from .scope import Scope

KIND = "quality"
PROGRAM = "credit quality"
# References name a document or a column; one that were longer would be a value.
REFERENCE_LIMIT = 200


@dataclass(frozen=True)
class Finding:
    """One row that failed: which record (None when none is at hand) and what of it. `detail` tells no rows apart."""

    unit: str
    record_no: str | None
    reference: str
    detail: str = field(default="", compare=False)


@dataclass(frozen=True)
class Answer:
    """What a question came to: rows checked per unit, and the rows that failed."""

    question: Question
    checked: Mapping[str, int]
    findings: frozenset[Finding]


@dataclass
class Tally:
    """Counts of a run, as `run_due` returns them."""

    checked: int = 0
    failed: int = 0
    holds_opened: int = 0
    holds_closed: int = 0
    work_items: int = 0


class _Item(NamedTuple):
    work_item_id: int
    hold_id: int | None
    released: bool


def settle(cur: cursor, run_id: int, scope: Scope, answers: Iterable[Answer]) -> Tally:
    """Write results, open and close holds, write and close work items; the transaction is the caller's."""
    tally = Tally()
    for answer in answers:
        rule, dataset = answer.question.rule, answer.question.dataset
        units = (scope.slices if rule.scope == "slice" else scope.with_records).get(dataset, frozenset())
        _results(cur, run_id, answer, sorted(units), tally)
        _holds_and_items(cur, run_id, answer, sorted(units), tally)
    cur.execute(sql.KEEP_LATEST, [run_id])
    return tally


def _results(cur: cursor, run_id: int, answer: Answer, units: list[str], tally: Tally) -> None:
    q = answer.question
    rows = []
    for unit in units:
        failed = sum(f.unit == unit for f in answer.findings)
        checked = answer.checked.get(unit, 0)
        observed = f"{failed}/{checked}" if checked else "没有可检查的行"
        rows.append(
            (run_id, q.rule.id, unit, q.dataset, q.destination, q.rule.severity, not failed, checked, failed, observed)
        )
        tally.checked += 1
        tally.failed += bool(failed)
    if rows:
        execute_values(cur, sql.ADD_RESULTS, rows, page_size=1000)


def _holds_and_items(cur: cursor, run_id: int, answer: Answer, units: list[str], tally: Tally) -> None:
    q = answer.question
    # A finding may concern a unit that is not in scope (the other side of a conflict): it gets its work item too.
    found = {replace(f, reference=f.reference[:REFERENCE_LIMIT]) for f in answer.findings}
    concerned = sorted({*units, *(f.unit for f in found)})
    items = _present(cur, q, concerned)
    _gone(cur, q, frozenset(units), found, items)
    holds = _holds(cur, run_id, q, units, found, items, tally) if q.rule.severity == "critical" else {}
    rows = [
        (
            *(run_id, holds.get(f.unit), KIND, f.unit, q.dataset, q.destination, q.rule.id, f.record_no, f.reference),
            *(q.rule.what.replace("{reference}", f.reference).replace("{detail}", f.detail), q.rule.mend),
        )
        for f in sorted(found - items.keys(), key=str)
    ]
    if rows:
        added = execute_values(cur, sql.ADD_ITEMS, rows, template=sql.ITEM_TYPES, page_size=1000, fetch=True)
        tally.work_items += len(added)


def _present(cur: cursor, q: Question, units: list[str]) -> dict[Finding, _Item]:
    cur.execute(sql.PRESENT_ITEMS, [q.rule.id, q.dataset, q.destination, units])
    return {
        Finding(unit, record_no, reference): _Item(item, hold_id, released)
        for item, unit, record_no, reference, hold_id, released in cur.fetchall()
    }


def _gone(cur: cursor, q: Question, units: frozenset[str], found: set[Finding], items: Mapping[Finding, _Item]) -> None:
    """Close the items of failures that were looked for and not found."""
    looked_for = {f for f in items if f.unit in units}
    if q.rule.scope == "records":
        cur.execute(sql.RECORDS_IN_SCOPE, [q.dataset])
        in_scope = {row[0] for row in cur.fetchall()}
        # A finding without a record is about the new records of its unit: the next ones answer it.
        looked_for = {f for f in looked_for if f.record_no is None or f.record_no in in_scope}
    gone = [items[f].work_item_id for f in looked_for - found]
    if gone:
        cur.execute(sql.ITEMS_GONE, [PROGRAM, gone])


def _holds(
    cur: cursor,
    run_id: int,
    q: Question,
    units: list[str],
    found: set[Finding],
    items: Mapping[Finding, _Item],
    tally: Tally,
) -> dict[str, int]:
    """Open and close the holds of a critical rule; returns the open hold of each unit that has one."""
    cur.execute(sql.OPEN_HOLDS_OF, [q.rule.id, q.dataset, q.destination, units])
    holds: dict[str, int] = dict(cur.fetchall())
    for unit in units:
        blocking = {f for f in found if f.unit == unit and not (f in items and items[f].released)}
        if blocking and unit not in holds:
            why = f"{q.rule.title}：{len(blocking)} 项未通过"
            why += f"（去向：{q.destination_name}）" if q.destination else ""
            cur.execute(sql.OPEN_HOLD, [unit, q.dataset, q.destination, q.rule.id, run_id, why])
            (holds[unit],) = cur.fetchone() or (0,)
            tally.holds_opened += 1
        elif not blocking and unit in holds:
            cur.execute(sql.CLOSE_HOLD, [holds.pop(unit)])
            tally.holds_closed += cur.rowcount
        stray = [items[f].work_item_id for f in blocking if f in items and items[f].hold_id != holds[unit]]
        if stray:
            cur.execute(sql.ATTACH_ITEMS, [holds[unit], stray])
    return holds
