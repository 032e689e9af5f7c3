"""Defects of the utility, insurance, statistics and registration datasets that cannot be made from the rule itself."""

from __future__ import annotations

from credit_schemas.dataset import current_datasets, load_schemas

_EPIDEMIC = current_datasets(load_schemas())["epidemic_control"]
# The example of a natural person, who is the one the county columns are about.
_PERSON = next(e for e in _EPIDEMIC.examples if e["YQ_ZTLB"] == "自然人")

DEFECTS: dict[str, dict[str, dict[str, str]]] = {
    "epidemic_control": {"EXT_CFCX.assumed": _PERSON | {"EXT_SM": ""}},
}
