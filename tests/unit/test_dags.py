"""The DAG files: what they declare, and that reading them is cheap. No server is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from credit_schemas.county import county_folder, load_county
from credit_schemas.topics import loaded_topic

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"

# Seconds each, in files that are parsed every half minute.
HEAVY = {"great_expectations", "pandas", "numpy", "polars", "openpyxl", "docx", "fastapi", "sqlalchemy.dialects"}
# The plain functions are imported when their task runs, never when the file is parsed.
TASK_MODULES = {"credit_expectations.run", "credit_platforms.forward", "credit_platforms.reconcile"}
TASK_MODULES |= {"credit_expectations.gate", "credit_warehouse.connect"}
# Started by a person only; all others run by themselves.
BY_HAND = "credit_release_hold"


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county folder with three destinations, one of which no shipped county has."""
    folder = tmp_path_factory.mktemp("county") / "county"
    shutil.copytree(county_folder(), folder)
    destinations = folder / "destinations"
    shutil.rmtree(destinations, ignore_errors=True)
    destinations.mkdir()
    for name in ("nation", "province", "neighbour"):
        (destinations / f"{name}.toml").touch()
    return folder


@pytest.fixture(scope="module")
def parsed(county: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a fresh interpreter finds in the DAG files."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "CREDIT_COUNTY": str(county)}
    program = [sys.executable, str(ROOT / "tests" / "dag_structure.py"), str(DAGS)]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def by_itself(parsed: dict[str, Any]) -> list[dict[str, Any]]:
    """The DAGs that run without a person."""
    return [dag for name, dag in parsed["dags"].items() if name != BY_HAND]


def test_every_dag_file_parses_and_serialises(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert parsed["serialized"] == sorted(parsed["dags"])


def test_parsing_imports_nothing_heavy(parsed: dict[str, Any]) -> None:
    imported = set(parsed["imported"])
    assert imported & HEAVY == set()
    assert imported & TASK_MODULES == set()
    assert parsed["seconds"] < 3


def test_each_destination_file_has_its_own_dag(parsed: dict[str, Any]) -> None:
    assert set(parsed["dags"]) == {
        "credit_quality",
        "credit_quality_full",
        "credit_reconcile",
        "credit_release_hold",
        "credit_forward_nation",
        "credit_forward_neighbour",
        "credit_forward_province",
    }


def test_quality_wakes_on_the_loaded_topic_with_a_slow_schedule_behind(parsed: dict[str, Any]) -> None:
    quality = parsed["dags"]["credit_quality"]
    assert quality["topics"] == [loaded_topic(load_county().code)]
    assert quality["cron"] == "*/15 * * * *"


def test_everything_is_looked_at_once_a_night_before_destinations_are_compared(parsed: dict[str, Any]) -> None:
    full = parsed["dags"]["credit_quality_full"]
    assert full["cron"] == "30 2 * * *"
    assert full["tasks"]["quality_full"]["outlets"] == ["checked"]


@pytest.mark.parametrize("destination", ["nation", "neighbour", "province"])
def test_forwarding_follows_the_quality_run_and_time(parsed: dict[str, Any], destination: str) -> None:
    outlets = parsed["dags"]["credit_quality"]["tasks"]["quality_run"]["outlets"]
    forward = parsed["dags"][f"credit_forward_{destination}"]
    assert forward["assets"] == outlets == ["checked"]
    assert forward["cron"] == "*/15 * * * *"
    tasks = forward["tasks"]
    # Sending goes first, and receipts are fetched even when it fails.
    assert tasks["forward"]["weight"] > tasks["collect"]["weight"]
    assert tasks["collect"]["after"] == []


def test_letting_a_held_slice_go_starts_forwarding(parsed: dict[str, Any]) -> None:
    release = parsed["dags"][BY_HAND]
    assert release["cron"] is None
    assert release["params"] == ["hold_id", "reason"]
    assert release["tasks"]["release"]["outlets"] == ["checked"]


def test_everything_that_talks_to_a_destination_passes_its_pool(parsed: dict[str, Any]) -> None:
    used = {
        destination: {
            task["pool"]
            for dag in parsed["dags"].values()
            for name, task in dag["tasks"].items()
            if dag is parsed["dags"][f"credit_forward_{destination}"] or name == f"reconcile_{destination}"
        }
        for destination in ("nation", "neighbour", "province")
    }
    assert used == {name: {f"destination_{name}"} for name in used}
    assert sorted(parsed["dags"]["credit_reconcile"]["tasks"]) == [f"reconcile_{name}" for name in sorted(used)]


def test_passing_errors_are_retried_with_growing_pauses_hopeless_ones_never(parsed: dict[str, Any]) -> None:
    for dag in by_itself(parsed):
        for task in dag["tasks"].values():
            assert task["retries"] == 5
            assert task["delay"] == 30
            assert task["backoff"] == 2
            assert task["on_passing_error"] == "default"
            assert task["on_hopeless_error"] == "fail"


def test_one_run_at_a_time_and_none_for_the_past(parsed: dict[str, Any]) -> None:
    for dag in by_itself(parsed):
        assert (dag["max_active_runs"], dag["catchup"], dag["zone"]) == (1, False, load_county().time_zone)


def test_operators_read_chinese_and_can_ask_for_a_day(parsed: dict[str, Any]) -> None:
    for dag in by_itself(parsed):
        assert dag["params"] == ["as_of"]
    for dag in parsed["dags"].values():
        assert "等价命令" in dag["doc"]
        for text in [dag["name"], *dag["tags"], *(task["name"] for task in dag["tasks"].values())]:
            assert re.search(r"[\u4e00-\u9fff]", text), text
