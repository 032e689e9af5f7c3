"""Small helps with frames."""

from __future__ import annotations

import polars as pl


def kept(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """The rows of a mask. Nearly always that is all of them, and then nothing is copied."""
    return frame if mask.all() else frame.filter(mask)


def filled(frame: pl.DataFrame, columns: list[str]) -> list[str]:
    """Those of the columns that hold anything: half of a dataset's columns are empty in most batches."""
    return [c for c in columns if frame[c].null_count() < len(frame)]
