"""A DuckDB file of views over Parquet files: how it is written and how it takes its predecessor's place.

Here belongs the making of one file. What it shows, and to whom, is decided in ``analyst``; which Parquet files must stay
while somebody reads an older one is in ``snapshots``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from catalog.errors import MendableError
from lake.quoting import sql_name, sql_text


class OpenLogError(MendableError, RuntimeError):
    """Somebody has the file open for writing; replacing it would lose what they wrote or mix two files."""

    def __init__(self, log: Path) -> None:
        super().__init__(
            f"{log.name} lies beside the file: close what writes to it, remove the log, and run again"
        )


#: Without its ICU extension, which would have to be downloaded, DuckDB knows UTC's date alone: until eight in the morning
#: that is the city's yesterday.
_CITY_DATE = tuple(
    f"CREATE MACRO {name}() AS CAST(epoch_ms(epoch_ms(now()) + 8 * 3600000) AS DATE)"
    for name in ("current_date", "today")
)


@dataclass(frozen=True)
class View:
    """One view: where it stands, the Parquet files under it, its shape, and what people are told of it."""

    schema: str
    name: str
    files: Sequence[Path]
    shape: pl.Schema
    comment: str
    columns: Mapping[str, str]


def replace_file(target: Path, views: Sequence[View], work: Path, macros: Sequence[str] = ()) -> None:
    """Build a DuckDB file of views (and macros over them) aside, and put it in the target's place in one step. In it
    ``current_date`` and ``today()`` are the city's date.

    Whoever has the old file open keeps it; a new connection sees the whole new one. Raises
    :class:`OpenLogError`."""
    log = target.with_name(target.name + ".wal")
    if log.exists():
        raise OpenLogError(log)
    work.mkdir(parents=True, exist_ok=True)
    draft = work / f"{target.name}.draft"
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(draft)) as connection:
        # one transaction: hundreds of comments, each committed by itself, would take seconds
        connection.begin()
        for view in views:
            _create(connection, view)
        for macro in (*_CITY_DATE, *macros):
            connection.execute(macro)
        connection.commit()
    draft.chmod(0o640)
    draft.replace(target)


def _create(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    name = f"{sql_name(view.schema)}.{sql_name(view.name)}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {sql_name(view.schema)}")
    connection.execute(f"CREATE VIEW {name} AS {_query(connection, view)}")
    connection.execute(f"COMMENT ON VIEW {name} IS {sql_text(view.comment)}")
    for column, comment in view.columns.items():
        connection.execute(f"COMMENT ON COLUMN {name}.{sql_name(column)} IS {sql_text(comment)}")


def _query(connection: duckdb.DuckDBPyConnection, view: View) -> str:
    """Plain ``read_parquet`` over absolute paths: no extension is needed, and pruning reaches the files."""
    if view.files:
        paths = ", ".join(sql_text(path.absolute()) for path in view.files)
        return f"FROM read_parquet([{paths}])"
    empty = view.shape.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest())
    types = connection.from_arrow(empty).types
    columns = ", ".join(
        f"CAST(NULL AS {dtype}) AS {sql_name(name)}" for name, dtype in zip(view.shape, types, strict=True)
    )
    return f"SELECT {columns} WHERE false"
