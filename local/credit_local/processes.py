"""Child processes of the embedded stack: recorded, found again, stopped for good.

One record per process, `<home>/run/<name>.json`: pid and the moment it started, so that a pid which the
kernel gave to a stranger in the meantime is never signalled. Logs go to `<home>/logs/<name>.log`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import LocalError, ServiceStartError
from .state import read_state, write_state

# Long enough for Kafka's controlled shutdown and PostgreSQL's last checkpoint on a busy two-core machine;
# a broken process would hold up `stop` for this long, so not minutes.
GRACE_S = 30.0
# What is left of a tree after its leader has ended (helpers that missed the signal) gets only this long.
_STRAGGLER_GRACE_S = 3.0
_POLL_S = 0.05
# A log beyond this is moved aside at the next start; two files bound what a forgotten stack can fill.
_LOG_MAX_BYTES = 20_000_000
# Every process inherits this variable, which finds helpers that left the group and lost their parent, and a
# stack whose run folder was deleted under it.
_MARK = "CREDIT_STACK_PROCESS"

# Popen objects of processes this interpreter started: they must be polled, or the dead stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A recorded process. `started` is boot id and kernel start tick: with the pid it names one process."""

    name: str
    pid: int
    started: str
    stop_signal: int

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs (a zombie does not)."""
        return _started(self.pid) == self.started


def start(
    home: Path,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | None = None,
    group: int | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Process:
    """Start `argv` in its own session and record it; a running process of that name is returned as it is.

    Args:
        env: the whole environment of the child; None means a copy of ours.
        user, group: numeric ids to run as (only root may change them).
        stop_signal: the signal that asks it to end in good order.
    """
    running = find(home, name)
    if running is not None:
        return running
    stop(home, name)  # whatever a leader that died has left behind would hold ports and files
    mark = _mark(home, name)
    log = log_path(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        os.fchmod(output.fileno(), 0o600)
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**(os.environ if env is None else env), _MARK: mark},
            cwd=cwd,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )
    _children[child.pid] = child
    started = _started(child.pid)
    if started is None:
        child.wait()
        raise ServiceStartError(name, f"进程立即退出（退出码 {child.returncode}）", log, log_tail(home, name))
    process = Process(name, child.pid, started, int(stop_signal))
    write_state(_record(home, name), asdict(process))
    return process


@contextlib.contextmanager
def exclusive(home: Path, name: str) -> Iterator[None]:
    """Let one starter of `name` in at a time; a second waits and then finds it running."""
    lock = home / "run" / f"{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file, hence with this process too
        yield


def find(home: Path, name: str) -> Process | None:
    """The running process of that name, or None."""
    state = read_state(_record(home, name))
    if state is None:
        return None
    process = Process(**state)
    return process if process.alive else None


def running(home: Path) -> list[Process]:
    """Every recorded process that still runs, by name."""
    found = (find(home, name) for name in _names(home))
    return [process for process in found if process is not None]


def wait_ready(home: Path, process: Process, service: str, ready: Callable[[], bool], timeout_s: float) -> None:
    """Wait until `ready()` is true.

    Raises:
        ServiceStartError: the process ended, or the time is over (it is then stopped).
    """
    deadline = time.monotonic() + timeout_s
    log = log_path(home, process.name)
    while True:
        if not process.alive:
            stop(home, process.name)
            raise ServiceStartError(service, "进程已退出", log, log_tail(home, process.name))
        if ready():
            return
        if time.monotonic() > deadline:
            stop(home, process.name)
            raise ServiceStartError(service, f"{timeout_s:.0f} 秒内没有就绪", log, log_tail(home, process.name))
        time.sleep(_POLL_S)


def stop(home: Path, name: str, *, grace_s: float = GRACE_S) -> bool:
    """End a process and everything it started; returns whether anything was running.

    Works without a record too (somebody deleted the run folder under a running stack): the mark finds them.
    """
    record = _record(home, name)
    state = read_state(record)
    process = Process(**state) if state is not None else None
    mark = _mark(home, name)
    family = _family(mark, process)
    if process is not None and process.alive:
        _signal(process.pid, process.stop_signal)
        _wait_gone({process.pid: process.started}, grace_s)
    # Look again: a leader may have started helpers while it was ending.
    left = {**family, **_family(mark, process)}
    if not _wait_gone(left, 0.0):
        for pid, started in left.items():
            if _started(pid) == started:
                _signal(pid, signal.SIGTERM)
        if not _wait_gone(left, _STRAGGLER_GRACE_S):
            _kill_all(left)
    record.unlink(missing_ok=True)
    return bool(family)


def kill(home: Path, name: str) -> bool:
    """SIGKILL a process and everything it started at once, as a power cut would (for fault tests)."""
    record = _record(home, name)
    state = read_state(record)
    family = _family(_mark(home, name), Process(**state) if state is not None else None)
    _kill_all(family)
    record.unlink(missing_ok=True)
    return bool(family)


def stop_all(home: Path, *, grace_s: float = GRACE_S) -> list[str]:
    """Stop everything that runs for `home`, newest first; returns the names that were running."""
    recorded = list(reversed(_names(home)))
    names = [*recorded, *sorted(_marked_names(home) - set(recorded))]
    return [name for name in names if stop(home, name, grace_s=grace_s)]


def log_path(home: Path, name: str) -> Path:
    """Where the output of a process goes."""
    return home / "logs" / f"{name}.log"


def log_tail(home: Path, name: str, lines: int = 8) -> list[str]:
    """The last lines of a log, for the error message."""
    with contextlib.suppress(OSError), log_path(home, name).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
        return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    return []


def _mark(home: Path, name: str) -> str:
    return f"{home.resolve()}:{name}"


def _record(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.json"


def _names(home: Path) -> list[str]:
    """Names by the time they were recorded: what started last stops first."""
    records = sorted((home / "run").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [path.stem for path in records]


def _stat(pid: int) -> tuple[bool, int, int, str] | None:
    """(ended, parent, process group, start tick) of a pid, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold anything, brackets included: fields count from the last one.
    fields = text[text.rindex(")") + 2 :].split()
    # The first thread may be a zombie while others still end: until the last is gone the ports stay taken.
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return ended, int(fields[1]), int(fields[2]), fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str | None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    stat = _stat(pid)
    if stat is None or stat[0]:
        return None
    # Ticks count from boot, so after a reboot the same pid and tick may belong to a stranger.
    return f"{_boot()}:{stat[3]}"


