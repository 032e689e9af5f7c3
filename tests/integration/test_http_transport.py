"""Transport http against a scripted server: what is tried again, what is refused, what stays unknown."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest
from pydantic import SecretStr

from core_rows import replace_key
from credit_platforms.access import Access
from credit_platforms.destinations import find_destination
from credit_platforms.errors import AccessRefused, TransportError
from credit_platforms.transports.answers import Row
from credit_platforms.transports.http import HttpTransport, signature
from credit_schemas.county import SHIPPED
from sandbox_client import free_port

BATCH = UUID("0d9e3c1e-8f0a-4c63-9b53-6f1f6d6f7a10")


@pytest.fixture
def province(tmp_path, monkeypatch):
    """The province as shipped, with patience that fits a test."""
    shutil.copytree(SHIPPED / "410421", tmp_path / "county")
    monkeypatch.setenv("CREDIT_COUNTY", str(tmp_path / "county"))
    replace_key(tmp_path / "county" / "destinations" / "province.toml", "answer_timeout_s", 1)
    replace_key(tmp_path / "county" / "destinations" / "province.toml", "attempts", 3)
    return find_destination("province")


@contextmanager
def scripted(*answers, port=0, after_s=0.0):
    """A server that gives these answers in turn: (status, JSON or text), or None for a cut connection."""
    seen = []
    script = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Keep quiet."""

        def do_GET(self):
            seen.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = next(script)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    port = port or free_port()

    def serve():
        time.sleep(after_s)
        server.server_bind()
        server.server_activate()
        server.serve_forever(poll_interval=0.05)

    server = HTTPServer(("127.0.0.1", port), Handler, bind_and_activate=False)
    thread = threading.Thread(target=serve)
    thread.start()
    if not after_s:
        time.sleep(0.2)
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        thread.join(after_s)
        server.shutdown()
        thread.join()
        server.server_close()


def transport(destination, url):
    return closing(HttpTransport(destination, Access(url=url, client="county", secret=SecretStr("c0" * 16))))


def test_the_signature_is_the_one_of_the_protocol_document():
    target = "/v1/records?table=xzcf&limit=10"
    made = signature(b"c0" * 16, "GET", target, "2026-11-24T01:02:03Z", "0123456789abcdef", b"")
    assert made == "2be12af362b2434883a60c4207f6e89616d3a5664a298cdc1c5f26c1052cfe07"


def test_a_batch_that_could_not_leave_is_tried_again(province):
    with scripted((202, {}), after_s=1.0) as (url, seen), transport(province, url) as t:
        assert t.send(BATCH, b"{}").outcome == "received"
    assert seen == ["POST"]


def test_a_batch_that_finds_no_server_raises_and_never_left(province):
    url = f"http://127.0.0.1:{free_port()}"
    with transport(province, url) as t, pytest.raises(TransportError, match="ConnectError") as error:
        t.send(BATCH, b"{}")
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (200, {}),
        (409, {"code": "E1106", "message": "同一批次号内容不同"}),
        (429, "slow down"),
        (500, {"code": "E5002", "message": "内部错误"}),
        (502, "<html>bad gateway</html>"),
        (503, {"code": "E5001", "message": "暂停服务"}),
    ],
)
def test_once_sent_whatever_is_no_clear_answer_is_unknown_and_not_repeated(province, answer):
    with scripted(answer) as (url, seen), transport(province, url) as t:
        assert t.send(BATCH, b"{}").outcome == "unknown"
    assert seen == ["POST"]


def test_a_refusal_of_the_whole_batch_keeps_code_and_words(province):
    refusal = {"code": "E1103", "error": "too many rows", "message": "超过 500 行"}
    with scripted((413, refusal), (404, "no such page")) as (url, _), transport(province, url) as t:
        assert t.send(BATCH, b"{}") == ("refused", "E1103", "超过 500 行")
        assert t.send(BATCH, b"{}")[:2] == ("refused", "HTTP 404")


def test_a_query_is_tried_again_and_gives_up_in_the_end(province):
    done = {"state": "done", "rows": []}
    with scripted(None, (503, ""), (200, done)) as (url, seen), transport(province, url) as t:
        assert t.batch(BATCH).done
    assert seen == ["GET"] * 3
    silent = pytest.raises(TransportError, match="HTTP 503")
    with scripted((503, ""), (503, ""), (503, "")) as (url, seen), transport(province, url) as t, silent:
        t.batch(BATCH)
    assert seen == ["GET"] * 3


def test_only_the_agreed_404_means_that_a_batch_never_arrived(province):
    """A 404 of a proxy or a wrong path must not lead to sending again."""
    with scripted((404, {"code": "E1201", "error": "unknown batch"})) as (url, _), transport(province, url) as t:
        assert t.batch(BATCH) is None
    for answer in ((404, "not found"), (404, {"code": "E1203"})):
        with (
            scripted(answer) as (url, _),
            transport(province, url) as t,
            pytest.raises(TransportError, match="HTTP 404"),
        ):
            t.batch(BATCH)


@pytest.mark.parametrize("content", ["<html>", [], {"state": "done"}, {"state": "done", "rows": [{"record_no": "x"}]}])
def test_an_answer_of_another_shape_is_no_answer(province, content):
    with scripted((200, content)) as (url, _), transport(province, url) as t, pytest.raises(TransportError):
        t.batch(BATCH)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_identity_is_told_apart_and_not_repeated(province, status):
    refused = pytest.raises(AccessRefused, match="E1004 签名不对")
    answer = (status, {"code": "E1004", "message": "签名不对"})
    with scripted(answer) as (url, seen), transport(province, url) as t, refused:
        t.send(BATCH, b"{}")
    assert seen == ["POST"]


def test_the_same_batch_gives_the_same_bytes_and_a_row_never_shows_its_data(province):
    rows = [Row("put", str(BATCH), 1, None, {"B": "2", "A": "1"}), Row("end", str(BATCH), 2, "期满", None)]
    with transport(province, "http://127.0.0.1:1") as t:
        assert t.encode(BATCH, "xzcf", rows) == t.encode(BATCH, "xzcf", rows)
        assert json.loads(t.encode(BATCH, "xzcf", rows))["rows"][0]["data"] == {"A": "1", "B": "2"}
    assert "data" not in repr(rows[0])
