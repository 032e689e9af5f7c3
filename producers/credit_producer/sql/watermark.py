"""Where the last pass over a source ended: kept in the spool, so that it is never ahead of what the spool holds.

A pass begins a little before that place, because a transaction that ends later may have begun earlier; what it meets
again unchanged is not sent again. It never moves past a refused row (which may be mended without its watermark
growing) nor into the future (one mistyped year would hide every later row).
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from credit_schemas.cells import Unreadable
from credit_schemas.dates import read_date

OVERLAP_DAYS = 1
OVERLAP_NUMBERS = 1000


class Watermark:
    """Of one source: where to begin, and how far this pass has come."""

    def __init__(self, fingerprint: str, kept: str | None, overlap: int | None, zone: tzinfo) -> None:
        """`kept` is what `text` once returned; it counts only for the same settings (`fingerprint`)."""
        self._fingerprint = fingerprint
        self._overlap = overlap
        self._zone = zone
        self._reached = _read(kept, fingerprint)
        self._held = False
        self.anew = bool(kept) and self._reached is None

    @property
    def since(self) -> Any:
        """From which value on to read; None for everything."""
        reached = self._reached
        if isinstance(reached, date):  # a datetime, too
            days = OVERLAP_DAYS if self._overlap is None else self._overlap
            return reached - timedelta(days=days)
        if isinstance(reached, int | Decimal):
            return reached - (OVERLAP_NUMBERS if self._overlap is None else self._overlap)
        return reached

    def passed(self, mark: Any, *, mended_later: bool) -> None:
        """A row is in the spool. Rows come in the order of their marks; `mended_later`: it was refused."""
        if mark is None or self._held:
            return
        if mended_later:
            self._held = True
        elif not self._future(mark) and isinstance(mark, int | Decimal | date | str) and not isinstance(mark, bool):
            self._reached = mark

    @property
    def text(self) -> str | None:
        """What to keep for the next pass."""
        reached = self._reached
        if reached is None:
            return None
        kind = "datetime" if isinstance(reached, datetime) else type(reached).__name__
        value = reached.isoformat() if isinstance(reached, date) else str(reached)
        return json.dumps({"of": self._fingerprint, "kind": kind, "value": value}, ensure_ascii=False)

    def _future(self, mark: Any) -> bool:
        now = datetime.now(self._zone)
        if isinstance(mark, datetime):
            return mark > (now if mark.tzinfo else now.replace(tzinfo=None))
        if isinstance(mark, str):
            try:
                mark = read_date("", mark)[0]
            except Unreadable:
                return False
        return isinstance(mark, date) and mark > now.date()


_KINDS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "int": int,
    "Decimal": Decimal,
    "str": str,
}


def _read(kept: str | None, fingerprint: str) -> Any:
    if kept is None:
        return None
    told = json.loads(kept)
    return _KINDS[told["kind"]](told["value"]) if told["of"] == fingerprint else None
