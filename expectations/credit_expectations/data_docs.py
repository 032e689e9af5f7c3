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


def docs_site(context: Any, folder: Path | None) -> list[Any]:
    """Configure the run's site; returns the actions of its checkpoint."""
    from great_expectations.checkpoint import UpdateDataDocsAction

    for name in context.get_site_names():
        context.delete_data_docs_site(name)
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        site_name=SITE,
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            # We look at runs, not at suites.
            "site_section_builders": {"expectations": "none", "profiling": "none"},
        },
    )
    return [UpdateDataDocsAction(name="data docs", site_names=[SITE])]


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
