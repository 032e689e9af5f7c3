"""Subjects that a person must look at: who may be taken for whom, and what was decided."""

from __future__ import annotations

import json
from typing import Any

from psycopg2.extensions import connection

from .errors import CollisionNotFound, DecisionRefused

KINDS = {"short_id": "15 位号码相同", "registration": "注册号有争议", "id_names": "15 位号码对应几个姓名"}
# What to do about each kind, told beside it.
MEND = {
    "short_id": "15 位号码分不出是哪一位；请报送单位核实后用 18 位号码重报，再办结。",
    "registration": "几个统一社会信用代码用了同一注册号；请查登记档案，办结时用 --subject 指明归哪个主体。",
    "id_names": "15 位号码没有校验码，可能填错或两人同号；请报送单位核实后用 18 位号码重报，再办结。",
}
# A digest is long and a person types it: so much of it is unique in a county.
ABOUT_SHOWN = 16


def list_collisions(con: connection, *, everything: bool = False) -> list[dict[str, Any]]:
    """Open collisions (or all), each once with its subjects. Digests, registration numbers and subject ids only."""
    with con.cursor() as cur:
        cur.execute(
            "SELECT kind, about, array_agg(subject_id ORDER BY subject_id), bool_or(written_short), bool_or(open)"
            " FROM core.subject_collision WHERE open OR %s GROUP BY kind, about ORDER BY kind, about",
            [everything],
        )
        return [
            {
                "kind": kind,
                "kind_cn": KINDS[kind],
                "about": about[:ABOUT_SHOWN],
                "subjects": subjects,
                "written_short": written,
                "open": is_open,
                "mend": MEND[kind],
            }
            for kind, about, subjects, written, is_open in cur.fetchall()
        ]


def settle(con: connection, about: str, who: str, reason: str, subject_id: int | None = None) -> dict[str, Any]:
    """Record what a person decided about an open collision, with name and reason; commits.

    Args:
        con: As the role `quality`.
        about: As `list_collisions` shows it.
        subject_id: Whose a disputed registration number is; None: nobody's, the subjects stay apart.

    Raises:
        CollisionNotFound: None is open about that.
        DecisionRefused: Name or reason is missing, or the subject is none of those that claim the number.
    """
    who, reason = who.strip(), reason.strip()
    if not who or not reason:
        raise DecisionRefused("请写明核对人和理由。")
    with con.cursor() as cur:
        cur.execute(
            "SELECT DISTINCT kind, about, parties FROM core.subject_collision WHERE open AND left(about, %s) = %s",
            [ABOUT_SHOWN, about],
        )
        found = cur.fetchall()
        if len(found) != 1:
            raise CollisionNotFound(about)
        kind, whole, parties = found[0]
        if subject_id is not None and (kind != "registration" or subject_id not in parties):
            raise DecisionRefused("--subject 只用于注册号有争议的，并且要是其中一个统一社会信用代码主体。")
        cur.execute(
            "INSERT INTO core.collision_decision (kind, about, parties, subject_id, decided_by, reason)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [kind, whole, parties, subject_id, who, reason],
        )
        cur.execute(
            "INSERT INTO audit.act (actor, act, about, detail) VALUES (%s, 'collision_settled', %s, %s)",
            [who, f"{kind}/{about}", json.dumps({"reason": reason, "subject_id": subject_id}, ensure_ascii=False)],
        )
    con.commit()
    return {"kind": kind, "about": about, "subject_id": subject_id}
