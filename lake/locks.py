"""One writer per table: an advisory lock file that says who holds it.

Here belongs only the mutual exclusion of citylake's own processes on one machine. Delta's own conflict check
stays behind it, for writers that do not know this lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import MendableError
from lake.home import Home

PATIENCE_SECONDS = 600.0


class TableBusyError(MendableError, RuntimeError):
    """Another process held the table for too long; names it."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"{name} is being written by {holder or 'another process'}: wait for it, or stop it, and run again"
        )


@contextmanager
def writing(home: Home, name: str, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the right to write ``name`` (``standard.marriage``); waits ``patience`` seconds, then raises
    :class:`TableBusyError`. The lock goes with the process, so a killed one leaves nothing behind."""
    folder = home.work / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a+", encoding="utf-8") as file:
        _acquire(file.fileno(), name, Path(file.name), patience)
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, name: str, path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TableBusyError(name, path.read_text(encoding="utf-8").strip()) from None
            time.sleep(0.05)
        else:
            return
