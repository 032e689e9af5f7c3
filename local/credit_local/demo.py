"""The demo: real rows travel department file → Kafka → warehouse → quality → four destinations → receipt.

Every step uses the same door a person would: the departments' command, the running services, the Airflow DAGs. A second
run sends the same files again; the warehouse says `unchanged` and the figures stay what they were.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from credit_platforms.destinations import destination_ids
from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_warehouse.connect import dsn
from credit_warehouse.settings import ENV_FILE, Settings

from .demo_examples import Sent, report_examples
from .demo_files import Upload, write_files
from .errors import LocalError
from .stack import Stack

Say = Callable[[str], None]

# Airflow starts a run within two seconds of the nudge; checking imports Great Expectations (about 10 s on two busy
# cores), four destinations follow. Ten times that means that something is wrong, and the message says where to look.
LOAD_TIMEOUT_S = 60.0
ROAD_TIMEOUT_S = 240.0
POLL_S = 0.5

MISSING = "SELECT count(*) FROM quality.missing_attachment"
# Deliveries that should still move: not answered, and not of a slice that is held.
STILL_OPEN = """
SELECT count(*)
FROM exchange.delivery d
WHERE d.state IN ('due', 'sent', 'unknown')
  AND NOT quality.is_held(d.unit, d.dataset, d.destination)
"""


def run_demo(stack: Stack, say: Say) -> list[dict[str, Any]]:
    """Run the whole road; returns one line per file or dataset for the closing table. Raises LocalError."""
    catalogue = load_catalogue()
    settings = Settings(_env_file=stack.home / ENV_FILE, home=stack.home)  # type: ignore[call-arg]
    uploads = write_files(stack.home / "demo", catalogue, date.today())
    sent = [_send(stack, upload, say) for upload in uploads]
    say("报送：其余各数据集的样例（程序接口）…")
    sent += report_examples(stack.home, catalogue, {u.dataset for u in uploads})
    con = psycopg2.connect(dsn(settings, "reader"))
    con.autocommit = True
    try:
        say("入库：读取、检查、写入数据仓库 …")
        # Two rows of one file that say the same are one event.
        ids = sorted({ce_id for s in sent for ce_id in s.ce_ids})
        _wait(lambda: _landed(con, ids) >= len(ids), LOAD_TIMEOUT_S, "入库没有在规定时间内完成", "loader", stack)
        say("附件：中心收取工作报告的照片和文件 …")
        _wait(lambda: not _one(con, MISSING), LOAD_TIMEOUT_S, "附件没有在规定时间内收齐", "attachments", stack)
        say("质量检查和上报：由 Airflow 自动触发 …")
        _wait(lambda: _settled(con), ROAD_TIMEOUT_S, "质量检查或上报没有在规定时间内完成", "airflow-scheduler", stack)
        _receipts(stack, [u.unit for u in uploads], say)
        return [_line(con, catalogue, s) for s in sent]
    finally:
        con.close()


def _send(stack: Stack, upload: Upload, say: Say) -> Sent:
    say(f"报送：{upload.path.name} …")
    arguments = ["send", str(upload.path), "--dataset", upload.dataset, "--unit", upload.unit, "--json"]
    done = _producer(stack, arguments)
    # 1 says that some rows were refused, which is what the demo is there to show.
    if done.returncode not in (0, 1) or not done.stdout:
        raise LocalError(f"报送 {upload.path.name} 没有成功：{done.stderr.strip() or done.stdout[-500:]}")
    sent = Sent(upload.unit, upload.dataset, upload.path.name)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        sent.rows += 1
        if row["verdict"] == "reject":
            sent.refused += 1
            sent.rejected.update({p["message"]: 1 for p in row["problems"] if p["severity"] == "reject"})
        if row.get("ce_id"):
            sent.ce_ids.append(row["ce_id"])
    return sent


def _producer(stack: Stack, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "credit_producer", *arguments],
        env={**os.environ, "CREDIT_HOME": str(stack.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def _landed(con: connection, ce_ids: list[str]) -> int:
    return int(_one(con, "SELECT count(*) FROM landing.event WHERE ce_id = ANY(%s::uuid[])", [ce_ids]))


def _settled(con: connection) -> bool:
    """Nothing is unchecked or still to be taken, and every destination has answered for all that is not held."""
    # A mark goes when every destination has taken it.
    if _one(con, "SELECT count(*) FROM exchange.mark"):
        return False
    answered = _one(con, "SELECT count(DISTINCT destination) FROM exchange.delivery WHERE acked_at IS NOT NULL")
    return answered == len(destination_ids()) and not _one(con, STILL_OPEN)


def _wait(done: Callable[[], bool], timeout_s: float, what: str, service: str, stack: Stack) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise LocalError(f"{what}（{timeout_s:.0f} 秒）。请看日志 {stack.home / 'logs' / f'{service}.log'}。")
        time.sleep(POLL_S)


def _receipts(stack: Stack, units: list[str], say: Say) -> None:
    for unit in dict.fromkeys(units):
        done = _producer(stack, ["receipts", "--unit", unit, "--json"])
        if done.returncode != 0:
            raise LocalError(f"{unit} 没有取到回执：{done.stderr.strip()}")
        counts = Counter(json.loads(line)["status"] for line in done.stdout.splitlines())
        say(f"回执：{unit} 收到 {sum(counts.values())} 条。")


def _line(con: connection, catalogue: Catalogue, sent: Sent) -> dict[str, Any]:
    unit, dataset = sent.unit, catalogue.datasets[sent.dataset]
    slice_ = [unit, dataset.id]
    return {
        "title": sent.title,
        "rows": sent.rows,
        "refused": sent.refused,
        "why": sent.rejected,
        "loaded": _one(con, f"SELECT count(*) FROM core.{dataset.table} WHERE unit = %s", [unit]),
        "checked": _one(
            con,
            "SELECT count(DISTINCT rule_id) FROM quality.result WHERE unit = %s AND dataset = %s",
            slice_,
        ),
        "held": _one(
            con,
            "SELECT count(*) FROM quality.open_hold WHERE unit = %s AND dataset = %s",
            slice_,
        ),
        "forwarded": _one(
            con,
            "SELECT count(*) FROM exchange.delivery WHERE unit = %s AND dataset = %s AND sent_at IS NOT NULL",
            slice_,
        ),
        "acknowledged": _one(
            con,
            "SELECT count(*) FROM exchange.delivery WHERE unit = %s AND dataset = %s AND acked_at IS NOT NULL",
            slice_,
        ),
    }


def _one(con: connection, query: str, parameters: list[Any] | None = None) -> int:
    with con.cursor() as cur:
        cur.execute(query, parameters)
        row = cur.fetchone()
    return int(row[0]) if row else 0
