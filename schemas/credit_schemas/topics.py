"""Names of Kafka topics and principals: the one place that spells them.

A topic per unit, because Kafka's rights end at the topic: a unit can only be kept from writing as another
unit when each has a topic of its own.
"""

from __future__ import annotations

import re

PREFIX = "credit"

CENTER_CONSUMER = "center.consumer"
CENTER_RELAY = "center.relay"
CENTER_AIRFLOW = "center.airflow"
PORTAL = "portal"
SERVICE_PRINCIPALS = (CENTER_CONSUMER, CENTER_RELAY, CENTER_AIRFLOW, PORTAL)

CENTER_GROUP_PREFIX = "center."
AIRFLOW_GROUP_PREFIX = "airflow."

# GB/T 2260 county code.
_COUNTY = re.compile(r"[0-9]{6}")
# No dot: the dot ends the unit in topic, principal and group names, so that rights given by prefix to
# `unit.hb.` never reach `unit.hb2.`. 64 keeps the longest name far below Kafka's 249.
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def intake_topic(county: str, unit: str) -> str:
    """The topic that `unit` (and the portal on its behalf) writes, e.g. `credit.410421.intake.hb`.

    Raises:
        ValueError: the county is not six digits, or the unit code has a character a name cannot hold.
    """
    return intake_prefix(county) + _checked(_UNIT, unit)


def receipts_topic(county: str, unit: str) -> str:
    """The topic that only `unit` reads, e.g. `credit.410421.receipts.hb`; errors as `intake_topic`."""
    return receipts_prefix(county) + _checked(_UNIT, unit)


def loaded_topic(county: str) -> str:
    """The topic of small JSON nudges that wake Airflow, e.g. `credit.410421.loaded`."""
    return f"{PREFIX}.{_checked(_COUNTY, county)}.loaded"


def intake_prefix(county: str) -> str:
    """What all intake topics of a county begin with, final dot included."""
    return f"{PREFIX}.{_checked(_COUNTY, county)}.intake."


def receipts_prefix(county: str) -> str:
    """What all receipts topics of a county begin with, final dot included."""
    return f"{PREFIX}.{_checked(_COUNTY, county)}.receipts."


def intake_pattern(county: str) -> str:
    """Regular expression (anchored) of a county's intake topics, for a consumer's subscription."""
    return f"^{re.escape(intake_prefix(county))}{_UNIT.pattern}$"


def unit_of_intake_topic(topic: str) -> str:
    """The unit that alone may write `topic`.

    Raises:
        ValueError: `topic` is no intake topic.
    """
    match topic.split("."):
        case [prefix, county, "intake", unit] if prefix == PREFIX and intake_topic(county, unit) == topic:
            return unit
    raise ValueError(f"not an intake topic: {topic!r}")


def unit_principal(unit: str) -> str:
    """The Kafka user name of a unit, e.g. `unit.hb`; errors as `intake_topic`."""
    return f"unit.{_checked(_UNIT, unit)}"


def unit_group_prefix(unit: str) -> str:
    """What the names of a unit's consumer groups must begin with, final dot included."""
    return f"{unit_principal(unit)}."


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} cannot be part of a Kafka name (expected {pattern.pattern})")
    return text
