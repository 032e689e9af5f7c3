"""Airflow for real: the embedded stack, the DAG files, and the project's own functions behind them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from kafka import KafkaProducer
from psycopg2.extensions import cursor
from psycopg2.extras import RealDictCursor

import servers
from credit_local import processes
from credit_local.airflow import SERVICES
from credit_local.stack import Stack
from credit_platforms.destinations import destination_ids
from credit_producer import CreditProducer
from credit_producer.settings import unit_config_path
from credit_schemas import topics as names
from credit_schemas.county import load_county
from credit_warehouse.connect import connect
from credit_warehouse.settings import ENV_FILE, Settings
from unit.rows import PENALTY

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

# A nudge starts a run in 1.3 s on idle cores; a killed trigger is back within 6 s (its session); a task that failed
# runs again after half a minute, and its HTTP client tried for some seconds before it gave up.
WAIT_S = 120.0

UNIT = "market"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack of this module's own: its Airflow works on its warehouse, its broker, its platforms."""
    home = tmp_path_factory.mktemp("airflow")
    servers.claim(home)
    try:
        running = Stack(home)
        running.up(lambda step: None)
        yield running
    finally:
        servers.clear(home)


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with stack.airflow.client() as client:
        yield client


@pytest.fixture(scope="module")
def nudge(stack: Stack) -> Iterator[Callable[[], str]]:
    """Publish what the relay publishes after a load; gives the text by which to know the nudge again."""
    topic = names.loaded_topic(load_county().code)
    producer = KafkaProducer(**stack.kafka.client_config())

    def publish() -> str:
        text = uuid4().hex
        producer.send(topic, json.dumps({"test": text}).encode()).get(30)
        return text

    yield publish
    producer.close()


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Iterator[cursor]:
    settings = Settings(_env_file=stack.home / ENV_FILE, home=stack.home)  # type: ignore[call-arg]
    with closing(connect(settings, "reader")) as con:
        con.autocommit = True
        with con.cursor(cursor_factory=RealDictCursor) as cur:
            yield cur


def report(stack: Stack, **cells: str) -> None:
    """Report one penalty, decided today, as a department does."""
    day = datetime.now(load_county().zone).date()
    dates = {"CF_JDRQ": day.isoformat(), "CF_YXQ": day.replace(year=day.year + 1, day=1).isoformat()}
    number = f"示市监处罚〔{day.year}〕{uuid4().int % 10**8}号"
    with CreditProducer(UNIT, config=unit_config_path(UNIT, stack.home)) as producer:
        answer = producer.report("penalty", {**PENALTY, **dates, "CF_WSH": number, **cells})
    assert answer.ce_id, answer.problems


def deliveries(warehouse: cursor) -> dict[str, list[str]]:
    """Destination to the states of its copies, oldest first."""
    warehouse.execute("SELECT destination, state FROM exchange.delivery ORDER BY due_since, record_no")
    states: dict[str, list[str]] = {name: [] for name in destination_ids()}
    for row in warehouse.fetchall():
        states[row["destination"]].append(row["state"])
    return states


def get(api: httpx.Client, path: str, **params: str) -> Any:
    answer = api.get(f"/api/v2/{path}", params=params)
    answer.raise_for_status()
    return answer.json()


def runs(api: httpx.Client, dag: str, since: datetime) -> list[dict[str, Any]]:
    """Runs of `dag` started by an event and made after `since`, oldest first."""
    found = get(api, f"dags/{dag}/dagRuns", order_by="run_after", run_type="asset_triggered")["dag_runs"]
    return [run for run in found if datetime.fromisoformat(run["queued_at"]) >= since]


def stored(api: httpx.Client, nudge: str) -> datetime | None:
    """When Airflow stored the event of this nudge; None while it has not."""
    answer = api.get("/api/v2/assets/events", params={"order_by": "-timestamp", "limit": "100"})
    if answer.is_server_error:
        return None  # Airflow 3.3.2 answers 500 while the run an event made is queued and has no start yet
    for event in answer.raise_for_status().json()["asset_events"]:
        if nudge in json.dumps(event["extra"]):
            return datetime.fromisoformat(event["timestamp"])
    return None


def wait(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S:.0f} s"
        time.sleep(0.2)
    return found


def succeeded(api: httpx.Client, dag: str, since: datetime) -> dict[str, Any]:
    """The first run of `dag` made after `since`, once it has ended well."""
    ended = wait(lambda: [r for r in runs(api, dag, since) if r["state"] in ("success", "failed")], f"a run of {dag}")
    assert ended[0]["state"] == "success"
    return ended[0]


def leaders(home: Path) -> dict[str, int]:
    """Service to the pid of its first process."""
    found = {service: processes.find(home, f"airflow-{service}") for service in SERVICES}
    return {service: process.pid for service, process in found.items() if process is not None}


def tree(home: Path) -> list[psutil.Process]:
    """Every process of Airflow's four services."""
    parents = [psutil.Process(pid) for pid in leaders(home).values()]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True))]


def connections(home: Path) -> list[Any]:
    """Every TCP and UDP socket of Airflow's processes; tasks that end meanwhile are left out."""
    found = []
    for process in tree(home):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found += process.net_connections("inet")
    return found


