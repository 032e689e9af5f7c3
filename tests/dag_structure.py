"""Parse the DAG files as the DAG processor does and print what they declare, as JSON.

A program of its own, because importing Airflow reads the environment once for the whole process, and
because only a fresh interpreter shows what parsing alone imports.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def structure(folder: Path) -> dict[str, Any]:
    """Errors, seconds and imported modules of parsing `folder`, and each DAG's schedule and tasks."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    before = set(sys.modules)
    started = time.perf_counter()
    # As the processor does: the bundle's folder is importable, so that files can share a module.
    sys.path.append(str(folder))
    bag = DagBag(dag_folder=folder)
    seconds = time.perf_counter() - started
    return {
        "errors": {Path(path).name: text for path, text in bag.import_errors.items()},
        "seconds": seconds,
        "imported": sorted(set(sys.modules) - before),
        "dags": {name: _dag(dag) for name, dag in bag.dags.items()},
        "serialized": sorted(DagSerialization.to_dict(dag)["dag"]["dag_id"] for dag in bag.dags.values()),
    }


def _dag(dag: Any) -> dict[str, Any]:
    assets = getattr(dag.timetable, "asset_condition", None)
    clock = getattr(dag.timetable, "timetable", dag.timetable)
    return {
        "name": dag.dag_display_name,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "params": sorted(dag.params),
        "assets": sorted(asset.name for asset in assets.objects) if assets is not None else [],
        "topics": [
            topic
            for asset in (assets.objects if assets is not None else [])
            for watcher in asset.watchers
            for topic in watcher.trigger.topics
        ],
        "cron": getattr(clock, "expression", None),
        "zone": str(dag.timezone),
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task: Any) -> dict[str, Any]:
    hopeless = type("Hopeless", (Exception,), {"retriable": False})
    return {
        "name": task.task_display_name,
        "pool": task.pool,
        "after": sorted(task.upstream_task_ids),
        "outlets": [outlet.name for outlet in task.outlets],
        "retries": task.retries,
        "delay": task.retry_delay.total_seconds(),
        "backoff": task.retry_exponential_backoff,
        "weight": task.priority_weight,
        "on_passing_error": _verdict(task, OSError()),
        "on_hopeless_error": _verdict(task, hopeless()),
    }


def _verdict(task: Any, error: Exception) -> str | None:
    return task.retry_policy.evaluate(error, 1, 5).action.value if task.retry_policy else None


if __name__ == "__main__":
    print(json.dumps(structure(Path(sys.argv[1]))))
