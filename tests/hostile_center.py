"""A center without servers, and messages as they would come from its topics: for tests of what needs no broker."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from credit_consumer.decode import Message
from credit_consumer.normalise import Center, load_center
from credit_warehouse.keys import create_keys
from hostile import Hostile

UNITS = ["market", "ecology", "edu"]
ARRIVED = datetime(2026, 11, 24, 8, tzinfo=UTC)
_TOPIC = UUID("11111111-1111-4111-8111-111111111111")


def keyed_center(folder: Path) -> Center:
    """The shipped county with keys of its own, made in `folder`."""
    create_keys(folder)
    return load_center(folder)


def arrived(sent: Hostile, offset: int = 0, at: datetime = ARRIVED) -> Message:
    """`sent` as a message of its unit's topic."""
    return Message("intake", _TOPIC, sent.unit, 0, offset, at, sent.key, sent.value, sent.headers)
