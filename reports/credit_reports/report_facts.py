"""信用报告: what it says, before it is a document. Facts only: no score, no judgement of ours.

Sections are those of the public credit report, edition of 2022 (STANDARDS 3.2). Withdrawn, ended and expired records
do not appear; disputed ones do, with a mark. Labels stand only where a shown record supports them (`labels.json`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes

from credit_schemas.acts import STATE_NAMES
from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import SCOPES, SECTIONS
from credit_schemas.dates import LONG_TERM
from credit_schemas.masking import mask_name

from .collisions import KINDS as DOUBTS
from .credit_file import LIVE, Cell, CreditFile, Entry
from .records import HIDDEN
from .subjects import KINDS

LABELS = resources.files(__package__) / "labels.json"
DISPUTED = STATE_NAMES["disputed"]
NOTHING = "截至本报告出具之日，未查询到此类信息。"
DOUBT = "注意：本主体的身份有待核对（{}），核对之前，所列信息可能不都属于本主体。"
STATEMENT = "无评分、仅事实"
# Roles that say who it is about or who sent it: told once at the head or in the entry's last line, not in its table.
# Of the deciding body the name is enough.
_TOLD_ELSEWHERE = ("subject.", "representative.", "source.", "legal.", "publicity.scope", "authority.code")
# Two values this long or shorter stand side by side in one line of the table.
PAIRED = 16

Row = tuple[tuple[str, str], ...]


class Label(NamedTuple):
    """A label and how it is meant: `good`, `bad` or `plain`."""

    text: str
    kind: str


class Block(NamedTuple):
    """One record, or one group of facts, as a table: rows of one or two (name, value)."""

    title: str
    mark: str
    rows: tuple[Row, ...]


class Section(NamedTuple):
    """One of the nine sections with what is in it; empty blocks say that nothing was found."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Facts:
    """The content of a report.

    Attributes:
        records: How many records are in it.
        left_out: How many live records are not, because they may not go so far as `scope`.
        doubts: What is not settled about who the subject is; told at the head, because records may be another's.
    """

    subject_id: int
    region: str
    county: str
    site: str
    title: str
    name: str
    labels: tuple[Label, ...]
    head: tuple[Row, ...]
    sections: tuple[Section, ...]
    as_of: date
    scope: str
    records: int
    left_out: int
    doubts: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """SM3 of the content: what the register keeps and the document shows, so that a change shows too."""
        content = {
            "about": [self.title, self.name, [list(label) for label in self.labels], self.head],
            "as_of": self.as_of.isoformat(),
            "scope": self.scope,
            "doubts": self.doubts,
            "sections": self.sections,
        }
        hasher = hashes.Hash(hashes.SM3())
        hasher.update(json.dumps(content, ensure_ascii=False, sort_keys=True).encode())
        return hasher.finalize()


@dataclass(frozen=True)
class Issued:
    """Facts that have become a report: its number, and when (in the county's time zone) it was made."""

    number: str
    at: datetime
    facts: Facts


def gather(file: CreditFile, catalogue: Catalogue, *, as_of: date, scope: str = SCOPES[0]) -> Facts:
    """The facts of a credit file that may be told to whom `scope` says, as of a day.

    Args:
        scope: One of `dataset.SCOPES`: 社会公开 for anybody, 政务共享 among authorities, 授权查询 for the subject
            itself or whom it authorised.
    """
    current = [e for e in file.entries if is_current(e, as_of)]
    reach = SCOPES.index(scope)
    shown = [e for e in current if SCOPES.index(scope_of(e)) <= reach]
    county = catalogue.county
    sections = []
    for name in SECTIONS:
        of_section = [e for e in shown if e.section == name]
        blocks = [_block(e, i, file) for i, e in enumerate(of_section, 1)]
        if name == SECTIONS[0]:
            blocks = [*_identity(file, shown), *blocks]
        sections.append(Section(name, tuple(blocks)))
    return Facts(
        subject_id=file.subject.subject_id,
        region=county.code,
        county=county.name,
        site=county.site_name,
        title="公共信用信息报告",
        name=file.name,
        labels=tuple(labels_of(shown)),
        head=_head(file, scope),
        sections=tuple(sections),
        as_of=as_of,
        scope=scope,
        records=len(shown),
        left_out=len(current) - len(shown),
        doubts=tuple(DOUBT.format(DOUBTS[kind]) for kind in sorted({c["kind"] for c in file.collisions})),
    )


def is_current(e: Entry, as_of: date) -> bool:
    """Whether a record still stands: not withdrawn or ended, within its publicity period, not struck off its list."""
    if e.state not in LIVE or (e.publicity_ends is not None and e.publicity_ends < as_of):
        return False
    removed, until = e.value("removal.date"), e.value("validity.to")
    if removed is not None and removed <= as_of:
        return False
    return not (e.section in _config()["standing"]["sections"] and until is not None and until < as_of)


def scope_of(e: Entry) -> str:
    """How far a record may go: the narrowest of what its dataset, the record itself and the law of publicity say."""
    own = _config()["row_scope"].get(e.value("publicity.scope"), SCOPES[0])
    public = SCOPES[0] if e.published else SCOPES[1]
    return max(e.dataset.scope, own, public, key=SCOPES.index)


