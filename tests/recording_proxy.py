"""Test helper: a proxy that stands before the platform stand-in and keeps every request as it came.

It shows what really went over the line and how often; it changes nothing unless told to. A connection that the
platform cuts is cut for the sender too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx

PASSED = ("x-client", "x-timestamp", "x-nonce", "x-signature", "idempotency-key", "content-type")


class Request(NamedTuple):
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorder:
    """The requests so far."""

    url: str
    requests: list[Request] = field(default_factory=list)
    alter: Callable[[bytes], bytes] | None = None
    """Changes the body of every answer, for a platform that answers wrongly."""

    def posts(self) -> list[dict[str, Any]]:
        """The bodies of the batches that were sent, in order."""
        return [json.loads(r.body) for r in self.requests if r.method == "POST"]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of those batches."""
        return [row for body in self.posts() for row in body["rows"]]

    def gets(self, start: str = "") -> list[str]:
        """The targets of the queries that begin so."""
        return [r.target for r in self.requests if r.method == "GET" and r.target.startswith(start)]


@contextmanager
def recording_proxy(upstream: str) -> Iterator[Recorder]:
    """A proxy on a free port before `upstream`."""
    recorder = Recorder("")
    client = httpx.Client(base_url=upstream, timeout=60, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave as two packets: with it each answer would wait 40 ms for an acknowledgement.
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Keep quiet: the requests are kept, not printed."""

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            recorder.requests.append(Request(self.command, self.path, dict(self.headers), body))
            passed = {k: v for k, v in self.headers.items() if k.lower() in PASSED}
            try:
                answer = client.request(self.command, self.path, content=body or None, headers=passed)
            except httpx.HTTPError:
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Retry-After"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            content = recorder.alter(answer.content) if recorder.alter else answer.content
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
