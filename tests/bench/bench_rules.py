"""Rows a second of reading, checking and both, as JSON: `python tests/bench/bench_rules.py` (from the project's root).

Every row is different (its own codes, persons, document numbers and days), so that no cache flatters the figure.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from credit_schemas.check import check_row
from credit_schemas.dataset import Dataset, current_datasets, load_schemas
from credit_schemas.forms import read_row
from credit_schemas.identifiers import org_code_problem, ric_problem, uscc_problem
from credit_schemas.rules import Context, evaluate
from unit.rows import AUTHORITY, LICENCE, PENALTY, PERSON_PENALTY

ROWS = 4000
ROUNDS = 5  # the best of them counts: the machine is shared
TODAY = date(2026, 11, 24)


def code(number: int, kind: str = "91") -> str:
    """A valid unified code of a made-up company (92: of a 个体工商户)."""
    org = next(o for c in "0123456789X" if org_code_problem(o := f"MB{number:06}{c}") is None)
    return next(u for c in "0123456789ABCDEFGHJKLMNPQRTUWXY" if uscc_problem(u := f"{kind}410421{org}{c}") is None)


def person(number: int) -> str:
    """A valid citizen number of a made-up person."""
    body = f"410421{date(1950, 1, 1) + timedelta(number * 3):%Y%m%d}{number % 1000:03}"
    return next(n for c in "0123456789X" if ric_problem(n := body + c) is None)


def rows(name: str) -> list[dict[str, Any]]:
    """Clean rows, each another one."""
    made = []
    for n in range(ROWS):
        day = (date(2026, 1, 5) + timedelta(n % 300)).isoformat()
        if name == "licence":
            row = LICENCE | {"XK_XDR_SHXYM": code(n), "XK_WSH": f"示审许〔2026〕{n}号", "XK_JDRQ": day, "XK_YXQZ": day}
        elif name == "penalty":
            row = PENALTY | {"CF_XDR_SHXYM": code(n), "CF_WSH": f"示市监处罚〔2026〕{n}号", "CF_JDRQ": day}
        else:
            row = PERSON_PENALTY | {"CF_XDR_ZJHM": person(n), "CF_WSH": f"示市监处罚〔2026〕{n}号", "CF_JDRQ": day}
        made.append(row | ({"CF_YXQ": "长期"} if name != "licence" else {}))
    return made


def rate(work: Callable[[Any], object], over: list[Any]) -> int:
    """Calls a second over a list, the best of some rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for item in over:
            work(item)
        best = max(best, len(over) / (time.perf_counter() - began))
    return round(best)


def measure(dataset: Dataset, cells: list[dict[str, Any]]) -> dict[str, int]:
    """Rates over rows of one dataset; the rows must be clean, or the figure would be one of failures."""
    context = Context(TODAY, AUTHORITY)
    dirty = [c.problems for c in (check_row(dataset, row, context) for row in cells) if c.problems]
    if dirty:
        sys.exit(f"a row of {dataset.id} is not clean: {dirty[0]}")
    values = [read_row(dataset.fields, row).values for row in cells]
    return {
        "read_rows_per_s": rate(lambda row: read_row(dataset.fields, row), cells),
        "evaluate_rows_per_s": rate(lambda row: evaluate(dataset, row, context), values),
        "check_rows_per_s": rate(lambda row: check_row(dataset, row, context), cells),
    }


def figures() -> dict[str, dict[str, int]]:
    """Rates per kind of row."""
    datasets = current_datasets(load_schemas())
    return {
        name: measure(datasets[name.split("_")[0]], rows(name)) for name in ("penalty", "penalty_person", "licence")
    }


if __name__ == "__main__":
    print(json.dumps({"python": platform.python_version(), "rows": ROWS, "rates": figures()}, indent=1))
