"""What a public site refuses in every table: ID numbers, wherever they stand, and names of persons in full.

Sources: STANDARDS 5 (personal information, masking). A mask keeps the first character and writes * for each other.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.checks import PERSON, Problem
from credit_platforms.sandbox.columns import Table
from credit_platforms.sandbox.identifiers import is_citizen_number
from credit_platforms.sandbox.tables import Form

_MASKED: Final = re.compile(r".\**")
_LONG: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]{14,17}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_NUMBER_KINDS: Final = ("party_id", "id_number")


def check_public(table: Table | Form, data: Mapping[str, object], today: date) -> list[Problem]:
    """What may not be shown to everybody, in the order of the columns."""
    row = {c.name: str(data.get(c.name) or "").strip() for c in table.columns}
    person = is_about_a_person(table, row)
    found = []
    for column in table.columns:
        value, at = row[column.name], f"{column.title}（{column.name}）"
        if not value:
            continue
        number = column.kind in _NUMBER_KINDS or (isinstance(table, Table) and column.name.endswith("_ZJHM"))
        number |= column.kind == "party_code_or_id" and person
        if number or any(is_citizen_number(m.group().upper(), today) for m in _LONG.finditer(value)):
            found.append(Problem(codes.NOT_PUBLIC, column.name, f"{at}含有证件号码，公开网站不接收"))
        named = column.kind == "person_name" or (person and column.name == _party_name(table))
        if named and not _MASKED.fullmatch(value):
            found.append(Problem(codes.NAME_NOT_MASKED, column.name, f"{at}须只留姓，其余写为 *"))
    return found


def is_about_a_person(table: Table | Form, row: Mapping[str, object]) -> bool:
    """Whether a row is about a natural person."""
    if isinstance(table, Table):
        return row.get(table.party("LB")) == PERSON
    kind, code, number = (table.of_kind(k) for k in ("party_kind", "party_code", "party_id"))
    if kind:
        return row.get(kind.name) == PERSON
    return code is not None and number is not None and not row.get(code.name)


def _party_name(table: Table | Form) -> str:
    if isinstance(table, Table):
        return table.party("MC")
    cell = table.of_kind("party_name")
    return cell.name if cell else ""
