"""Steps 1 to 3 message by message, and where their knowledge comes from."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from credit_warehouse.settings import SettingMissing, Settings

from .check import check
from .decode import DeadLetter, Message, decode, schema_id
from .normalise import Center, Ready, load_center, normalise

log = logging.getLogger(__name__)


def prepare_message(message: Message, center: Center) -> Ready | DeadLetter:
    """Decode, check and normalise a message; never raises for what a message may contain.

    A message that a defect of ours stumbles over becomes a dead letter too (reason `defect`, replayed once mended): one
    unit's row must not stop the others.
    """
    try:
        arrived = decode(message, center.catalogue.codec, center.catalogue.county.code)
        if isinstance(arrived, DeadLetter):
            return arrived
        checked = check(arrived, center.catalogue, center.keys.opener)
        return checked if isinstance(checked, DeadLetter) else normalise(checked, center)
    except Exception as error:
        # The type alone: the error's own words may quote the row.
        log.warning("message %s/%d/%d met a defect", message.topic, message.partition, message.offset)
        return DeadLetter(message, "defect", type(error).__name__, "dead", schema_id(message))


def prepared(messages: Iterable[Message], center: Center) -> tuple[list[Ready], list[DeadLetter]]:
    """Steps 1 to 3 for messages, each in its turn: what can be loaded, and what cannot go on."""
    found = [prepare_message(m, center) for m in messages]
    return [f for f in found if isinstance(f, Ready)], [f for f in found if isinstance(f, DeadLetter)]


def rejoin(
    ready: Sequence[Ready], dead: Sequence[DeadLetter], back: Iterable[Message], center: Center
) -> tuple[list[Ready], list[DeadLetter]]:
    """Events that come back from the columns' lane, prepared and in their places among the others: their order is what
    they come back for."""
    more, unfit = prepared(back, center)
    return sorted([*ready, *more], key=_place), [*dead, *unfit]


def _place(event: Ready) -> tuple[UUID, int, int]:
    message = event.event.message
    return message.topic_id, message.partition, message.offset


def center_of(settings: Settings) -> Center:
    """The catalogue that CREDIT_COUNTY chooses and the center's keys. Raises SettingMissing, KeysMissing."""
    if settings.keys is None:
        raise SettingMissing("credit_keys")
    return load_center(settings.keys)
