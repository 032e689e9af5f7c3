"""Who the sandbox plays: the same program, with the differences a sender must cope with as settings."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Persona:
    """One platform.

    Attributes:
        id: word on the command line.
        name: full Chinese name.
        date_separator: "/" for YYYY/MM/DD, "-" for YYYY-MM-DD.
        number_prefix: first part of the platform's own record number (external_no).
        can_withdraw: False makes every `end` answer E4001, as a platform without that interface would.
    """

    id: str
    name: str
    date_separator: str
    number_prefix: str
    can_withdraw: bool = True


PERSONAS: Final[dict[str, Persona]] = {
    # YYYY/MM/DD is the form of the fill rules quoted in STANDARDS 1.1 (20-22).
    "province": Persona("province", "河南省公共信用信息平台（替身）", "/", "HN41"),
    # Real published rows carry YYYY-MM-DD (STANDARDS 1.2, real rows).
    "nation": Persona("nation", "全国信用信息共享平台（替身）", "-", "CN00"),
}
