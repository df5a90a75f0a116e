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
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from catalog.errors import MendableError

MASKED_LAYERS = ("shared", "open", "role")
LAYERS = ("standard", "quarantine", "base", "theme", "shared", "open", "role", "ops")
ROW_HASH = "_row_hash"
#: More files than this, each with fewer rows than that, are folded into one by the next change.
SMALL_FILES, SMALL_ROWS = 16, 100_000
#: How often a commit is planned anew because another writer was faster.
ATTEMPTS = 20
#: Every commit carries this application transaction: of two made from one version, Delta refuses the second.
_WRITER = "citylake.writer"
_FILE = "_file:"
_PIECE = "_piece:"
#: A table that is published in pieces has at least this many rows in each, and fewer than twice as many.
PIECE_ROWS = 50_000
_CONFIGURATION = {"delta.enableChangeDataFeed": "false", "delta.logRetentionDuration": "interval 30 days"}


class TableMissingError(MendableError, LookupError):
    """The table has never been written; says which step writes it."""

    def __init__(self, layer: str, name: str) -> None:
        super().__init__(f"{layer}.{name} has not been built yet: run `citylake materialize {layer}/{name}`")


class SchemaChangeError(MendableError, TypeError):
    """A column of the table cannot become what its new rows have; the table is unchanged."""

    def __init__(self, table: str, column: str, held: str, new: str) -> None:
        super().__init__(
            f"{table}: column {column} holds {held}, the new rows have {new}; give the column another name in the "
            "catalogue, or rebuild the table from landing"
        )


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
        log = self.path(layer, name) / "_delta_log"
        # the library's own question opens the table, which takes ten times as long
        return log.is_dir() and any(path.suffix in (".json", ".parquet") for path in log.iterdir())

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
        table = DeltaTable(str(self.path(layer, name)), version=version)
        return _scan(table, self.path(layer, name), _files(table)["path"])

    def files(self, layer: str, name: str) -> list[Path]:
        """The Parquet files of the current version: what a plain ``read_parquet`` may read."""
        return [self.path(layer, name) / path for path in _files(self.table(layer, name))["path"]]

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

    def create(
        self,
        layer: str,
        name: str,
        schema: pl.Schema,
        description: str = "",
        *,
        table: DeltaTable | None = None,
    ) -> DeltaTable:
        """The table, made empty with this schema where it does not exist yet, and given the columns it lacks;
        ``table`` is the table where it has just been opened.

        Raises :class:`SchemaChangeError` where a column has another type."""
        path = self.path(layer, name)
        if table is None and not self.exists(layer, name):
            path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                str(path),
                arrow_schema(schema),
                mode="ignore",
                name=f"{layer}.{name}",
                description=description or None,
                configuration=_CONFIGURATION,
            )
        table = table or DeltaTable(str(path))
        if _lacks(table, schema, f"{layer}.{name}"):
            self._commit(layer, name, None, lambda table: _plan_wider(table, path, schema))
            table = DeltaTable(str(path))
        return table

    def append(
        self, layer: str, name: str, rows: pl.LazyFrame | pl.DataFrame, *, transaction: str | None = None
    ) -> Commit:
        """Add rows in one commit that carries ``transaction``; a transaction already in the table adds nothing."""
        lazy = rows.lazy()
        schema = lazy.collect_schema()
        if transaction and self.applied(layer, name, transaction):
            return Commit(self.version(layer, name) or 0, self.rows(layer, name), changed=False)
        return self.append_part(
            layer, name, write_part(lazy, self.path(layer, name)), schema, transaction=transaction
        )

    def append_part(
        self,
        layer: str,
        name: str,
        part: Part,
        schema: pl.Schema,
        *,
        transaction: str | None,
        table: DeltaTable | None = None,
    ) -> Commit:
        """Commit a Parquet part that already lies in the table's folder (see :func:`write_part`)."""
        table = self.create(layer, name, schema, table=table)
        nothing = part.rows == 0 and transaction is None
        planned = _Planned([part] if part.rows else [], inserted=part.rows)
        commit = self._commit(layer, name, transaction, lambda _: None if nothing else planned, table)
        if not commit.changed or not part.rows:
            part.path.unlink()
        return commit

    def change(
        self,
        layer: str,
        name: str,
        rows: pl.DataFrame,
        *,
        key: Sequence[str],
        delete: pl.DataFrame | None = None,
        transaction: str | None = None,
        table: DeltaTable | None = None,
    ) -> Commit:
        """Insert and update ``rows`` by ``key`` and delete the keys in ``delete``, in one commit.

        Rows whose :data:`ROW_HASH` is already in the table are not written: an identical re-push makes no new
        version. Only files in which something changes are rewritten, and small ones once there are many."""
        table, folder = self.create(layer, name, rows.schema, table=table), self.path(layer, name)
        return self._commit(
            layer,
            name,
            transaction,
            lambda table: _plan_change(table, folder, rows, list(key), delete),
            table,
        )

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
        """Make the table equal ``rows``, schema and all, in one commit; equal content makes no new version.

        ``statistics`` names the columns that may have minima and maxima in the log and the Parquet footer
        (None: all). A footer has them for all or none: a masked table keeps them only where all may be seen."""
        lazy = rows.lazy()
        schema = lazy.collect_schema()
        if not self.exists(layer, name):
            self.create(layer, name, schema, description)
        part = write_part(lazy.sort(key), self.path(layer, name), statistics)

        def plan(table: DeltaTable) -> _Planned | None:
            held = _scan(table, self.path(layer, name), _files(table)["path"])
            same = _schema(table) == schema and table.version() > 0
            if same and fingerprint(pl.scan_parquet(part.path)) == fingerprint(held):
                return None
            parts = [part] if part.rows else []
            return _Planned(parts, "overwrite", schema=arrow_schema(schema), inserted=part.rows)

        commit = self._commit(layer, name, None, plan)
        if not commit.changed or not part.rows:
            part.path.unlink()
        return commit

    def publish_pieces(
        self,
        layer: str,
        name: str,
        rows: pl.DataFrame,
        *,
        by: Sequence[str],
        statistics: Collection[str] | None = None,
        description: str = "",
    ) -> Commit:
        """Make the table equal ``rows`` as :meth:`publish` does, and write only files in which something changes.

        Rows are divided by a hash of the ``by`` columns, a file for each piece, in the order they are given: which
        rows lie together is decided by their values alone, and tells nothing of when they came. ``statistics`` as for
        :meth:`publish`."""
        if not self.exists(layer, name):
            self.create(layer, name, rows.schema, description)
        folder = self.path(layer, name)
        return self._commit(
            layer, name, None, lambda table: _plan_pieces(table, folder, rows, list(by), statistics)
        )

    def identity(self, layer: str, name: str) -> tuple[str, int] | None:
        """Which table this is, and its version: the two say whether it is the one that was read before; None where
        it does not exist."""
        if not self.exists(layer, name):
            return None
        table = self.table(layer, name)
        return str(table.metadata().id), table.version()

    def between(self, layer: str, name: str, since: int) -> tuple[pl.LazyFrame, pl.LazyFrame] | None:
        """The rows of the files that have gone since a version, and of those that have come: what has changed is in
        these, beside rows that were only written anew. None where that is no longer known (a file was vacuumed, the
        log cleaned, or columns were added)."""
        table, folder = self.table(layer, name), self.path(layer, name)
        try:
            earlier = DeltaTable(str(folder), version=since)
        except DeltaError:
            return None
        before, after = (set(_files(version)["path"]) for version in (earlier, table))
        gone, come = sorted(before - after), sorted(after - before)
        if _schema(earlier) != _schema(table) or not all((folder / path).exists() for path in gone):
            return None
        return _scan(table, folder, gone), _scan(table, folder, come)

    def exchange(
        self, layer: str, name: str, rows: pl.DataFrame, *, held: pl.DataFrame, key: Sequence[str]
    ) -> Commit:
        """Put ``rows`` in the place of ``held``, which are rows of the table that ``key`` tells apart, in one commit.

        Rows that are among both stay where they are; where all are, there is no new version."""
        columns = rows.columns
        leaving = held.join(rows, on=columns, how="anti", nulls_equal=True).select(key)
        coming = rows.join(held, on=columns, how="anti", nulls_equal=True)
        folder = self.path(layer, name)
        return self._commit(
            layer, name, None, lambda table: _plan_exchange(table, folder, coming, leaving, list(key))
        )

    def forget(self, layer: str, name: str, keep: Collection[Path] = ()) -> None:
        """Remove all but the current version: superseded Parquet files (save those to ``keep``), and the log entries that
        tell their bounds.

        For masked tables only: a value withdrawn from one must not stay readable beside it.
        """
        table, folder = self.table(layer, name), self.path(layer, name)
        staying = {path.absolute() for path in (*self.files(layer, name), *keep)}
        for path in folder.absolute().rglob("*.parquet"):
            if path not in staying and path.parent.name != "_delta_log":
                path.unlink()
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

    def _commit(
        self,
        layer: str,
        name: str,
        transaction: str | None,
        plan: Callable[[DeltaTable], _Planned | None],
        table: DeltaTable | None = None,
    ) -> Commit:
        """Commit what ``plan`` makes of the current version (None: nothing); where another writer was faster,
        plan again on what it left. A transaction that the table has changes nothing.

        ``table`` is the table where it has just been opened: opening it is half the cost of a small commit."""
        table = table or self.table(layer, name)
        for attempt in range(1, ATTEMPTS + 1):
            known = transaction is not None and table.transaction_version(transaction) is not None
            planned = None if known else plan(table)
            if planned is None:
                break
            try:
                planned.commit(table, transaction)
            except CommitFailedError:
                if attempt == ATTEMPTS:
                    raise
                table = self.table(layer, name)
                continue
            table.update_incremental()
            counts = (planned.inserted, planned.updated, planned.deleted)
            return Commit(table.version(), int(table.count()), True, *counts)
        return Commit(table.version(), int(table.count()), changed=False)


