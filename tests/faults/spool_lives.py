"""Lives of a department's program that end by SIGKILL at a chosen step: `python spool_lives.py CONFIG`.

One line of JSON on standard input is one life, in a process of its own (forked, so that it costs no start of Python):
`do` (report, one, send, resend, receipts), `first` and `count` of its rows, `file`, `step` at which it dies (none: it
lives to its end), `passes` (the how-manieth time it comes by there). Printed: the rows of which the program was told
that they are taken, and at the end of each life whether it was killed. The steps are found by wrapping the product's
methods here; the product knows nothing of them.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from click.testing import CliRunner

from credit_producer import CreditProducer, publish, record_batches
from credit_producer.cli import cli
from credit_producer.settings import read_settings
from credit_producer.spool import Spool
from credit_schemas.catalogue import load_catalogue
from unit.rows import PENALTY, PERSON_PENALTY

UNIT = "market"
# Which method a step belongs to and when within it: before, at its COMMIT, after.
STEPS: dict[str, tuple[Any, str, str]] = {
    "before the spool is written": (Spool, "add", "before"),
    "within the spool's transaction": (Spool, "add", "commit"),
    "spooled, the program not told": (Spool, "add", "after"),
    "handed to Kafka, no answer yet": (record_batches, "enqueue", "after"),
    "acknowledged, not marked": (Spool, "mark_sent", "before"),
    "within the mark": (Spool, "mark_sent", "commit"),
    "within the storing of receipts": (Spool, "store_receipts", "commit"),
    "receipts stored, position not moved": (Spool, "store_receipts", "after"),
    "within putting back for re-sending": (Spool, "requeue", "commit"),
    "re-sent, no answer yet": (record_batches, "enqueue", "after"),
    "re-sent, not marked": (Spool, "mark_sent", "before"),
    "within the clean-up": (Spool, "forget_settled", "commit"),
}


def rows(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Penalties by number; every fourth of a person."""
    for n in range(first, first + count):
        yield {**(PENALTY if n % 4 else PERSON_PENALTY), "CF_WSH": document(n)}


def document(n: int) -> str:
    return f"暂存〔2026〕{n}号"


def tell(**what: Any) -> None:
    # One system call: whole or not at all, however the process ends.
    os.write(1, json.dumps(what).encode() + b"\n")


def arm(step: str, passes: int) -> None:
    """Make this process kill itself at a step, or within some milliseconds ("at any moment")."""
    if step == "at any moment":
        wait = random.Random(passes).uniform(0, 0.3)
        threading.Thread(target=lambda: (time.sleep(wait), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()
        return
    owner, name, when = STEPS[step]
    real: Callable[..., Any] = getattr(owner, name)
    countdown = itertools.count(1)

    def die() -> None:
        if next(countdown) == passes:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(*args: Any, **more: Any) -> Any:
        if when == "before":
            die()
        elif when == "commit":
            args[0]._con.set_trace_callback(lambda statement: die() if statement == "COMMIT" else None)
        result = real(*args, **more)
        if when == "commit":
            args[0]._con.set_trace_callback(None)
        elif when == "after":
            if name == "enqueue":
                time.sleep(random.Random(passes).uniform(0, 0.02))  # the client's own thread is at work
            die()
        return result

    setattr(owner, name, wrapped)


def live(config: Path, life: dict[str, Any]) -> None:
    """One life."""
    publish.LINGER_MS = 5
    if life.get("step"):
        arm(life["step"], life.get("passes", 1))
    if life["do"] in ("report", "one"):
        with CreditProducer(UNIT, settings=read_settings(config)) as producer:
            numbers = range(life["first"], life["first"] + life["count"])
            if life["do"] == "report":
                answers = producer.report_many("penalty", rows(life["first"], life["count"]))
                tell(taken=list(numbers), ids=[a.ce_id for a in answers])
                return
            for n in numbers:
                answer = producer.report("penalty", next(rows(n, 1)))
                tell(taken=[n], ids=[answer.ce_id])
        return
    arguments = {
        "send": ["send", life.get("file"), "--dataset", "penalty", "--unit", UNIT, "--config", str(config)],
        "resend": ["resend", "--unit", UNIT, "--config", str(config)],
        "receipts": ["receipts", "--unit", UNIT, "--config", str(config)],
    }[life["do"]]
    done = CliRunner().invoke(cli, arguments)
    if done.exit_code:
        raise RuntimeError(f"{arguments[0]}: {done.exit_code} {done.output}")


def main() -> None:
    config = Path(sys.argv[1])
    load_catalogue()
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 0
            try:
                live(config, life)
            except BaseException:
                with contextlib.suppress(OSError, io.UnsupportedOperation):
                    traceback.print_exc()
                code = 1
            os._exit(code)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        tell(ended=True, killed=killed, failed=not killed and status != 0)


if __name__ == "__main__":
    main()
