"""Step 2: the door's checks again, on the center's side; here sealed numbers are opened, in memory only."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from uuid import UUID

from credit_schemas.attachments import ROLE as ATTACHMENTS
from credit_schemas.attachments import read_attachments
from credit_schemas.catalogue import Catalogue
from credit_schemas.county import County
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import Dataset
from credit_schemas.envelope import STATE_ACTS
from credit_schemas.masking import quote
from credit_schemas.obligations import annex_rows
from credit_schemas.personal import discreet, holds_resident_number, without_numbers
from credit_schemas.problems import NOT_REPORTABLE, Problem
from credit_schemas.rules import Context, evaluate
from credit_schemas.sealing import Opener, SealError

from .act_checks import act_problems
from .decode import Arrived, DeadLetter

# A source key is a department's own key, indexed with its unit; an index entry ends at 2,700 bytes.
SOURCE_KEY_MAX = 200
# What a refusal may say: more than any door of ours says, and little enough for a receipt (Kafka takes 1 MB).
PROBLEMS_MAX, WORD_MAX, MESSAGE_MAX = 50, 100, 500
UNSAID = "报送程序退回了这一行，没有写明原因。"
REFUSAL = "refusal"
QUOTED = re.compile("“([^”]+)”")

Verdict = Literal["accept", "reject", "waiting", "not_reportable"]


class Checked(NamedTuple):
    """A judged event. `values` and `target` are typed and in clear: they never leave memory.

    Attributes:
        dataset: Of the record it is or is about; None when the event names none that we know, or is a refusal.
        name: The dataset's id as it will stand in landing.
        values: Of an act on a record: of the form of acts.
        target: The record a correction is about, as the event names it; empty when it names none.
    """

    event: Arrived
    dataset: Dataset | None
    name: str
    values: dict[str, Any]
    target: dict[str, Any]
    problems: list[Problem]
    verdict: Verdict


def check(event: Arrived, catalogue: Catalogue, opener: Opener) -> Checked | DeadLetter:
    """Judge an event: whose it is, what it claims to be, whether its numbers open, and the dataset's own rules."""
    unit, envelope, decoded = event.message.unit, event.envelope, event.decoded
    if envelope.unit != unit:
        text = "事件里写的责任单位不是本主题的单位，不予采用；请用本单位的配置重新报送。"
        return _rejected(event, [Problem("", "event.unit", "reject", text)])
    if envelope.act == REFUSAL:
        return _refusal(event, catalogue)
    acting = envelope.act in STATE_ACTS
    dataset = catalogue.datasets.get(envelope.dataset)
    form = catalogue.act if acting else dataset
    if dataset is None or form is None or form.id != decoded.dataset:
        text = "事件头写的数据集与内容不一致，或目录里没有这个数据集；请更新报送程序后重新报送。"
        return _rejected(event, [Problem("", "event.dataset", "reject", text)])
    values, problems = _open(event, form, opener)
    target, about_target = ({}, []) if acting else _open_target(event, dataset, opener)
    parked = next((p for p in (*problems, *about_target) if isinstance(p, DeadLetter)), None)
    if parked:
        return parked
    found = [p for p in (*problems, *about_target) if isinstance(p, Problem)]
    found += _unfit(form, values, decoded.value.get("source_key"))
    found += _unsealed(event)
    context = _context(event, catalogue)
    found += evaluate(form, values, context, [p.column for p in found])
    if acting:
        found += act_problems(event, catalogue, dataset, values, context.today)
    found = [discreet_problem(p, values.get(p.column)) for p in found]
    if any(p.rule == NOT_REPORTABLE for p in found):
        return Checked(event, dataset, dataset.id, {}, {}, found, "not_reportable")
    verdict: Verdict = "reject" if any(p.severity == "reject" for p in found) else "accept"
    return Checked(event, dataset, dataset.id, values, target, found, verdict)


def _rejected(event: Arrived, problems: list[Problem]) -> Checked:
    return Checked(event, None, event.envelope.dataset, {}, {}, problems, "reject")


def _refusal(event: Arrived, catalogue: Catalogue) -> Checked:
    """A row the door refused lands as rejected with the door's own problems."""
    value = event.decoded.value
    if event.decoded.dataset != REFUSAL or value["dataset"] != event.envelope.dataset:
        return _rejected(event, [Problem("", "event.dataset", "reject", "退回通知的事件头与内容不一致。")])
    if value["dataset"] not in catalogue.datasets:
        return _rejected(event, [Problem("", "event.dataset", "reject", "退回通知里的数据集不在目录里。")])
    told = [_told(p) for p in value["problems"][:PROBLEMS_MAX]]
    return _rejected(event, told or [Problem("", "door.refused", "reject", UNSAID)])


def _told(p: dict[str, Any]) -> Problem:
    """The door's own words. Another program's may quote a cell, which may hold a number, or may have no end."""
    name, rule = discreet(p["column"][:WORD_MAX]), discreet(p["rule"][:WORD_MAX])
    message = discreet(p["message"][:MESSAGE_MAX]) or UNSAID
    return Problem(name, rule, "warn" if p["severity"] == "warn" else "reject", message)


