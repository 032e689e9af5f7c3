"""Free loopback ports that stay ours over a restart."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"

# Below Linux's range for outgoing connections (32768-60999): a port from that range may be taken by any
# program's outgoing connection between two starts, and the servers here keep their ports for good.
_FIRST, _LAST = 20000, 32000
_TRIES = 200  # with a few hundred ports taken, 200 misses in a row do not happen; 0 would always fail


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set SO_REUSEADDR too: connections in TIME_WAIT are no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int, timeout_s: float = 0.5) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=timeout_s):
        return True
    return False


def free_port(avoid: Iterable[int] = ()) -> int:
    """Pick a free loopback port that is not in `avoid`."""
    taken = set(avoid)
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - a port is no secret
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")
