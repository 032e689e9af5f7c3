"""A PostgreSQL cluster of our own, made with the system's binaries, below the run folder.

Layout of `<home>/postgres/`: `state.json` (port, passwords, where the data are; 0600) and `server/data/`.
PostgreSQL refuses to run as root; then it runs as `postgres` (or `nobody`), and where that user cannot reach
the run folder the data lie in a folder of its own in `/var/lib/credit-exchange`, removed by `destroy()`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import string
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from . import processes
from .errors import PortTakenError, ProgramMissingError, ServiceStartError, UnknownLoginError
from .ports import LOOPBACK, free_port, is_free
from .state import read_state, write_state

NAME = "postgres"
SUPERUSER = "postgres"
MIN_VERSION = 15  # MERGE, security_invoker views
# Ready in 1 s; replaying a gigabyte of log after a power cut on a slow disk takes longest.
_START_TIMEOUT_S = 120.0
_INIT_TIMEOUT_S = 120
# Debian's and the PostgreSQL project's packages keep the server off PATH.
_PACKAGED = ((Path("/usr/lib/postgresql"), "*/bin"), (Path("/usr"), "pgsql-*/bin"))
# Only root needs it and only root may write there, so its names can be known beforehand without harm.
_OUTSIDE = Path("/var/lib/credit-exchange")


class PostgresServer:
    """One cluster below `home`; a second start reuses its data, port and passwords."""

    def __init__(self, home: Path) -> None:
        """Describe the cluster; nothing is started."""
        self.home = Path(home).resolve()
        self.folder = self.home / NAME
        self._state_file = self.folder / "state.json"
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = read_state(self._state_file)
        if state is None:
            state = {"port": free_port(), "data": None, "passwords": {SUPERUSER: secrets.token_urlsafe(24)}}
            write_state(self._state_file, state)
        self._state: dict[str, Any] = state

    @property
    def port(self) -> int:
        """The loopback port."""
        return int(self._state["port"])

    @property
    def superuser_dsn(self) -> str:
        """URL of the maintenance database as super user: for migrations and roles only."""
        return self.dsn("postgres", SUPERUSER)

    @property
    def data(self) -> Path | None:
        """The data directory, once there is one."""
        return Path(self._state["data"]) if self._state["data"] else None

    def dsn(self, dbname: str, user: str = SUPERUSER) -> str:
        """Connection URL (psycopg2 and SQLAlchemy both take it), with the password kept for `user`.

        Raises:
            UnknownLoginError: no password is kept; see `ensure_login`.
        """
        # Another PostgresServer on this home may have added a login meanwhile.
        passwords = (read_state(self._state_file) or self._state)["passwords"]
        if user not in passwords:
            raise UnknownLoginError(user)
        return f"postgresql://{user}:{passwords[user]}@{LOOPBACK}:{self.port}/{dbname}"

    def start(self) -> None:
        """Start the cluster (made on first use) and wait until it answers; does nothing when it already runs.

        Raises:
            ProgramMissingError: no PostgreSQL of version 15 or later.
            PortTakenError: another program listens on our port.
            ServiceStartError: it ended or was not ready in time; carries the last log lines.
        """
        with processes.exclusive(self.home, NAME):
            if not self.running:
                self._start()

    def _start(self) -> None:
        self.stop()  # a server whose run folder was deleted under it
        binaries = find_binaries()
        if not is_free(self.port):
            raise PortTakenError("PostgreSQL", self.port)
        uid, gid = _run_as()
        data = self._ensure_cluster(binaries, uid, gid)
        self._write_settings(data, uid, gid)
        process = processes.start(
            self.home,
            NAME,
            [str(binaries / "postgres"), "-D", str(data)],
            env=_environment(),
            cwd=Path("/"),
            user=uid,
            group=gid,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )
        processes.wait_ready(self.home, process, "PostgreSQL", self._answers, _START_TIMEOUT_S)

    def stop(self) -> bool:
        """Fast shutdown (clients are disconnected, a checkpoint is written); whether it was running."""
        return processes.stop(self.home, NAME)

    def kill(self) -> bool:
        """SIGKILL to every process of it, as in a power cut; whether it was running."""
        return processes.kill(self.home, NAME)

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.start()

    def destroy(self) -> None:
        """Stop and remove the cluster with all its data, also where it lies outside the run folder."""
        self.stop()
        data = self.data
        # The folder is named by a file that people can edit: only one that `_outside` made is removed.
        if data is not None and data.parent.parent == _OUTSIDE:
            shutil.rmtree(data.parent, ignore_errors=True)
            with contextlib.suppress(OSError):
                _OUTSIDE.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return processes.find(self.home, NAME) is not None

    def ensure_database(self, dbname: str, owner: str = SUPERUSER) -> bool:
        """Create the database if it is missing; whether it was created."""
        with self._admin() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (dbname,))
            if cursor.fetchone():
                return False
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            cursor.execute(create.format(sql.Identifier(dbname), sql.Identifier(owner)))
            return True

    def drop_database(self, dbname: str) -> None:
        """Drop the database if it exists, throwing out whoever is connected."""
        with self._admin() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dbname)))

    def ensure_login(self, user: str) -> str:
        """Make `user` a role that can log in with a generated password, kept for `dsn`; returns the password.

        The role is created without any right if it is missing; rights are the migrations' business.
        """
        state = read_state(self._state_file) or self._state
        password = str(state["passwords"].setdefault(user, secrets.token_urlsafe(24)))
        write_state(self._state_file, state)
        self._state = state
        with self._admin() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,))
            verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
            role = sql.SQL("{} ROLE {} LOGIN PASSWORD %s").format(verb, sql.Identifier(user))
            cursor.execute(role, (password,))
        return password

    @contextlib.contextmanager
    def _admin(self) -> Any:
        connection = psycopg2.connect(self.superuser_dsn)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.superuser_dsn, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _ensure_cluster(self, binaries: Path, uid: int | None, gid: int | None) -> Path:
        data = self.data
        if data is None or not (data / "PG_VERSION").exists():
            data = _init(binaries, self._place(uid, gid), self._state["passwords"][SUPERUSER], uid, gid)
            # Recorded only when complete: a broken-off initdb is made again, never used.
            self._state["data"] = str(data)
            write_state(self._state_file, self._state)
        return data

    def _place(self, uid: int | None, gid: int | None) -> Path:
        """An empty folder that the server's user owns and can reach."""
        place = self.folder / "server"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, mode=0o700)
        if uid is None or gid is None:
            return place
        self.folder.chmod(0o711)
        os.chown(place, uid, gid)
        test = ["test", "-w", str(place)]
        if subprocess.run(test, user=uid, group=gid, extra_groups=[]).returncode == 0:
            return place
        place.rmdir()
        return self._outside(uid, gid)

    def _outside(self, uid: int, gid: int) -> Path:
        # Not below /var/tmp: what lies there untouched for 30 days is cleaned away (tmpfiles.d), tables included.
        place = _OUTSIDE / hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        _OUTSIDE.mkdir(mode=0o711, exist_ok=True)
        # The data of an earlier run folder of this path, which was deleted by hand.
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        os.chown(place, uid, gid)
        return place

    def _write_settings(self, data: Path, uid: int | None, gid: int | None) -> None:
        """Put our settings and the login rule into the data directory; a newer program brings newer ones."""
        template = (resources.files(__package__) / "postgres_files" / "postgresql.conf").read_text("utf-8")
        _place_file(data / "postgresql.conf", string.Template(template).substitute(port=self.port), uid, gid)
        _place_file(data / "pg_hba.conf", f"host all all {LOOPBACK}/32 scram-sha-256\n", uid, gid)


