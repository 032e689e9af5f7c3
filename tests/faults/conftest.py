"""Every fault test says what it measured; the run ends with one table (`make faults`; smaller in `make test`).

A test notes its figures with `fault_table(...)`. They travel as properties of the test's report, so that they arrive
from the processes of pytest-xdist too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

_COLUMNS = ("fault", "events", "kills", "lost", "twice", "seconds_to_recover")
_PROPERTY = "fault_table"


@pytest.fixture(scope="session")
def events_wanted() -> int:
    """Size of the faults that have one: EVENTS in `make faults` (a million there is the full size)."""
    return int(os.environ.get("EVENTS", "4000"))


@pytest.fixture
def fault_table(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`fault_table(fault=…, events=…, kills=…, lost=…, twice=…, seconds_to_recover=…)`: one line of the table.

    `lost` and `twice` are counted against the fold over the log, not assumed; `seconds_to_recover` is from the end of
    the fault to the moment the warehouse agrees with the log, None where the test does not time it.
    """

    def note(**figures: Any) -> None:
        unknown = figures.keys() - set(_COLUMNS)
        assert not unknown, unknown
        request.node.user_properties.append((_PROPERTY, [figures.get(c) for c in _COLUMNS]))

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of all fault tests of this run."""
    rows = [
        values
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for name, values in report.user_properties
        if name == _PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("faults")
    for row in [_COLUMNS, *sorted(rows, key=lambda r: str(r[0]))]:
        cells = ["—" if v is None else f"{v:.1f}" if isinstance(v, float) else str(v) for v in row]
        terminalreporter.write_line(f"{cells[0]:<70}" + "".join(f"{c:>10}" for c in cells[1:5]) + f"{cells[5]:>20}")
