"""信用档案: one file per subject over all datasets, for the center's staff.

Generic: which columns there are and what they mean comes from the datasets' roles, where they stand from their section
(edition of 2022). Everything on file is there with its state; the credit report (`report_facts`) takes what may leave.
No personal number can be in it, because the role `reader` cannot read one; natural persons' names are masked.
"""

# ruff: noqa: S608 - names of tables and columns come from our own schema files, checked by `dataset.NAME`
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg2.extensions import connection

from credit_schemas.acts import STATE_NAMES
from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import SECTIONS, Dataset, Field
from credit_schemas.forms import render_value
from credit_schemas.identifiers import USCC_PLACEHOLDER
from credit_schemas.keys import PERSON
from credit_schemas.masking import mask_name
from credit_schemas.personal import discreet
from credit_warehouse.tables import column_name

from .records import HIDDEN
from .subjects import KINDS, Subject, subject_datasets

OTHER = SECTIONS[-1]
ENDINGS = {"revoked": "决定被撤销", "repaired": "信用修复", "upheld": "异议成立"}
# States of records that still say something about the subject.
LIVE = ("active", "disputed")
ACTS = {
    "report": "报送",
    "correct": "更正",
    "revoke": "撤销",
    "withdraw": "撤回",
    "repair": "信用修复",
    "dispute_open": "提出异议",
    "dispute_close": "异议办结",
    "reinstate": "恢复",
}
_HEAD = (
    *("record_no", "subject_id", "unit", "state", "revision"),
    *("received_at", "received_on", "revised_at", "publicity_ends", "published", "ended_why"),
)


@dataclass(frozen=True)
class Cell:
    """One filled column of a record, as text that may be shown; `original` is what units are compared by."""

    field: Field
    text: str
    original: Any


@dataclass(frozen=True)
class Entry:
    """One record of a subject."""

    dataset: Dataset
    record_no: str
    subject_id: int
    unit: str
    state: str
    revision: int
    received_at: datetime
    received_on: date
    revised_at: datetime
    publicity_ends: date | None
    published: bool
    ended_why: str | None
    natural: bool
    cells: tuple[Cell, ...]

    @property
    def section(self) -> str:
        """Where it stands in a credit report."""
        return self.dataset.section or OTHER

    def text(self, role: str) -> str | None:
        """What it shows in a role."""
        return next((c.text for c in self.cells if c.field.role == role), None)

    def value(self, role: str) -> Any:
        """The typed value it has in a role; a sealed one is the number of a person, never the number itself."""
        return next((c.original for c in self.cells if c.field.role == role), None)


@dataclass
class CreditFile:
    """Everything on file about one subject, newest record first.

    Attributes:
        conflicts: Items of which units say different things now, each with its values.
        collisions: Open doubts about who the subject is.
        history: Record number to what was done to it, oldest first.
    """

    subject: Subject
    entries: list[Entry]
    conflicts: list[dict[str, Any]]
    collisions: list[dict[str, Any]]
    history: dict[str, list[dict[str, Any]]]
    unit_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name to call it by, masked for a natural person: the register's, else the last one used."""
        registered = [t for e in self.entries if e.section == SECTIONS[0] and (t := e.text("subject.name"))]
        if registered:
            return registered[0]
        names = [n.name for n in self.subject.names]
        return (mask_name(names[0]) if self.subject.natural else names[0]) if names else "（没有名称）"


def read_file(con: connection, catalogue: Catalogue, subject: Subject) -> CreditFile:
    """The credit file of a subject (`subjects.read_subject`), as the role `reader`."""
    entries = [e for d in subject_datasets(catalogue) for e in _entries(con, d, subject)]
    entries.sort(key=lambda e: (_decided(e) or e.received_on, e.received_at), reverse=True)
    units = {e.unit for e in entries} | {n.unit for n in subject.names}
    return CreditFile(
        subject=subject,
        entries=entries,
        conflicts=_conflicts(entries),
        collisions=_collisions(con, subject),
        history=_history(con, [e.record_no for e in entries]),
        unit_names={u: catalogue.unit_name(u) for u in units},
    )


def file_record(file: CreditFile) -> dict[str, Any]:
    """The file as plain values, for programs."""
    s = file.subject
    return {
        "subject": {
            "subject_id": s.subject_id,
            "same_as": [i for i in s.ids if i != s.subject_id],
            "kind": s.kind,
            "kind_cn": KINDS[s.kind],
            "natural_person": s.natural,
            "name": file.name,
            "code": s.code,
            "registration_nos": list(s.registration_nos),
            "scoped_to": s.unit,
            "first_seen": s.first_seen.isoformat(),
        },
        "names": [
            {
                "name": mask_name(n.name) if s.natural else n.name,
                "unit": n.unit,
                "unit_name": file.unit_names[n.unit],
                "first_seen": n.first_seen.isoformat(),
                "last_seen": n.last_seen.isoformat(),
            }
            for n in s.names
        ],
        "conflicts": file.conflicts,
        "collisions": file.collisions,
        "sections": [
            {"section": section, "records": [_plain(e, file) for e in file.entries if e.section == section]}
            for section in SECTIONS
        ],
    }


