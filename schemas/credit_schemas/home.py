"""Where a run keeps its settings, spools and servers: the folder `.credit`."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".credit"


def find_home(start: Path | None = None) -> Path:
    """The run folder: CREDIT_HOME, else the nearest `.credit` at or above `start`, else `~/.credit`.

    The folder need not exist yet; the caller that first writes into it creates it with mode 0700.
    """
    named = os.environ.get("CREDIT_HOME")
    if named:
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return Path.home() / FOLDER
