"""One sender at a time: an exclusive lock on a file beside the spool, freed by the system when a process dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from .errors import SpoolBusy

# Windows locks a byte range and keeps others from reading it: lock a byte far behind the process id.
_LOCKED_BYTE = 1 << 20


class SenderLock:
    """Held from construction to `close`. Raises SpoolBusy (with the holder's process id) at once when taken."""

    def __init__(self, spool: Path) -> None:
        path = spool.with_name(spool.name + ".lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file: BinaryIO = os.fdopen(handle, "r+b")
        try:
            _lock(self._file)
        except OSError:
            pid = self._file.read(32).decode("ascii", "replace").strip()
            self._file.close()
            raise SpoolBusy(spool, pid) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n".encode())
        self._file.flush()

    def close(self) -> None:
        """Let the next one in. The file stays: removing it would let two processes lock two different files."""
        self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        finally:
            file.seek(0)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