@dataclass(frozen=True)
class _Planned:
    """One commit on a known version of a table: files in, files out, and what that does to its rows."""

    parts: Sequence[Part]
    mode: str = "append"
    removed: Sequence[RemoveAction] = ()
    schema: pa.Schema | None = None
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def commit(self, table: DeltaTable, transaction: str | None) -> None:
        """Write it; raises ``CommitFailedError`` where the table has a newer version."""
        now = int(time.time() * 1000)
        names = [_WRITER, *([transaction] if transaction else [])]
        table.create_write_transaction(
            [*(part.action() for part in self.parts), *self.removed],
            self.mode,
            self.schema or table.schema(),
            commit_properties=CommitProperties(
                app_transactions=[Transaction(name, table.version() + 1, now) for name in names]
            ),
        )


def _plan_change(
    table: DeltaTable, folder: Path, rows: pl.DataFrame, key: list[str], delete: pl.DataFrame | None
) -> _Planned | None:
    """What ``rows`` change in this version of the table, and a part with that and what stands beside it."""
    files = _files(table)
    held = _held(folder, files, rows.schema, key)
    matched = rows.join(held, on=key, how="left", nulls_equal=True, maintain_order="left")
    inserted = matched.filter(pl.col(_FILE).is_null())
    updated = matched.filter(pl.col(_FILE).is_not_null() & pl.col("_held").ne_missing(pl.col(ROW_HASH)))
    leaving = delete.select(key) if delete is not None else held.select(key).clear()
    gone = held.join(leaving, on=key, how="semi", nulls_equal=True)
    if not (inserted.height or updated.height or gone.height):
        return None
    touched = {Path(path).name for path in {*updated[_FILE].unique(), *gone[_FILE].unique()}}
    rewritten = files.filter(pl.col("path").is_in(list(touched)) | _too_many_small())
    changed = pl.concat([updated.select(key), gone.select(key)])
    fresh = _conformed(pl.concat([updated, inserted]).select(rows.columns).lazy(), _schema(table))
    if rewritten.height:
        kept = _scan(table, folder, rewritten["path"]).join(
            changed.lazy(), on=key, how="anti", nulls_equal=True
        )
        fresh = pl.concat([kept, fresh])
    part = write_part(fresh, folder)
    return _Planned(
        [part] if part.rows else [],
        removed=[_removed(*file) for file in rewritten.select("path", "size_bytes").iter_rows()],
        inserted=inserted.height,
        updated=updated.height,
        deleted=gone.height,
    )


