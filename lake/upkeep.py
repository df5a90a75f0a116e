"""Keeping Delta tables small and fast: fold small files, write checkpoints, remove what nobody reads any more.

Here belongs upkeep that changes no row. What a reader may still hold open is left alone: a file goes only when it
has been superseded for longer than :data:`RETENTION`. Masked tables are none of this module's business: they are
rewritten whole when they are published, and keep no older version (see ``Lake.forget``).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lake.tables import MASKED_LAYERS, Lake

#: How long a superseded file stays readable: longer than any query or run.
RETENTION = timedelta(days=7)
#: A table is checkpointed once so many commits lie behind its last checkpoint.
COMMITS_PER_CHECKPOINT = 50
#: A log of more files than this loses those behind its last two checkpoints, once they are older than any opening takes.
LOG_FILES, LOG_AGE = 500, timedelta(minutes=1)
#: Files below this many bytes are folded together.
TARGET_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Tidied:
    """What upkeep did to one table: files folded into how many, whether checkpointed, files removed."""

    table: str
    folded: int
    into: int
    checkpointed: bool
    removed: int


def tidy(lake: Lake, layer: str, name: str, retention: timedelta = RETENTION) -> Tidied:
    """Fold, checkpoint and vacuum one table; its rows stay exactly as they are.

    The caller holds the table's lock. Raises ``TableMissingError``, and ValueError for a masked layer."""
    if layer.split("/", 1)[0] in MASKED_LAYERS:
        msg = f"{layer}.{name} is a masked table: compacting it would write statistics of its columns"
        raise ValueError(msg)
    table = lake.table(layer, name)
    folded = table.optimize.compact(target_size=TARGET_BYTES)
    behind = len(list((lake.path(layer, name) / "_delta_log").glob("*.json")))
    checkpointed = behind > COMMITS_PER_CHECKPOINT
    if checkpointed:
        table.create_checkpoint()
        table.cleanup_metadata()
    # full: also what a killed run wrote and never committed
    removed = table.vacuum(
        retention_hours=int(retention.total_seconds() // 3600),
        enforce_retention_duration=False,
        dry_run=False,
        full=True,
    )
    return Tidied(
        f"{layer}.{name}",
        folded=int(folded["numFilesRemoved"]),
        into=int(folded["numFilesAdded"]),
        checkpointed=checkpointed,
        removed=len(removed),
    )


def shorten_log(folder: Path, age: timedelta = LOG_AGE) -> int:
    """Remove the commits behind the last checkpoint but one from a table's long log; returns how many files went.

    Opening a table and committing to it read the names of all commits there are, so that without this a push would grow
    dearer with every push before it. Rows and transactions are in the checkpoints; versions so far back can no longer be
    read. The caller holds the table's lock: a writer that had been overtaken would else find its number free again."""
    log = folder / "_delta_log"
    # names, and no paths: this is asked at every push, and a log may have thousands of files that are younger than a minute
    files = [name for name in os.listdir(log) if name[:20].isdigit()] if log.is_dir() else []  # noqa: PTH208
    checkpoints = sorted(name for name in files if name.endswith(".checkpoint.parquet"))
    if len(files) <= LOG_FILES or len(checkpoints) < 2:
        return 0
    first_kept, until = checkpoints[-2][:20], time.time() - age.total_seconds()
    # the oldest first, and none behind one that stays: killed here, the log still has no gap
    gone = 0
    for name in sorted(files):
        if name[:20] >= first_kept or (log / name).stat().st_mtime > until:
            break
        (log / name).unlink()
        gone += 1
    return gone
