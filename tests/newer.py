"""The same center one release later: its catalogue has version 2 of `penalty`, with one column more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from credit_consumer.normalise import load_center
from credit_schemas.dataset import DATASETS
from credit_warehouse.migrate import migrate
from events import PASSWORDS, World

COLUMN = "EXT_XZLM"
SCHEMA_ID = 2002
ADDED = {
    "name": COLUMN,
    "type": ["null", "string"],
    "default": None,
    "cn": "新增栏目",
    "role": "content.added",
    "form": "text",
    "width": 50,
    "extension": True,
}


def version_two() -> dict[str, Any]:
    """The schema file's content."""
    schema = json.loads((DATASETS / "penalty.v1.avsc").read_text(encoding="utf-8"))
    schema |= {"version": 2, "schema_id": SCHEMA_ID}
    before_system = next(i for i, f in enumerate(schema["fields"]) if f.get("system"))
    schema["fields"].insert(before_system, dict(ADDED))
    return schema


def later(world: World, name: str = "newer", change: Callable[[Path], Any] | None = None) -> World:
    """A program of the same county with the new version (or another `change` to its folder) on the same database."""
    folder = world.folder.parent / name
    shutil.copytree(world.folder, folder)
    (folder / "datasets").mkdir(exist_ok=True)
    if change:
        change(folder)
    else:
        put(folder, version_two())
    return replace(world, folder=folder, center=load_center(world.settings.keys, folder))


def put(folder: Path, schema: dict[str, Any]) -> None:
    """A dataset of the county's own."""
    path = folder / "datasets" / f"{schema['dataset']}.v{schema['version']}.avsc"
    path.write_text(json.dumps(schema, ensure_ascii=False), encoding="utf-8")


def migrated(world: World, retired: tuple[str, ...] = ()) -> None:
    """`credit migrate` of this world's program."""
    s = world.settings
    owner = (
        f"host={s.database_host} port={s.database_port} dbname={s.database_name}"
        f" user=credit_owner password={PASSWORDS['owner']}"
    )
    migrate(owner, world.center.catalogue.datasets.values(), date.today(), retired)
