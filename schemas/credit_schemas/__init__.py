"""The contract of the exchange: datasets, rules, identifiers, working days, codec, sealing, and the county folder.

The names below are what the other rooms live on; the modules stay importable for everything else. Names are loaded
at first use, so that checking a row loads neither a spreadsheet library nor a calendar.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalogue import Catalogue, load_catalogue
    from .check import Checked, check_row
    from .codec import Codec, CodecError, Decoded, event_value
    from .dataset import ContractError, Dataset, Field, UnknownDataset
    from .envelope import Envelope, EnvelopeError, read_headers, write_headers
    from .forms import render
    from .keys import content_digest, natural_key, producer_key
    from .problems import NOT_REPORTABLE, Change, Problem
    from .rules import Context, evaluate

_HOMES = {
    "catalogue": ("Catalogue", "load_catalogue"),
    "check": ("Checked", "check_row"),
    "codec": ("Codec", "CodecError", "Decoded", "event_value"),
    "dataset": ("ContractError", "Dataset", "Field", "UnknownDataset"),
    "envelope": ("Envelope", "EnvelopeError", "read_headers", "write_headers"),
    "forms": ("render",),
    "keys": ("content_digest", "natural_key", "producer_key"),
    "problems": ("NOT_REPORTABLE", "Change", "Problem"),
    "rules": ("Context", "evaluate"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "NOT_REPORTABLE",
    "Catalogue",
    "Change",
    "Checked",
    "Codec",
    "CodecError",
    "Context",
    "ContractError",
    "Dataset",
    "Decoded",
    "Envelope",
    "EnvelopeError",
    "Field",
    "Problem",
    "UnknownDataset",
    "check_row",
    "content_digest",
    "evaluate",
    "event_value",
    "load_catalogue",
    "natural_key",
    "producer_key",
    "read_headers",
    "render",
    "write_headers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
