"""Receipts of the last leg: 已上报, 省已接收, 省退回. They go to the unit of the record, under the event that was sent.

A destination's words may quote what it was sent: personal values are struck out before they are kept anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from credit_schemas.personal import discreet
from credit_schemas.problems import Problem
from credit_schemas.uuid7 import uuid7

from .destinations import Destination
from .transports.answers import Fault, Op

WRITE = (
    "INSERT INTO exchange.receipt (receipt_id, unit, ce_id, record_no, dataset, status, destination, revision,"
    " problems, note) VALUES %s"
)
WRITE_TYPES = "(%s::uuid, %s, %s::uuid, %s::uuid, %s, %s, %s, %s, %s::jsonb, %s)"
STRUCK = "***"


class Copied(NamedTuple):
    """What a receipt is about: the record, the event that was sent and the record's own revision."""

    record_no: str
    unit: str
    ce_id: str | None
    revision: int | None
    op: Op


class Note(NamedTuple):
    """One receipt to write."""

    about: Copied
    status: str
    note: str
    problems: tuple[Problem, ...] = ()


def forwarded(destination: Destination, about: Copied) -> Note:
    """The batch with this record was received."""
    what = "已上报" if about.op == "put" else "已把终止公示和共享的通知报送"
    return Note(about, "forwarded", f"{what}{destination.name}，等待对方审核结果。")


def accepted(destination: Destination, about: Copied, external_no: str | None) -> Note:
    """The destination took the record, or ended its copy."""
    what = "已接收这条记录" if about.op == "put" else "已终止这条记录的公示和共享"
    number = f"，对方编号 {external_no}" if external_no else ""
    return Note(about, "accepted", f"{destination.name}{what}{number}。")


def returned(destination: Destination, about: Copied, code: str, message: str, faults: Iterable[Fault]) -> Note:
    """The destination sent the record back; its code and words go to the unit."""
    problems = tuple(Problem(f.column, f"{destination.id}.{f.code}", "reject", f.message) for f in faults)
    problems = problems or (Problem("", f"{destination.id}.{code}", "reject", message),)
    note = f"{destination.name}退回（代码 {code}）：{message}。请核对后更正并重新报送。"
    return Note(about, "returned", note, problems)


def write(cur: cursor, destination: Destination, dataset: str, notes: Iterable[Note]) -> None:
    """Write receipts; the relay takes them to the units."""
    rows = [
        (
            str(uuid7()),
            n.about.unit,
            n.about.ce_id,
            n.about.record_no,
            dataset,
            n.status,
            destination.id,
            n.about.revision,
            json.dumps([p._asdict() for p in n.problems], ensure_ascii=False) if n.problems else None,
            n.note,
        )
        for n in notes
    ]
    if rows:
        execute_values(cur, WRITE, rows, template=WRITE_TYPES, page_size=len(rows))


def struck(text: str, personal: Iterable[str]) -> str:
    """`text` without these values, and without anything else that looks like an ID number or hides one."""
    for value in sorted(personal, key=len, reverse=True):
        text = text.replace(value, STRUCK)
    return discreet(text).rstrip("。")
