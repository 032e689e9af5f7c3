"""What happens to the live copies when a batch is judged: checks, versions, duplicates, ends.

All functions work inside the caller's transaction.
"""

import hmac
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.checks import CITIZEN_CARD, PERSON, Problem, check_row
from credit_platforms.sandbox.columns import Table
from credit_platforms.sandbox.envelope import Row, digest_of
from credit_platforms.sandbox.identifiers import PLACEHOLDER, citizen_number_18
from credit_platforms.sandbox.personas import Persona
from credit_platforms.sandbox.public import check_public, is_about_a_person
from credit_platforms.sandbox.switches import Switches
from credit_platforms.sandbox.table_checks import check_form_row
from credit_platforms.sandbox.tables import Form, Tables

CHINA: Final = ZoneInfo("Asia/Shanghai")
_BRACKETS: Final = str.maketrans("〔〕【】[]［］（）{}", "()()()()()()")


@dataclass(frozen=True)
class Verdict:
    """The platform's answer for one row."""

    result: Literal["accepted", "rejected"]
    code: str
    message: str
    problems: tuple[Problem, ...] = ()
    external_no: str | None = None


@dataclass(frozen=True)
class Desk:
    """What a judgement depends on beside row and store: who plays, its tables, which switches, the time, the secret."""

    persona: Persona
    tables: Tables
    switches: Switches
    now: datetime
    secret: bytes


def judge(connection: sqlite3.Connection, desk: Desk, client: str, table_id: str, row: Row) -> Verdict | None:
    """Judge one row and change its live copy; None when the switch `lose_percent` swallows it."""
    if desk.switches.loses(row.record_no):
        return None
    if desk.switches.rejects(row.record_no):
        code = desk.switches.reject_code
        return _rejected(code, codes.MEANING.get(code, codes.MEANING[codes.REHEARSED]))
    held = connection.execute(
        "SELECT seq, table_id, state, revision, digest, external_no FROM record WHERE client = ? AND record_no = ?",
        (client, row.record_no),
    ).fetchone()
    if held is not None and held["table_id"] != table_id:
        return _rejected(codes.OTHER_TABLE)
    if row.op == "end":
        return _end(connection, desk, client, table_id, row, held)
    return _put(connection, desk, client, desk.tables[table_id], row, held)


def natural_key(table: Table, data: Mapping[str, object], secret: bytes) -> str:
    """Keyed digest of what makes a decision one decision: body, document number, subject, day (STANDARDS 1.3).

    Keyed, because the subject of a natural person is an ID number and a bare digest of it could be searched.
    """

    def value(name: str) -> str:
        return str(data.get(name) or "").strip()

    if value(table.party("LB")) == PERSON:
        number = value(table.party("ZJHM"))
        id_type = value(table.party("ZJLX"))
        subject = f"{id_type}:{citizen_number_18(number) if id_type == CITIZEN_CARD else number}"
    elif value(table.party("SHXYM")) == PLACEHOLDER:
        subject = f"{value(table.party('MC'))}:{value(table.representative)}"
    else:
        subject = value(table.party("SHXYM"))
    document_no = re.sub(r"\s", "", value(table.document_no)).translate(_BRACKETS)
    decided = re.sub(r"\D", "", value(table.decision_date))
    text = "\x1f".join((table.id, value(table.authority_code), document_no, subject, decided))
    return hmac.new(secret, text.encode("utf-8", "surrogatepass"), "sm3").hexdigest()


def form_key(form: Form, data: Mapping[str, object], secret: bytes) -> str | None:
    """Keyed digest of what makes a row of a data table one record; None when none of it is filled."""
    parts = []
    for name in form.duplicate:
        text = re.sub(r"\s", "", str(data.get(name) or "")).translate(_BRACKETS)
        if text == PLACEHOLDER:
            # It identifies nobody: shops without a code go by name and operator.
            text = ":".join(
                str(data.get(c.name) or "") for c in form.columns if c.kind in ("party_name", "person_name")
            )
        kind = form.column(name).kind
        if kind == "date":
            text = re.sub(r"\D", "", text)
        parts.append(citizen_number_18(text) if kind in ("party_id", "party_code_or_id", "id_number") else text)
    if not any(parts):
        return None
    return hmac.new(secret, "\x1f".join((form.id, *parts)).encode("utf-8", "surrogatepass"), "sm3").hexdigest()


def content_digest(data: Mapping[str, object], mark: str | None = None) -> str:
    """Digest of a row as both sides can compute it: canonical JSON of the columns that are not empty.

    A mark stands in it under "#mark", which is no name of a column.
    """
    filled = {name: value for name, value in data.items() if value not in (None, "")}
    return digest_of({**filled, "#mark": mark} if mark else filled)


