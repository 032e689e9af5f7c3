"""What a check has to say of a row: problems (reject, warn) and changes (what normalisation altered)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["reject", "warn"]
Verdict = Literal["accept", "warn", "reject"]

NOT_REPORTABLE = "legal.not_reportable"


class Problem(NamedTuple):
    """One broken rule. `message` is Chinese, says what to mend and never quotes a personal value."""

    column: str
    rule: str
    severity: Severity
    message: str


class Change(NamedTuple):
    """One value that normalisation altered (STANDARDS 9, row 3: never silently). Personal values come masked."""

    column: str
    rule: str
    before: str
    after: str


def verdict_of(problems: list[Problem]) -> Verdict:
    """`reject` when any problem rejects, else `warn` when there is any, else `accept`."""
    if any(p.severity == "reject" for p in problems):
        return "reject"
    return "warn" if problems else "accept"
