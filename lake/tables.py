"""Delta tables: scan one, append to it, change rows by key, publish a rebuilt one.

Here belongs every read and write of a Delta table, and nothing else does them. Parquet is written by Polars'
streaming engine into the table's own folder and then committed with ``create_write_transaction``: less time and
memory than ``write_deltalake``, and one commit carries rows, statistics and the push's application transaction.
What the rows mean is not known here. No deletion vectors, no column mapping: readers still mishandle them.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

MASKED_LAYERS = ("shared", "open", "role")
LAYERS = ("standard", "quarantine", "base", "theme", "shared", "open", "role", "ops")
ROW_HASH = "_row_hash"
#: Above this share of changed rows, rewriting the table costs less than merging into it.
MERGE_UP_TO = 0.2
_CONFIGURATION = {"delta.enableChangeDataFeed": "false", "delta.logRetentionDuration": "interval 30 days"}


class TableMissingError(LookupError):
    """The table has never been written; says which step writes it."""

    def __init__(self, layer: str, name: str) -> None:
        super().__init__(f"{layer}.{name} has not been built yet: run `citylake materialize {layer}/{name}`")


@dataclass(frozen=True)
class Commit:
    """What a write did: the table's version after it, its rows, and whether anything changed at all."""

    version: int
    rows: int
    changed: bool
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Lake:
    """All Delta tables under one folder: ``<root>/<layer>/<name>``."""

    root: Path

    def path(self, layer: str, name: str) -> Path:
        """The table's folder; the layer must be one of :data:`LAYERS` or a role's folder ``role/<role>``."""
        if layer.split("/", 1)[0] not in LAYERS:
            msg = f"no layer {layer!r}: one of {', '.join(LAYERS)}"
            raise ValueError(msg)
        return self.root / layer / name

    def exists(self, layer: str, name: str) -> bool:
        """Whether the table has at least one version."""
        return (self.path(layer, name) / "_delta_log").is_dir() and DeltaTable.is_deltatable(
            str(self.path(layer, name))
        )

    def table(self, layer: str, name: str) -> DeltaTable:
        """The Delta table itself; raises :class:`TableMissingError`."""
        if not self.exists(layer, name):
            raise TableMissingError(layer, name)
        return DeltaTable(str(self.path(layer, name)))

    def names(self, layer: str) -> list[str]:
        """The tables of a layer, in name order."""
        folder = self.root / layer
        return (
            sorted(item.name for item in folder.iterdir() if self.exists(layer, item.name))
            if folder.is_dir()
            else []
        )

    def scan(self, layer: str, name: str, version: int | None = None) -> pl.LazyFrame:
        """The rows, lazily; raises :class:`TableMissingError`."""
        if not self.exists(layer, name):
            raise TableMissingError(layer, name)
        return pl.scan_delta(str(self.path(layer, name)), version=version)

    def files(self, layer: str, name: str) -> list[Path]:
        """The Parquet files of the current version: what a plain ``read_parquet`` may read."""
        return [Path(uri.removeprefix("file://")) for uri in self.table(layer, name).file_uris()]

    def version(self, layer: str, name: str) -> int | None:
        """The current version, or None where the table does not exist."""
        return self.table(layer, name).version() if self.exists(layer, name) else None

    def rows(self, layer: str, name: str) -> int:
        """The row count, from the log alone where it has statistics (0 where the table does not exist)."""
        return int(self.table(layer, name).count()) if self.exists(layer, name) else 0

    def applied(self, layer: str, name: str, transaction: str) -> bool:
        """Whether a commit carries this application transaction (a push id): exactly-once is read from the table."""
        return (
            self.exists(layer, name) and self.table(layer, name).transaction_version(transaction) is not None
        )

    def create(self, layer: str, name: str, schema: pl.Schema, description: str = "") -> DeltaTable:
        """The table, made empty with this schema where it does not exist yet."""
        path = self.path(layer, name)
        if not self.exists(layer, name):
            path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                str(path),
                arrow_schema(schema),
                mode="ignore",
                name=f"{layer}.{name}",
                description=description or None,
                configuration=_CONFIGURATION,
            )
        return DeltaTable(str(path))

    def append(
        self, layer: str, name: str, rows: pl.LazyFrame | pl.DataFrame, *, transaction: str | None = None
    ) -> Commit:
        """Add rows in one commit that carries ``transaction``; a transaction already in the table adds nothing."""
        lazy = rows.lazy()
        table = self.create(layer, name, lazy.collect_schema())
        if transaction and table.transaction_version(transaction) is not None:
            return Commit(table.version(), table.count(), changed=False)
        part = write_part(lazy, self.path(layer, name))
        if part.rows == 0 and transaction is None:
            return Commit(table.version(), table.count(), changed=False)
        return self._commit(table, [part] if part.rows else [], "append", transaction, inserted=part.rows)

    def append_part(
        self, layer: str, name: str, part: Part, schema: pl.Schema, *, transaction: str
    ) -> Commit:
        """Commit a Parquet part that already lies in the table's folder (see :func:`write_part`)."""
        table = self.create(layer, name, schema)
        if table.transaction_version(transaction) is not None:
            return Commit(table.version(), table.count(), changed=False)
        return self._commit(table, [part] if part.rows else [], "append", transaction, inserted=part.rows)

    def change(
        self,
        layer: str,
        name: str,
        rows: pl.DataFrame,
        *,
        key: Sequence[str],
        delete: pl.DataFrame | None = None,
        transaction: str | None = None,
    ) -> Commit:
        """Insert and update ``rows`` by ``key`` and delete the keys in ``delete``, in one commit.

        Rows whose :data:`ROW_HASH` is already in the table are not written: an identical re-push makes no new
        version. Where more than :data:`MERGE_UP_TO` of the table changes, it is rewritten instead of merged into.
        """
        table = self.create(layer, name, rows.schema)
        if transaction and table.transaction_version(transaction) is not None:
            return Commit(table.version(), table.count(), changed=False)
        held = self.scan(layer, name).select(*key, pl.col(ROW_HASH).alias("_held")).collect()
        matched = rows.join(held, on=list(key), how="left", nulls_equal=True, maintain_order="left")
        inserted = matched.filter(pl.col("_held").is_null()).drop("_held")
        updated = matched.filter(pl.col("_held") != pl.col(ROW_HASH)).drop("_held")
        gone = (
            held.join(delete.select(key), on=list(key), how="semi", nulls_equal=True).select(key)
            if delete is not None
            else held.select(key).clear()
        )
        counts = {"inserted": inserted.height, "updated": updated.height, "deleted": gone.height}
        if not any(counts.values()):
            return Commit(table.version(), held.height, changed=False)
        if not updated.height and not gone.height:
            part = write_part(inserted.lazy(), self.path(layer, name))
            return self._commit(table, [part], "append", transaction, **counts)
        touched = pl.concat([updated.select(key), gone])
        kept = self.scan(layer, name).join(touched.lazy(), on=list(key), how="anti", nulls_equal=True)
        after = pl.concat([kept, updated.lazy(), inserted.lazy()], how="vertical")
        part = write_part(after, self.path(layer, name))
        return self._commit(table, [part], "overwrite", transaction, **counts)

    def publish(
        self,
        layer: str,
        name: str,
        rows: pl.LazyFrame | pl.DataFrame,
        *,
        key: Sequence[str],
        statistics: Collection[str] | None = None,
        description: str = "",
    ) -> Commit:
        """Make the table equal ``rows``, in one commit; equal content makes no new version.

        ``statistics`` names the columns that may have minima and maxima in the log and the Parquet footer
        (None: all): a masked table keeps them only where the values themselves may be seen.
        """
        lazy = rows.lazy()
        schema = lazy.collect_schema()
        old = self.exists(layer, name)
        if old and self.scan(layer, name).collect_schema() != schema:
            return self._republish(layer, name, lazy, schema, statistics)
        table = self.create(layer, name, schema, description)
        part = write_part(lazy.sort(key), self.path(layer, name), statistics)
        if old and fingerprint(pl.scan_parquet(part.path)) == fingerprint(self.scan(layer, name)):
            part.path.unlink()
            return Commit(table.version(), part.rows, changed=False)
        return self._commit(table, [part] if part.rows else [], "overwrite", None, inserted=part.rows)

    def forget(self, layer: str, name: str) -> None:
        """Remove all but the current version: superseded Parquet files, and the log entries that tell their bounds.

        For masked tables only: a value withdrawn from one must not stay readable beside it.
        """
        table = self.table(layer, name)
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        if len(list((self.path(layer, name) / "_delta_log").glob("*.json"))) > 1:
            table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
            table.create_checkpoint()
            table.cleanup_metadata()

    def drop(self, layer: str, name: str) -> None:
        """Remove a masked table whole. Full tables are never dropped: their history is evidence."""
        if layer.split("/", 1)[0] not in MASKED_LAYERS:
            msg = f"{layer}.{name} is no masked table, and is not dropped"
            raise ValueError(msg)
        shutil.rmtree(self.path(layer, name))

    def _republish(
        self, layer: str, name: str, rows: pl.LazyFrame, schema: pl.Schema, statistics: Collection[str] | None
    ) -> Commit:
        path = self.path(layer, name)
        part = write_part(rows, path, statistics)
        DeltaTable.create(str(path), arrow_schema(schema), mode="overwrite", configuration=_CONFIGURATION)
        return self._commit(
            DeltaTable(str(path)), [part] if part.rows else [], "append", None, inserted=part.rows
        )

    def _commit(
        self, table: DeltaTable, parts: Sequence[Part], mode: str, transaction: str | None, **counts: int
    ) -> Commit:
        actions: list[AddAction | RemoveAction] = [part.action() for part in parts]
        transactions = [Transaction(transaction, 1, int(time.time() * 1000))] if transaction else None
        table.create_write_transaction(
            actions, mode, table.schema(), commit_properties=CommitProperties(app_transactions=transactions)
        )
        table.update_incremental()
        return Commit(table.version(), int(table.count()), changed=True, **counts)


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


