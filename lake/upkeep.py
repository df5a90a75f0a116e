"""Keeping Delta tables small and fast: fold small files, write checkpoints, remove what nobody reads any more.

Here belongs upkeep that changes no row. What a reader may still hold open is left alone: a file goes only when it
has been superseded for longer than :data:`RETENTION`. Masked tables are none of this module's business: they are
rewritten whole when they are published, and keep no older version (see ``Lake.forget``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from lake.tables import MASKED_LAYERS, Lake

#: How long a superseded file stays readable: longer than any query or run.
RETENTION = timedelta(days=7)
#: A table is checkpointed once so many commits lie behind its last checkpoint.
COMMITS_PER_CHECKPOINT = 50
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
