"""What acts make of a record: which state it is in, and what it takes to leave it (DESIGN, "Acts").

States rank withdrawn > ended > disputed > active. A record keeps the facts (taken back, why ended, under dispute) and
its state follows from them, so that no order of acts can lose one: a record that was disputed, then repaired, stays
ended when the dispute is closed, and is disputed again when a repair is undone while the dispute is open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from credit_schemas.acts import STATE_NAMES
from credit_schemas.problems import Problem

from .normalise import Act, Ready

if TYPE_CHECKING:
    from .identity import Record

# What ended a record, by the act that did; a reader of the warehouse meets these words in `ended_why`.
ENDED_BY = {"revoke": "revoked", "repair": "repaired", "dispute_close": "upheld"}
# States from which a report brings nothing back: that takes the act `reinstate`, with a reason.
CLOSED = frozenset({"ended", "withdrawn"})

State = Literal["active", "disputed", "ended", "withdrawn"]
# A problem when the act cannot be done, a note when it changes nothing, None when it was done.
Answer = Problem | str | None


def state_of(*, withdrawn: bool, ended_why: str | None, disputed: bool) -> State:
    """The state that follows from the facts."""
    return "withdrawn" if withdrawn else "ended" if ended_why else "disputed" if disputed else "active"


def apply_act(event: Ready, act: Act, record: Record, *, replayed: bool = False, overtaken: bool = False) -> Answer:
    """Do an act to a record, if its sender may and the record's state allows it.

    `replayed` acts are old ones: they do nothing to a record on which something was done after they were made. Nor do
    `overtaken` ones: they were sent again, and a later act of their unit has come before them.
    """
    own = record.unit == event.unit
    if not (act.anybody or (act.own and own)):
        return _refused("act.not_allowed", f"{act.word}：这条记录不是本单位报送的，本单位无权办理。")
    if replayed and record.acted_at and event.received_at < record.acted_at:
        text = "这项操作较早，之后这条记录已办理过别的操作，没有采用；如仍需办理，请重新提交。"
        return _refused("record.newer", text)
    answer = _DOING[act.act](event, act, replace(record) if overtaken else record)
    if answer is None and overtaken:
        text = "这项操作是补发的，本单位之后对这条记录的操作已先办理，没有采用；请核对，如仍需办理，请重新提交。"
        return _refused("record.newer", text)
    if answer is None:
        record.revision += 1
        # What waited for its record is older than what was done since.
        record.acted_at = max(record.acted_at or event.received_at, event.received_at)
        record.acts.append((event, act, record.revision))
        if own:
            record.answers = event.ce_id
    return answer


def _withdraw(event: Ready, _act: Act, record: Record) -> Answer:
    if record.withdrawn:
        return "这条记录此前已撤回，没有变化。"
    record.withdrawn = True
    _closed_by(event.unit, record)
    return None


def _end(event: Ready, act: Act, record: Record) -> Answer:
    why = ENDED_BY[act.act]
    if record.ended_why == why:
        return "这条记录此前已因同样的原因终止，没有变化。"
    record.ended_why = why
    _closed_by(event.unit, record)
    return None


def _closed_by(unit: str, record: Record) -> None:
    """What another unit has closed stays closed by it: else its reporter could withdraw the record and, undoing that,
    bring back what was repaired."""
    if record.closed_by in (None, record.unit):
        record.closed_by = unit


def _dispute_open(_event: Ready, _act: Act, record: Record) -> Answer:
    if record.state in CLOSED:
        return _refused("record.ended", f"这条记录{STATE_NAMES[record.state]}，不再对外公示，不能受理异议。")
    if record.disputed:
        return "这条记录的异议已在受理中，没有变化。"
    record.disputed = True
    return None


def _dispute_close(event: Ready, act: Act, record: Record) -> Answer:
    if not record.disputed:
        return _refused("act.no_dispute", "这条记录没有正在受理的异议；请先报“异议受理”，或核对所指的记录。")
    record.disputed = False
    if act.upheld:
        _end(event, act, record)
    return None


def _reinstate(event: Ready, act: Act, record: Record) -> Answer:
    if record.state not in CLOSED:
        return f"这条记录现在是{STATE_NAMES[record.state]}，不需要恢复，没有变化。"
    if not act.anybody and record.closed_by != event.unit:
        text = "这条记录是由别的单位终止的，请联系信用牵头部门办理恢复。"
        return _refused("act.not_allowed", text)
    record.withdrawn, record.ended_why, record.closed_by = False, None, None
    return None


def _refused(rule: str, text: str) -> Problem:
    return Problem("", rule, "reject", text)


_DOING = {
    "revoke": _end,
    "withdraw": _withdraw,
    "repair": _end,
    "dispute_open": _dispute_open,
    "dispute_close": _dispute_close,
    "reinstate": _reinstate,
}
