"""Schema evolution: what of a schema file is Avro, what is ours, and what may never change once published.

A published version's Avro part is fixed for ever: events written with it lie in Kafka and in dead letters. Rules,
Chinese names and widths may change; a column or a type needs a new version, FULL_TRANSITIVE with all before it.

Of every published version the fingerprint stands in `published.json` and the Avro part, as text, in `history/`: what
was once promised can be read, and is proven against every other version, whatever the files say today.
`python -m credit_schemas.evolution [folder]` adds versions that are not yet published (of the shipped datasets, or of a
county's folder `datasets`); it never changes an entry.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import fastavro

from .dataset import DATASETS, ContractError, load_schemas

PUBLISHED = "published.json"
HISTORY = "history"
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


class Incompatible(ContractError):
    """Versions of one dataset that cannot read each other: FULL_TRANSITIVE is broken."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        super().__init__("not FULL_TRANSITIVE: " + "; ".join(found))


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


def read_published(folder: Path = DATASETS) -> dict[int, dict[str, Any]]:
    """Schema id to entry."""
    path = folder / PUBLISHED
    if not path.exists():
        return {}
    return {int(k): v for k, v in json.loads(path.read_text(encoding="utf-8")).items()}


def read_history(folder: Path = DATASETS) -> list[dict[str, Any]]:
    """The Avro part of every published version with its dataset, version and schema id, ordered by id."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in (folder / HISTORY).glob("*.avsc")]
    return sorted(found, key=lambda s: int(s["schema_id"]))


def publish(
    schemas: Iterable[dict[str, Any]], folder: Path = DATASETS, beside: Sequence[dict[str, Any]] = ()
) -> list[int]:
    """Add the versions that have no entry, and their history; returns their ids.

    Args:
        schemas: The schema files of the folder.
        beside: Schemas of other folders, whose versions of the same datasets count too.

    Raises:
        PublishedSchemaChanged: A published version was altered; nothing is written.
        Incompatible: A version cannot read, or be read by, another one; nothing is written.
    """
    given = list(schemas)
    known = read_published(folder)
    for s in given:
        number = s["schema_id"]
        if number in known and known[number]["fingerprint"] != fingerprint(s):
            raise PublishedSchemaChanged(number, s["dataset"])
    found = contradictions([*beside, *read_history(folder), *given])
    if found:
        raise Incompatible(found)
    added = [s["schema_id"] for s in given if s["schema_id"] not in known]
    known |= {s["schema_id"]: entry(s) for s in given if s["schema_id"] in added}
    for s in given:
        path = folder / HISTORY / _file_name(s)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(_as_text(s), encoding="utf-8")
    if added:
        text = json.dumps({str(k): known[k] for k in sorted(known)}, ensure_ascii=False, indent=1)
        (folder / PUBLISHED).write_text(text + "\n", encoding="utf-8")
    return added


def faults(schemas: Iterable[dict[str, Any]], folder: Path = DATASETS) -> list[str]:
    """What is wrong with the published versions of a folder: altered, removed, unpublished, or without history."""
    known, kept = read_published(folder), {s["schema_id"]: s for s in read_history(folder)}
    files = {s["schema_id"]: s for s in schemas}
    found = [f"{n} ({files[n]['dataset']}): not published" for n in sorted(files.keys() - known.keys())]
    found += [f"{n} ({known[n]['dataset']}): its schema file is gone" for n in sorted(known.keys() - files.keys())]
    found += [f"{n} ({kept[n]['dataset']}): history without an entry" for n in sorted(kept.keys() - known.keys())]
    for n, told in sorted(known.items()):
        if n in files and entry(files[n]) != told:
            found.append(f"{n} ({told['dataset']}): its schema file was altered")
        if n not in kept:
            found.append(f"{n} ({told['dataset']}): its history is gone")
        elif entry(kept[n]) != told:
            found.append(f"{n} ({told['dataset']}): its history was altered")
    return found


def contradictions(schemas: Iterable[dict[str, Any]]) -> list[str]:
    """Why these schemas are not FULL_TRANSITIVE within each dataset; the same version may be given twice."""
    versions: dict[str, list[dict[str, Any]]] = {}
    for s in schemas:
        versions.setdefault(s["dataset"], []).append(s)
    return [f"{name}: {why}" for name, of_one in sorted(versions.items()) for why in incompatibilities(of_one)]


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


def _file_name(schema: dict[str, Any]) -> str:
    return f"{schema['dataset']}.v{schema['version']}.avsc"


def _as_text(schema: dict[str, Any]) -> str:
    """The Avro part, a field a line: a schema that any Avro tool reads, and a change of which shows in a diff."""
    part = avro_part(schema)
    head = {"dataset": schema["dataset"], "version": schema["version"], "schema_id": schema["schema_id"]}
    head |= {k: v for k, v in part.items() if k != "fields"}
    lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}," for k, v in head.items()]
    fields = ",\n".join(f"  {json.dumps(f, ensure_ascii=False)}" for f in part["fields"])
    return "\n".join(["{", *lines, ' "fields": [', fields, " ]", "}"]) + "\n"


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else DATASETS
    around = [] if where.resolve() == DATASETS.resolve() else load_schemas()
    print("published:", publish(load_schemas([where]), where, around) or "nothing new")
