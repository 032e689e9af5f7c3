"""Apache Airflow itself, its four services on the loopback address, below the run folder.

Layout of `<home>/airflow/`: `state.json` (port, login and secrets; 0600), `logs/` (one file per task try),
`airflow.cfg` (written by Airflow; everything that matters is set by `airflow_settings.environment`).
The output of the services is in `<home>/logs/airflow-*.log`.
"""

from __future__ import annotations

import secrets
import string
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from . import processes
from .airflow_settings import environment, kafka_connection
from .errors import PortTakenError, ServiceStartError
from .ports import LOOPBACK, free_port, is_free
from .state import read_state, write_state

__all__ = ["ADMIN", "SERVICES", "AirflowServer", "environment", "kafka_connection"]

NAME = "airflow"
ADMIN = "admin"

# Scheduler and triggerer would serve their log files on all interfaces (8793, 8794) to anyone who holds a
# signed link; on one machine the API server reads the files itself.
SERVICES: Mapping[str, tuple[str, ...]] = {
    "api-server": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
# The names of the same services in the answer of /api/v2/monitor/health, beside `metadatabase`.
_REPORTED = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}

# First start on two idle cores without byte code: 30 s. With the other tests running beside it: 80 s.
_START_TIMEOUT_S = 300.0
_PREPARE_TIMEOUT_S = 300.0
_HEALTH_POLL_S = 0.25
# A request that takes longer than this on the loopback address meets a server that hangs.
_REQUEST_TIMEOUT_S = 20.0
# The scheduler lets running tasks end before it goes; a task is killed after that and runs again by retry.
_STOP_GRACE_S = 20.0


