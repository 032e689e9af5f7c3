"""Published schemas never change, and every version of a dataset reads every other (FULL_TRANSITIVE)."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from credit_schemas.dataset import DATASETS, load_schemas
from credit_schemas.evolution import (
    HISTORY,
    PUBLISHED,
    Incompatible,
    PublishedSchemaChanged,
    avro_part,
    contradictions,
    entry,
    faults,
    fingerprint,
    incompatibilities,
    publish,
    read_history,
    read_published,
)

SCHEMAS = load_schemas()
NAMES = sorted({s["dataset"] for s in SCHEMAS})


def versions(name: str) -> list[dict[str, Any]]:
    return [s for s in SCHEMAS if s["dataset"] == name]


def altered(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    schema = copy.deepcopy(versions(name)[-1])
    schema["schema_id"] += 9000
    schema["version"] += 1
    change(schema)
    return schema


@pytest.mark.parametrize("name", NAMES)
def test_all_versions_of_a_dataset_read_each_other(name: str) -> None:
    assert incompatibilities(versions(name)) == []
    numbers = [s["version"] for s in versions(name)]
    assert numbers == list(range(1, len(numbers) + 1)), "versions count from 1 in the order of their ids"


def test_every_schema_file_is_published_as_it_stands() -> None:
    assert faults(SCHEMAS) == [], (
        "a published Avro part was changed (add a version instead), or a new version was not published "
        "(python -m credit_schemas.evolution)"
    )


def test_every_version_ever_published_reads_every_other_of_its_dataset_and_todays_file() -> None:
    history = read_history()
    assert {s["schema_id"] for s in history} == set(read_published())
    assert contradictions([*history, *SCHEMAS]) == []


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of the shipped folder, published as it stands."""
    folder = tmp_path / "datasets"
    shutil.copytree(DATASETS, folder)
    publish(load_schemas([folder]), folder)
    assert faults(load_schemas([folder]), folder) == []
    return folder


def test_a_published_file_that_is_removed_is_missed(book: Path) -> None:
    (book / "penalty.v1.avsc").unlink()
    assert faults(load_schemas([book]), book) == ["1002 (penalty): its schema file is gone"]


def test_a_history_that_is_removed_is_missed_and_grows_back_only_from_the_same_file(book: Path) -> None:
    kept = book / HISTORY / "penalty.v1.avsc"
    before = kept.read_bytes()
    kept.unlink()
    assert faults(load_schemas([book]), book) == ["1002 (penalty): its history is gone"]
    assert publish(load_schemas([book]), book) == []
    assert kept.read_bytes() == before


@pytest.mark.parametrize("where", [".", HISTORY])
def test_a_published_file_that_is_altered_is_found(book: Path, where: str) -> None:
    path = book / where / "penalty.v1.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["fields"][0]["type"] = ["null", "bytes"]
    path.write_text(json.dumps(schema, ensure_ascii=False), encoding="utf-8")
    what = "its history was altered" if where == HISTORY else "its schema file was altered"
    assert f"1002 (penalty): {what}" in faults(load_schemas([book]), book)


