"""What a department installs: check records against the contract, seal, keep, publish, and read the receipts.

The door for programs is `CreditProducer`, for people the command `credit-producer`, for files `credit_producer.files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sdk import Answer, CreditProducer, Target

__all__ = ["Answer", "CreditProducer", "Target"]


def __getattr__(name: str) -> Any:
    # Loaded at first use: `credit-producer check` needs no Kafka client, and reading files needs neither.
    if name in __all__:
        from . import sdk

        return getattr(sdk, name)
    raise AttributeError(name)