class AirflowServer:
    """One Airflow below `home`; a second start reuses its port, login and secrets.

    Attributes:
        url: `http://127.0.0.1:PORT`, the web interface and the REST API.
        user, password: the one login; it may do everything.
    """

    def __init__(
        self,
        home: Path,
        *,
        database_dsn: str,
        env: Mapping[str, str],
        dags_folder: Path,
        pools: Iterable[str] = (),
    ) -> None:
        """Describe the server; nothing is started.

        Args:
            home: the run folder.
            database_dsn: SQLAlchemy URL of an existing PostgreSQL database for Airflow's metadata alone.
            env: what the tasks need beside Airflow's own settings: `CREDIT_*`, `AIRFLOW_CONN_*`.
            dags_folder: the folder of the DAG files.
            pools: names of pools the DAG files use; each gets one slot, so that one run at a time passes.
        """
        self.home = Path(home).resolve()
        self.folder = self.home / NAME
        self.database_dsn = database_dsn
        self.dags_folder = Path(dags_folder).resolve()
        self.pools = tuple(pools)
        self._state_file = self.folder / "state.json"
        state = read_state(self._state_file)
        if state is None:
            state = _new_state()
            write_state(self._state_file, state)
        self._state: dict[str, Any] = state
        self._env = dict(env)
        self.url = f"http://{LOOPBACK}:{state['port']}"
        self.user = ADMIN
        self.password: str = state["password"]

    def start(self) -> None:
        """Prepare the metadata, start what does not run yet, wait until all four services are healthy.

        Raises:
            PortTakenError: another program listens on our port.
            ServiceStartError: a service ended or was not healthy in time; names the log to read.
        """
        if processes.find(self.home, _process("api-server")) is None and not is_free(self._state["port"]):
            raise PortTakenError("Airflow", self._state["port"])
        self.prepare()
        env = self.environment()
        since = datetime.now(UTC)
        started = {
            service: processes.start(
                self.home,
                _process(service),
                [sys.executable, "-m", f"{__package__}.airflow_service", service, *options],
                env=env,
                cwd=self.folder,
            )
            for service, options in SERVICES.items()
            if processes.find(self.home, _process(service)) is None
        }
        self._wait_healthy(started, since)
        self.ensure_pools(self.pools)

    def prepare(self) -> None:
        """Make or migrate the tables and set the login, unless that is done for these versions.

        `start` does it too; a caller may do it earlier, while Kafka starts.

        Raises:
            ServiceStartError: it failed or took too long; names the log to read.
        """
        if self._is_prepared():
            return
        log = processes.log_path(self.home, f"{NAME}-prepare")
        log.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        login = {"CREDIT_AIRFLOW_USER": self.user, "CREDIT_AIRFLOW_PASSWORD": self.password}
        with log.open("wb") as output:
            argv = [sys.executable, "-m", f"{__package__}.airflow_prepare"]
            child = subprocess.Popen(
                argv,
                env={**self.environment(), **login},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = child.wait(_PREPARE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise self._failed("元数据库准备", f"{_PREPARE_TIMEOUT_S:.0f} 秒内没有完成", log) from None
            finally:
                child.kill()
        if code != 0:
            raise self._failed("元数据库准备", f"退出码 {code}", log)
        self._state["prepared"] = _versions()
        write_state(self._state_file, self._state)

    def stop(self) -> bool:
        """End the four services in good order, running tasks first; returns whether anything was running."""
        # The API server last: a running task can only end while it answers. The others side by side.
        *others, last = sorted(SERVICES, key=lambda service: service == "api-server")
        with ThreadPoolExecutor(len(others)) as pool:
            stopped = list(pool.map(self._stop, others))
        return self._stop(last) or any(stopped)

    @property
    def running(self) -> bool:
        """Whether all four services live."""
        return all(processes.find(self.home, _process(service)) is not None for service in SERVICES)

    def environment(self) -> dict[str, str]:
        """The whole environment of the services; also what an `airflow` command on this stack needs."""
        secret_names = ("fernet_key", "jwt_secret", "secret_key")
        return environment(
            self.folder,
            database_dsn=self.database_dsn,
            dags_folder=self.dags_folder,
            port=self._state["port"],
            secrets={name: self._state[name] for name in secret_names},
            extra=self._env,
        )

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client of the REST API (`/api/v2/...`), logged in."""
        # No proxy of the environment may get between us and the loopback address.
        with httpx.Client(base_url=self.url, timeout=_REQUEST_TIMEOUT_S, trust_env=False) as client:
            login = client.post("/auth/token", json={"username": self.user, "password": self.password})
            login.raise_for_status()
            client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
            yield client

    def ensure_pools(self, names: Iterable[str]) -> None:
        """Make each missing pool with one slot; a pool that exists keeps the size an operator gave it.

        A task whose pool is missing waits without end, so this is also the step after a new destination.
        """
        wanted = list(names)
        if not wanted:
            return
        with self.client() as client:
            for name in wanted:
                made = client.post("/api/v2/pools", json={"name": name, "slots": 1})
                if made.status_code != httpx.codes.CONFLICT:
                    made.raise_for_status()

    def health(self) -> dict[str, Any]:
        """The answer of `/api/v2/monitor/health`; empty while the API server does not answer."""
        with suppress(httpx.HTTPError, ValueError):
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5.0, trust_env=False)
            if answer.status_code == httpx.codes.OK:
                return dict(answer.json())
        return {}

    def _is_prepared(self) -> bool:
        """Whether this database has the tables of exactly these versions and our login."""
        if self._state.get("prepared") != _versions():
            return False
        # The state file alone is no proof: the database may have been dropped or restored since.
        with suppress(psycopg2.Error):
            connection = psycopg2.connect(_libpq(self.database_dsn))
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM ab_user WHERE username = %s", (self.user,))
                    return cursor.fetchone() == (1,)
            finally:
                connection.close()
        return False

    def _stop(self, service: str) -> bool:
        return processes.stop(self.home, _process(service), grace_s=_STOP_GRACE_S)

    def _wait_healthy(self, started: Mapping[str, processes.Process], since: datetime) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            for service, process in started.items():
                if not process.alive:
                    self.stop()
                    raise self._failed(service, "进程已退出")
            waiting = _unhealthy(self.health(), started, since)
            if not waiting:
                return
            if time.monotonic() > deadline:
                self.stop()
                names = "、".join(waiting)
                raise self._failed(waiting[0], f"{_START_TIMEOUT_S:.0f} 秒内没有就绪（{names}）")
            time.sleep(_HEALTH_POLL_S)

    def _failed(self, service: str, reason: str, log: Path | None = None) -> ServiceStartError:
        path = log or processes.log_path(self.home, _process(service))
        return ServiceStartError(f"Airflow {service}", reason, path, processes.log_tail(self.home, path.stem))


def _unhealthy(health: Mapping[str, Any], started: Iterable[str], since: datetime) -> list[str]:
    """The services that are not known to be well, in the order of `SERVICES`.

    Airflow calls a service healthy for 30 s after its last sign of life, so right after a restart the sign
    of the old process would pass: of a service just started only a sign after `since` counts.
    """
    if health.get("metadatabase", {}).get("status") != "healthy":
        return ["api-server"]
    waiting = []
    for service, name in _REPORTED.items():
        report = health.get(name) or {}
        beat = report.get(f"latest_{name}_heartbeat")
        fresh = service not in started or (beat is not None and datetime.fromisoformat(beat) >= since)
        if report.get("status") != "healthy" or not fresh:
            waiting.append(service)
    return waiting


def _process(service: str) -> str:
    return f"{NAME}-{service}"


def _versions() -> str:
    """What the tables depend on: Airflow and the provider that owns the login tables."""
    return f"{version('apache-airflow-core')}+fab{version('apache-airflow-providers-fab')}"


def _libpq(dsn: str) -> str:
    """The SQLAlchemy URL as libpq takes it (`postgresql+psycopg2://` is SQLAlchemy's alone)."""
    scheme, rest = dsn.split("://", 1)
    return f"{scheme.split('+')[0]}://{rest}"


def _new_state() -> dict[str, Any]:
    alphabet = string.ascii_letters + string.digits  # to be typed by a person
    return {
        "port": free_port(),
        "password": "".join(secrets.choice(alphabet) for _ in range(16)),
        "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "jwt_secret": secrets.token_hex(64),  # HS512: as long as its hash
        "secret_key": secrets.token_hex(32),
    }
