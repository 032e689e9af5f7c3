"""The other tables the platform knows, as data: `tables/*.toml`, and files named at the start (`--tables`).

They are written down from STANDARDS, never from the contract's schema files: what the county got wrong must come back.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Final

from credit_platforms.sandbox.columns import DECISIONS, Table
from credit_platforms.sandbox.errors import ConfigError

FOLDER: Final = files(__package__).joinpath("tables")

PARTY: Final = ("party_name", "party_kind", "party_code", "party_id_type", "party_id", "party_code_or_id")
"""Kinds that say who a row is about; a table has each of them at most once."""
KINDS: Final = {
    *PARTY,
    *("text", "name", "person_name", "code", "body_code", "id_type", "id_number", "date", "period"),
    *("amount", "integer", "choice", "choices"),
}


@dataclass(frozen=True)
class Cell:
    """One column of such a table.

    Attributes:
        width: In characters; 0 for no limit of its own.
        kind: One of KINDS; `code` is a unified code or the placeholder's, `choices` several values joined by "；".
        values: Accepted values of a choice; `other` also accepts “其他-…”.
        filled_when: Column to values: with one of them this column must be filled.
        blank_when: Column to values: with one of them it must be empty.
        past: A date that may not lie after today.
        after: A date that may not lie before the date in that column.
    """

    name: str
    title: str
    width: int = 0
    mandatory: bool = False
    kind: str = "text"
    values: tuple[str, ...] = ()
    other: bool = False
    filled_when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    blank_when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    past: bool = False
    after: str = ""


@dataclass(frozen=True)
class Form:
    """One such table.

    Attributes:
        columns: In upload order.
        duplicate: Columns whose values make two rows one; empty when rows are never the same.
        code_optional: True when an organisation may come without a code.
    """

    id: str
    title: str
    columns: tuple[Cell, ...]
    duplicate: tuple[str, ...]
    code_optional: bool = False

    def of_kind(self, kind: str) -> Cell | None:
        """The only column of a kind, None when there is none."""
        return next((c for c in self.columns if c.kind == kind), None)

    def column(self, name: str) -> Cell:
        """The column of that name; KeyError when the table has none."""
        found = next((c for c in self.columns if c.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


Tables = Mapping[str, Table | Form]


def load_tables(more: Iterable[Path] = ()) -> dict[str, Table | Form]:
    """Every table: the two of decisions, the shipped files, and those named.

    Raises:
        ConfigError: a file cannot be read, or a table in it is not usable.
    """
    found: dict[str, Table | Form] = dict(DECISIONS)
    shipped = sorted(p.name for p in FOLDER.iterdir() if p.name.endswith(".toml"))
    texts = [(name, FOLDER.joinpath(name).read_text("utf-8")) for name in shipped]
    for path in more:
        try:
            texts.append((str(path), path.read_text("utf-8")))
        except (OSError, ValueError) as e:
            raise ConfigError(f"读不到表定义文件 {path}") from e
    for name, text in texts:
        try:
            forms = [_form(raw) for raw in tomllib.loads(text)["table"]]
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise ConfigError(f"表定义文件 {name} 不可用：{e}") from e
        for form in forms:
            if form.id in found:
                raise ConfigError(f"表定义文件 {name}：表 {form.id} 已经有了")
            found[form.id] = form
    return found


def _form(raw: dict[str, object]) -> Form:
    raw = {k: v for k, v in raw.items() if k != "basis"}
    cells = tuple(_cell(c) for c in raw.pop("columns"))  # type: ignore[attr-defined]
    form = Form(columns=cells, duplicate=tuple(raw.pop("duplicate", ())), **raw)  # type: ignore[arg-type]
    names = [c.name for c in cells]
    named = {*form.duplicate, *(c.after for c in cells if c.after)}
    named |= {column for c in cells for column, _ in (*c.filled_when, *c.blank_when)}
    if len(set(names)) < len(names) or not named <= set(names):
        raise ValueError(f"{form.id}: columns are named twice or not at all")
    if any(sum(c.kind == kind for c in cells) > 1 for kind in PARTY):
        raise ValueError(f"{form.id}: a part of the party twice")
    return form


def _cell(raw: dict[str, object]) -> Cell:
    unknown = raw.keys() - {f.name for f in fields(Cell)}
    kind = raw.get("kind", "text")
    if unknown or kind not in KINDS or (kind in ("choice", "choices")) != ("values" in raw):
        raise ValueError(f"{raw.get('name')}: {', '.join(sorted(unknown)) or kind}")
    made = dict(raw)
    for key in ("filled_when", "blank_when"):
        if key in raw:
            made[key] = tuple((c, tuple(v)) for c, v in raw[key].items())  # type: ignore[attr-defined]
    if "values" in raw:
        made["values"] = tuple(raw["values"])  # type: ignore[arg-type]
    return Cell(**made)  # type: ignore[arg-type]