def write_part(rows: pl.LazyFrame, folder: Path, statistics: Collection[str] | None = None) -> Part:
    """Stream rows into a new Parquet file in ``folder``; it becomes visible only when it is committed."""
    path = new_part(folder)
    names = rows.collect_schema().names()
    wanted: bool | dict[str, bool] = (
        True
        if statistics is None
        else dict.fromkeys(("min", "max", "null_count", "distinct_count"), False)
        if not set(statistics) & set(names)
        else True
    )
    rows.sink_parquet(path, compression="zstd", statistics=wanted, sync_on_close="all")
    return describe_part(path, statistics)


def describe_part(path: Path, statistics: Collection[str] | None = None) -> Part:
    """Row count and statistics of a Parquet file, from its footer."""
    footer = pq.ParquetFile(path).metadata
    return Part(path, footer.num_rows, json.dumps(_stats(footer, statistics), ensure_ascii=False))


def _stats(footer: Any, wanted: Collection[str] | None) -> dict[str, Any]:
    """The log's statistics: row count always; minima, maxima and nulls of top-level plain columns where wanted."""
    stats: dict[str, Any] = {"numRecords": footer.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for index in range(footer.num_columns):
        name = footer.schema.column(index).path
        if "." in name or (wanted is not None and name not in wanted):
            continue
        chunks = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        if not chunks or any(chunk is None for chunk in chunks):
            continue
        stats["nullCount"][name] = sum(chunk.null_count or 0 for chunk in chunks)
        bounds = [chunk for chunk in chunks if chunk.has_min_max]
        low, high = (
            (_json(min(c.min for c in bounds)), _json(max(c.max for c in bounds))) if bounds else (None, None)
        )
        if low is not None and high is not None:
            stats["minValues"][name], stats["maxValues"][name] = low, high
    return stats


def _json(value: Any) -> Any:
    """A bound as the Delta protocol writes it; None for kinds whose bounds are better left out."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        # a reader compares whole values: a long text would have to be cut, and a cut maximum is too small
        return value if len(value) <= 64 else None
    if hasattr(value, "tzinfo"):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z") if value.tzinfo else None
    return value.isoformat() if hasattr(value, "isoformat") else None


def arrow_schema(schema: pl.Schema) -> pa.Schema:
    """The schema Delta is told: plain Arrow types, all nullable."""
    return schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def row_hash(columns: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """A 64-bit hash of a row's values as Int64 (Delta has no unsigned), stable across Polars versions.

    Columns are joined by a separator no text holds, and null is told from empty. Not a secret: internal only."""
    texts = [_hashable(name, schema[name]).fill_null("\x1e") for name in columns]
    joined = pl.concat_str(texts, separator="\x1f")
    return plh.col("_")._from_pyexpr(joined._pyexpr).nchash.xxh3_64().reinterpret(signed=True)  # type: ignore[attr-defined, no-any-return]


def _hashable(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if isinstance(dtype, pl.List):
        return column.list.eval(pl.element().cast(pl.String)).list.join("\x1d")
    return column.cast(pl.String)


def fingerprint(rows: pl.LazyFrame) -> tuple[int, int, int]:
    """Row count, and the sum and xor of row hashes: equal for equal content in any order (within one process)."""
    hashes = rows.select(pl.struct(pl.all()).hash(seed=1).alias("h"))
    # sums of 64-bit hashes are taken in two halves so that they cannot overflow
    result = hashes.select(
        pl.len().alias("n"),
        (pl.col("h") % 4294967291).sum().alias("low"),
        (pl.col("h") // 4294967291).sum().alias("high"),
    ).collect(engine="streaming")
    return tuple(result.row(0))
