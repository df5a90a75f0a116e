"""What one commit does to a known version of a table: files in, files out, rows inserted, updated, deleted.

Here belongs the planning of changes by key, exchanges, pieces and wider schemas. Nothing here retries or decides; the
table's folder gets new Parquet files, which are visible only once ``lake.tables`` has committed the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import RemoveAction

from lake.chunks import exchanged_part
from lake.footers import FooterError
from lake.hashes import ROW_HASH, fingerprints, row_hash
from lake.parts import Part, write_part

#: More files than this, each with fewer rows than that, are folded into one by the next change.
SMALL_FILES, SMALL_ROWS = 16, 100_000
#: A table that is published in pieces has at least this many rows in each, and fewer than twice as many.
PIECE_ROWS = 50_000
#: Every commit carries this application transaction: of two made from one version, Delta refuses the second.
_WRITER = "citylake.writer"
_FILE = "_file:"
_PIECE = "_piece:"
_GROUP = "_group:"
_PLACE = "_place:"


#: What is written of the rows that come, once it is known which leave.
Settle = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


class Under(NamedTuple):
    """What a transaction was made under: a ``number`` that the table keeps as long as the transaction itself, and ``words``
    in the commit's own info, for whoever reads the log while that commit is in it."""

    number: int
    words: Mapping[str, str]


@dataclass(frozen=True)
class Planned:
    """One commit on a known version of a table: files in, files out, and what that does to its rows.

    ``restated``: transactions that are to be known under another number from now on."""

    parts: Sequence[Part]
    mode: str = "append"
    removed: Sequence[RemoveAction] = ()
    schema: pa.Schema | None = None
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    restated: Mapping[str, int] = field(default_factory=dict)

    def commit(self, table: DeltaTable, transaction: str | None, under: Under | None = None) -> None:
        """Write it; raises ``CommitFailedError`` where the table has a newer version."""
        now, following = int(time.time() * 1000), table.version() + 1
        numbers = {_WRITER: following, **self.restated}
        if transaction:
            numbers[transaction] = under.number if under else following
        table.create_write_transaction(
            [*(part.action() for part in self.parts), *self.removed],
            self.mode,
            self.schema or table.schema(),
            commit_properties=CommitProperties(
                custom_metadata=dict(under.words) if under else None,
                app_transactions=[Transaction(name, number, now) for name, number in numbers.items()],
            ),
        )


def plan_change(
    table: DeltaTable, folder: Path, rows: pl.DataFrame, key: list[str], delete: pl.DataFrame | None
) -> Planned | None:
    """What ``rows`` change in this version of the table, and a part with that and what stands beside it."""
    files = files_of(table)
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
    fresh = conformed(pl.concat([updated, inserted]).select(rows.columns).lazy(), schema_of(table))
    if rewritten.height:
        kept = scan_files(table, folder, rewritten["path"]).join(
            changed.lazy(), on=key, how="anti", nulls_equal=True
        )
        fresh = pl.concat([kept, fresh])
    part = write_part(fresh, folder)
    return Planned(
        [part] if part.rows else [],
        removed=[_removed(*file) for file in rewritten.select("path", "size_bytes").iter_rows()],
        inserted=inserted.height,
        updated=updated.height,
        deleted=gone.height,
    )


