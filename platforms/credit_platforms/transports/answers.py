"""What goes through a transport and what comes back, whatever the transport.

A row is accepted, rejected, or its outcome is unknown; a batch may also be refused whole, and then nothing of it
was taken. Unknown is never sent again before it was asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

Op = Literal["put", "end"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row on its way out. `data` may hold personal numbers in clear: it never shows itself.

    `mark` is what readers of the copy are to be told beside it, such as 异议处理中.
    """

    op: Op
    record_no: str
    revision: int
    reason: str | None
    data: Mapping[str, str] | None = field(repr=False)
    mark: str | None = None


class Receipt(NamedTuple):
    """The answer to a batch: received (verdicts follow), refused (nothing was taken) or unknown (ask)."""

    outcome: Literal["received", "refused", "unknown"]
    code: str
    message: str


class Fault(NamedTuple):
    """One problem of a rejected row, in the destination's words."""

    code: str
    column: str
    message: str


class Verdict(NamedTuple):
    """The destination's answer on one row."""

    record_no: str
    revision: int
    accepted: bool
    code: str
    message: str
    faults: tuple[Fault, ...]
    external_no: str | None


class BatchAnswer(NamedTuple):
    """The verdicts so far; `done` when there is one for every row."""

    done: bool
    verdicts: tuple[Verdict, ...]


class Copy(NamedTuple):
    """What the destination holds of a record. `digest` is hexadecimal, as `Transport.digest` computes it."""

    record_no: str
    live: bool
    revision: int
    digest: str | None
    external_no: str | None


class Transport(Protocol):
    """A way to a destination. Raises TransportError and AccessRefused; `send` answers unknown instead of raising
    once a single byte may have left."""

    def encode(self, batch_id: UUID, table: str, rows: Sequence[Row]) -> bytes:
        """The batch as it will travel: the same input gives the same bytes."""

    def send(self, batch_id: UUID, body: bytes) -> Receipt:
        """Hand over a batch."""

    def batch(self, batch_id: UUID) -> BatchAnswer | None:
        """The verdicts on a batch; None when it never arrived."""

    def record(self, record_no: str) -> Copy | None:
        """The copy of a record, ended ones too; None when there never was one."""

    def copies(self, table: str) -> Iterator[Copy]:
        """All live copies of a table. Raises UnknownTable when the destination says that it has no such table."""

    def digest(self, data: Mapping[str, str], mark: str | None = None) -> str:
        """The digest by which the destination names this content with this mark."""

    def close(self) -> None:
        """Let go of connections."""