def _family(mark: str, leader: Process | None) -> dict[int, str]:
    """The living processes of a name: pid to start, for the leader's group, all that carry the mark, descendants."""
    stats = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    members = {pid for pid in stats if _mark_of(pid) == mark}
    if leader is not None and leader.started.startswith(_boot()):
        # The kernel gives no pid that still numbers a group: the group is ours unless a stranger leads it now.
        stat = stats.get(leader.pid)
        if stat is None or leader.started.endswith(f":{stat[3]}"):
            members |= {pid for pid, (_, _, group, _) in stats.items() if group == leader.pid}
    # PostgreSQL's backends leave the group and overwrite their environment: only parentage finds them.
    grown = True
    while grown:
        children = {pid for pid, (_, parent, _, _) in stats.items() if parent in members} - members
        members |= children
        grown = bool(children)
    members.discard(os.getpid())
    return {pid: started for pid in members if (started := _started(pid)) is not None}


def _marked_names(home: Path) -> set[str]:
    prefix = _mark(home, "")
    marks = (_mark_of(pid) for pid in _pids())
    return {mark.removeprefix(prefix) for mark in marks if mark is not None and mark.startswith(prefix)}


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _mark_of(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == _MARK.encode():
                return os.fsdecode(value)
    return None


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_gone(processes: Mapping[int, str], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while any(_started(pid) == started for pid, started in processes.items()):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _kill_all(processes: Mapping[int, str]) -> None:
    for pid, started in processes.items():
        if _started(pid) == started:
            _signal(pid, signal.SIGKILL)
    # Only a process stuck in the kernel (a dead disk) outlives SIGKILL for long.
    if not _wait_gone(processes, 10.0):
        raise LocalError(f"进程 {sorted(processes)} 无法结束，请检查磁盘后重试。")