def plan_exchange(
    table: DeltaTable,
    folder: Path,
    coming: pl.DataFrame,
    leaving: pl.Expr,
    order: str,
    sort: Sequence[str] = (),
    settle: Settle | None = None,
) -> Planned | None:
    """The rows of ``coming`` instead of those that are ``leaving``, file by file; one in which that changes nothing stays.
    ``settle`` is asked what is written of the ones, and is shown the others.

    Rows of whom a file knows (by the column ``order``) come into it again; those of others into a new one, or the last that
    is written anyhow. Small files are folded into one once there are many."""
    fresh, files = conformed(coming.lazy(), schema_of(table)).collect(), _grouped(files_of(table))
    paths = {group: mine["path"] for (group,), mine in files.group_by(_GROUP, maintain_order=True)}
    # who leaves is read apart from who stays: a reader that filters as it reads never makes the other rows
    olds = {group: _leaving(table, folder, path, leaving) for group, path in paths.items()}
    folded = set(files.filter(pl.len().over(_GROUP) > 1)[_GROUP])
    if settle:
        fresh = settle(fresh, pl.concat([fresh.clear(), *(old.drop(_PLACE) for old in olds.values())]))
    groups = sorted(group for group in paths if group in folded or olds[group].height)
    placed = _placed(fresh, olds, order, groups[-1] if groups else -1)
    nothing = fresh.clear().with_columns(pl.lit(None, pl.get_index_type()).alias(_PLACE))

    def rewritten(group: int) -> tuple[Part, int, int] | None:
        new, old = placed.filter(pl.col(_GROUP) == group).drop(_GROUP), olds.get(group, nothing)
        arriving = new.join(old, on=new.columns, how="anti", nulls_equal=True)
        departing = old.join(new, on=new.columns, how="anti", nulls_equal=True)
        if not (arriving.height or departing.height):
            return None
        mine, part = paths.get(group, pl.Series([], dtype=pl.String)), None
        # of rows that are there twice none is told from the other
        alone = new.n_unique() == new.height == old.height == old.n_unique(new.columns)
        if alone and mine.len() == 1 and not sort:
            part = _in_place(table, folder / mine[0], arriving, departing, order)
        if part is None:
            every = pl.concat([scan_files(table, folder, mine).filter(~leaving), new.lazy()])
            part = write_part(every.sort(sort, nulls_last=True) if sort else every, folder)
        return part, arriving.height, departing.height

    parts, removed, inserted, deleted = [], [], 0, 0
    # while one file waits for the disk another is written
    with ThreadPoolExecutor(2) as pool:
        for group, made in zip(groups or [-1], pool.map(rewritten, groups or [-1]), strict=True):
            if made:
                parts.append(made[0])
                mine = files.filter(pl.col(_GROUP) == group).select("path", "size_bytes")
                removed += [_removed(*file) for file in mine.iter_rows()]
                inserted, deleted = inserted + made[1], deleted + made[2]
    for part in parts:
        if not part.rows:
            part.path.unlink()
    filled = [part for part in parts if part.rows]
    return Planned(filled, removed=removed, inserted=inserted, deleted=deleted) if parts else None


def _placed(fresh: pl.DataFrame, olds: Mapping[int, pl.DataFrame], order: str, last: int) -> pl.DataFrame:
    """The rows that come, with the group that each comes into: that in which its own leave, else the ``last``.

    Whose rows lie in several files are looked for in all of these, and come into the first."""
    lie = [old.select(order, pl.lit(group, pl.Int64).alias(_GROUP)) for group, old in olds.items()]
    nowhere = fresh.clear().select(order, pl.lit(-1, pl.Int64).alias(_GROUP))
    home = pl.concat([nowhere, *lie]).unique(order, keep="first", maintain_order=True)
    placed = fresh.join(home, on=order, how="left", maintain_order="left")
    return placed.with_columns(pl.col(_GROUP).fill_null(last))


def _leaving(table: DeltaTable, folder: Path, paths: Iterable[str], leaving: pl.Expr) -> pl.DataFrame:
    """The rows of these files that leave, each with its place among their rows."""
    return scan_files(table, folder, paths, numbered=_PLACE).filter(leaving).collect()


def _in_place(
    table: DeltaTable, file: Path, arriving: pl.DataFrame, departing: pl.DataFrame, order: str
) -> Part | None:
    """The file with each row that arrives in the place of one that departs; None where these are not as many, or nothing
    would be saved: then it is written anew.

    Which comes into whose place is free. An entity's own rows differ in the fewest columns, and only these are encoded."""
    schema = schema_of(table)
    if arriving.height != departing.height:
        return None
    by = [order, *(name for name, dtype in schema.items() if name != order and not dtype.is_nested())]
    new, old = arriving.sort(by), departing.sort(by)
    changed = [name for name in schema if new[name].ne_missing(old[name]).any()]
    if len(changed) == len(schema) or pl.read_parquet_schema(file) != schema:
        return None
    try:
        return exchanged_part(file, old[_PLACE], new.select(changed))
    except FooterError:
        return None


