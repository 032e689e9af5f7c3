"""Small private files the stack must find again: ports, passwords, pids."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from .errors import StateDamagedError


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


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Replace the JSON state file `path` (mode 0600)."""
    write_private(path, json.dumps(state, ensure_ascii=False, indent=1) + "\n")


def read_state(path: Path) -> dict[str, Any] | None:
    """Return the state, or None when there is none yet.

    Raises:
        StateDamagedError: the file exists and is not a JSON object.
    """
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateDamagedError(path) from error
    if not isinstance(state, dict):
        raise StateDamagedError(path)
    return state
