"""Delta tables: scan one, append to it, change rows by key, publish a rebuilt one.

Here belongs every read and commit of a Delta table, and nothing else does them. Parquet is written by Polars'
streaming engine into the table's own folder (``lake.parts``), planned as one change (``lake.changes``), and then
committed with ``create_write_transaction``: less time and memory than ``write_deltalake``, and one commit carries
rows, statistics and the push's application transaction.
What the rows mean is not known here. No deletion vectors, no column mapping: readers still mishandle them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from catalog.errors import MendableError
from lake.changes import (
    Planned,
    Settle,
    Under,
    arrow_schema,
    files_of,
    plan_change,
    plan_exchange,
    plan_pieces,
    plan_wider,
    scan_files,
    schema_of,
)
from lake.hashes import fingerprint
from lake.parts import Part, write_part

MASKED_LAYERS = ("shared", "open", "role")
LAYERS = ("standard", "quarantine", "base", "theme", "shared", "open", "role", "ops")
#: How often a commit is planned anew because another writer was faster.
ATTEMPTS = 20
#: Whoever opens a table reads the commits since its last checkpoint one by one: a hundred, as delta-rs has it, cost more
#: than all else of a small push.
_CONFIGURATION = {
    "delta.enableChangeDataFeed": "false",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.checkpointInterval": "20",
}


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
    _opened: dict[Path, tuple[DeltaTable, Path, int]] = field(default_factory=dict, repr=False, compare=False)

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
        return log.is_dir() and any(name.endswith((".json", ".parquet")) for name in os.listdir(log))  # noqa: PTH208

    def table(self, layer: str, name: str) -> DeltaTable:
        """The Delta table itself; raises :class:`TableMissingError`."""
        if not self.exists(layer, name):
            raise TableMissingError(layer, name)
        return DeltaTable(str(self.path(layer, name)))

    def current(self, layer: str, name: str) -> DeltaTable | None:
        """The table as it stands now, opened once for many small pushes: with ten thousand pushes in its log, opening it
        takes ten times as long as looking for what has come since. None where it does not exist."""
        path = self.path(layer, name)
        table, seen, at = self._opened.get(path, (None, path, 0))
        # the commit up to which it was read is not there where the log was cut, and another where the table is another
        if table and seen.exists() and seen.stat().st_mtime_ns == at:
            table.update_incremental()
        elif self.exists(layer, name):
            table = DeltaTable(str(path))
        else:
            return None
        seen = path / "_delta_log" / f"{table.version():020}.json"
        self._opened[path] = (table, seen, seen.stat().st_mtime_ns if seen.exists() else 0)
        return table

    def _known(self, layer: str, name: str) -> DeltaTable:
        """:meth:`current`; raises :class:`TableMissingError`."""
        table = self.current(layer, name)
        if table is None:
            raise TableMissingError(layer, name)
        return table

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
        return scan_files(table, self.path(layer, name), files_of(table)["path"])

    def files(self, layer: str, name: str) -> list[Path]:
        """The Parquet files of the current version: what a plain ``read_parquet`` may read."""
        return [self.path(layer, name) / path for path in files_of(self._known(layer, name))["path"]]

    def version(self, layer: str, name: str) -> int | None:
        """The current version, or None where the table does not exist."""
        return self.table(layer, name).version() if self.exists(layer, name) else None

    def rows(self, layer: str, name: str) -> int:
        """The row count, from the log alone where it has statistics (0 where the table does not exist)."""
        table = self.current(layer, name)
        return int(table.count()) if table else 0

    def applied(self, layer: str, name: str, transaction: str) -> bool:
        """Whether a commit carries this application transaction (a push id): exactly-once is read from the table."""
        return bool(self.numbers(layer, name, [transaction]))

    def numbers(self, layer: str, name: str, transactions: Iterable[str]) -> dict[str, int]:
        """The number under which each of these transactions was last committed; one that never was is left out."""
        table = self.current(layer, name)
        if table is None:
            return {}
        found = {transaction: table.transaction_version(transaction) for transaction in transactions}
        return {transaction: number for transaction, number in found.items() if number is not None}

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
            self._commit(layer, name, None, lambda table: plan_wider(table, path, schema))
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
        under: Under | None = None,
        table: DeltaTable | None = None,
    ) -> Commit:
        """Commit a Parquet part that already lies in the table's folder (see :func:`write_part`)."""
        table = self.create(layer, name, schema, table=table)
        nothing = part.rows == 0 and transaction is None
        planned = Planned([part] if part.rows else [], inserted=part.rows)
        commit = self._commit(layer, name, transaction, lambda _: None if nothing else planned, table, under)
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
        under: Under | None = None,
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
            lambda table: plan_change(table, folder, rows, list(key), delete),
            table,
            under,
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
        restated: Mapping[str, int] | None = None,
    ) -> Commit:
        """Make the table equal ``rows``, schema and all, in one commit; equal content makes no new version.

        ``statistics`` names the columns that may have minima and maxima in the log and the Parquet footer
        (None: all). A footer has them for all or none: a masked table keeps them only where all may be seen.
        ``restated``: transactions that stand under these numbers from now on (see :meth:`numbers`)."""
        lazy = rows.lazy()
        schema = lazy.collect_schema()
        if not self.exists(layer, name):
            self.create(layer, name, schema, description)
        part = write_part(lazy.sort(key), self.path(layer, name), statistics)
        return self.publish_parts(layer, name, [part], schema, restated)

    def publish_parts(
        self,
        layer: str,
        name: str,
        parts: Sequence[Part],
        schema: pl.Schema,
        restated: Mapping[str, int] | None = None,
    ) -> Commit:
        """:meth:`publish` of rows that already lie in the table's folder, in these parts."""
        if not self.exists(layer, name):
            self.create(layer, name, schema)
        filled = [part for part in parts if part.rows]

        def plan(table: DeltaTable) -> Planned | None:
            held = scan_files(table, self.path(layer, name), files_of(table)["path"])
            inserted = sum(part.rows for part in parts)
            # as many rows, before all of them are read twice to be compared
            same = schema_of(table) == schema and table.version() > 0 and table.count() == inserted
            rows = pl.scan_parquet([part.path for part in parts]) if parts else schema.to_frame().lazy()
            if same and fingerprint(rows) == fingerprint(held):
                return Planned([], restated=restated) if restated else None
            return Planned(
                filled,
                "overwrite",
                schema=arrow_schema(schema),
                inserted=inserted,
                restated=restated or {},
            )

        commit = self._commit(layer, name, None, plan)
        for part in parts:
            if not commit.inserted or not part.rows:
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
            layer, name, None, lambda table: plan_pieces(table, folder, rows, list(by), statistics)
        )

    def unchanged(self, layer: str, name: str) -> Commit:
        """What a write says that left the table as it is."""
        return Commit(self.table(layer, name).version(), self.rows(layer, name), changed=False)

    def identity(self, layer: str, name: str) -> tuple[str, int] | None:
        """Which table this is, and its version: the two say whether it is the one that was read before; None where
        it does not exist."""
        table = self.current(layer, name)
        return (str(table.metadata().id), table.version()) if table else None

    def between(self, layer: str, name: str, since: int) -> tuple[pl.LazyFrame, pl.LazyFrame] | None:
        """The rows of the files that have gone since a version, and of those that have come: what has changed is in
        these, beside rows that were only written anew. None where that is no longer known (a file was vacuumed, the
        log cleaned, or columns were added)."""
        table, folder = self.table(layer, name), self.path(layer, name)
        try:
            earlier = DeltaTable(str(folder), version=since)
        except DeltaError:
            return None
        before, after = (set(files_of(version)["path"]) for version in (earlier, table))
        gone, come = sorted(before - after), sorted(after - before)
        if schema_of(earlier) != schema_of(table) or not all((folder / path).exists() for path in gone):
            return None
        return scan_files(table, folder, gone), scan_files(table, folder, come)

    def exchange(
        self,
        layer: str,
        name: str,
        rows: pl.DataFrame,
        *,
        whose: pl.Series,
        also: pl.Expr | None = None,
        key: str,
        sort: Sequence[str] = (),
        settle: Settle | None = None,
    ) -> Commit:
        """Put ``rows`` in the place of those whose ``key`` is among ``whose``, and of those that are ``also`` meant, in one commit.
        ``settle`` makes of the ones, when it sees the others, what is written.

        A file in which nothing changes stays; where all do, there is no new version. Files hold ranges of ``key``; in the order
        of ``sort``, if it is named."""
        leaving = pl.col(key).is_in(whose.implode())
        if also is not None:
            leaving |= also
        leaving = leaving.fill_null(value=False)
        folder = self.path(layer, name)
        return self._commit(
            layer, name, None, lambda table: plan_exchange(table, folder, rows, leaving, key, sort, settle)
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

    def expunge(self, layer: str, name: str) -> int:
        """Remove all but the current version of any table, at once and whoever reads it; returns how many Parquet files
        went. For what must not be readable any more: elsewhere superseded files keep their time (``lake.upkeep``)."""
        folder = self.path(layer, name)
        before = len(list(folder.glob("*.parquet")))
        self.forget(layer, name)
        if layer.split("/", 1)[0] not in MASKED_LAYERS:
            self.table(layer, name).alter.set_table_properties(_CONFIGURATION)
        return before - len(list(folder.glob("*.parquet")))

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
        plan: Callable[[DeltaTable], Planned | None],
        table: DeltaTable | None = None,
        under: Under | None = None,
    ) -> Commit:
        """Commit what ``plan`` makes of the current version (None: nothing); where another writer was faster,
        plan again on what it left. A transaction that the table has changes nothing; what it was made ``under`` is
        in the commit beside it.

        ``table`` is the table where it has just been opened: opening it is half the cost of a small commit."""
        table = table or self.table(layer, name)
        for attempt in range(1, ATTEMPTS + 1):
            known = transaction is not None and table.transaction_version(transaction) is not None
            planned = None if known else plan(table)
            if planned is None:
                break
            try:
                planned.commit(table, transaction, under)
            except CommitFailedError:
                if attempt == ATTEMPTS:
                    raise
                table = self.table(layer, name)
                continue
            table.update_incremental()
            counts = (planned.inserted, planned.updated, planned.deleted)
            return Commit(table.version(), int(table.count()), True, *counts)
        return Commit(table.version(), int(table.count()), changed=False)


def _lacks(table: DeltaTable, schema: pl.Schema, name: str) -> bool:
    """Whether the schema has columns that the table has not; raises :class:`SchemaChangeError` for what differs."""
    held = schema_of(table)
    for column, dtype in schema.items():
        if column in held and held[column] != dtype:
            raise SchemaChangeError(name, column, str(held[column]), str(dtype))
    return not set(schema) <= set(held)
