"""Persons and subjects of a batch: entered once, found by everybody, also when two consumers bring the same one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg2.extensions import cursor

from . import statements as sql
from .copying import copy_rows
from .normalise import Person, Ready, Subject


class People(NamedTuple):
    """Lookup digests to the numbers under which the warehouse knows persons and subjects."""

    persons: dict[bytes, int]
    subjects: dict[bytes, int]


def enter_people(cur: cursor, events: Iterable[Ready]) -> People:
    """Enter the persons, subjects and names of accepted events; returns their ids.

    Under READ COMMITTED a row that another transaction has just inserted makes ON CONFLICT wait for its end; the
    look-up after it, a statement of its own, then sees that row.
    """
    contents = [e.content for e in events if e.content is not None]
    persons: dict[bytes, Person] = {k: p for c in contents for k, p in c.persons.items()}
    person_ids = _ids(cur, sql.PERSON_IDS, persons)
    new_persons = [p for k, p in persons.items() if k not in person_ids]
    if new_persons:
        copy_rows(cur, "pg_temp.stage_person", sql.PERSON_COLUMNS, new_persons)
        cur.execute(sql.ADD_PERSONS)
        person_ids |= _ids(cur, sql.PERSON_IDS, [p.lookup for p in new_persons])
    subjects: dict[bytes, Subject] = {c.subject.lookup: c.subject for c in contents if c.subject}
    subject_ids = _ids(cur, sql.SUBJECT_IDS, subjects)
    new_subjects = [s for k, s in subjects.items() if k not in subject_ids]
    if new_subjects:
        rows = (
            (s.lookup, s.kind, s.code, s.registration_no, person_ids[s.person] if s.person else None, s.unit)
            for s in new_subjects
        )
        copy_rows(cur, "pg_temp.stage_subject", sql.SUBJECT_COLUMNS, rows)
        cur.execute(sql.ADD_SUBJECTS)
        subject_ids |= _ids(cur, sql.SUBJECT_IDS, [s.lookup for s in new_subjects])
    _names(cur, events, subject_ids)
    return People(person_ids, subject_ids)


def _names(cur: cursor, events: Iterable[Ready], subject_ids: dict[bytes, int]) -> None:
    """Names are dated history: first and last day each was used, per reporting unit."""
    seen: dict[tuple[int, str, str], list[Any]] = {}
    for event in events:
        content = event.content
        if content is None or content.subject is None or not content.subject.name:
            continue
        key = (subject_ids[content.subject.lookup], content.subject.name, event.unit)
        span = seen.setdefault(key, [event.received_on, event.received_on])
        span[0], span[1] = min(span[0], event.received_on), max(span[1], event.received_on)
    if seen:
        copy_rows(cur, "pg_temp.stage_subject_name", sql.NAME_COLUMNS, ((*k, *span) for k, span in seen.items()))
        cur.execute(sql.ADD_NAMES)


def _ids(cur: cursor, statement: str, lookups: Iterable[bytes]) -> dict[bytes, int]:
    listed = ",".join(k.hex() for k in lookups)
    if not listed:
        return {}
    cur.execute(statement, [listed])
    return {bytes(lookup): number for lookup, number in cur.fetchall()}
