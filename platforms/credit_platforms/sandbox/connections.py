"""Open connections by peer, so that `drop_response` can cut one without a byte of answer."""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

_OPEN: Final[dict[tuple[str, int], asyncio.Transport]] = {}


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol that remembers its transport while the connection is open."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport under its peer's (host, port)."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        _OPEN[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        _OPEN.pop(self._peer, None)
        super().connection_lost(exc)


def cut(peer: tuple[str, int]) -> None:
    """Abort the connection of that peer; what was not sent yet is never sent."""
    transport = _OPEN.get(peer)
    if transport is not None:
        transport.abort()
