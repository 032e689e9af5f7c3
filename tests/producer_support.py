"""Files for the producer's tests: rows of a dataset written as a clerk would hand them in."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from openpyxl import Workbook

from credit_schemas.catalogue import load_catalogue
from credit_schemas.dataset import Dataset


def columns(dataset: Dataset, *, codes: bool = False) -> list[str]:
    """The heading row of a dataset: Chinese names or national codes."""
    return [f.column if codes else f.cn for f in dataset.fields]


def write_csv(
    path: Path,
    rows: Iterable[Mapping[str, str]],
    dataset: str = "penalty",
    *,
    codes: bool = False,
    encoding: str = "utf-8",
) -> Path:
    """`rows` as CSV."""
    found = load_catalogue().dataset(dataset)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns(found, codes=codes))
        writer.writerows([row.get(f.column, "") for f in found.fields] for row in rows)
    return path


def write_xlsx(path: Path, rows: Iterable[Mapping[str, object]], dataset: str = "penalty") -> Path:
    """`rows` as .xlsx; a value that is a number becomes a numeric cell."""
    found = load_catalogue().dataset(dataset)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(columns(found))
    for row in rows:
        sheet.append([row.get(f.column) for f in found.fields])
    book.save(path)
    return path
