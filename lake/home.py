"""``CITYLAKE_HOME``: one folder that holds all state, and where in it each thing lies.

Here belong paths and permissions only. What is in the files is the business of the modules that write them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: What this process makes is closed to others; a role's folder is opened to its group by whoever owns the grant.
UMASK = 0o027
#: All that others may ever do with the home is pass through it, to a role's folder or to the exchange database.
PASS_THROUGH = 0o711


@dataclass(frozen=True)
class Home:
    """The paths of one installation; :meth:`open` makes the folder, readable by its owner alone."""

    root: Path

    @classmethod
    def open(cls, root: Path | str | None = None) -> Home:
        """The home at ``root``, else ``$CITYLAKE_HOME``, else ``.citylake``; created with mode 0700.

        From here on this process, and what it starts, makes no file that others may read."""
        os.umask(UMASK)
        home = cls(Path(root or os.environ.get("CITYLAKE_HOME") or ".citylake").absolute())
        home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.close()
        return home

    def close(self) -> None:
        """Take from others what they may not have of the folder itself; an administrator's o+x stays."""
        self.root.chmod(self.root.stat().st_mode & PASS_THROUGH)

    @property
    def landing(self) -> Path:
        """Pushes exactly as received: ``landing/<resource>/<push id>/<file>``."""
        return self.root / "landing"

    @property
    def tombstones(self) -> Path:
        """One file for each purged content, named by its digest: who had it destroyed, when and why."""
        return self.landing / ".purged"

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
