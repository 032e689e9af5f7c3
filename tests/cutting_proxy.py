"""Test helper: a TCP proxy before PostgreSQL that cuts a connection at the COMMIT of a load, as a failing network does.

It reads the frontend's messages (protocol 3.0: a type byte, a length of four bytes, the body), knows a load by its
moving of positions and a COMMIT by the simple query `COMMIT`, as psycopg2 sends it. `before`: the COMMIT never reaches
the server. `after`: the server has carried it out and answered, and the answer never reaches the client. Without
encryption: on the loopback address.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_COMMIT = b"COMMIT"
_LOAD = b"UPDATE ingest.position"
# Asks for TLS or GSS encryption, or for the cancelling of a query: messages of eight or sixteen bytes, without a type.
_SSL, _GSS = 80877103, 80877104


class Cutter:
    """`cut` is the share of loads' COMMITs that are cut, half of them before and half after; `cuts` counts them."""

    def __init__(self, port: int, seed: int = 0) -> None:
        self.cut = 0.0
        self.cuts: Counter[str] = Counter()
        self.commits = 0
        self._upstream, self._rng, self._lock = ("127.0.0.1", port), random.Random(seed), threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            server = socket.create_connection(self._upstream)
            with server:
                _Pair(self, client, server).run()

    def decide(self) -> str | None:
        """What happens to the next COMMIT."""
        with self._lock:
            self.commits += 1
            if self._rng.random() >= self.cut:
                return None
            where = self._rng.choice(("before", "after"))
            self.cuts[where] += 1
            return where


class _Pair:
    """One connection and its way on."""

    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter, self._client, self._server = cutter, client, server
        self._deaf, self._done = threading.Event(), threading.Event()

    def run(self) -> None:
        back = threading.Thread(target=self._answers, daemon=True)
        with suppress(OSError, EOFError):
            self._startup(back)
            loads = False
            while True:
                head = _read(self._client, 5)
                body = _read(self._client, struct.unpack(">I", head[1:])[0] - 4)
                loads = loads or (head[:1] in (b"Q", b"P") and _LOAD in body)
                what = None
                if head[:1] == b"Q" and body.rstrip(b"\0") in (_COMMIT, b"ROLLBACK"):
                    what = self._cutter.decide() if loads and body.startswith(_COMMIT) else None
                    loads = False
                if what == "before":
                    break
                if what == "after":
                    self._deaf.set()
                    self._server.sendall(head + body)
                    self._done.wait(30)
                    break
                self._server.sendall(head + body)
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        back.join(5)

    def _startup(self, back: threading.Thread) -> None:
        while True:
            head = _read(self._client, 8)
            length, code = struct.unpack(">II", head)
            rest = _read(self._client, length - 8)
            if code in (_SSL, _GSS):
                self._client.sendall(b"N")
                continue
            self._server.sendall(head + rest)
            back.start()
            return

    def _answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._deaf.is_set():
                    # The server has answered: what it was told is done. Nobody hears it.
                    self._done.set()
                    continue
                self._client.sendall(data)
        self._done.set()
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)


def _read(end: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = end.recv(min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


@contextmanager
def cutting_proxy(port: int, seed: int = 0) -> Iterator[Cutter]:
    """A proxy on a free port before the PostgreSQL server on `port`."""
    cutter = Cutter(port, seed)
    try:
        yield cutter
    finally:
        cutter.close()