def _plain(e: Entry, file: CreditFile) -> dict[str, Any]:
    return {
        "record_no": e.record_no,
        "dataset": e.dataset.id,
        "dataset_cn": e.dataset.cn,
        "state": e.state,
        "state_cn": STATE_NAMES[e.state],
        "unit": e.unit,
        "unit_name": file.unit_names[e.unit],
        "revision": e.revision,
        "received_on": e.received_on.isoformat(),
        "revised_at": e.revised_at.isoformat(),
        "publicity_ends": e.publicity_ends.isoformat() if e.publicity_ends else None,
        "published": e.published,
        "ended_why": ENDINGS.get(e.ended_why or "", e.ended_why),
        "values": {c.field.column: c.text for c in e.cells},
        "history": file.history.get(e.record_no, []),
    }


def _entries(con: connection, dataset: Dataset, subject: Subject) -> Iterable[Entry]:
    names = ", ".join([*_HEAD, *(column_name(f) for f in dataset.fields)])
    category = dataset.by_role.get("subject.category")
    with con.cursor() as cur:
        cur.execute(f"SELECT {names} FROM core.{dataset.table} WHERE subject_id = ANY(%s)", [list(subject.ids)])
        for row in cur.fetchall():
            head = dict(zip(_HEAD, row, strict=False))
            filled = [(f, v) for f, v in zip(dataset.fields, row[len(_HEAD) :], strict=True) if v is not None]
            natural = subject.natural or any(f is category and v == PERSON for f, v in filled)
            known = {n.name for n in subject.names} | {v for f, v in filled if f.role == "subject.name"}
            cells = tuple(Cell(f, _shown(f, v, known if natural else set()), v) for f, v in filled)
            head["record_no"] = str(head["record_no"])
            yield Entry(dataset=dataset, natural=natural, cells=cells, **head)


def _shown(f: Field, value: Any, personal_names: set[str]) -> str:
    """A value as it may be shown: numbers hidden, and a natural person's name masked wherever it stands."""
    if f.sealed:
        return HIDDEN
    text = render_value(f, value)
    if f.role == "subject.name":
        return mask_name(text) if personal_names else text
    for name in sorted(personal_names, key=len, reverse=True):
        if len(name) > 1:
            text = text.replace(name, mask_name(name))
    return discreet(text) if f.form == "text" else text


def _conflicts(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Of each item about the subject itself: what every unit last said, where they differ."""
    latest: dict[str, dict[str, tuple[datetime, Any, str, Entry]]] = {}
    # A role's name in most of the datasets that tell it: 主体名称, and not what one of them calls it (用户名称).
    labels: dict[str, Counter[str]] = {}
    for e in entries:
        if e.state not in LIVE:
            continue
        for c in e.cells:
            about_itself = c.field.role.startswith(("subject.", "representative."))
            if not about_itself or c.field.role == "subject.id_type" or c.original == USCC_PLACEHOLDER:
                continue
            labels.setdefault(c.field.role, Counter())[c.field.cn] += 1
            of_role = latest.setdefault(c.field.role, {})
            if e.unit not in of_role or of_role[e.unit][0] < e.revised_at:
                of_role[e.unit] = (e.revised_at, c.original, c.text, e)
    found = []
    for role, by_unit in sorted(latest.items()):
        if len({original for _, original, _, _ in by_unit.values()}) < 2:
            continue
        values: dict[Any, dict[str, Any]] = {}
        for unit, (_, original, text, e) in sorted(by_unit.items()):
            one = values.setdefault(original, {"value": text, "units": [], "last": e.received_on.isoformat()})
            one["units"].append(unit)
            one["last"] = max(one["last"], e.received_on.isoformat())
        found.append({"role": role, "item": labels[role].most_common(1)[0][0], "values": list(values.values())})
    return found


def _collisions(con: connection, subject: Subject) -> list[dict[str, Any]]:
    with con.cursor() as cur:
        cur.execute(
            "SELECT DISTINCT kind, left(about, 16), written_short FROM core.subject_collision"
            " WHERE subject_id = ANY(%s) AND open ORDER BY 1, 2",
            [list(subject.ids)],
        )
        return [{"kind": kind, "about": about, "written_short": short} for kind, about, short in cur.fetchall()]


def _history(con: connection, numbers: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    with con.cursor() as cur:
        cur.execute(
            "SELECT record_no::text, act, unit, state, revision, received_at FROM landing.event"
            " WHERE record_no = ANY(%s::uuid[]) ORDER BY received_at, ce_id",
            [numbers],
        )
        for number, act, unit, state, revision, at in cur.fetchall():
            done = {"act": act, "act_cn": ACTS.get(act, act), "unit": unit, "state": state, "revision": revision}
            found.setdefault(number, []).append({**done, "received_at": at.isoformat()})
    return found


def _decided(e: Entry) -> date | None:
    decided = e.value("decision.date")
    return decided if isinstance(decided, date) else None
