"""Test helper: a small client of the sandbox's protocol v1, and the program itself as a subprocess.

Written from docs/sandbox-protocol.md and not from the program or the real transport, so that it can contradict
either of them.
"""

import hashlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

KEYS = {"county": "c0" * 16, "other": "d1" * 16, "ops": "e2" * 16}
START_SECONDS = 30
"""A cold start on a busy two-core machine; usually 1-2 s."""


def sign(key: str, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> str:
    """The signature as the protocol document words it."""
    text = f"{method}\n{target}\n{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(key.encode(), text.encode(), "sm3").hexdigest()


@dataclass
class SandboxClient:
    """Signs and sends; every method returns the plain `httpx.Response`."""

    base_url: str
    client: str = "county"
    key: str = ""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.key or KEYS[self.client]
        self.http = httpx.Client(base_url=self.base_url, timeout=30)

    def headers(self, method: str, target: str, body: bytes = b"", **replaced: str) -> dict[str, str]:
        """Signed headers; `timestamp` and `nonce` may be given."""
        timestamp = replaced.get("timestamp") or datetime.now(UTC).isoformat(timespec="seconds")
        nonce = replaced.get("nonce") or secrets.token_hex(16)
        return {
            "X-Client": self.client,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": sign(self.key, method, target, timestamp, nonce, body),
        }

    def call(self, method: str, target: str, document: object = None, **headers: str) -> httpx.Response:
        """One signed request; `document` is sent as JSON."""
        body = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        return self.http.request(method, target, content=body, headers=self.headers(method, target, body) | headers)

    def get(self, target: str) -> httpx.Response:
        """Signed GET."""
        return self.call("GET", target)

    def post_batch(self, table: str, rows: list[dict[str, Any]], batch_id: str | None = None) -> httpx.Response:
        """Post one batch under a new (or the given) batch id."""
        batch_id = batch_id or str(uuid.uuid4())
        document = {"batch_id": batch_id, "table": table, "rows": rows}
        return self.call("POST", "/v1/batches", document, **{"Idempotency-Key": batch_id})

    def verdicts(self, batch_id: str) -> list[dict[str, Any]]:
        """The verdicts of a batch once it is done; waits up to 20 s."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            receipt = self.get(f"/v1/batches/{batch_id}").json()
            if receipt["state"] == "done":
                return receipt["rows"]
            time.sleep(0.05)
        raise AssertionError(f"batch {batch_id} is not done after 20 s")

    def send(self, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Post a batch and wait for its verdicts."""
        answer = self.post_batch(table, rows)
        assert answer.status_code == 202, answer.text
        return self.verdicts(answer.json()["batch_id"])

    def switch(self, **switches: object) -> dict[str, Any]:
        """Change failure switches (admin client only)."""
        answer = self.call("PUT", "/v1/admin/switches", switches)
        assert answer.status_code == 200, answer.text
        return answer.json()


def put(data: dict[str, Any], record_no: str | None = None, revision: int = 1) -> dict[str, Any]:
    """A `put` line."""
    return {
        "op": "put",
        "record_no": record_no or str(uuid.uuid4()),
        "revision": revision,
        "reason": None,
        "data": data,
    }


def end(record_no: str, revision: int, reason: str = "误报") -> dict[str, Any]:
    """An `end` line."""
    return {"op": "end", "record_no": record_no, "revision": revision, "reason": reason, "data": None}


def penalty(**changes: Any) -> dict[str, Any]:
    """A clean 行政处罚 row in the province's form; each call has its own document number."""
    return {
        "CF_XDR_MC": "上海示例贸易有限公司",
        "CF_XDR_LB": "法人及非法人组织",
        "CF_XDR_SHXYM": "91320100748204660Q",
        "CF_FRDB": "张三",
        "CF_WSH": f"宝市监处罚〔2026〕{secrets.randbelow(10**9)}号",
        "CF_WFXW": "广告违法行为",
        "CF_SY": "发布虚假广告",
        "CF_YJ": "《中华人民共和国广告法》第五十五条第一款",
        "CF_CFLB": "罚款；没收违法所得",
        "CF_NR": "罚款2025元；没收违法所得100元",
        "CF_NR_FK": "0.2025",
        "CF_NR_WFFF": "0.01",
        "CF_JDRQ": "2026/05/16",
        "CF_YXQ": "2099/12/31",
        "CF_GSJZQ": "2027/05/16",
        "CF_CFJG": "示例县市场监督管理局",
        "CF_CFJGDM": "11320100MB1886843H",
        "CF_SJLY": "示例县市场监督管理局",
        "CF_SJLYDM": "11320100MB1886843H",
    } | changes


def licence(**changes: Any) -> dict[str, Any]:
    """A clean 行政许可 row in the province's form; each call has its own document number."""
    return {
        "XK_XDR_MC": "上海示例贸易有限公司",
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": "91320100748204660Q",
        "XK_FRDB": "张三",
        "XK_XKWS": "准予行政许可决定书",
        "XK_WSH": f"宝行审〔2026〕{secrets.randbelow(10**9)}号",
        "XK_XKLB": "普通",
        "XK_NR": "雷电防护装置竣工验收",
        "XK_JDRQ": "2026/02/20",
        "XK_YXQZ": "2003/03/24",
        "XK_YXQZI": "2099/12/31",
        "XK_XKJG": "示例县气象局",
        "XK_XKJGDM": "11320100MB1886843H",
        "XK_ZT": "1",
        "XK_LYDW": "示例县气象局",
        "XK_LYDWDM": "11320100MB1886843H",
    } | changes


PERSON_NUMBER = "11010519491231002X"
"""The example number of GB 11643-1999; nobody's."""


def person(table: str, **changes: Any) -> dict[str, Any]:
    """A clean row of a natural person."""
    prefix, base = ("XK", licence()) if table == "xzxk" else ("CF", penalty())
    for column in (f"{prefix}_XDR_SHXYM", f"{prefix}_FRDB"):
        del base[column]
    own = {
        f"{prefix}_XDR_MC": "李四",
        f"{prefix}_XDR_LB": "自然人",
        f"{prefix}_XDR_ZJLX": "身份证",
        f"{prefix}_XDR_ZJHM": PERSON_NUMBER,
    }
    return base | own | changes


def write_clients(path: Path) -> Path:
    """A clients file with two reporting clients and one admin."""
    entries = [{"id": i, "key": k, "role": "admin" if i == "ops" else "report"} for i, k in KEYS.items()]
    path.write_text(json.dumps({"clients": entries}), "utf-8")
    return path


@dataclass
class Running:
    """A running sandbox program."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, name: str = "county") -> SandboxClient:
        """A client of this program."""
        return SandboxClient(self.url, name)


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_sandbox(folder: Path, persona: str = "province", options: Iterable[str] = ()) -> Iterator[Running]:
    """The real program on a free port, its store in `folder`; killed (not asked) when still alive at the end."""
    port = free_port()
    log = folder / "sandbox.log"
    command = [sys.executable, "-m", "credit_platforms.sandbox", "--persona", persona, "--port", str(port)]
    command += ["--store", str(folder / "store.sqlite")]
    command += ["--clients", str(write_clients(folder / "clients.json")), *options]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
        yield Running(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.kill()
        process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end_of_patience = time.monotonic() + START_SECONDS
    while time.monotonic() < end_of_patience and process.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the sandbox did not start:\n{log.read_text('utf-8')}")
