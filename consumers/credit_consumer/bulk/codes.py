"""Check digits of many codes at once. True means surely right; the rest is asked one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_schemas.identifiers import ORG_ALPHABET, ORG_WEIGHTS, USCC_ALPHABET, USCC_AUTHORITIES, USCC_WEIGHTS

Fine = npt.NDArray[np.bool_]

_NONE = 99  # no value of either alphabet


def _values(alphabet: str) -> npt.NDArray[np.int64]:
    table = np.full(256, _NONE, dtype=np.int64)
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    return table


_USCC_VALUES, _ORG_VALUES = _values(USCC_ALPHABET), _values(ORG_ALPHABET)
_USCC_WEIGHTS = np.array(USCC_WEIGHTS)
_ORG_WEIGHTS = np.array(ORG_WEIGHTS)
_AUTHORITIES = np.isin(np.arange(256), [ord(c) for c in USCC_AUTHORITIES])


def usccs_fine(codes: pl.Series) -> Fine:
    """Unified social credit codes (GB 32100-2015); the placeholder is not for here to judge."""
    fine, letters = _letters(codes)
    values = _USCC_VALUES[letters]
    right = (
        (values < _NONE).all(axis=1)
        & (values[:, 2:8] <= 9).all(axis=1)
        & _AUTHORITIES[letters[:, 0]]
        & ((values * _USCC_WEIGHTS).sum(axis=1) % 31 == 0)
    )
    fine[fine] = right
    return fine


def org_parts_fine(codes: pl.Series) -> Fine:
    """Unified codes whose positions 9 to 17 are a valid organisation code (GB 11714-1997)."""
    fine, letters = _letters(codes)
    part = letters[:, 8:17]
    values = _ORG_VALUES[part]
    last = part[:, 8]
    check = np.where(last == ord("X"), 10, values[:, 8])
    right = (
        (values < _NONE).all(axis=1)
        & ((values[:, 8] <= 9) | (last == ord("X")))
        & (((values[:, :8] * _ORG_WEIGHTS[:8]).sum(axis=1) + check) % 11 == 0)
    )
    fine[fine] = right
    return fine


def _letters(codes: pl.Series) -> tuple[Fine, npt.NDArray[np.uint8]]:
    """Which codes have 18 ASCII characters, and those as a matrix."""
    fine = ((codes.str.len_bytes() == 18) & (codes.str.len_chars() == 18)).fill_null(value=False).to_numpy().copy()
    text = "".join(codes.filter(pl.Series(fine)).to_list())
    return fine, np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, 18)