def labels_of(entries: Iterable[Entry]) -> Iterator[Label]:
    """The labels that records support, in the order of the list."""
    entries = list(entries)
    for rule in _config()["labels"]:
        if any(_supports(e, condition) for e in entries for condition in rule["any"]):
            yield Label(rule["label"], rule["kind"])


def _supports(e: Entry, condition: dict[str, Any]) -> bool:
    if e.state == "disputed":
        return False  # a doubt does not make a label
    if condition.get("dataset", e.dataset.id) != e.dataset.id or condition.get("section", e.section) != e.section:
        return False
    return "role" not in condition or e.value(condition["role"]) in condition["values"]


def _head(file: CreditFile, scope: str) -> tuple[Row, ...]:
    s = file.subject
    about = [("主体名称", file.name), ("主体类别", _category(file))]
    if s.natural:
        about.append(("证件号码", f"{HIDDEN}（依法不显示）"))
    else:
        about.append(("统一社会信用代码", s.code or "（没有登记）"))
        if not s.code and s.registration_nos:
            about.append(("注册号", "、".join(s.registration_nos)))
    about.append(("公开范围", scope))
    return tuple(_paired(about))


def _category(file: CreditFile) -> str:
    if file.subject.natural:
        return "自然人"
    return next((t for e in file.entries if (t := e.text("subject.category"))), KINDS[file.subject.kind])


def _identity(file: CreditFile, shown: list[Entry]) -> Iterator[Block]:
    """What the units say of the subject itself, each value with who says so, when the register says nothing."""
    said: dict[str, tuple[str, dict[str, list[str]]]] = {}
    for e in shown:
        if e.section == SECTIONS[0]:
            return
        for c in e.cells:
            if not c.field.role.startswith(("subject.", "representative.")) or c.field.sealed:
                continue
            if c.field.role in ("subject.id_type", "representative.id_type") or (
                c.field.role == "subject.code" and c.original != file.subject.code
            ):
                continue
            text = mask_name(c.text) if c.field.role == "representative.name" else c.text
            unit = file.unit_names[e.unit]
            units = said.setdefault(c.field.role, (_plain_name(c.field.role, c.field.cn), {}))[1].setdefault(text, [])
            if unit not in units:
                units.append(unit)
    rows = []
    for role in sorted(said, key=_identity_order):
        cn, values = said[role]
        texts = [text if len(values) == 1 else f"{text}（{'、'.join(units)}）" for text, units in values.items()]
        rows.append((cn, "；".join(texts)))
    if rows:
        sources = sorted({file.unit_names[e.unit] for e in shown})
        yield Block(f"各单位报送的主体信息（{'、'.join(sources)}）", "", tuple(_paired(rows)))


_IDENTITY = ("subject.name", "subject.category", "subject.code", "subject.registration_no", "representative.name")
_NAMES = {"subject.name": "主体名称", "subject.category": "主体类别", "subject.code": "统一社会信用代码"}


def _identity_order(role: str) -> tuple[int, str]:
    return (_IDENTITY.index(role) if role in _IDENTITY else len(_IDENTITY), role)


def _plain_name(role: str, cn: str) -> str:
    """What datasets call differently (行政相对人名称, 承诺人名称) has one name here; numbered codes lose the number."""
    return _NAMES.get(role) or cn.split("(")[-1].rstrip(")").split("（")[-1].rstrip("）")


def _block(e: Entry, number: int, file: CreditFile) -> Block:
    told = [(c.field.cn, _readable(c)) for c in e.cells if _belongs(e, c)]
    told += [("信息提供单位", file.unit_names[e.unit]), ("提供日期", day(e.received_on))]
    number_text = e.text("document.no")
    title = f"{number}. {e.dataset.cn}" + (f"　{number_text}" if number_text else "")
    return Block(title, DISPUTED if e.state == "disputed" else "", tuple(_paired(told)))


def _readable(c: Cell) -> str:
    """A value as a citizen reads it: a code's meaning, 长期 for the standard's 2099-12-31, names masked."""
    if c.field.personal == "name":
        return mask_name(c.text)
    if isinstance(c.original, date):
        return "长期" if c.original == LONG_TERM else day(c.original)
    return c.field.code_set.labels.get(c.text, c.text) if c.field.code_set else c.text


def _belongs(e: Entry, c: Cell) -> bool:
    """Whether a column stands in its record's table: not who it is about (but in the register's own entry)."""
    if c.field.sealed or c.field.extension:
        return False
    registered = e.section == SECTIONS[0] and c.field.role.startswith(("subject.", "representative."))
    return registered or not c.field.role.startswith(_TOLD_ELSEWHERE)


def _paired(items: list[tuple[str, str]]) -> Iterator[Row]:
    """Short values two to a line, long ones on a line of their own, in their order."""
    waiting: tuple[str, str] | None = None
    for item in items:
        if max(len(item[1]), len(item[0])) > PAIRED:
            if waiting:
                yield (waiting,)
                waiting = None
            yield (item,)
        elif waiting:
            yield (waiting, item)
            waiting = None
        else:
            waiting = item
    if waiting:
        yield (waiting,)


def day(value: date | datetime) -> str:
    """`2026年11月24日`."""
    return f"{value.year}年{value.month}月{value.day}日"


@cache
def _config() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(LABELS.read_text(encoding="utf-8"))
    return loaded
