"""Persons and subjects of a batch: entered once, found by everybody, also when two consumers bring the same one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor

from . import people_statements as sql
from .copying import copy_rows
from .normalise import Person, Ready, Subject


class People(NamedTuple):
    """Lookup digests to the numbers under which the warehouse knows persons and subjects."""

    persons: dict[bytes, int]
    subjects: dict[bytes, int]


# (subject's lookup, what is said of it, unit that says so) → the first and last day it did.
Said = dict[tuple[Any, ...], tuple[Any, ...]]


def enter_people(cur: cursor, events: Iterable[Ready]) -> People:
    """Enter the persons, subjects, names and registration numbers of accepted events; returns their ids.

    Nothing is merged here, and no collision is looked for: whose subjects are one, and who may be taken for another,
    follows from these facts (views core.subject_same_as and core.subject_collision), whichever came first.
    """
    events = [e for e in events if e.content is not None]
    contents = [e.content for e in events if e.content is not None]
    persons = enter_persons(cur, [p for c in contents for p in c.persons.values()])
    subjects = {c.subject.lookup: c.subject for c in contents if c.subject}
    numbers, ours = enter_subjects(cur, subjects, persons)
    _dated(cur, _said(events, lambda s: s.name), numbers, ours, "subject_name", sql.ADD_NAMES)
    # Of a subject known by its registration number alone that is no history, it is what it is.
    registrations = _said(events, lambda s: s.registration_no)
    of_codes = {key: days for key, days in registrations.items() if subjects[key[0]].kind == "code"}
    _dated(cur, of_codes, numbers, ours, "subject_registration", sql.ADD_REGISTRATIONS)
    return People(persons, numbers)


def enter_subjects(
    cur: cursor,
    subjects: Mapping[bytes, Subject],
    persons: Mapping[bytes, int],
    copy: Callable[[cursor, str, Sequence[str], Iterable[Sequence[Any]]], None] = copy_rows,
) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Enter subjects by their lookups; returns the numbers of all, and of those that this transaction has entered.

    Under READ COMMITTED a row that another transaction has just inserted makes ON CONFLICT wait for its end; the
    look-up after it, a statement of its own, then sees that row.

    Args:
        persons: The persons' numbers by lookup.
        copy: How rows get into a table.
    """
    known = _known_subjects(cur, subjects)
    new = [s for k, s in subjects.items() if k not in known]
    if not new:
        return known, {}
    rows = (
        (
            s.lookup,
            s.kind,
            s.code,
            s.registration_no if s.kind == "registration" else None,
            persons[s.person] if s.person else None,
            s.unit,
        )
        for s in new
    )
    copy(cur, "pg_temp.stage_subject", sql.SUBJECT_COLUMNS, rows)
    cur.execute(sql.ADD_SUBJECTS)
    ours = {bytes(lookup): number for lookup, number in cur.fetchall()}
    # The rest another transaction has entered meanwhile.
    return known | ours | _known_subjects(cur, [s.lookup for s in new if s.lookup not in ours]), ours


def enter_persons(cur: cursor, found: Sequence[Person]) -> dict[bytes, int]:
    """Enter persons; one first seen with 18 digits also learns the 15 digits that come later."""
    persons: dict[bytes, Person] = {}
    for p in found:
        if p.lookup not in persons or p.as_written:
            persons[p.lookup] = p
    known = _known_persons(cur, persons)
    new = [p for k, p in persons.items() if k not in known]
    lacking = [
        p
        for k, p in persons.items()
        if k in known and ((p.as_written and not known[k].has_written) or (p.short and not known[k].has_short))
    ]
    if new:
        copy_rows(cur, "pg_temp.stage_person", sql.PERSON_COLUMNS, new)
        cur.execute(sql.ADD_PERSONS)
        if any(p.as_written for p in new):
            # Another transaction may have been faster with the same person's 18 digits.
            lacking += [p for p in new if p.as_written]
    if lacking:
        cur.execute("TRUNCATE pg_temp.stage_person")
        copy_rows(cur, "pg_temp.stage_person", sql.PERSON_COLUMNS, lacking)
        cur.execute(sql.COMPLETE_PERSONS)
    if new:
        known |= _known_persons(cur, [p.lookup for p in new])
    return {k: p.person_id for k, p in known.items()}


class _Known(NamedTuple):
    person_id: int
    has_written: bool
    has_short: bool


def _known_persons(cur: cursor, lookups: Iterable[bytes]) -> dict[bytes, _Known]:
    listed = ",".join(k.hex() for k in lookups)
    if not listed:
        return {}
    cur.execute(sql.PERSONS, [listed])
    return {bytes(lookup): _Known(*rest) for lookup, *rest in cur.fetchall()}


def _said(events: Iterable[Ready], said: Callable[[Subject], str | None]) -> Said:
    """What the units of the events say of their subjects, with the first and last day."""
    found: Said = {}
    for event in events:
        subject = event.content.subject if event.content else None
        value = said(subject) if subject else None
        if subject is None or not value:
            continue
        day, key = event.received_on, (subject.lookup, value, event.unit)
        first, last = found.get(key, (day, day))
        found[key] = (min(first, day), max(last, day))
    return found


def _dated(
    cur: cursor, said: Said, subject_ids: Mapping[bytes, int], ours: Collection[bytes], table: str, add: str
) -> None:
    """Dated history of what units say of a subject: first and last day each value was used, per reporting unit.

    Of subjects that this transaction has entered (`ours`) nobody has said anything yet: that goes in straight.
    """
    rows = [
        ((lookup in ours), (subject_ids[lookup], value, unit, *days)) for (lookup, value, unit), days in said.items()
    ]
    copy_rows(cur, f"core.{table}", sql.STAGED[table], [row for new, row in rows if new])
    told = [row for new, row in rows if not new]
    if told:
        copy_rows(cur, f"pg_temp.stage_{table}", sql.STAGED[table], told)
        cur.execute(add)


def _known_subjects(cur: cursor, lookups: Iterable[bytes]) -> dict[bytes, int]:
    """The numbers of the subjects that are in the warehouse."""
    listed = ",".join(k.hex() for k in lookups)
    if not listed:
        return {}
    cur.execute(sql.SUBJECT_IDS, [listed])
    return {bytes(lookup): number for lookup, number in cur.fetchall()}
