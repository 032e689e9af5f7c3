"""The package's public door: complete, and light to open."""

from __future__ import annotations

import subprocess
import sys

import pytest

import credit_schemas

HEAVY = ("openpyxl", "holidays", "chinese_calendar")


def loaded_after(code: str) -> list[str]:
    script = f"{code}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_every_public_name_is_there_and_is_listed() -> None:
    for name in credit_schemas.__all__:
        assert getattr(credit_schemas, name) is not None
    assert set(credit_schemas.__all__) <= set(dir(credit_schemas))
    assert set(credit_schemas.__all__) == set(credit_schemas._HOME_OF)


def test_an_unknown_name_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        credit_schemas.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import credit_schemas",
        "from credit_schemas import *",
        "from credit_schemas import load_catalogue, check_row; load_catalogue().dataset('penalty')",
    ],
)
def test_opening_it_loads_no_spreadsheet_library_and_no_calendar(code: str) -> None:
    assert loaded_after(code) == []
