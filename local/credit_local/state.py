"""Small private files the stack must find again: ports, passwords, pids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from credit_schemas.home import write_private

from .errors import StateDamagedError


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