def _plan_exchange(
    table: DeltaTable, folder: Path, coming: pl.DataFrame, leaving: pl.DataFrame, key: list[str]
) -> _Planned | None:
    """The rows of ``coming`` instead of those with a key in ``leaving``; only files that lose a row are rewritten, and
    small ones once there are many."""
    if coming.is_empty() and leaving.is_empty():
        return None
    files = _files(table)
    losing = set[str]()
    if leaving.height:
        paths = [folder / path for path in files["path"]]
        keys = pl.scan_parquet(paths, include_file_paths=_FILE).select(*key, _FILE)
        found = keys.join(leaving.lazy(), on=key, how="semi", nulls_equal=True).select(_FILE).unique()
        losing = {Path(path).name for path in found.collect(engine="streaming")[_FILE]}
    rewritten = files.filter(pl.col("path").is_in(list(losing)) | _too_many_small())
    kept = _scan(table, folder, rewritten["path"]).join(leaving.lazy(), on=key, how="anti", nulls_equal=True)
    part = write_part(pl.concat([kept, _conformed(coming.lazy(), _schema(table))]), folder)
    return _Planned(
        [part] if part.rows else [],
        removed=[_removed(*file) for file in rewritten.select("path", "size_bytes").iter_rows()],
        inserted=coming.height,
        deleted=leaving.height,
    )


