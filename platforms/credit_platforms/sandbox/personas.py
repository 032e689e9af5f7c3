"""Who the sandbox plays: the same program, with the differences a sender must cope with as settings."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Persona:
    """One platform.

    Attributes:
        id: word on the command line.
        name: full Chinese name.
        date_separator: "/" for YYYY/MM/DD, "-" for YYYY-MM-DD, "" for YYYYMMDD.
        number_prefix: first part of the platform's own record number (external_no).
        can_withdraw: False makes every `end` answer E4001, as a platform without that interface would.
        public: True refuses every ID number and every name of a natural person that is not masked.
    """

    id: str
    name: str
    date_separator: str
    number_prefix: str
    can_withdraw: bool = True
    public: bool = False


PERSONAS: Final[dict[str, Persona]] = {
    # YYYY/MM/DD is the form of the fill rules quoted in STANDARDS 1.1 (20-22).
    "province": Persona("province", "河南省公共信用信息平台（替身）", "/", "HN41"),
    # Real published rows carry YYYY-MM-DD (STANDARDS 1.2, real rows).
    "nation": Persona("nation", "全国信用信息共享平台（替身）", "-", "CN00"),
    # A county's public site: whatever is there, anybody reads (STANDARDS 5, personal information).
    "site": Persona("site", "信用中国（宝丰）网站（替身）", "-", "XYBF", public=True),
    # The third form of dates, and no way back: what a lender was told it was told.
    "xinyidai": Persona("xinyidai", "信易贷平台（替身）", "", "XYD", can_withdraw=False),
}
