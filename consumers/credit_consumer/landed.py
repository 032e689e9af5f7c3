"""What landed before: events that came again, and refusals that were told already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from psycopg2.extensions import cursor

from credit_schemas.problems import Problem

from . import statements as sql
from .identity import Outcome
from .normalise import Ready

# (unit, dataset, content) of a refused event.
Refusal = tuple[str, str, bytes]


class Known(NamedTuple):
    """Whose event of that id landed before, and what it came to."""

    unit: str
    outcome: Outcome


def known_events(cur: cursor, events: Sequence[Ready]) -> dict[UUID, Known]:
    """The events of a batch that have landed before, with what they came to."""
    ids = sorted(str(e.ce_id) for e in events)
    # The bounds let the planner leave out the partitions of other months.
    cur.execute(sql.KNOWN_EVENTS, [ids[0], ids[-1], ",".join(ids)])
    return {
        UUID(ce_id): Known(
            unit,
            Outcome(state, UUID(no) if no else None, revision, [Problem(**p) for p in problems or []]),
        )
        for ce_id, unit, state, no, revision, problems in cur.fetchall()
    }


def refused_before(cur: cursor, events: Iterable[Ready]) -> set[Refusal]:
    """Refusals that landed before with the very same content as one of the events."""
    asked = [(e.unit, e.dataset, e.content_digest) for e in events if e.content_digest]
    if not asked:
        return set()
    units, datasets, digests = zip(*asked, strict=True)
    cur.execute(sql.REFUSED_BEFORE, [list(units), list(datasets), [d.hex() for d in digests]])
    return {(unit, dataset, bytes(digest)) for unit, dataset, digest in cur.fetchall()}
