"""Where a run keeps its settings, spools and servers: the folder `.credit`, and how its secrets are written."""

from __future__ import annotations

import os
import tempfile
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


def write_private(path: Path, text: str) -> None:
    """Write `text` so that only the owner can read it, whole or not at all (rename in the same folder)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file 0600 from the first byte: no moment in which others could read a password.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
