"""Failure switches: what an operator of the sandbox can make go wrong while it runs.

They live in memory and start switched off, so a forgotten rehearsal ends with the process.
"""

import hashlib
import re
from dataclasses import asdict, dataclass, replace
from typing import Final

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.errors import RequestRefused

_CODE: Final = re.compile(r"[0-9]{5}|E[0-9]{4}", re.ASCII)
MAX_SLOW_MS: Final = 3_600_000
"""One hour: a rehearsal of a platform that answers tomorrow does not need a real day."""


@dataclass(frozen=True)
class Switches:
    """The state of all switches; the defaults are a platform in good health.

    Attributes:
        slow_ms: a batch is judged this many milliseconds after it was received.
        unavailable: 503 for everything but /health and /v1/admin.
        unavailable_after_apply: a posted batch is kept and judged, the answer is 503.
        duplicate_delivery: the receipt of a batch holds every row twice.
        drop_response: a posted batch is kept and judged, then the connection is cut without an answer.
        reject_percent: this share of record numbers is rejected with `reject_code` whatever they hold.
        reject_code: code of those rejections.
        lose_percent: this share of record numbers is neither judged nor answered; their batch stays "processing".
    """

    slow_ms: int = 0
    unavailable: bool = False
    unavailable_after_apply: bool = False
    duplicate_delivery: bool = False
    drop_response: bool = False
    reject_percent: int = 0
    reject_code: str = codes.REHEARSED
    lose_percent: int = 0

    def as_json(self) -> dict[str, object]:
        """All switches by name."""
        return asdict(self)

    def rejects(self, record_no: str) -> bool:
        """Whether `reject_percent` hits this record; always the same answer for the same record number."""
        return _share("reject", record_no) < self.reject_percent

    def loses(self, record_no: str) -> bool:
        """Whether `lose_percent` hits this record; independent of `rejects`."""
        return _share("lose", record_no) < self.lose_percent


def changed(current: Switches, wanted: object) -> Switches:
    """The switches with the named ones changed and the others as they were.

    Args:
        current: state before.
        wanted: the JSON object sent, switch name → value.

    Raises:
        RequestRefused: E1301, when a name is unknown or a value is out of range.
    """
    if not isinstance(wanted, dict):
        raise RequestRefused("E1301", "bad switch", '开关须为 JSON 对象，例如 {"slow_ms": 2000}')
    for name, value in wanted.items():
        if not _fits(name, value):
            raise RequestRefused(
                "E1301",
                "bad switch",
                "有未知的开关或取值不当：slow_ms 为 0 至 3600000 的整数，*_percent 为 0 至 100 的整数，"
                "reject_code 为五位数字或 E 加四位数字，其余为 true 或 false",
            )
    return replace(current, **wanted)


def _fits(name: object, value: object) -> bool:
    if name == "slow_ms":
        return type(value) is int and 0 <= value <= MAX_SLOW_MS
    if name in ("reject_percent", "lose_percent"):
        return type(value) is int and 0 <= value <= 100
    if name == "reject_code":
        return isinstance(value, str) and _CODE.fullmatch(value) is not None
    return name in Switches.__dataclass_fields__ and isinstance(value, bool)


def _share(salt: str, record_no: str) -> int:
    """A number 0-99 that is fixed for this record number and evenly spread over all of them."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{record_no}".encode()).digest()[:8], "big") % 100
