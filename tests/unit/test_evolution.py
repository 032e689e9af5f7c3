"""Published schemas never change, and every version of a dataset reads every other (FULL_TRANSITIVE)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credit_schemas.dataset import load_schemas
from credit_schemas.evolution import (
    PUBLISHED,
    PublishedSchemaChanged,
    entry,
    fingerprint,
    incompatibilities,
    publish,
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
    published = read_published()
    assert published == {s["schema_id"]: entry(s) for s in SCHEMAS}, (
        "a published Avro part was changed (add a version instead), or a new version was not published "
        "(python -m credit_schemas.evolution)"
    )


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
    book = tmp_path / "published.json"
    book.write_text(PUBLISHED.read_text(encoding="utf-8"), encoding="utf-8")
    changed = copy.deepcopy(versions("penalty")[0])
    change(changed)
    with pytest.raises(PublishedSchemaChanged):
        publish([changed], book)
    assert book.read_bytes() == PUBLISHED.read_bytes()


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
    book = tmp_path / "published.json"
    assert publish(SCHEMAS, book) == [s["schema_id"] for s in SCHEMAS]
    before = json.loads(book.read_text(encoding="utf-8"))
    new = altered("ledger", lambda s: s["fields"].append(optional("EXT_NEW", "string")))
    assert publish([*SCHEMAS, new], book) == [new["schema_id"]]
    after = json.loads(book.read_text(encoding="utf-8"))
    assert after == before | {str(new["schema_id"]): entry(new)}
    assert publish([*SCHEMAS, new], book) == []
