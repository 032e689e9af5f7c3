"""The demo is the first promise: the whole road on real servers, the same figures twice, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credit_local import processes
from credit_local.postgres import PostgresServer

# On two busy cores with everything cold; on idle ones a minute.
DEMO_TIMEOUT_S = 600


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("demo") / ".credit"
    home.mkdir()
    try:
        yield home
    finally:
        processes.stop_all(home)
        PostgresServer(home).destroy()


def credit(home: Path, *arguments: str, program: str = "credit_local") -> str:
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        env={**os.environ, "CREDIT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def closing_table(said: str) -> list[list[str]]:
    lines = said.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("文件"))
    end = next(i for i, line in enumerate(lines) if i > start and not line)
    return [line.split() for line in lines[start + 1 : end]]


@pytest.mark.airflow
@pytest.mark.timeout(2 * DEMO_TIMEOUT_S)
def test_the_demo_runs_twice_with_the_same_figures_and_down_leaves_no_process(home: Path) -> None:
    first = credit(home, "demo")
    rows = {line[0]: [int(n) for n in line[1:]] for line in closing_table(first)}
    market, persons, licences, ledger, *others = rows.values()
    # rows, refused, loaded, checks, holds, forwarded, acknowledged
    assert market[:2] == [35, 6]
    assert market[2] == market[5] / 4 == market[6] / 4 > 0  # every record went to four destinations, all answered
    assert persons[4] == 1, "the slice with the text too long for the province is held"
    assert persons[5] == persons[2] * 3, "the held slice left for the three other destinations"
    assert licences[:3] == [8, 2, 6]
    assert ledger[1] == ledger[5] == 0, "the ledger stays in the county"
    assert all(row[5] == row[6] for row in others), "every destination took what went to it of every other dataset"
    assert sum(row[5] > 0 for row in others) >= 20, "most datasets are forwarded, without a line in any destination"
    figures = credit(home, "figures", "--json")
    heard = credit(home, "receipts", "--unit", "market", "--json", program="credit_producer").splitlines()
    wanted = ("accepted", "province", "penalty")
    accepted = [r for r in map(json.loads, heard) if (r["status"], r["destination"], r["dataset"]) == wanted]
    assert len({r["record_no"] for r in accepted}) == market[2], "the province's answer reached the department"

    second = credit(home, "demo")
    assert closing_table(second) == closing_table(first)
    assert credit(home, "figures", "--json") == figures

    credit(home, "down")
    assert processes.running(home) == []
