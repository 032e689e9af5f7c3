"""Transports by name. Another way out (a file drop, a front-end database) is a module and one more entry here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .answers import Transport
from .http import HttpTransport

if TYPE_CHECKING:
    from ..access import Access
    from ..destinations import Destination

TRANSPORTS: dict[str, Callable[[Destination, Access], Transport]] = {"http": HttpTransport}

__all__ = ["TRANSPORTS", "Transport"]
