"""Steps 1 to 3 for one message, and where their knowledge comes from."""

from __future__ import annotations

from credit_warehouse.settings import SettingMissing, Settings

from .check import check
from .decode import DeadLetter, Message, decode
from .normalise import Center, Ready, load_center, normalise


def prepare_message(message: Message, center: Center) -> Ready | DeadLetter:
    """Decode, check and normalise a message."""
    arrived = decode(message, center.catalogue.codec, center.catalogue.county.code)
    if isinstance(arrived, DeadLetter):
        return arrived
    checked = check(arrived, center.catalogue, center.keys.opener)
    return checked if isinstance(checked, DeadLetter) else normalise(checked, center)


def center_of(settings: Settings) -> Center:
    """The catalogue that CREDIT_COUNTY chooses and the center's keys. Raises SettingMissing, KeysMissing."""
    if settings.keys is None:
        raise SettingMissing("credit_keys")
    return load_center(settings.keys)
