"""Data Docs: one folder a run, the last few kept, beside our own results; `page` leads to them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

# Data Docs grow slower with history (great_expectations#8243): each run gets a site of its own and old ones go.
KEPT_RUNS = 20
SITE = "quality"
# The pages fetch styles, scripts and a logo from half a dozen hosts: county machines cannot reach them, and who reads
# which quality report is nobody else's business.
FOREIGN = re.compile(
    r"""<script[^>]+src=["']https?://[^>]*>\s*</script>|<link[^>]+href=["']https?://[^>]*>"""
    r"""|<img[^>]+src=["']https?://[^>]*>""",
    re.IGNORECASE,
)


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
    for page in folder.rglob("*.html"):
        page.write_text(FOREIGN.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")


def keep_last(root: Path) -> list[str]:
    """Remove all but the newest runs; returns the names of those kept, newest first."""
    runs = sorted((p for p in root.iterdir() if p.is_dir() and p.name.isdigit()), key=lambda p: -int(p.name))
    for old in runs[KEPT_RUNS:]:
        shutil.rmtree(old, ignore_errors=True)
    return [p.name for p in runs[:KEPT_RUNS]]
