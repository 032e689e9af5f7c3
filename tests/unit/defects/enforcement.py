"""Defects of law enforcement where a value made from the rule itself will not do."""

from __future__ import annotations

from credit_schemas.catalogue import load_catalogue

CATALOGUE = load_catalogue()
DEFECTS: dict[str, dict[str, dict[str, str]]] = {
    # Only a day far from the confirmation is doubted.
    "confirmation": {"QR_YXQZ.near": CATALOGUE.dataset("confirmation").examples[0] | {"QR_YXQZ": "2003-03-24"}},
    # Any words will do, but not the name of a kind that has a dataset of its own.
    "other_enforcement": {
        "QT_ZFLB.own_dataset": CATALOGUE.dataset("other_enforcement").examples[0] | {"QT_ZFLB": "行政强制"}
    },
}
