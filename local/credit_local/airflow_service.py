"""Run one Airflow service, started faster: `python -m credit_local.airflow_service scheduler …`.

The same as `airflow scheduler …`, but for two things done before Airflow is imported.
"""

from __future__ import annotations

import gc
import importlib
import sys

# Importing Airflow makes a million objects that all stay. With Python's first threshold of 700 the collector
# looks through them again and again: 1.5 of the API server's 8 s. At 50,000 the process grows by 4 MB.
_GC_THRESHOLDS = (50_000, 20, 20)

# The scheduler forks the processes that run tasks, and they fork one process a task: what is imported here
# is shared by all. Importing Great Expectations in each quality task took 2 s (without byte code 7 s).
_SHARED_BY_TASKS = ("great_expectations",)


def main() -> None:
    """Import what is worth importing once, then hand over to Airflow's own command."""
    gc.set_threshold(*_GC_THRESHOLDS)
    if sys.argv[1:2] == ["scheduler"]:
        for name in _SHARED_BY_TASKS:
            importlib.import_module(name)
    from airflow.__main__ import main as airflow

    airflow()


if __name__ == "__main__":
    main()