def _grouped(files: pl.DataFrame) -> pl.DataFrame:
    """Files with the number of the one file they become when they are rewritten: of small ones, if there are many, one."""
    number = pl.int_range(pl.len())
    return files.with_columns(pl.when(_too_many_small()).then(-2).otherwise(number).alias(_GROUP))


def plan_pieces(
    table: DeltaTable, folder: Path, rows: pl.DataFrame, by: list[str], statistics: Collection[str] | None
) -> Planned | None:
    """The pieces that are not yet there as they should be, instead of the files that are no such piece."""
    # a power of two, so that growing tables are divided anew seldom, and a bit mask finds the piece
    pieces = 1 << max((rows.height // PIECE_ROWS).bit_length() - 1, 0)
    divided = rows.with_columns((row_hash(by, rows.schema) & (pieces - 1)).alias(_PIECE))
    wanted = fingerprints(divided.lazy(), rows.columns, [_PIECE]).collect()
    files, wider = files_of(table), schema_of(table) != rows.schema
    kept = wanted.clear().with_columns(pl.lit("").alias(_FILE))
    if files.height and not wider:
        held = pl.scan_parquet([folder / path for path in files["path"]], include_file_paths=_FILE)
        held = held.with_columns((row_hash(by, rows.schema) & (pieces - 1)).alias(_PIECE))
        found = fingerprints(held, rows.columns, [_PIECE, _FILE]).collect(engine="streaming")
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
        return Planned(parts, "overwrite", schema=arrow_schema(rows.schema), inserted=fresh.height)
    removed = [_removed(*file) for file in leaving.select("path", "size_bytes").iter_rows()]
    return Planned(parts, removed=removed, inserted=fresh.height)


def plan_wider(table: DeltaTable, folder: Path, schema: pl.Schema) -> Planned:
    """The table with what it lacks of ``schema``.

    Its files are written anew, so that every file has every column and a plain ``read_parquet`` finds them."""
    wider = pl.Schema({**schema_of(table), **schema})
    rows = scan_files(table, folder, files_of(table)["path"])
    part = write_part(conformed(rows, wider), folder)
    return Planned([part] if part.rows else [], "overwrite", schema=arrow_schema(wider))


def files_of(table: DeltaTable) -> pl.DataFrame:
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


def schema_of(table: DeltaTable) -> pl.Schema:
    return pl.Schema(table.schema().to_arrow())


def scan_files(
    table: DeltaTable, folder: Path, paths: Iterable[str], *, numbered: str | None = None
) -> pl.LazyFrame:
    """The rows of these of the table's files, with the table's columns; a file that lacks one has it null. ``numbered`` is a
    column that numbers them.

    ``scan_delta`` would do the same, but finds no file under a folder with a Chinese name or a blank in it."""
    files = [folder / path for path in paths]
    schema = schema_of(table)
    if not files:
        return pl.LazyFrame(schema={**({numbered: pl.get_index_type()} if numbered else {}), **schema})
    return pl.scan_parquet(files, schema=schema, missing_columns="insert", row_index_name=numbered)


def _removed(path: str, size: int) -> RemoveAction:
    return RemoveAction(path, True, int(time.time() * 1000), size, {})


def conformed(rows: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """The rows with all columns of the schema in its order, null where they lack one."""
    present = rows.collect_schema()
    return rows.select(
        pl.col(column) if column in present else pl.lit(None, dtype).alias(column)
        for column, dtype in schema.items()
    )


def arrow_schema(schema: pl.Schema) -> pa.Schema:
    """The schema Delta is told: plain Arrow types, all nullable."""
    return schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
