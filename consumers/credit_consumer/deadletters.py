"""Dead letters for the operator: counted, listed and shown without content, tried again after the fix, or set aside.

Which letters is said the same way everywhere (`Which`). Replaying and discarding are dry runs unless told otherwise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any, NamedTuple, TypedDict, Unpack

from psycopg2.extensions import connection, cursor
from psycopg2.extras import DictCursor

from credit_schemas.problems import Problem

from . import letter_statements as sql
from .decode import REASONS, DeadLetter
from .graveyard import bury, stored_headers, tell, unearth
from .load import isolated, prepare
from .normalise import Center
from .pipeline import prepare_message
from .statements import HOLD_POSITION

# States in which a letter still waits for somebody.
OPEN = ("dead", "parked")
# Letters of one transaction: their messages are in memory (1 MB each at most), and their topic's loads wait for it.
REPLAY_CHUNK = 500
# After so many letters a dry run lets go of what it holds (some seconds' worth: the topic's loads wait for it).
DRY_RUN_HOLDS = 5000
DISCARD_CHUNK = 5000


class Which(TypedDict, total=False):
    """Which letters; what is left out restricts nothing.

    `unit`, `reason`, `schema_id`, `state`, `topic`, `letter_id`: one value or several. `since` (inclusive) and `until`
    (exclusive) are moments of arrival; a day begins at midnight of the county's clock (that of the connection).
    """

    unit: str | Sequence[str] | None
    reason: str | Sequence[str] | None
    schema_id: int | Sequence[int] | None
    state: str | Sequence[str] | None
    topic: str | Sequence[str] | None
    letter_id: int | Sequence[int] | None
    since: date | datetime | None
    until: date | datetime | None


class Group(NamedTuple):
    """Letters of one unit that share reason and schema."""

    unit: str
    reason: str
    schema_id: int | None


Tally = dict[Group, Counter[str]]


def list_dead_letters(
    con: connection, *, limit: int = 200, after: int = 0, **which: Unpack[Which]
) -> list[dict[str, Any]]:
    """Dead letters, oldest first: where, why, how often, in what state. Never a key, value or header.

    `reason` is the stable word, `meaning` the same in Chinese.

    Args:
        con: As role `reader` or `consumer`.
        after: Only those behind this one (`dead_letter_id`): the next page.
    """
    where, parameters = _filter(which)
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.LIST.format(filter=where), {**parameters, "limit": limit, "after": after})
        return [{**row, "meaning": REASONS.get(row["reason"], row["reason"])} for row in cur.fetchall()]


def count_dead_letters(con: connection, **which: Unpack[Which]) -> list[dict[str, Any]]:
    """How many letters per unit, reason, schema and state, with the first and last arrival and the most attempts."""
    where, parameters = _filter(which)
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.COUNT.format(filter=where), parameters)
        return [{**row, "meaning": REASONS.get(row["reason"], row["reason"])} for row in cur.fetchall()]


def replay(
    con: connection, center: Center, *, who: str = "", why: str = "", dry_run: bool = True, **which: Unpack[Which]
) -> Counter[str]:
    """`replay_groups`, told in one count per receipt status; `dead` counts those that are dead letters still."""
    groups = replay_groups(con, center, who=who, why=why, dry_run=dry_run, **which)
    return sum(groups.values(), Counter())


def replay_groups(
    con: connection,
    center: Center,
    *,
    who: str = "",
    why: str = "",
    dry_run: bool = True,
    progress: Callable[[int], None] | None = None,
    **which: Unpack[Which],
) -> Tally:
    """Take open dead letters through the four steps again, each topic's in the order in which they arrived.

    Each keeps its arrival time, and never overwrites what was loaded after it (rule `record.newer`). However many they
    are, they go in chunks of one transaction each; when the environment fails, what is through stays through, and the
    next call goes on from there. Each transaction adds a line to the audit log.

    Args:
        con: As role `consumer`.
        who, why: Who asked for it and on what occasion; kept with each letter that went through.
        dry_run: Do everything and roll it back: the counts say what would happen. Rolled back after every
            `DRY_RUN_HOLDS` letters, so that no load waits long: a letter that follows from one further back than that
            may come out differently.
        progress: Called after each chunk with the number of letters so far.
        which: State `discarded` brings back what was set aside; without a state the open ones are meant.

    Raises:
        ValueError: Asked for letters that went through already.

    Returns:
        What the letters of each group came to: how many to which receipt status, `dead` for still unreadable.
    """
    prepare(con)
    where, parameters = _filter(which, OPEN, ("dead", "parked", "discarded"))
    tally: Tally = {}
    done = held = 0
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.PARTITIONS.format(filter=where), parameters)
        for topic_id, partition in cur.fetchall():
            place = {"topic_id": topic_id, "partition": partition, "after": -1, "limit": REPLAY_CHUNK}
            while True:
                cur.execute(HOLD_POSITION, [topic_id, partition])
                cur.execute(sql.TAKE.format(filter=where), {**parameters, **place})
                rows = cur.fetchall()
                if not rows:
                    break
                came = _replay_chunk(cur, rows, center, who, why, again=held > 0)
                for group, counts in came.items():
                    tally[group] = tally.get(group, Counter()) + counts
                place["after"] = rows[-1]["offset"]
                done, held = done + len(rows), held + len(rows)
                if not dry_run:
                    _audit(cur, who, "dead_letters_replayed", which, why, sum(came.values(), Counter()))
                    con.commit()
                    held = 0
                elif held >= DRY_RUN_HOLDS:
                    con.rollback()
                    held = 0
                if progress:
                    progress(done)
    con.rollback()
    return tally


def _replay_chunk(cur: cursor, rows: list[Any], center: Center, who: str, why: str, *, again: bool) -> Tally:
    """`again`: the transaction has seen a chunk before this one."""
    tally: Tally = {}
    dead: list[DeadLetter] = []
    # Neighbours of one group go together: their counts are the group's, and all stay in order.
    for group, run in groupby(rows, lambda row: Group(row["unit"], row["reason"], row["schema_id"])):
        found = [prepare_message(unearth(dict(row)), center) for row in run]
        ready = [f for f in found if not isinstance(f, DeadLetter)]
        still = [f for f in found if isinstance(f, DeadLetter)]
        counts, poisoned = isolated(cur, ready, center, blame_unique=True, again=again, replayed=True)
        again = again or bool(ready)
        still += poisoned
        counts["dead"] += len(still)
        tally[group] = tally.get(group, Counter()) + counts
        dead += still
    bury(cur, dead)
    still_dead = {d.message.offset for d in dead}
    through = [row["dead_letter_id"] for row in rows if row["offset"] not in still_dead]
    cur.execute(sql.THROUGH, [who, why, through])
    return tally


def discard(con: connection, *, who: str, why: str, dry_run: bool = True, **which: Unpack[Which]) -> int:
    """`discard_groups`, told in one number."""
    return sum(discard_groups(con, who=who, why=why, dry_run=dry_run, **which).values())


def discard_groups(
    con: connection, *, who: str, why: str, dry_run: bool = True, **which: Unpack[Which]
) -> Counter[Group]:
    """Mark open dead letters as discarded; returns how many of each group it is or would be.

    Nothing is deleted: a discarded letter is shown and can be replayed. Its unit hears of it (receipt `rejected`).

    Raises:
        ValueError: without a name or a reason, or asked for letters that are no longer open.
    """
    if not who.strip() or not why.strip():
        raise ValueError("放弃死信要写明经办人和理由。")
    where, parameters = _filter(which, OPEN, OPEN)
    groups: Counter[Group] = Counter()
    with con.cursor(cursor_factory=DictCursor) as cur:
        if dry_run:
            cur.execute(sql.COUNT.format(filter=where), parameters)
            for row in cur.fetchall():
                groups[Group(row["unit"], row["reason"], row["schema_id"])] += row["letters"]
            con.rollback()
            return groups
        while True:
            # What is marked is no longer open, so that the next chunk is the next.
            cur.execute(
                sql.DISCARD.format(filter=where), {**parameters, "who": who, "why": why, "limit": DISCARD_CHUNK}
            )
            rows = cur.fetchall()
            if not rows:
                break
            groups.update(Group(row["unit"], row["reason"], row["schema_id"]) for row in rows)
            tell(cur, (_given_up(row, why) for row in rows))
        _audit(cur, who, "dead_letters_discarded", which, why, Counter(discarded=groups.total()))
    con.commit()
    return groups


def _given_up(row: Any, why: str) -> Any:
    text = f"中心放弃了主题 {row['topic']} 分区 {row['partition']} 位置 {row['offset']} 的这条消息。"
    problem = Problem(
        "", f"event.{row['reason']}", "reject", f"{REASONS.get(row['reason'], '')}（{row['detail']}）。理由：{why}"
    )
    return row["unit"], stored_headers(row["headers"]), "rejected", text, problem


def _audit(cur: cursor, who: str, act: str, which: Which, why: str, counts: Counter[str]) -> None:
    detail = {"which": {k: v for k, v in which.items() if v}, "why": why, "counts": counts}
    cur.execute(sql.AUDIT, [who, act, json.dumps(detail, ensure_ascii=False, default=str)])


def _filter(which: Which, states: Sequence[str] = (), allowed: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """Conditions and their parameters; `states` where none is asked for, one of those `allowed` where one is."""
    if allowed and not set(_several(which.get("state"))) <= set(allowed):
        raise ValueError("这些死信已经处理过了。")
    many = {
        "unit": _several(which.get("unit")),
        "reason": _several(which.get("reason")),
        "schema_id": _several(which.get("schema_id")),
        "state": _several(which.get("state")) or list(states),
        "topic": _several(which.get("topic")),
        "dead_letter_id": _several(which.get("letter_id")),
    }
    used = [f"{column} = ANY(%({column})s)" for column, values in many.items() if values]
    parameters: dict[str, Any] = {column: values for column, values in many.items() if values}
    for name, condition in (("since", "received_at >= %(since)s"), ("until", "received_at < %(until)s")):
        if which.get(name) is not None:
            used.append(condition)
            parameters[name] = which[name]  # type: ignore[literal-required]
    return " AND ".join(used) or "true", parameters


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str | int) else list(value)
