"""Subjects: finding one by number or name, and all under which it is known. Needs no more than the role `reader`.

A natural person is found by the digest of the number, which the caller makes with the center's key; this room holds
no key and never sees a number.
"""

# ruff: noqa: S608 - names of tables and columns come from our own schema files, checked by `dataset.NAME`
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection

from credit_schemas.catalogue import Catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.identifiers import registration_no_problem, ric_problem, uscc_problem
from credit_schemas.keys import PERSON
from credit_schemas.masking import mask_name
from credit_schemas.personal import LOOKS_LIKE_ONE

from .errors import NumberInTheOpen, SubjectNotFound

KINDS = {"code": "统一社会信用代码", "registration": "注册号", "person": "自然人证件", "scoped": "单位内的临时主体"}
# Longer lists are no help to a person who looks for one name.
FOUND_MAX = 50


@dataclass(frozen=True)
class Name:
    """A name a unit used for a subject, with the first and last day."""

    name: str
    unit: str
    first_seen: date
    last_seen: date


@dataclass(frozen=True)
class Subject:
    """A subject with all the numbers and names under which it is on file.

    Attributes:
        subject_id: The main one: that of the unified code, where subjects are linked.
        ids: It and every subject that is the same one (core.subject_same_as).
        registration_nos: Registration numbers it came with.
        names: Newest first; a natural person's in clear, so only for this room.
        natural: True for a natural person: names are masked wherever they are shown.
    """

    subject_id: int
    ids: tuple[int, ...]
    kind: str
    code: str | None
    registration_nos: tuple[str, ...]
    unit: str | None
    first_seen: Any
    names: tuple[Name, ...]
    natural: bool


def subject_datasets(catalogue: Catalogue) -> list[Dataset]:
    """The datasets that hold records about subjects."""
    return [d for d in catalogue.datasets.values() if d.kind == "record" and d.column("subject.name")]


def find_by_text(con: connection, catalogue: Catalogue, text: str) -> int:
    """The subject of a unified code, a registration number, a record number or a subject id.

    Raises:
        NumberInTheOpen: It looks like a citizen number.
        SubjectNotFound: Nobody is on file under it.
    """
    text = text.strip().upper()
    if uscc_problem(text) is None:
        return _one(con, "SELECT subject_id FROM core.subject WHERE code = %s", text, f"统一社会信用代码 {text}")
    if registration_no_problem(text) is None:
        query = (
            "SELECT subject_id FROM core.subject WHERE kind = 'registration' AND registration_no = %s UNION ALL"
            " SELECT min(subject_id) FROM core.subject_registration WHERE registration_no = %s"
            " HAVING count(DISTINCT subject_id) = 1 LIMIT 1"
        )
        with con.cursor() as cur:
            cur.execute(query, [text, text])
            found = cur.fetchone()
        if found:
            return int(found[0])
        if ric_problem(text) is not None:
            raise SubjectNotFound("这个注册号")
    if LOOKS_LIKE_ONE.search(text):
        raise NumberInTheOpen
    if text.isdigit() and len(text) < 15:
        return find_by_id(con, int(text))
    try:
        return find_by_record(con, catalogue, UUID(text))
    except ValueError:
        raise SubjectNotFound(f"“{text[:40]}”") from None


def find_by_id(con: connection, subject_id: int) -> int:
    """The subject of an id. Raises SubjectNotFound."""
    what = f"主体编号 {subject_id} "
    if subject_id >= 1 << 63:
        raise SubjectNotFound(what)
    return _one(con, "SELECT subject_id FROM core.subject WHERE subject_id = %s", subject_id, what)


def find_by_lookup(con: connection, lookup: bytes) -> int:
    """The natural person of a digest (`credit_consumer.digests.Digests.subject`). Raises SubjectNotFound."""
    return _one(con, "SELECT subject_id FROM core.subject WHERE lookup = %s", lookup, "这个证件号码")


def find_by_record(con: connection, catalogue: Catalogue, record_no: UUID) -> int:
    """The subject a record is about, whatever its dataset. Raises SubjectNotFound."""
    tables = " UNION ALL ".join(
        f"SELECT subject_id FROM core.{d.table} WHERE record_no = %(no)s" for d in subject_datasets(catalogue)
    )
    with con.cursor() as cur:
        cur.execute(tables, {"no": str(record_no)})
        found = cur.fetchone()
    if not found or found[0] is None:
        raise SubjectNotFound(f"记录编号 {record_no} ")
    return int(found[0])


