"""Replacing the center's key: what was sealed before still opens, what is sealed from now on needs the new one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from credit_local.cli import credit
from credit_schemas.sealing import Sealer
from credit_warehouse.keys import KeysMissing, add_center_key, create_keys, load_keys
from credit_warehouse.settings import load_settings

NUMBER, CONTEXT = "11010519491231002X", "market/penalty/CF_XDR_ZJHM"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys")
    return tmp_path / "keys"


def seal(folder: Path) -> bytes:
    return Sealer(load_keys(folder).center[-1].public).seal(NUMBER, CONTEXT)


def run(folder: Path, *arguments: str) -> Result:
    load_settings.cache_clear()
    try:
        return CliRunner().invoke(credit, ["keys", *arguments], env={"CREDIT_KEYS": str(folder)})
    finally:
        load_settings.cache_clear()


def test_after_a_new_key_old_and_new_values_open(folder: Path) -> None:
    before = seal(folder)
    add_center_key(folder)
    after = seal(folder)
    assert before[1:9] != after[1:9]  # the key id a sealed value carries
    opener = load_keys(folder).opener
    assert [opener.open(value, CONTEXT) for value in (before, after)] == [NUMBER, NUMBER]


def test_the_newest_of_many_keys_is_the_one_with_the_highest_number(folder: Path) -> None:
    made = [add_center_key(folder) for _ in range(10)]
    assert made[-1].name == "center-11.pem"
    newest = load_keys(folder).center[-1]
    assert newest.to_pem(None) == made[-1].read_bytes()


def test_a_new_key_is_for_the_owner_alone(folder: Path) -> None:
    assert add_center_key(folder).stat().st_mode & 0o777 == 0o600


def test_no_new_key_is_made_where_the_old_ones_are_missing(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match=r"center-1\.pem"):
        add_center_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_shows_public_keys_only(folder: Path) -> None:
    added = run(folder, "add")
    listed = run(folder, "list")
    assert (added.exit_code, listed.exit_code) == (0, 0)
    keys = load_keys(folder).center
    assert len(keys) == 2
    for key in keys:
        assert str(key.public) in listed.output
        private = key.to_pem(None).decode().splitlines()[1]
        assert private not in added.output + listed.output
    assert next(line for line in listed.output.splitlines() if "现用" in line).startswith(keys[-1].key_id.hex())
