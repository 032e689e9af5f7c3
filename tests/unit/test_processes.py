"""Child processes of the embedded stack, tried with small Python programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from credit_local import processes
from credit_local.errors import ServiceStartError, StateDamagedError
from credit_local.ports import free_port, is_free, is_listening
from credit_local.state import write_state

SLEEP = "import time; time.sleep(60)"
# Many threads on much memory, as a Java broker: the first thread is a zombie long before the last one ends.
LISTENER = """
import socket, sys, threading, time
memory = bytearray(300_000_000)
for page in range(0, len(memory), 4096):
    memory[page] = 1
for _ in range(40):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
server = socket.create_server(("127.0.0.1", PORT))
time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.stop_all(tmp_path, grace_s=1.0)


def start(home: Path, name: str, program: str) -> processes.Process:
    return processes.start(home, name, [sys.executable, "-c", program])


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie (nobody may reap orphans here) does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 2] not in "ZX"


def test_starting_a_running_name_returns_the_running_process(home: Path) -> None:
    first = start(home, "one", SLEEP)
    assert start(home, "one", SLEEP) == first
    assert processes.running(home) == [first]


def test_stop_ends_the_process_and_forgets_it(home: Path) -> None:
    process = start(home, "one", SLEEP)
    assert processes.stop(home, "one")
    assert not lives(process.pid)
    assert processes.find(home, "one") is None
    assert not processes.stop(home, "one")


def test_stop_uses_the_signal_the_process_understands(home: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('in good order', flush=True), sys.exit(0)))\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    processes.start(home, "one", [sys.executable, "-c", program], stop_signal=signal.SIGINT)
    wait_for(lambda: "ready" in processes.log_tail(home, "one"))
    assert processes.stop(home, "one")
    assert processes.log_tail(home, "one")[-1] == "in good order"


def test_process_deaf_to_the_signal_is_killed_after_the_grace_time(home: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    process = start(home, "one", deaf)
    wait_for(lambda: "ready" in processes.log_tail(home, "one"))
    assert processes.stop(home, "one", grace_s=0.2)
    assert not lives(process.pid)


@pytest.mark.parametrize("own_session", [False, True])
def test_helpers_are_stopped_too_even_when_their_leader_has_died(home: Path, own_session: bool) -> None:
    program = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session={own_session})\n"
        "print(child.pid, flush=True)\n"
        "import os; os._exit(0)"
    )
    leader = start(home, "one", program)
    wait_for(lambda: processes.log_tail(home, "one") and not leader.alive)
    helper = int(processes.log_tail(home, "one")[0])
    assert lives(helper)
    assert processes.stop(home, "one")
    assert not lives(helper)


def test_stack_whose_run_folder_was_deleted_is_still_found(home: Path) -> None:
    process = start(home, "one", SLEEP)
    (home / "run" / "one.json").unlink()
    assert processes.stop_all(home) == ["one"]
    assert not lives(process.pid)


def test_starting_again_first_ends_what_a_dead_leader_left(home: Path) -> None:
    stray = start(home, "one", SLEEP)
    (home / "run" / "one.json").unlink()
    fresh = start(home, "one", SLEEP)
    assert not lives(stray.pid)
    assert fresh.alive


def test_stranger_with_a_reused_pid_is_never_signalled(home: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    try:
        ours = start(home, "one", SLEEP)
        boot = ours.started.split(":")[0]
        tick = Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19]
        assert replace(ours, pid=stranger.pid, started=f"{boot}:{tick}").alive
        wrong_tick = replace(ours, name="tick", pid=stranger.pid, started=f"{boot}:{int(tick) - 1}")
        wrong_boot = replace(ours, name="boot", pid=stranger.pid, started=f"another-boot:{tick}")
        for record in (wrong_tick, wrong_boot):
            write_state(home / "run" / f"{record.name}.json", asdict(record))
            assert processes.find(home, record.name) is None
            assert not processes.stop(home, record.name)
            assert stranger.poll() is None
            write_state(home / "run" / f"{record.name}.json", asdict(record))
            assert not processes.kill(home, record.name)
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_other_run_folders_are_left_alone(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    # A name that begins with ours: marks are compared whole.
    other_home = home.parent / f"{home.name}-other"
    other = start(other_home, "one", SLEEP)
    try:
        start(home, "one", SLEEP)
        assert processes.stop_all(home) == ["one"]
        assert other.alive
    finally:
        processes.stop_all(other_home)


def test_kill_takes_the_whole_tree_at_once(home: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)\n"
        "time.sleep(60)"
    )
    leader = start(home, "one", program)
    wait_for(lambda: processes.log_tail(home, "one"))
    helper = int(processes.log_tail(home, "one")[0])
    assert processes.kill(home, "one")
    assert not lives(leader.pid)
    assert not lives(helper)


def test_ports_of_a_killed_process_are_free_at_once(home: Path) -> None:
    for _ in range(4):
        port = free_port()
        start(home, "one", LISTENER.replace("PORT", str(port)))
        wait_for(lambda port=port: is_listening(port))
        assert processes.kill(home, "one")
        assert is_free(port)


def test_newest_is_stopped_first(home: Path) -> None:
    for name in ("database", "broker", "scheduler"):
        start(home, name, SLEEP)
        time.sleep(0.02)
    assert processes.stop_all(home) == ["scheduler", "broker", "database"]


def test_failed_start_shows_the_last_lines_of_the_log(home: Path) -> None:
    process = start(home, "one", "import time; time.sleep(0.2); raise SystemExit('port is taken')")
    with pytest.raises(ServiceStartError) as caught:
        processes.wait_ready(home, process, "示例服务", lambda: False, 10.0)
    assert caught.value.last_lines == ("port is taken",)
    assert "示例服务 没有启动成功：进程已退出" in str(caught.value)


def test_process_that_never_gets_ready_is_stopped(home: Path) -> None:
    process = start(home, "one", SLEEP)
    with pytest.raises(ServiceStartError, match="没有就绪"):
        processes.wait_ready(home, process, "示例服务", lambda: False, 0.2)
    assert not lives(process.pid)


def test_record_and_log_are_private(home: Path) -> None:
    start(home, "one", SLEEP)
    for path in (home / "run" / "one.json", processes.log_path(home, "one")):
        assert path.stat().st_mode & 0o777 == 0o600


def test_damaged_record_halts_instead_of_guessing(home: Path) -> None:
    (home / "run").mkdir()
    (home / "run" / "one.json").write_text("{")
    with pytest.raises(StateDamagedError, match="已损坏"):
        processes.find(home, "one")
    (home / "run" / "one.json").unlink()


def test_one_starter_at_a_time(home: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from credit_local import processes\n"
        "with processes.exclusive(Path(sys.argv[1]), 'one'): print('in', flush=True)"
    )
    with processes.exclusive(home, "one"):
        second = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=1.5)
    assert second.communicate(timeout=20)[0] == b"in\n"


def test_log_of_a_long_life_is_moved_aside(home: Path) -> None:
    log = processes.log_path(home, "one")
    log.parent.mkdir()
    with log.open("wb") as file:
        os.truncate(file.fileno(), 21_000_000)
    start(home, "one", SLEEP)
    assert log.stat().st_size == 0
    assert log.with_suffix(".log.1").stat().st_size == 21_000_000
