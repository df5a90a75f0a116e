"""Parquet files in a table's folder: written, and described as a Delta log describes them.

Here belong names, compression and statistics; committing them is ``lake.tables``.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

#: The first of zstd's levels makes files as small as the default, a fifth sooner.
LEVEL = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_MICROSECONDS = {"milliseconds": 1000, "microseconds": 1}


@dataclass(frozen=True)
class Part:
    """A Parquet file in a table's folder, not yet committed: its path, rows, and per-column statistics."""

    path: Path
    rows: int
    stats: str

    def action(self) -> AddAction:
        """The Delta log's entry for this file."""
        status = self.path.stat()
        return AddAction(self.path.name, status.st_size, {}, int(status.st_mtime * 1000), True, self.stats)


def new_part(folder: Path) -> Path:
    """A fresh Parquet file name in ``folder``, which is made: what is written there is visible once committed."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"part-{uuid.uuid4().hex}.parquet"


def write_part(
    rows: pl.LazyFrame, folder: Path, statistics: Collection[str] | None = None, group_rows: int | None = None
) -> Part:
    """Stream rows into a new Parquet file in ``folder``; it becomes visible only when it is committed.

    ``group_rows`` in a row group, each with its own bounds, where readers are to skip the others."""
    path = new_part(folder)
    wanted = statistics is None or set(rows.collect_schema().names()) <= set(statistics)
    rows.sink_parquet(
        path,
        compression="zstd",
        compression_level=LEVEL,
        statistics=wanted,
        row_group_size=group_rows,
        sync_on_close="all",
    )
    return describe_part(path)


def packed(rows: pl.DataFrame) -> memoryview:
    """Rows as a Parquet file in memory, of one row group, packed as :func:`write_part` packs them."""
    file = io.BytesIO()
    rows.lazy().sink_parquet(
        file, compression="zstd", compression_level=LEVEL, row_group_size=max(rows.height, 1)
    )
    return file.getbuffer()


def settle_part(path: Path) -> Part:
    """A part that another program has written: no power cut takes it any more, so that it may be committed."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return describe_part(path)


def describe_part(path: Path) -> Part:
    """Row count and statistics of a Parquet file, from its footer."""
    footer = pq.ParquetFile(path).metadata
    return Part(path, footer.num_rows, json.dumps(_stats(footer), ensure_ascii=False))


def _stats(footer: Any) -> dict[str, Any]:
    """The log's statistics: row count always; minima, maxima and nulls of top-level plain columns that have them."""
    stats: dict[str, Any] = {"numRecords": footer.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for index in range(footer.num_columns):
        name = footer.schema.column(index).path
        if "." in name:
            continue
        chunks = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        if not chunks or any(chunk is None for chunk in chunks):
            continue
        stats["nullCount"][name] = sum(chunk.null_count or 0 for chunk in chunks)
        bounds = [chunk for chunk in chunks if chunk.has_min_max]
        if any(not chunk.has_min_max and chunk.num_values for chunk in chunks):
            continue  # bounds of some row groups only would hide the rows of the others
        low, high = _bounds(bounds)
        if low is not None and high is not None:
            stats["minValues"][name], stats["maxValues"][name] = low, high
    return stats


def _bounds(chunks: Sequence[Any]) -> tuple[Any, Any]:
    """The least and the greatest value of all row groups as the log writes them; None where it should not."""
    if not chunks:
        return None, None
    if chunks[0].logical_type.type == "TIMESTAMP":
        # pyarrow imports pandas to say what a moment is, which takes longer than all else here
        unit = json.loads(chunks[0].logical_type.to_json())
        raw = min(chunk.min_raw for chunk in chunks), max(chunk.max_raw for chunk in chunks)
        low, high = (_moment(value, unit) for value in raw)
        return low, high
    return _json(min(chunk.min for chunk in chunks)), _json(max(chunk.max for chunk in chunks))


def _moment(value: int, stated: Mapping[str, Any]) -> str | None:
    """A moment in UTC as the log writes it; None for the time of no zone, and for the years of no calendar."""
    if not stated["isAdjustedToUTC"] or stated["timeUnit"] not in _IN_MICROSECONDS:
        return None
    try:
        at = _EPOCH + timedelta(microseconds=value * _IN_MICROSECONDS[stated["timeUnit"]])
    except OverflowError:
        return None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json(value: Any) -> Any:
    """A bound as the Delta protocol writes it; None for kinds whose bounds are better left out."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        # a reader compares whole values: a long text would have to be cut, and a cut maximum is too small
        return value if len(value) <= 64 else None
    return value.isoformat() if hasattr(value, "isoformat") else None
