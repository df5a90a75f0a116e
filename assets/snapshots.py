"""Replaced DuckDB files that somebody still has open, and the Parquet files that are read through them.

Here belongs telling which superseded files must stay for now: a running query opens the files under its views one after the
other, also long after the file of views was replaced. Whether somebody has one open is seen by the lock that DuckDB holds on it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import duckdb

from lake.home import Home

#: A connection left open protects what it reads for so long; then superseded files go all the same.
HELD_SECONDS = 24 * 3600
_FLOCK = "hhqqi4x"
_PATHS = r"""
SELECT DISTINCT unnest(regexp_extract_all(sql, '''([^'']+\.parquet)''', 1)) FROM duckdb_views() WHERE NOT internal
"""


def hold(home: Home, file: Path) -> None:
    """Keep a second name for a file of views that is about to be replaced."""
    if file.exists():
        folder = _folder(home)
        folder.mkdir(exist_ok=True, mode=0o700)
        os.link(file, folder / f"{file.stem}.{time.time_ns()}.duckdb")


def read_files(home: Home, *, replaced_only: bool = False) -> set[Path]:
    """The Parquet files under all views that somebody may be reading: those of the files as they are now, and of replaced
    ones that are still open. Replaced files that nobody has open are let go."""
    found: set[Path] = set() if replaced_only else _under(home.root.glob("*.duckdb"))
    for file in _folder(home).glob("*.duckdb"):
        began = int(file.name.split(".")[-2]) / 1e9
        if is_open(file) and time.time() - began < HELD_SECONDS:
            found |= _under([file])
        else:
            file.unlink(missing_ok=True)
    return found


def is_open(file: Path) -> bool:
    """Whether another process holds a lock on the file, as every reader of a DuckDB file does."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with file.open("rb") as opened:
        answer = fcntl.fcntl(opened, fcntl.F_GETLK, asked)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _folder(home: Home) -> Path:
    return home.root / "snapshots"


def _under(files: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for file in files:
        with duckdb.connect(str(file), read_only=True) as connection:
            found |= {Path(path) for (path,) in connection.execute(_PATHS).fetchall()}
    return found


def let_go(home: Home) -> None:
    """Remove every replaced file, whoever has it open: what it leads to has been destroyed."""
    for file in _folder(home).glob("*.duckdb"):
        file.unlink(missing_ok=True)