def find_binaries() -> Path:
    """The folder of the newest PostgreSQL ≥ 15 that has `postgres` and `initdb`.

    Raises:
        ProgramMissingError: none on PATH, nor where Debian and the PostgreSQL project's packages put them.
    """
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    folders += [folder for root, pattern in _PACKAGED for folder in root.glob(pattern)]
    versions = {}
    for folder in folders:
        # shutil.which, not a look into the folder: PATH may name folders that this user may not enter.
        if shutil.which("postgres", path=str(folder)) and shutil.which("initdb", path=str(folder)):
            shown = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
            match = re.search(r"(\d+)", shown.stdout)
            if match and int(match[1]) >= MIN_VERSION:
                versions[folder.resolve()] = int(match[1])
    if not versions:
        programs = [f"PostgreSQL {MIN_VERSION} 或更高版本"]
        raise ProgramMissingError(programs, ["postgresql"], "运行数据库")
    return max(versions, key=lambda folder: versions[folder])


def _run_as() -> tuple[int | None, int | None]:
    """The user and group to change to; None when we are no root and stay who we are."""
    if os.geteuid() != 0:
        return None, None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise ProgramMissingError(["系统用户 postgres"], ["postgresql"], "以 root 身份运行数据库")


def _init(binaries: Path, place: Path, password: str, uid: int | None, gid: int | None) -> Path:
    data, password_file = place / "data", place / "password"
    _place_file(password_file, password + "\n", uid, gid)
    argv = [str(binaries / "initdb"), f"--pgdata={data}", f"--pwfile={password_file}"]
    argv += [f"--username={SUPERUSER}", "--auth=scram-sha-256", "--encoding=UTF8", f"--locale={_locale()}"]
    # Checksums: a county's only copy on cheap disks must not rot unnoticed.
    argv += ["--data-checksums", "--no-instructions"]
    try:
        done = subprocess.run(
            argv,
            env=_environment(),
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INIT_TIMEOUT_S,
        )
    finally:
        password_file.unlink(missing_ok=True)
    if done.returncode != 0:
        tail = (done.stdout + done.stderr).splitlines()[-8:]
        raise ServiceStartError("PostgreSQL", "数据目录初始化失败", data, tail)
    return data


def _locale() -> str:
    """C.UTF-8 where the system has it: byte order, with upper and lower case beyond ASCII."""
    try:
        shown = subprocess.run(["locale", "-a"], capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return "C"
    return "C.UTF-8" if {"C.UTF-8", "C.utf8"} & set(shown.split()) else "C"


def _place_file(path: Path, text: str, uid: int | None, gid: int | None) -> None:
    path.unlink(missing_ok=True)
    # O_EXCL: the folder belongs to the server's user, who must not be able to have root write through a link.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        if uid is not None and gid is not None:
            os.fchown(file.fileno(), uid, gid)
        file.write(text)


def _environment() -> dict[str, str]:
    # Nothing of the person at the keyboard: PGDATA or PGPORT would steer our server, and root's environment
    # may hold secrets that the server's user could read.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