def _open(event: Arrived, dataset: Dataset, opener: Opener) -> tuple[dict[str, Any], list[Problem | DeadLetter]]:
    """The row's non-empty cells with its sealed numbers opened."""
    values: dict[str, Any] = {}
    problems: list[Problem | DeadLetter] = []
    raw = event.decoded.value
    for f in dataset.fields:
        cell = raw.get(f.column)
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            continue
        if f.sealed:
            opened = _unseal(event, opener, cell, f.column, f.column, f.cn)
            if not isinstance(opened, str):
                problems.append(opened)
                continue
            cell = opened
        values[f.column] = cell
    return values, problems


def _open_target(event: Arrived, dataset: Dataset, opener: Opener) -> tuple[dict[str, Any], list[Problem | DeadLetter]]:
    target = {k: v for k, v in (event.decoded.value.get("target") or {}).items() if v not in (None, "", b"")}
    problems: list[Problem | DeadLetter] = []
    sealed = target.pop("subject_id_no", None)
    if sealed is not None:
        column = dataset.column("subject.id_no") or "subject_id_no"
        opened = _unseal(event, opener, sealed, column, "target", "要更正的记录的证件号码")
        if isinstance(opened, str):
            target["subject_id_no"] = opened
        else:
            problems.append(opened)
    if "record_no" in target:
        try:
            target["record_no"] = UUID(target["record_no"])
        except ValueError:
            text = "要更正的记录编号写法不对；请照抄回执里的 record_no。"
            problems.append(Problem("", "target.record_no", "reject", text))
    if target and not dataset.citable and not target.keys() & {"record_no", "source_key"}:
        text = "这个数据集的记录不能按文号指明；请用回执里的 record_no 或当初上报用的 source_key。"
        problems.append(Problem("", "target.only_by_number", "reject", text))
    if any(isinstance(v, str) and _has_control(v) for v in target.values()):
        problems.append(Problem("", "target.control", "reject", "指明原记录的内容里有控制字符；请重新填写。"))
    return target, problems


def _unseal(
    event: Arrived, opener: Opener, sealed: bytes, column: str, reported: str, name: str
) -> str | Problem | DeadLetter:
    try:
        return opener.open(sealed, f"{event.message.unit}/{event.decoded.dataset}/{column}")
    except SealError as e:
        if e.retriable:
            return DeadLetter(event.message, "unknown_key", str(e), "parked", event.decoded.schema_id)
        text = f"「{name}」的加密值打不开：{e}。"
        return Problem(reported, f"{reported}.sealed", "reject", text)


def _unfit(dataset: Dataset, values: dict[str, Any], source_key: str | None) -> list[Problem]:
    """What no sender of ours produces: control characters (they separate the parts of a key), endless keys."""
    found = [
        Problem(c, f"{c}.control", "reject", f"「{dataset.by_column[c].cn}」里有看不见的控制字符；请重新填写这一格。")
        for c, v in values.items()
        if isinstance(v, str) and _has_control(v)
    ]
    if source_key and (len(source_key) > SOURCE_KEY_MAX or _has_control(source_key)):
        text = f"来源主键超过 {SOURCE_KEY_MAX} 个字符或含有控制字符；请换用较短的主键。"
        found.append(Problem("", "source_key.form", "reject", text))
    return found + _undescribed(dataset, values)


def _undescribed(dataset: Dataset, values: dict[str, Any]) -> list[Problem]:
    """Files named without digest and size: nobody could tell whether they ever came."""
    column = dataset.column(ATTACHMENTS)
    if column is None or not isinstance(values.get(column), str):
        return []
    try:
        read_attachments(values[column])
    except ValueError:
        name = dataset.by_column[column].cn
        text = f"「{name}」里的文件没有附上摘要和大小；请用报送程序重新报送，文件会一并交来。"
        return [Problem(column, f"{column}.attachment.digest", "reject", text)]
    return []


def discreet_problem(problem: Problem, cell: Any) -> Problem:
    """A problem that quotes nothing of its cell: columns may have slipped, and the cell be a name or a number."""
    text = without_numbers(problem.message)
    if isinstance(cell, str):

        def hidden(quoted: re.Match[str]) -> str:
            said = quoted.group(1)
            cut = said.endswith("…") and said == quote(cell)  # as a long cell is quoted
            return "“…”" if cut or said in cell else quoted.group()

        text = QUOTED.sub(hidden, text)
    return problem._replace(message=text)


def _unsealed(event: Arrived) -> list[Problem]:
    """A resident's number in a key or a reason: our own producers send none (they would travel in clear)."""
    told = {"source_key": "来源主键", "reason": "更正原因"}
    return [
        Problem("", f"{name}.personal", "reject", f"{cn}里有公民身份号码，不予采用；请去掉号码后重新报送。")
        for name, cn in told.items()
        if holds_resident_number(event.decoded.value.get(name) or "")
    ]


def _has_control(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def _context(event: Arrived, catalogue: Catalogue) -> Context:
    today = event.message.received_at.astimezone(catalogue.county.zone).date()
    return context_of(catalogue.county, event.message.unit, event.decoded.dataset, today)


@lru_cache(maxsize=4096)  # units times their datasets times the days of a backlog
def context_of(county: County, unit: str, dataset: str, today: date) -> Context:
    """What is known of a row beyond itself: the day it came, whose report it is."""
    rows = annex_rows(county.obligations)
    try:
        return Context(today, county.units.get(unit).uscc, county.mandated(unit, dataset, today), rows)
    except UnknownUnit:
        return Context(today, annex_rows=rows)