def test_a_file_and_its_history_altered_together_are_found_by_the_fingerprint(book: Path) -> None:
    for path in (book / "penalty.v1.avsc", book / HISTORY / "penalty.v1.avsc"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        schema["fields"].pop(0)
        path.write_text(json.dumps(schema, ensure_ascii=False), encoding="utf-8")
    assert len(faults(load_schemas([book]), book)) == 2


def test_an_incompatible_second_version_is_caught_and_not_published(book: Path) -> None:
    planted = altered("penalty", lambda s: s["fields"][0].update(type=["null", "long"]))
    (book / "penalty.v2.avsc").write_text(json.dumps(planted, ensure_ascii=False), encoding="utf-8")
    assert f"{planted['schema_id']} (penalty): not published" in faults(load_schemas([book]), book)
    before = (book / PUBLISHED).read_bytes()
    with pytest.raises(Incompatible, match="penalty: 1002 → "):
        publish(load_schemas([book]), book)
    assert (book / PUBLISHED).read_bytes() == before
    assert not (book / HISTORY / "penalty.v2.avsc").exists()


def test_a_countys_own_version_is_proven_against_the_shipped_ones_and_kept_in_its_own_folder(tmp_path: Path) -> None:
    good = altered("penalty", lambda s: s["fields"].append(optional("EXT_NEW", "string")))
    assert publish([good], tmp_path, SCHEMAS) == [good["schema_id"]]
    assert faults([good], tmp_path) == []
    bad = altered("ledger", lambda s: s["fields"][0].update(type=["null", "long"]))
    with pytest.raises(Incompatible):
        publish([good, bad], tmp_path, SCHEMAS)


def test_the_history_is_avro_that_stands_alone() -> None:
    for schema in read_history():
        assert fastavro.parse_schema(schema, named_schemas={})
        assert avro_part(schema)["fields"] == schema["fields"]


def optional(name: str, avro: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", avro], "default": None}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["fields"].append(optional("EXT_NEW", "string")),
        lambda s: s["fields"].pop(0),
        lambda s: s["fields"].reverse(),
    ],
)
def test_adding_removing_and_moving_optional_columns_is_compatible(change: Callable[[Any], object]) -> None:
    assert incompatibilities([*versions("penalty"), altered("penalty", change)]) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["fields"].append({"name": "MUST", "type": "string"}),
        lambda s: s["fields"].insert(0, {"name": s["fields"].pop(0)["name"], "type": "string"}),
        lambda s: s["fields"][0].update(type=["null", "long"]),
        lambda s: s.update(name="Other"),
    ],
)
def test_the_proof_sees_an_incompatible_version(change: Callable[[Any], object]) -> None:
    assert incompatibilities([*versions("penalty"), altered("penalty", change)])


def test_a_break_between_the_first_and_the_third_version_is_seen() -> None:
    without = altered("ledger", lambda s: s["fields"].pop(0))
    third = altered("ledger", lambda s: s["fields"][0].update(type=["null", "long"]))
    assert incompatibilities([without, third]) == []
    assert incompatibilities([*versions("ledger"), without, third])


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["fields"][0].update(type=["null", "bytes"]),
        lambda s: s["fields"][0].update(default="x"),
        lambda s: s["fields"][0].update(name="CF_NEW"),
        lambda s: s["fields"].pop(),
        lambda s: next(f for f in s["fields"] if f["name"] == "CF_JDRQ").update(type=["null", "int"]),
        lambda s: s.update(namespace="other"),
    ],
)
def test_a_changed_avro_part_of_a_published_version_stops_the_build(
    change: Callable[[Any], object], tmp_path: Path
) -> None:
    shutil.copy(DATASETS / PUBLISHED, tmp_path)
    changed = copy.deepcopy(versions("penalty")[0])
    change(changed)
    with pytest.raises(PublishedSchemaChanged):
        publish([changed], tmp_path)
    assert (tmp_path / PUBLISHED).read_bytes() == (DATASETS / PUBLISHED).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["fields"][0].update(cn="名称", width=100, rules=[]),
        lambda s: s.update(doc="said better"),
    ],
)
def test_rules_and_words_of_a_published_version_may_change(change: Callable[[Any], object]) -> None:
    changed = copy.deepcopy(versions("penalty")[0])
    change(changed)
    assert fingerprint(changed) == fingerprint(versions("penalty")[0])


def test_a_new_version_is_added_once_beside_the_old_ones(tmp_path: Path) -> None:
    assert publish(SCHEMAS, tmp_path) == [s["schema_id"] for s in SCHEMAS]
    before = read_published(tmp_path)
    new = altered("ledger", lambda s: s["fields"].append(optional("EXT_NEW", "string")))
    assert publish([*SCHEMAS, new], tmp_path) == [new["schema_id"]]
    assert read_published(tmp_path) == before | {new["schema_id"]: entry(new)}
    assert publish([*SCHEMAS, new], tmp_path) == []
