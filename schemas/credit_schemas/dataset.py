"""Datasets: one Avro schema file each, from which everything else about a dataset is derived.

A field carries attributes that Avro ignores and we live by: `cn` (Chinese name), `role` (what other rooms call it),
`form` (how text becomes a value), `width` (characters), `codes` (code set), `rules`, `personal` (`id` or `name`),
`extension` (a county column that never travels upward), `system` (filled by the producer, not by a person).

A dataset says of itself: `kind`, `scope` (公开范围), `section` (of the credit report), `deadline`, `natural_key`, rules
over several columns, examples, code sets of its own, and `moves` (see `Move`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .codesets import CodeSet, load_codesets, read_codesets

DATASETS = Path(__file__).parent / "datasets"
# Dataset and column names become table and column names, topics and file names.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,50}")
# What a dataset is: about a subject, about a unit's own work, totals, what should have been reported; `act` is what is
# done to records (revoked, repaired …) and `system` what programs tell each other.
KINDS = ("record", "report", "statistics", "denominator", "act", "system")
# The roles by which an act can name a record besides its number and source key: the natural key of most datasets.
NAMED_BY = frozenset({"authority.code", "document.no", "subject", "decision.date"})
# 公开范围 (STANDARDS 5, usage scopes), the widest first.
SCOPES = ("社会公开", "政务共享", "授权查询")
# Sections of the public credit report, edition of 2022 (STANDARDS 3.2), in its order.
SECTIONS = (
    *("基础信息", "行政管理", "诚实守信", "严重失信", "经营异常"),
    *("信用承诺", "信用评价", "司法判决", "其他"),
)


class ContractError(Exception):
    """The contract's own files are wrong; nothing a sender can mend."""

    retriable = False


class UnknownDataset(ContractError):
    """No dataset of that id is in the catalogue."""

    def __init__(self, dataset: str, known: Iterable[str]) -> None:
        self.dataset = dataset
        self.known = sorted(known)
        super().__init__(f"没有名为“{dataset}”的数据集；可用的有：{'、'.join(self.known)}。")


@dataclass(frozen=True)
class Field:
    """One column of a dataset."""

    column: str
    cn: str
    role: str
    form: str
    width: int | None = None
    code_set: CodeSet | None = None
    rules: tuple[dict[str, Any], ...] = ()
    personal: str | None = None
    extension: bool = False
    blank_means: str | None = None
    keep_original: bool = False
    note: str = ""
    example: str = ""

    @cached_property
    def mandatory(self) -> bool:
        """True when the column must be filled in every row (an unconditional rejecting `required`)."""
        return any(r["kind"] == "required" and "when" not in r and _rejects(r) for r in self.rules)

    @cached_property
    def conditional(self) -> bool:
        """True when the column must be filled in some rows."""
        return any(r["kind"] == "required" and "when" in r and _rejects(r) for r in self.rules)

    @property
    def sealed(self) -> bool:
        """True when the value leaves the department only sealed."""
        return self.personal == "id"


class Move(NamedTuple):
    """A cell that belongs in another column when conditions hold.

    Some standards have one column for a unified code or an ID number. An intake schema must not be able to carry a
    number in clear, so the number moves to a sealed column of its own, which no template and no heading shows.
    """

    source: str
    target: str
    when: tuple[dict[str, Any], ...]


def _rejects(rule: dict[str, Any]) -> bool:
    return bool(rule.get("severity", "reject") == "reject")


