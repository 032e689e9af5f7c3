"""What an act says beside its own form: does it agree with its headers, and may its sender do that at all."""

from __future__ import annotations

from datetime import date
from typing import Any

from credit_schemas.acts import act_of
from credit_schemas.catalogue import Catalogue
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import Dataset
from credit_schemas.problems import Problem

from .decode import Arrived


def act_problems(
    event: Arrived, catalogue: Catalogue, dataset: Dataset, values: dict[str, Any], on: date
) -> list[Problem]:
    """What is wrong with an act; whose record it really is about is known only when the record is found."""
    form, envelope = catalogue.act, event.envelope
    found = []
    word, named = form.value(values, "act"), form.value(values, "target.dataset")
    if (word and act_of(form, word) != envelope.act) or (named and named != dataset.cn):
        text = "事件头写的操作、数据集与内容不一致；请更新报送程序后重新提交。"
        found.append(Problem("", "event.act", "reject", text))
    unit, owner = event.message.unit, owner_of(event, catalogue, values, on)
    column = form.column("target.unit") or ""
    if owner is None:
        text = "「原报送单位」不是目录里的单位；请填单位的名称，或留空（本单位报的记录）。"
        found.append(Problem(column, f"{column}.unknown_unit", "reject", text))
    own, anybody = catalogue.county.reach(unit, envelope.act, on)
    if not own and not anybody:
        text = "这项操作不由本单位办理；信用修复和异议由信用牵头部门或上级平台办理。"
        found.append(Problem("", "act.not_allowed", "reject", text))
    elif owner not in (None, unit) and not anybody:
        text = "本单位只能对自己报送的记录办理这项操作；别的单位的记录请联系信用牵头部门。"
        found.append(Problem(column, "act.not_allowed", "reject", text))
    return found


def owner_of(event: Arrived, catalogue: Catalogue, values: dict[str, Any], on: date) -> str | None:
    """Code of the unit whose record is meant: the sender's own when none is named, None when nobody is called so."""
    named = catalogue.act.value(values, "target.unit")
    if not named:
        return event.message.unit
    try:
        return catalogue.county.units.resolve(named, on).code
    except UnknownUnit:
        return None
