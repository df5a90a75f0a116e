"""``CITYLAKE_HOME``: one folder that holds all state, and where in it each thing lies.

Here belong paths and permissions only. What is in the files is the business of the modules that write them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The paths of one installation; :meth:`open` makes the folder, readable by its owner alone."""

    root: Path

    @classmethod
    def open(cls, root: Path | str | None = None) -> Home:
        """The home at ``root``, else ``$CITYLAKE_HOME``, else ``.citylake``; created with mode 0700."""
        path = Path(root or os.environ.get("CITYLAKE_HOME") or ".citylake").absolute()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        return cls(path)

    @property
    def landing(self) -> Path:
        """Pushes exactly as received: ``landing/<resource>/<push id>/<file>``."""
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        """Delta tables: ``lake/<layer>/<name>``."""
        return self.root / "lake"

    @property
    def drop(self) -> Path:
        """The drop folder: ``drop/<department>/<resource>/…``."""
        return self.root / "drop"

    @property
    def exchange(self) -> Path:
        """The embedded front-end exchange database's data folder."""
        return self.root / "exchange"

    @property
    def operations(self) -> Path:
        """The operational database (SQLite): pushes, tokens, decisions, deadlines."""
        return self.root / "operations.db"

    @property
    def analyst(self) -> Path:
        """What analysts open: views over tables masked for their role."""
        return self.root / "analyst.duckdb"

    @property
    def bureau(self) -> Path:
        """What the bureau opens: views over the full tables."""
        return self.root / "bureau.duckdb"

    @property
    def secrets(self) -> Path:
        """Keys and passwords, one file each, mode 0600 in a folder of mode 0700."""
        return self.root / "secrets"

    @property
    def dagster(self) -> Path:
        """Dagster's own home."""
        return self.root / "dagster"

    @property
    def work(self) -> Path:
        """Scratch space on the same file system as the lake; safe to delete when nothing runs."""
        return self.root / "work"
