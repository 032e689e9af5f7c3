"""Rates that rows of the annex ask for: how many of the county's bodies of a kind stand on a list of the dishonest.

A rate is of the whole county, on the last day of the period (or the day of the report, while it runs). Bodies are told
apart by their unified codes and are of a kind by the code's first characters (data of the county, obligations.toml).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from credit_schemas.obligations import Obligation
from credit_schemas.periods import Period

from .duty_sources import Sources, Span
from .figures import NO_RATE, rate


@dataclass(frozen=True)
class Ratio:
    """Listed bodies and the total of their kinds, None when the total of any kind was not reported for the period."""

    listed: int
    total: int | None

    def __str__(self) -> str:
        return rate(self.listed, self.total) if self.total else NO_RATE

    def record(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"listed": self.listed, "total": self.total, "rate": str(self)}


def ratios(sources: Sources, obligation: Obligation, spans: Sequence[Span]) -> dict[str, Ratio]:
    """The rates of a duty by label of the period; none for a duty without one."""
    if not obligation.ratio_datasets:
        return {}
    codes: dict[str, set[str]] = {span.label: set() for span in spans}
    for name in obligation.ratio_datasets:
        for label, code in sources.listed_codes(name, spans, obligation.ratio_code_prefixes):
            codes[label].add(code)
    totals = [t for name in obligation.denominators for t in sources.totals(name)]
    return {s.label: Ratio(len(codes[s.label]), _total(obligation, totals, s.period)) for s in spans}


def _total(obligation: Obligation, totals: Sequence[tuple[str, Period, int]], period: Period) -> int | None:
    """The sum over the kinds, each by the figure that is nearest to the period's end; one too few is none."""
    within = [t for t in totals if period.first <= t[1].first and t[1].last <= period.last]
    summed = 0
    for kind in obligation.ratio_counted:
        # The period's own figure before a month's of the same last day; of several the newest (they come first).
        found = max(
            (t for t in within if t[0] == kind), key=lambda t: (t[1].last, -t[1].first.toordinal()), default=None
        )
        if found is None:
            return None
        summed += found[2]
    return summed
