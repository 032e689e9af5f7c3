"""Data Docs: one folder a run, the last few kept, beside our own results. An index in Chinese leads to them."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path
from typing import Any

# Data Docs grow slower with history (great_expectations#8243): each run gets a site of its own and old ones go.
KEPT_RUNS = 20
SITE = "quality"


def docs_root(home: Path) -> Path:
    """Where the Data Docs of a run folder are."""
    return home / "great_expectations" / "data_docs"


def build_docs(context: Any, folder: Path) -> None:
    """Write the pages of all validations of this run, in one go: a checkpoint's own action starts anew for each."""
    folder.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        site_name=SITE,
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            # Suites are in our own files, and the page of a validation shows what was expected.
            "site_section_builders": {"expectations": "none", "profiling": "none"},
        },
    )
    context.build_data_docs(site_names=[SITE])
    # Animations of a walk-through: 3 MB of the 4 MB of each run.
    for film in (folder / "static" / "images").glob("*.gif"):
        film.unlink()


def keep_last(root: Path) -> None:
    """Remove all but the newest runs and write the index."""
    runs = sorted((p for p in root.iterdir() if p.is_dir() and p.name.isdigit()), key=lambda p: -int(p.name))
    for old in runs[KEPT_RUNS:]:
        shutil.rmtree(old, ignore_errors=True)
    lines = [f'<li><a href="{escape(p.name)}/index.html">第 {escape(p.name)} 次检查</a></li>' for p in runs[:KEPT_RUNS]]
    page = (
        '<!doctype html><html lang="zh"><meta charset="utf-8"><title>质量检查</title>'
        f"<h1>质量检查</h1><p>最近 {KEPT_RUNS} 次，新的在前。结果以数据库 quality 为准。</p>"
        f"<ul>{''.join(lines)}</ul></html>"
    )
    (root / "index.html").write_text(page, encoding="utf-8")