@dataclass(frozen=True)
class Dataset:
    """One dataset: its schema as written and its columns in upload order.

    Attributes:
        kind: One of KINDS.
        natural_key: Roles; `subject` stands for whom the row is about.
        scope: One of SCOPES; 政务共享 where the file says nothing.
        section: One of SECTIONS, or None when it has no place in a credit report.
        deadline: Role of the date from which the county's reporting limit runs, or None.
        national_table: What higher platforms call it, or None.
    """

    id: str
    cn: str
    kind: str
    schema_id: int
    version: int
    basis: str
    natural_key: tuple[str, ...]
    rules: tuple[dict[str, Any], ...]
    fields: tuple[Field, ...]
    schema: dict[str, Any] = field(repr=False, hash=False, compare=False)
    examples: tuple[dict[str, str], ...] = field(default=(), repr=False, hash=False)
    scope: str = "政务共享"
    section: str | None = None
    deadline: str | None = None
    national_table: str | None = None
    moves: tuple[Move, ...] = field(default=(), hash=False)

    @cached_property
    def by_column(self) -> dict[str, Field]:
        """National column code to field."""
        return {f.column: f for f in self.fields}

    @cached_property
    def by_role(self) -> dict[str, Field]:
        """Role to field; a role occurs once in a dataset."""
        return {f.role: f for f in self.fields}

    @cached_property
    def moved_from(self) -> dict[str, str]:
        """Column that only a move fills to the column in which a person writes it."""
        return {m.target: m.source for m in self.moves}

    @cached_property
    def file_fields(self) -> tuple[Field, ...]:
        """The columns a person fills in, in upload order: all but the targets of moves."""
        return tuple(f for f in self.fields if f.column not in self.moved_from)

    def column(self, role: str) -> str | None:
        """The column that plays a role, or None when the dataset has none."""
        found = self.by_role.get(role)
        return found.column if found else None

    def value(self, values: dict[str, Any], role: str) -> Any:
        """The value a row has in a role, of an empty cell what that means (`blank_means`); None when there is none."""
        found = self.by_role.get(role)
        if found is None:
            return None
        value = values.get(found.column)
        return found.blank_means if value is None else value

    @cached_property
    def citable(self) -> bool:
        """True when acts and corrections can name a record by its document; else only by number or source key."""
        return "document.no" in self.natural_key and NAMED_BY.issuperset(self.natural_key)

    @property
    def table(self) -> str:
        """The warehouse table in schema `core`."""
        return self.id


def parse_dataset(schema: dict[str, Any]) -> Dataset:
    """Read one schema file's content; raises ContractError for an unfit name, or one that is used twice."""
    code_sets = {**load_codesets(), **read_codesets(schema.get("code_sets", {}))}
    fields = tuple(_field(f, code_sets) for f in schema["fields"] if not f.get("system") and "cn" in f)
    for name in (schema["dataset"], *(f.column for f in fields)):
        if not NAME.fullmatch(name):
            raise ContractError(f"dataset {schema['dataset']}: {name!r} cannot be a name of a table or column")
    for what, names in (("column", [f.column for f in fields]), ("role", [f.role for f in fields])):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ContractError(f"dataset {schema['dataset']}: {what} used twice: {', '.join(twice)}")
    for what, word, words in (
        ("kind", schema["kind"], KINDS),
        ("scope", schema.get("scope", SCOPES[1]), SCOPES),
        ("section", schema.get("section", SECTIONS[0]), SECTIONS),
    ):
        if word not in words:
            raise ContractError(f"dataset {schema['dataset']}: {what} {word!r} is none of {', '.join(words)}")
    return Dataset(
        id=schema["dataset"],
        cn=schema["cn"],
        kind=schema["kind"],
        schema_id=schema["schema_id"],
        version=schema["version"],
        basis=schema.get("basis", ""),
        natural_key=tuple(schema.get("natural_key", ())),
        rules=tuple(schema.get("rules", ())),
        fields=fields,
        schema=schema,
        examples=tuple(schema.get("examples", ())),
        scope=schema.get("scope", SCOPES[1]),
        section=schema.get("section"),
        deadline=schema.get("deadline"),
        national_table=schema.get("national_table"),
        moves=tuple(Move(m["from"], m["to"], tuple(m["when"])) for m in schema.get("moves", ())),
    )