def read_subject(con: connection, catalogue: Catalogue, subject_id: int) -> Subject:
    """A subject and everything it is known under; a linked one is told as the subject it belongs to."""
    main = _main(con, subject_id)
    with con.cursor() as cur:
        cur.execute(
            "SELECT registration_no FROM core.subject_registration WHERE subject_id = %(id)s UNION"
            " SELECT registration_no FROM core.subject WHERE subject_id = %(id)s AND registration_no IS NOT NULL"
            " ORDER BY 1",
            {"id": main},
        )
        numbers = [n for (n,) in cur.fetchall()]
        cur.execute(
            "SELECT subject_id FROM core.subject_same_as WHERE registration_no = ANY(%s) AND same_as = %s"
            " ORDER BY subject_id",
            [numbers, main],
        )
        ids = (main, *(i for (i,) in cur.fetchall() if i != main))
        cur.execute(
            "SELECT name, unit, min(first_seen), max(last_seen) FROM core.subject_name WHERE subject_id = ANY(%s)"
            " GROUP BY name, unit ORDER BY max(last_seen) DESC, min(first_seen) DESC, name, unit",
            [list(ids)],
        )
        names = tuple(Name(*row) for row in cur.fetchall())
        cur.execute("SELECT kind, code, unit, first_seen FROM core.subject WHERE subject_id = %s", [main])
        kind, code, unit, first_seen = cur.fetchone() or (None,) * 4
    natural = kind == "person" or main in natural_persons(con, catalogue, [main])
    return Subject(main, ids, kind, code, tuple(numbers), unit, first_seen, names, natural)


def find_by_name(con: connection, catalogue: Catalogue, name: str, limit: int = FOUND_MAX) -> list[dict[str, Any]]:
    """Subjects that bear a name, or an organisation's part of it: for choosing, names of natural persons masked.

    A natural person is found by the whole name alone, so that nobody browses persons.
    """
    escaped = re.sub(r"([%_\\])", r"\\\1", name)
    with con.cursor() as cur:
        cur.execute(
            "SELECT s.subject_id, s.kind, s.code, s.registration_no, s.unit, n.name, array_agg(DISTINCT n.unit),"
            " min(n.first_seen), max(n.last_seen)"
            " FROM core.subject_name n JOIN core.subject s USING (subject_id)"
            " WHERE n.name = %(name)s OR (s.kind <> 'person' AND n.name LIKE %(pattern)s)"
            " GROUP BY s.subject_id, n.name ORDER BY max(n.last_seen) DESC, s.subject_id, n.name LIMIT %(limit)s",
            {"name": name, "pattern": f"%{escaped}%", "limit": limit},
        )
        found = cur.fetchall()
    # A scoped subject may be a person without a number; part of a name must not find that one either.
    persons = {row[0] for row in found if row[1] == "person"}
    persons |= natural_persons(con, catalogue, [row[0] for row in found if row[1] == "scoped"])
    return [
        {
            "subject_id": subject_id,
            "kind": kind,
            "code": code,
            "registration_no": registration_no,
            "scoped_to": unit,
            "name": mask_name(found_name) if subject_id in persons else found_name,
            "units": units,
            "first_seen": first,
            "last_seen": last,
        }
        for subject_id, kind, code, registration_no, unit, found_name, units, first, last in found
        if subject_id not in persons or found_name == name
    ]


def natural_persons(con: connection, catalogue: Catalogue, ids: Iterable[int]) -> set[int]:
    """Those of the subjects that some record calls a natural person."""
    wanted = list(ids)
    tables = [
        f"SELECT subject_id FROM core.{d.table} WHERE subject_id = ANY(%(ids)s) AND {column.lower()} = %(person)s"
        for d in subject_datasets(catalogue)
        if (column := d.column("subject.category"))
    ]
    if not wanted or not tables:
        return set()
    with con.cursor() as cur:
        cur.execute(" UNION ".join(tables), {"ids": wanted, "person": PERSON})
        return {i for (i,) in cur.fetchall()}


def _main(con: connection, subject_id: int) -> int:
    with con.cursor() as cur:
        cur.execute("SELECT same_as FROM core.subject_same_as WHERE subject_id = %s", [subject_id])
        found = cur.fetchone()
    return int(found[0]) if found else subject_id


def _one(con: connection, query: str, value: Any, what: str) -> int:
    with con.cursor() as cur:
        cur.execute(query, [value])
        found = cur.fetchone()
    if not found:
        raise SubjectNotFound(what)
    return int(found[0])
