"""Defects of commitments, contracts and lists that no value made from the rule itself provokes."""

from __future__ import annotations

from typing import Any

from credit_schemas.catalogue import load_catalogue

CATALOGUE = load_catalogue()
COMMITMENT = CATALOGUE.dataset("commitment").examples[0]
BLACK_LIST = CATALOGUE.dataset("black_list").examples[0]
ABNORMAL = CATALOGUE.dataset("abnormal_operation").examples[0]
PERSON = "11010519491231002X"

DEFECTS: dict[str, dict[str, dict[str, str]]] = {
    "commitment": {
        "CN_CNBM.embeds": COMMITMENT | {"CN_CNBM": "41042120260507000011"},
        # A program may name the sealed column itself.
        "CN_CNRZJHM.blank": COMMITMENT | {"CN_CNRZJHM": PERSON},
    },
    "black_list": {"BL_GSJZ.publicity_span": BLACK_LIST | {"BL_GSJZ": "2026-11-06"}},
    "abnormal_operation": {"YC_ZTLB.no_person": ABNORMAL | {"YC_ZTLB": "自然人"}},
}
# The door moves a person's number before anything is tested; an event of somebody else's making need not have.
TYPED_DEFECTS: dict[str, dict[str, dict[str, Any]]] = {
    "commitment": {
        "CN_CNRDM.blank": {"CN_CNRLB": "自然人"},
        "CN_CNRZJHM.length": {"CN_CNRLB": "自然人", "CN_CNRZJHM": PERSON + "0"},
    },
}
