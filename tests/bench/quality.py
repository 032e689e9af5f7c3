"""The quality run over a new slice while more and more is stored: it must not look at all that was checked long ago."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.stack import Bench, finished

# The command a scheduler would run; Great Expectations' import (5 s) is no part of the run.
_SCRIPT = """
import json, time
import great_expectations
from credit_expectations.run import run_due
from credit_warehouse.settings import load_settings
began = time.perf_counter()
done = run_due(settings=load_settings())
print(json.dumps([time.perf_counter() - began, done["marks"]]))
"""
_RUN_S = 1800


def seconds(bench: Bench, first: int, rows: int) -> float:
    """Load `rows` new penalties of all units and check them; seconds of the quality run."""
    bench.publish(bench.events(rows, first))
    finished(bench.consumer())
    took, marks = run(bench)
    if marks != rows:
        raise RuntimeError(f"the run checked {marks} marks of {rows}")
    return took


def run(bench: Bench) -> tuple[float, int]:
    """A quality run over what is due: seconds, and how many marks it stamped."""
    bench.settle()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **bench.world.environment()}
    argv = [sys.executable, "-c", _SCRIPT]
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=_RUN_S)
    took, marks = [float(x) for x in done.stdout.splitlines()[-1].strip("[]").split(",")]
    return took, int(marks)