def _field(raw: dict[str, Any], code_sets: dict[str, CodeSet]) -> Field:
    codes = raw.get("codes")
    if codes is not None and codes not in code_sets:
        raise ContractError(f"column {raw['name']}: unknown code set {codes!r}")
    return Field(
        column=raw["name"],
        cn=raw["cn"],
        role=raw["role"],
        form=raw["form"],
        width=raw.get("width"),
        code_set=code_sets[codes] if codes else None,
        rules=tuple(raw.get("rules", ())),
        personal=raw.get("personal"),
        extension=bool(raw.get("extension")),
        blank_means=raw.get("blank_means"),
        keep_original=bool(raw.get("keep_original")),
        note=raw.get("note", ""),
        example=raw.get("example", ""),
    )


def load_schemas(folders: Iterable[Path] = (DATASETS,)) -> list[dict[str, Any]]:
    """All schema files of the folders, every version, ordered by schema id; ids must be unique."""
    schemas = [json.loads(p.read_text(encoding="utf-8")) for d in folders for p in sorted(d.glob("*.avsc"))]
    ids = [s["schema_id"] for s in schemas]
    twice = {i for i in ids if ids.count(i) > 1}
    if twice:
        raise ContractError(f"schema ids used twice: {sorted(twice)}")
    return sorted(schemas, key=lambda s: int(s["schema_id"]))


def current_datasets(schemas: Iterable[dict[str, Any]]) -> dict[str, Dataset]:
    """The newest version of every dataset whose rows become records.

    Raises:
        ContractError: Two of them have one Chinese name, or one table at the platforms above: a file that was copied
            and not altered there is told of here, not when all forwarding stops over it.
    """
    newest = newest_versions(schemas)
    found = {name: parse_dataset(s) for name, s in newest.items() if s["kind"] not in ("act", "system")}
    for what, attribute in (("中文名称（cn）", "cn"), ("上级平台的表（national_table）", "national_table")):
        owner: dict[str, str] = {}
        for name, dataset in found.items():
            value = getattr(dataset, attribute)
            first = owner.setdefault(value, name) if value is not None else name
            if first != name:
                raise ContractError(f"数据集 {first} 和 {name} 的{what}都是“{value}”；请改正 {name} 的数据集文件。")
    return found


def newest_versions(schemas: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Dataset id to its newest schema, in the order of the schemas."""
    newest: dict[str, dict[str, Any]] = {}
    for s in schemas:
        if s["version"] >= newest.get(s["dataset"], s)["version"]:
            newest[s["dataset"]] = s
    return newest


def act_form(schemas: Iterable[dict[str, Any]], datasets: Mapping[str, Dataset]) -> Dataset:
    """The common form of acts on records; its list of datasets (code set `datasets`) is those of the catalogue, and a
    rule tells for which of them a document number names no record."""
    schema = next(s for s in newest_versions(schemas).values() if s["kind"] == "act")
    known = {
        "cn": "数据集",
        "basis": "数据集目录",
        "values": [d.cn for d in datasets.values()],
        "aliases": {d.id: d.cn for d in datasets.values()},
    }
    schema = {**schema, "code_sets": {**schema["code_sets"], "datasets": known}}
    form = parse_dataset(schema)
    nameless = [d.cn for d in datasets.values() if not d.citable]
    if not nameless:
        return form
    about, number, own, document = (
        form.by_role[role].column for role in ("target.dataset", "target.record_no", "target.source_key", "document.no")
    )
    rule = {
        "kind": "required",
        "column": number,
        "id": "only_by_number",
        "when": [
            {"column": about, "in": nameless},
            {"column": own, "filled": False},
            {"column": document, "filled": True},
        ],
        "message": "这个数据集的记录不能按文号指明；请填「{name}」（在首次上报的回执里）或「来源主键」。",
    }
    return parse_dataset({**schema, "rules": [*schema.get("rules", ()), rule]})