def _problems(desk: Desk, table: Table | Form, data: Mapping[str, object]) -> list[Problem]:
    today = desk.now.astimezone(CHINA).date()
    if isinstance(table, Form):
        found = check_form_row(table, data, desk.persona, today)
    else:
        found = check_row(table, data, desk.persona, today)
    return found + check_public(table, data, today) if desk.persona.public else found


def _key(desk: Desk, client: str, table: Table | Form, row: Row) -> str:
    """What may be live once. Where persons have neither number nor full name, two of them are not told apart."""
    if desk.persona.public and is_about_a_person(table, row.data):
        return f"{client}:{row.record_no}"
    if isinstance(table, Form):
        return form_key(table, row.data, desk.secret) or f"{client}:{row.record_no}"
    return natural_key(table, row.data, desk.secret)


def _put(
    connection: sqlite3.Connection, desk: Desk, client: str, table: Table | Form, row: Row, held: sqlite3.Row | None
) -> Verdict:
    digest = content_digest(row.data, row.mark)
    if held is not None:
        stale = _stale_put(held, row.revision, digest)
        if stale is not None:
            return stale
    problems = _problems(desk, table, row.data)
    if problems:
        return Verdict("rejected", problems[0].code, "；".join(p.message for p in problems), tuple(problems))
    key = _key(desk, client, table, row)
    twin = connection.execute(
        "SELECT 1 FROM record WHERE natural_key = ? AND state = 'live' AND (client, record_no) <> (?, ?)",
        (key, client, row.record_no),
    ).fetchone()
    if twin is not None:
        return _rejected(codes.DUPLICATE)
    # The platform's own number is given once and kept, also over an end and a new beginning.
    external_no = (held["external_no"] if held is not None else None) or _next_number(connection, desk, table)
    _write(connection, desk, client, table.id, row, "live", digest, key, external_no)
    return _accepted(codes.STORED, external_no)


def _stale_put(held: sqlite3.Row, revision: int, digest: str) -> Verdict | None:
    """The verdict on a put that brings nothing newer than what is held, None when it is newer."""
    if revision > held["revision"]:
        return None
    if revision < held["revision"]:
        return _rejected(codes.OLDER_REVISION, external_no=held["external_no"])
    if held["state"] == "ended":
        return _rejected(codes.ALREADY_ENDED, external_no=held["external_no"])
    if digest != held["digest"]:
        return _rejected(codes.SAME_REVISION_OTHER_CONTENT, external_no=held["external_no"])
    return _accepted(codes.UNCHANGED, held["external_no"])


def _end(
    connection: sqlite3.Connection, desk: Desk, client: str, table_id: str, row: Row, held: sqlite3.Row | None
) -> Verdict:
    if not desk.persona.can_withdraw:
        return _rejected(codes.CANNOT_WITHDRAW)
    if held is None:
        # Remembered, so that a put of the same or an older revision that was overtaken does not revive it.
        _write(connection, desk, client, table_id, row, "ended", None, None, None)
        return _accepted(codes.ENDED_UNKNOWN, None)
    if row.revision < held["revision"]:
        return _rejected(codes.OLDER_REVISION, external_no=held["external_no"])
    if held["state"] == "ended" and row.revision == held["revision"]:
        return _accepted(codes.UNCHANGED, held["external_no"])
    _write(connection, desk, client, table_id, row, "ended", held["digest"], None, held["external_no"])
    return _accepted(codes.ENDED, held["external_no"])


def _write(
    connection: sqlite3.Connection,
    desk: Desk,
    client: str,
    table_id: str,
    row: Row,
    state: str,
    digest: str | None,
    key: str | None,
    external_no: str | None,
) -> None:
    connection.execute(
        """INSERT INTO record (client, record_no, table_id, state, revision, digest, natural_key, external_no,
                               updated_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (client, record_no) DO UPDATE SET
               state = excluded.state, revision = excluded.revision, digest = excluded.digest,
               natural_key = excluded.natural_key, external_no = excluded.external_no,
               updated_at = excluded.updated_at""",
        (
            client,
            row.record_no,
            table_id,
            state,
            row.revision,
            digest,
            key,
            external_no,
            desk.now.isoformat(timespec="milliseconds"),
        ),
    )


def _next_number(connection: sqlite3.Connection, desk: Desk, table: Table | Form) -> str:
    (number,) = connection.execute(
        """INSERT INTO setting (name, value) VALUES ('last_number', '1')
           ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)
           RETURNING value"""
    ).fetchone()
    return f"{desk.persona.number_prefix}-{table.id.upper()}-{int(number):010d}"


def _accepted(code: str, external_no: str | None) -> Verdict:
    return Verdict("accepted", code, codes.MEANING[code], external_no=external_no)


def _rejected(code: str, message: str | None = None, external_no: str | None = None) -> Verdict:
    return Verdict("rejected", code, message or codes.MEANING[code], external_no=external_no)