def _plan_pieces(
    table: DeltaTable, folder: Path, rows: pl.DataFrame, by: list[str], statistics: Collection[str] | None
) -> _Planned | None:
    """The pieces that are not yet there as they should be, instead of the files that are no such piece."""
    # a power of two, so that growing tables are divided anew seldom, and a bit mask finds the piece
    pieces = 1 << max((rows.height // PIECE_ROWS).bit_length() - 1, 0)
    divided = rows.with_columns((row_hash(by, rows.schema) & (pieces - 1)).alias(_PIECE))
    wanted = _fingerprints(divided.lazy(), rows.columns, [_PIECE]).collect()
    files, wider = _files(table), _schema(table) != rows.schema
    kept = wanted.clear().with_columns(pl.lit("").alias(_FILE))
    if files.height and not wider:
        held = pl.scan_parquet([folder / path for path in files["path"]], include_file_paths=_FILE)
        held = held.with_columns((row_hash(by, rows.schema) & (pieces - 1)).alias(_PIECE))
        found = _fingerprints(held, rows.columns, [_PIECE, _FILE]).collect(engine="streaming")
        # a file with rows of several pieces, or a piece in several files, is of another division
        whole = found.filter(pl.len().over(_FILE) == 1, pl.len().over(_PIECE) == 1)
        kept = whole.join(wanted, on=wanted.columns)
    fresh = divided.join(kept, on=_PIECE, how="anti", maintain_order="left")
    staying = {Path(path).name for path in kept[_FILE]}
    leaving = files.filter(~pl.col("path").is_in(list(staying)))
    if fresh.is_empty() and leaving.is_empty() and not wider:
        return None
    parts = [
        write_part(piece.drop(_PIECE).lazy(), folder, statistics)
        for piece in fresh.partition_by(_PIECE, maintain_order=True)
    ]
    if wider:
        return _Planned(parts, "overwrite", schema=arrow_schema(rows.schema), inserted=fresh.height)
    removed = [_removed(*file) for file in leaving.select("path", "size_bytes").iter_rows()]
    return _Planned(parts, removed=removed, inserted=fresh.height)


def _fingerprints(rows: pl.LazyFrame, columns: Sequence[str], by: Sequence[str]) -> pl.LazyFrame:
    """Of each group of rows what :func:`fingerprint` says of all: equal for equal content in any order."""
    hashed = rows.select(*by, pl.struct(columns).hash(seed=1).alias("h"))
    return hashed.group_by(by).agg(
        pl.len().alias("n"),
        (pl.col("h") % 4294967291).sum().alias("low"),
        (pl.col("h") // 4294967291).sum().alias("high"),
    )


def _files(table: DeltaTable) -> pl.DataFrame:
    """The files of this version: ``path`` in its folder, ``size_bytes``, ``num_records``."""
    files = pl.DataFrame(table.get_add_actions())
    return files.select("path", "size_bytes", "num_records")


def _too_many_small() -> pl.Expr:
    small = pl.col("num_records") < SMALL_ROWS
    return small & (small.sum() > SMALL_FILES)


def _held(folder: Path, files: pl.DataFrame, schema: pl.Schema, key: Sequence[str]) -> pl.DataFrame:
    """Of each row its key, its hash as ``_held``, and the file it is in."""
    paths = [folder / path for path in files["path"]]
    if not paths:
        keys = {column: schema[column] for column in key}
        return pl.DataFrame(schema={**keys, "_held": pl.Int64(), _FILE: pl.String()})
    rows = pl.scan_parquet(paths, include_file_paths=_FILE, missing_columns="insert", extra_columns="ignore")
    return rows.select(*key, pl.col(ROW_HASH).alias("_held"), _FILE).collect(engine="streaming")


def _schema(table: DeltaTable) -> pl.Schema:
    return pl.Schema(table.schema().to_arrow())


def _scan(table: DeltaTable, folder: Path, paths: Iterable[str]) -> pl.LazyFrame:
    """The rows of these of the table's files, with the table's columns; a file that lacks one has it null.

    ``scan_delta`` would do the same, but finds no file under a folder with a Chinese name or a blank in it."""
    files = [folder / path for path in paths]
    schema = _schema(table)
    if not files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(files, schema=schema, missing_columns="insert")


def _removed(path: str, size: int) -> RemoveAction:
    return RemoveAction(path, True, int(time.time() * 1000), size, {})


def _lacks(table: DeltaTable, schema: pl.Schema, name: str) -> bool:
    """Whether the schema has columns that the table has not; raises :class:`SchemaChangeError` for what differs."""
    held = _schema(table)
    for column, dtype in schema.items():
        if column in held and held[column] != dtype:
            raise SchemaChangeError(name, column, str(held[column]), str(dtype))
    return not set(schema) <= set(held)


def _plan_wider(table: DeltaTable, folder: Path, schema: pl.Schema) -> _Planned:
    """The table with what it lacks of ``schema``.

    Its files are written anew, so that every file has every column and a plain ``read_parquet`` finds them."""
    wider = pl.Schema({**_schema(table), **schema})
    rows = _scan(table, folder, _files(table)["path"])
    part = write_part(_conformed(rows, wider), folder)
    return _Planned([part] if part.rows else [], "overwrite", schema=arrow_schema(wider))


def _conformed(rows: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """The rows with all columns of the schema in its order, null where they lack one."""
    present = rows.collect_schema()
    return rows.select(
        pl.col(column) if column in present else pl.lit(None, dtype).alias(column)
        for column, dtype in schema.items()
    )


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
    wanted = statistics is None or set(rows.collect_schema().names()) <= set(statistics)
    # the first of zstd's levels makes files as small as the default, a fifth sooner
    rows.sink_parquet(path, compression="zstd", compression_level=1, statistics=wanted, sync_on_close="all")
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
    if dtype == pl.Date:
        return column.map_batches(_day_texts, return_dtype=pl.String, is_elementwise=True)
    return column.cast(pl.String)


def _day_texts(days: pl.Series) -> pl.Series:
    """The dates as text; where there are more rows than days between the first and the last, each day is written once."""
    numbers = days.to_physical()
    first, last = numbers.min(), numbers.max()
    if not isinstance(first, int) or not isinstance(last, int) or last - first >= len(days):
        return days.cast(pl.String)
    every = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).cast(pl.String)
    return every.gather(numbers - first)


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
