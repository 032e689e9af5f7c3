"""Schema evolution: what of a schema file is Avro, what is ours, and what may never change once published.

A published version's Avro part is fixed for ever: events written with it lie in Kafka and in dead letters. Rules,
Chinese names and widths may change; a column or a type needs a new version, FULL_TRANSITIVE with all before it.
`python -m credit_schemas.evolution` adds versions that are not yet published; it never changes an entry.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import fastavro

from .dataset import DATASETS, ContractError, load_schemas

PUBLISHED = DATASETS / "published.json"
# What the Avro specification gives a meaning that readers act on; everything else in our files is ours.
AVRO_KEYS = frozenset(
    {"type", "name", "namespace", "aliases", "fields", "default", "items", "values", "symbols", "size"}
    | {"logicalType", "precision", "scale"}
)


class PublishedSchemaChanged(ContractError):
    """A published version was altered: events written with it could no longer be read as they were meant."""

    def __init__(self, schema_id: int, dataset: str) -> None:
        self.schema_id = schema_id
        super().__init__(f"schema {schema_id} ({dataset}) is published: its Avro part must not change; add a version")


def avro_part(schema: Any) -> Any:
    """A schema without our attributes and without documentation."""
    if isinstance(schema, list):
        return [avro_part(s) for s in schema]
    if isinstance(schema, dict):
        return {k: v if k == "default" else avro_part(v) for k, v in schema.items() if k in AVRO_KEYS}
    return schema


def fingerprint(schema: dict[str, Any]) -> str:
    """SHA-256 of the Avro part. Unlike Avro's own canonical form it sees defaults and logical types."""
    return hashlib.sha256(json.dumps(avro_part(schema), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def entry(schema: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a published version."""
    return {
        "dataset": schema["dataset"],
        "version": schema["version"],
        "fingerprint": fingerprint(schema),
        "fields": [f["name"] for f in schema["fields"]],
    }


def read_published(path: Path = PUBLISHED) -> dict[int, dict[str, Any]]:
    """Schema id to entry."""
    if not path.exists():
        return {}
    return {int(k): v for k, v in json.loads(path.read_text(encoding="utf-8")).items()}


def publish(schemas: Iterable[dict[str, Any]], path: Path = PUBLISHED) -> list[int]:
    """Add the versions that have no entry; returns their ids. Raises PublishedSchemaChanged."""
    known = read_published(path)
    added = []
    for s in schemas:
        number = s["schema_id"]
        if number not in known:
            known[number] = entry(s)
            added.append(number)
        elif known[number]["fingerprint"] != fingerprint(s):
            raise PublishedSchemaChanged(number, s["dataset"])
    if added:
        text = json.dumps({str(k): known[k] for k in sorted(known)}, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    return added


def incompatibilities(versions: list[dict[str, Any]]) -> list[str]:
    """Why these versions of one dataset are not FULL_TRANSITIVE: write with each, read with each; empty when they are.

    Two values are written with every version: the emptiest and the fullest it allows.
    """
    found = []
    for writer in versions:
        for full in (False, True):
            data = io.BytesIO()
            fastavro.schemaless_writer(data, _parsed(writer), _sample(writer, full=full))
            for reader in versions:
                data.seek(0)
                try:
                    fastavro.schemaless_reader(data, _parsed(writer), _parsed(reader))
                except Exception as e:  # fastavro raises unrelated types for what it cannot resolve
                    found.append(f"{writer['schema_id']} → {reader['schema_id']}: {type(e).__name__}: {e}")
    return found


def _parsed(schema: dict[str, Any]) -> Any:
    return fastavro.parse_schema(schema, named_schemas={})


SAMPLES: dict[str, Any] = {"null": None, "string": "字", "bytes": b"\x01", "long": 1, "int": 1, "boolean": True}


def _sample(avro: Any, *, full: bool) -> Any:
    if isinstance(avro, list):
        kinds = [t for t in avro if (t == "null") is not full] or avro
        return _sample(kinds[0], full=full)
    if not isinstance(avro, dict):
        return SAMPLES[avro]
    if avro.get("logicalType") == "date":
        return date(2026, 5, 6)
    if avro["type"] == "record":
        return {f["name"]: _sample(f["type"], full=full) for f in avro["fields"]}
    if avro["type"] == "array":
        return [_sample(avro["items"], full=full)] if full else []
    if avro["type"] == "map":
        return {"k": _sample(avro["values"], full=full)} if full else {}
    return _sample(avro["type"], full=full)


if __name__ == "__main__":
    print("published:", publish(load_schemas()) or "nothing new")