def test_a_second_start_starts_nothing(stack: Stack) -> None:
    before = leaders(stack.home)
    assert set(before) == set(SERVICES)
    stack.airflow.start()
    assert leaders(stack.home) == before
    statuses = {name: report["status"] for name, report in stack.airflow.health().items()}
    assert statuses == dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")


def test_nobody_on_the_network_reaches_it_and_it_reaches_nobody(stack: Stack) -> None:
    sockets = connections(stack.home)
    assert {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert {s.raddr.ip for s in sockets if s.raddr} == {"127.0.0.1"}


def test_only_the_login_gets_in(stack: Stack) -> None:
    airflow = stack.airflow
    with httpx.Client(base_url=airflow.url, trust_env=False) as stranger:
        assert stranger.get("/api/v2/dags").status_code == httpx.codes.UNAUTHORIZED
        guess = {"username": airflow.user, "password": airflow.password[::-1]}
        assert stranger.post("/auth/token", json=guess).status_code == httpx.codes.UNAUTHORIZED


def test_the_dag_files_are_read_without_errors(api: httpx.Client) -> None:
    wanted = {"credit_quality", "credit_reconcile", *(f"credit_forward_{name}" for name in destination_ids())}
    wait(lambda: wanted <= {dag["dag_id"] for dag in api.get("/api/v2/dags").json()["dags"]}, "DAGs")
    assert api.get("/api/v2/importErrors").json()["import_errors"] == []
    pools = {pool["name"]: pool["slots"] for pool in api.get("/api/v2/pools").json()["pools"]}
    assert {name: pools.get(f"destination_{name}") for name in destination_ids()} == dict.fromkeys(destination_ids(), 1)


def test_a_nudge_starts_the_quality_run_and_that_every_destination(api: httpx.Client, nudge: Callable[[], str]) -> None:
    text = nudge()
    since = wait(lambda: stored(api, text), "the nudge")
    succeeded(api, "credit_quality", since)
    for destination in destination_ids():
        succeeded(api, f"credit_forward_{destination}", since)


def test_the_tail_of_a_burst_still_starts_a_run(api: httpx.Client, nudge: Callable[[], str]) -> None:
    begin = datetime.now(UTC)
    last = [nudge() for _ in range(100)][-1]
    since = wait(lambda: stored(api, last), "the last nudge")
    succeeded(api, "credit_quality", since)
    # And the burst was taken together: an event only wakes, a run takes everything that is due.
    assert len(runs(api, "credit_quality", begin)) < 20


def test_a_nudge_sent_while_the_trigger_is_dead_is_not_lost(
    stack: Stack, api: httpx.Client, nudge: Callable[[], str]
) -> None:
    processes.kill(stack.home, "airflow-triggerer")
    text = nudge()
    time.sleep(2)
    assert stored(api, text) is None
    stack.airflow.start()
    succeeded(api, "credit_quality", wait(lambda: stored(api, text), "the nudge"))


def test_a_destination_that_is_down_holds_up_no_other_and_gets_its_rows_later(
    stack: Stack, api: httpx.Client, warehouse: cursor
) -> None:
    processes.stop(stack.home, "sandbox-province")
    report(stack)
    wait(lambda: deliveries(warehouse)["nation"] == ["accepted"], "the nation's answer")
    assert deliveries(warehouse)["province"] != ["accepted"]
    retrying = {"state": "up_for_retry", "order_by": "-start_date"}
    tasks = "dags/credit_forward_province/dagRuns/~/taskInstances"
    wait(lambda: get(api, tasks, **retrying)["task_instances"], "a task that will be tried again")
    stack.up(lambda step: None)
    wait(lambda: deliveries(warehouse)["province"] == ["accepted"], "the province's answer")


def test_a_held_slice_leaves_when_a_named_person_lets_it_go(stack: Stack, api: httpx.Client, warehouse: cursor) -> None:
    # Longer than the province takes, though not than the standard allows.
    report(stack, CF_SY="证据材料逐项列明。" * 260)
    wait(lambda: len(deliveries(warehouse)["nation"]) == 2, "the nation's copy")

    def held() -> dict[str, Any] | None:
        warehouse.execute("SELECT hold_id FROM quality.open_hold WHERE destination = 'province'")
        return warehouse.fetchone()

    hold = wait(held, "a hold")
    time.sleep(2)
    assert deliveries(warehouse)["province"][1:] in ([], ["due"])
    form = {"hold_id": hold["hold_id"], "reason": "已与省平台确认可以接收"}
    asked = api.post("/api/v2/dags/credit_release_hold/dagRuns", json={"logical_date": None, "conf": form})
    asked.raise_for_status()
    wait(lambda: deliveries(warehouse)["province"][1:] not in ([], ["due"]), "the released row to leave")
    warehouse.execute("SELECT released_by, release_reason FROM quality.hold WHERE hold_id = %s", [hold["hold_id"]])
    assert warehouse.fetchone() == {"released_by": stack.airflow.user, "release_reason": form["reason"]}


def test_stopping_leaves_no_process(stack: Stack) -> None:
    before = tree(stack.home)
    assert stack.airflow.stop()
    # A zombie has ended; it waits for a parent that is not ours to look at it.
    assert [p for p in before if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert not stack.airflow.running
