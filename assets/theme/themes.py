"""Read a theme's header, find what its SQL reads, run it in DuckDB, publish the result.

Here belongs what all themes share. Which columns of the result who may see is derived elsewhere, from the same SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import duckdb
import polars as pl
import sqlglot
import yaml
from pydantic import Field, StringConstraints
from sqlglot import exp

from assets.base.changes import Note, moved, note, noted, rows_in_question, same, taken
from assets.build import Build, Built, Context, TableName
from assets.theme.increment import WHOLE, narrow, reached, tied_columns
from assets.theme.locality import Local, NotLocalError, find_local
from catalog.load import Catalogue, CatalogueError, Fault, Place, validate
from catalog.model import Code, Declaration, Frequency, Text, Title
from lake.locks import writing
from lake.parts import LEVEL, Part, new_part, settle_part, write_part
from lake.quoting import sql_name, sql_text
from lake.tables import Commit
from masking.columns import declared_tables
from masking.groups import SOURCE, UngroupedError, loosened_columns, read_groups
from masking.lineage import Tables
from masking.policy import load_policy
from masking.suppression import suppress
from masking.unnamed import UntraceableError
from quality.clock import today

#: Where the shipped themes stand.
FOLDER = Path(str(files("assets.theme")))
READABLE_LAYERS = ("base", "standard")
#: A connection inside the pipeline is given its share: by default DuckDB would take every core and 80 % of memory.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "4GB"}
#: Another number where this code makes other rows of the same SQL: all are run again.
RECIPE = 1
#: Where more than this share of a theme's rows is in question, making all is as fast.
_MOST = 0.25
#: Where rows lie in files that came or went that are this share of all that it reads, comparing them takes as long as making all.
_COMPARED = 0.7
#: From fewer rows DuckDB makes any theme whole in the time in which changes are found, led to their keys and exchanged.
_QUICK = 5_000_000
_OF_GROUPS = "which groups may be seen follows from all of them"
#: What a theme was made from, by its code.
_NOTE = "theme.{}"
#: By which SQL asks for the day.
_DAYS = ("current_", "today", "now", "get_current", "transaction_timestamp", "localtime", "age(")


class ThemeTest(Declaration):
    """A query over the theme (as ``this``) that must give no row, and what a row would mean."""

    title: Title
    sql: Text


class Header(Declaration):
    """The YAML in a theme's opening comment."""

    code: Code
    title: Title
    purpose: Text
    legal_basis: Text
    owner: Code
    frequency: Frequency
    key: tuple[Code, ...] = Field(min_length=1)
    subject: Code | None = Field(
        None,
        description="of a table of groups: the column that tells one person or organisation from another, so that what the "
        "policy says of groups holds",
    )
    tests: tuple[ThemeTest, ...] = ()
    columns: dict[Code, Annotated[str, StringConstraints(min_length=1)]] = Field(description="Chinese titles")


@dataclass(frozen=True)
class Theme:
    """One theme: its header, its SQL, and the tables it reads."""

    header: Header
    sql: str
    reads: tuple[TableName, ...]


class ThemeTestError(RuntimeError):
    """A theme's own test found rows; nothing was published."""

    def __init__(self, theme: str, test: ThemeTest, rows: int) -> None:
        super().__init__(
            f"theme.{theme}: {test.title.en} ({test.title.zh}): {rows} rows fail; the published table is unchanged"
        )


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each theme; raises :class:`CatalogueError` with all faults of all headers."""
    themes, faults = read_themes(catalogue)
    if faults:
        raise CatalogueError(faults)
    return [_build(theme) for theme in themes]


def read_themes(catalogue: Catalogue, folder: Path | None = None) -> tuple[list[Theme], list[Fault]]:
    """Every theme of a folder, and every fault in them."""
    faults: list[Fault] = []
    paths = sorted((folder or FOLDER).glob("*.sql"))
    themes = [theme for path in paths if (theme := read_theme(path, catalogue, faults))]
    grouped = [theme for theme in themes if theme.header.subject]
    if grouped and not faults:
        tables = declared_tables(catalogue)
        faults += [fault for theme in grouped for fault in _group_faults(theme, tables)]
    return themes, faults


def read_theme(path: Path, catalogue: Catalogue, faults: list[Fault]) -> Theme | None:
    """One theme; adds a fault and returns None where its header or SQL cannot be used."""
    text = path.read_text(encoding="utf-8")
    place = Place(f"assets/theme/{path.name}", {})
    comment, _, sql = text.removeprefix("/*").partition("*/")
    if not text.startswith("/*") or not sql.strip():
        faults.append(
            Fault(place.file, 1, "", "no header", "begin with a comment that holds the YAML header")
        )
        return None
    header = validate(Header, {"code": path.stem, **(yaml.safe_load(comment) or {})}, place, faults)
    if header is None:
        return None
    if header.owner not in catalogue.departments:
        faults.append(
            Fault(place.file, 1, "owner", f"no department {header.owner}", "name one of departments.yaml")
        )
    try:
        reads = tables_read(sql)
    except sqlglot.ParseError as error:
        faults.append(
            Fault(
                place.file,
                1,
                "",
                f"not readable as DuckDB SQL: {error.errors[0].get('description')}",
                "correct the SQL",
            )
        )
        return None
    for layer, name in reads:
        if layer not in READABLE_LAYERS:
            faults.append(
                Fault(
                    place.file, 1, "", f"reads {layer}.{name}", f"read only {' and '.join(READABLE_LAYERS)}"
                )
            )
    return Theme(header, sql, reads)


def _group_faults(theme: Theme, tables: Tables) -> list[Fault]:
    """Why the theme's SQL is none of groups of its subject."""
    subject, place = theme.header.subject, f"assets/theme/{theme.header.code}.sql"
    if subject is None:
        return []
    try:
        read_groups(theme.sql, subject, inputs_of(theme, tables))
    except (UngroupedError, UntraceableError) as error:
        return [Fault(place, 1, "subject", str(error), "see docs/themes.md, or leave `subject` out")]
    return []


def inputs_of(theme: Theme, tables: Tables) -> Tables:
    """What is declared of the tables that the theme reads."""
    return {table: tables[table] for table in theme.reads if table in tables}


def tables_read(sql: str) -> tuple[TableName, ...]:
    """The ``layer.table`` names in a query, without its own common table expressions."""
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    found = {
        (table.db, table.name)
        for table in tree.find_all(exp.Table)
        if table.name and (table.db or table.name not in own)
    }
    return tuple(sorted(found))


def _build(theme: Theme) -> Build:
    header = theme.header
    return Build(
        makes=(("theme", header.code),),
        reads=theme.reads,
        title=header.title,
        description=f"{header.purpose}\n\n依据 legal basis: {header.legal_basis}",
        owner=header.owner,
        run=lambda context: build(context, theme),
        kinds=("sql", "duckdb", "deltalake"),
    )


def build(context: Context, theme: Theme) -> Built:
    """Run the theme's SQL and its tests, and make its table equal the result; nothing is run where nothing has changed
    that it is made from, and of a query that is local by a key (``locality``) only what changed rows lead to.

    A table of groups is always run whole: what is left in it follows from the catalogue's types, too."""
    table, name = ("theme", theme.header.code), _NOTE.format(theme.header.code)
    now, then = taken(context, _digest(theme), theme.reads), noted(context, name)
    standing = context.lake.exists(*table) and then is not None and then == now.with_made(context, [table])
    if standing and not theme.header.subject:
        commit = context.lake.unchanged(*table)
        return Built({table: commit}, {"rows": commit.rows})
    try:
        commit, notes = _exchanged(context, theme, then, now)
    except _WholeError as error:
        commit, notes = _made_whole(context, theme)
        notes = {**notes, "made whole": str(error)}
    note(context, name, now.with_made(context, [table]))
    return Built({table: commit}, {"rows": commit.rows, **notes})


class _WholeError(Exception):
    """Why the theme is made whole this time."""


#: Of a column with more values than this in a row group DuckDB gathers no dictionary: sorting them out takes a tenth of a large
#: theme's time, and the files are as small without.
_VALUES = 5_000
_Notes = dict[str, int | float | str]


def _made_whole(context: Context, theme: Theme) -> tuple[Commit, _Notes]:
    table = ("theme", theme.header.code)
    part, notes = _written(context, theme)
    with writing(context.home, ".".join(table)):
        commit = context.lake.publish_parts(*table, [part], pl.Schema(pl.read_parquet_schema(part.path)))
    return commit, notes


def _exchanged(context: Context, theme: Theme, then: Note | None, now: Note) -> tuple[Commit, _Notes]:
    """Make anew only the rows that rest on what has changed, once the theme's tests hold for all of them; raises
    :class:`_WholeError` where that is not known."""
    table = ("theme", theme.header.code)
    if theme.header.subject:
        raise _WholeError(_OF_GROUPS)
    if then is None or then.declared != now.declared:
        msg = "it, or the day it asks for, is another than last time" if then else "for the first time"
        raise _WholeError(msg)
    _refuse_other(context, table, then, now)
    _refuse_long(context, theme, then, now)
    local = _local(context, theme)
    with writing(context.home, ".".join(table)), _connection(context) as connection:
        _refuse_other(context, table, then, now)
        changed = _changed(context, local, then, now)
        expose(connection, context, theme.reads, under=WHOLE)
        keys = narrow(connection, local, changed)
        whose = keys.drop_nulls()
        leaving = pl.col(local.key).is_in(whose.implode())
        if keys.null_count():
            leaving |= pl.col(local.key).is_null()
        leaving = leaving.fill_null(value=False)
        held = context.lake.scan(*table)
        if (
            held.select(leaving.sum()).collect(engine="streaming").item()
            > _MOST * context.lake.rows(*table) + 1
        ):
            msg = "most of it is to be made anew"
            raise _WholeError(msg)
        part = _copied(connection, theme, new_part(context.lake.path(*table)), f"WHERE {reached(local)}")
        try:
            coming = pl.read_parquet(part.path)
            if coming.schema != held.collect_schema():
                msg = "its columns are others"
                raise _WholeError(msg)
            files = ", ".join(map(sql_text, context.lake.files(*table)))
            kept = (
                f"FROM read_parquet([{files}]) WHERE NOT coalesce({reached(local)}, false)" if files else ""
            )
            _hold_tests(connection, theme, " UNION ALL ".join(filter(None, [kept, _file(part.path)])))
        finally:
            part.path.unlink()
        also = pl.col(local.key).is_null() if keys.null_count() else None
        commit = context.lake.exchange(
            *table, coming, whose=whose, also=also, key=local.key, sort=theme.header.key
        )
    return commit, {"made anew by": local.key, "keys": len(keys)}


def _refuse_other(context: Context, table: TableName, then: Note, now: Note) -> None:
    if not same(then, now.with_made(context, [table]), table):
        msg = "its table is not as it was left"
        raise _WholeError(msg)


def _refuse_long(context: Context, theme: Theme, then: Note, now: Note) -> None:
    """Finding what has changed takes longer than making all where little is read, or where most of it lies in files written
    since: rows of a few, and beside them all that only came along."""
    every = sum(context.lake.rows(*table) for table in theme.reads)
    if every < _QUICK:
        msg = f"from {every} rows all is made as quickly"
        raise _WholeError(msg)
    found = 0
    for table in theme.reads:
        rows = 0 if same(then, now, table) else rows_in_question(context.lake, then, table)
        if rows is None:
            msg = f"it is not known what has changed in {'.'.join(table)}"
            raise _WholeError(msg)
        found += rows
    if found > _COMPARED * every:
        msg = f"{found} rows would have to be compared to find what has changed"
        raise _WholeError(msg)


def _local(context: Context, theme: Theme) -> Local:
    """By which key the theme's rows can be made anew alone."""
    try:
        return theme_locality(theme, context.declared)
    except NotLocalError as error:
        raise _WholeError(str(error)) from error


def theme_locality(theme: Theme, tables: Tables) -> Local:
    """By which key the theme's rows can be made anew alone; raises :class:`NotLocalError` with the reason why by none."""
    if theme.header.subject:
        raise NotLocalError(_OF_GROUPS)
    return find_local(theme.sql, inputs_of(theme, tables), theme.header.key)


def _changed(context: Context, local: Local, then: Note, now: Note) -> dict[TableName, pl.DataFrame]:
    """Of each table that changed, the tied columns of the rows that came or went."""
    found = {}
    for table, read in local.reads.items():
        if same(then, now, table):
            continue
        if table in local.whole:
            msg = f"{'.'.join(table)} has changed, of which any row may decide about any"
            raise _WholeError(msg)
        tied = tied_columns(local, table)
        rows = moved(context.lake, then, table, [pl.col(column) for column in tied], [*{*read, *tied}])
        if rows is None:
            msg = f"much of {'.'.join(table)} has changed"
            raise _WholeError(msg)
        found[table] = rows
    return found


def _digest(theme: Theme) -> str:
    """Changes where the theme does, or the day, if it asks for that."""
    asks_for_day = any(name in theme.sql.lower() for name in _DAYS)
    day = today().isoformat() if asks_for_day else ""
    text = [str(RECIPE), theme.header.model_dump_json(), theme.sql, day]
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


def _written(context: Context, theme: Theme) -> tuple[Part, _Notes]:
    """The theme's rows in order, as a part of its table that is not committed yet, once its tests hold."""
    notes: _Notes = {}
    folder = context.lake.path("theme", theme.header.code)
    with _connection(context) as connection:
        expose(connection, context, theme.reads)
        if theme.header.subject:
            large, notes = _only_large(connection, context, theme, theme.header.subject)
            part = write_part(large.lazy().sort(theme.header.key), folder)
        else:
            part = _copied(connection, theme, new_part(folder))
        try:
            _hold_tests(connection, theme, _file(part.path))
        except BaseException:
            part.path.unlink()
            raise
    return part, notes


def _connection(context: Context) -> duckdb.DuckDBPyConnection:
    """DuckDB with its share of the machine, and the city's date."""
    settings = {**SETTINGS, "temp_directory": str(context.home.work / "duckdb")}
    connection = duckdb.connect(config=settings)
    # it would be drawn into the log of a run
    connection.execute("SET enable_progress_bar = false")
    _set_date(connection)
    return connection


def _file(path: Path) -> str:
    return f"FROM read_parquet({sql_text(path)})"


def _copied(connection: duckdb.DuckDBPyConnection, theme: Theme, path: Path, chosen: str = "") -> Part:
    """The rows straight into the table's folder: they are in memory only as far as sorting them asks for it."""
    connection.execute(
        f"COPY ({_storable(connection, theme.sql)} {chosen} ORDER BY {_listed(theme.header.key)}) "
        f"TO {sql_text(path)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL}, DICTIONARY_SIZE_LIMIT {_VALUES})"
    )
    return settle_part(path)


def _storable(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query with sums of whole numbers as decimals: Parquet has no 128-bit numbers, and DuckDB would round them."""
    shape = connection.sql(query)
    listed = ", ".join(
        f"CAST({name} AS DECIMAL(38, 0)) AS {name}" if str(dtype) == "HUGEINT" else name
        for name, dtype in zip(map(sql_name, shape.columns), shape.types, strict=True)
    )
    return f"SELECT {listed} FROM ({query})"  # noqa: S608 - a theme's own


def _hold_tests(connection: duckdb.DuckDBPyConnection, theme: Theme, rows: str) -> None:
    """Raise :class:`ThemeTestError` for the first test that the rows of a query fail."""
    connection.execute(f"CREATE VIEW this AS {rows}")
    for test in theme.header.tests:
        failing = len(connection.execute(test.sql).fetchall())
        if failing:
            raise ThemeTestError(theme.header.code, test, failing)


def _only_large(
    connection: duckdb.DuckDBPyConnection, context: Context, theme: Theme, subject: str
) -> tuple[pl.DataFrame, dict[str, int | float | str]]:
    """What the policy lets be seen of a table of groups: it is what the columns' looser types rest on."""
    faults: list[Fault] = []
    policy = load_policy(context.catalogue.root, faults)
    if policy is None:
        raise CatalogueError(faults)
    inputs = inputs_of(theme, context.declared)
    groups = read_groups(theme.sql, subject, inputs)
    if groups.source:
        connection.execute(f"CREATE TEMP TABLE {SOURCE} AS {groups.source}")
    result = connection.execute(groups.result).pl()
    lifted = loosened_columns(theme.sql, subject, result.schema, inputs, theme.header.columns, policy, groups)
    notes: dict[str, int | float | str] = {}
    if lifted.lines:
        once = connection.execute(groups.once).fetchone()
        sizes = connection.execute(groups.sizes_once if once and once[0] else groups.sizes).pl()
        left = suppress(result, groups, sizes, lifted.k, lifted.largest_share)
        notes = {
            "k": lifted.k,
            "groups left out": left.groups_left_out,
            "numbers left out": left.numbers_left_out,
        }
        result = left.rows
    return result, notes


def _set_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Let ``current_date`` and ``today()`` be the city's date: DuckDB without its ICU extension knows only UTC's, which
    is yesterday's until eight in the morning."""
    for name in ("current_date", "today"):
        connection.execute(f"CREATE MACRO {name}() AS DATE '{today().isoformat()}'")


def expose(
    connection: duckdb.DuckDBPyConnection, context: Context, tables: Iterable[TableName], under: str = ""
) -> None:
    """Give the connection a view for each table; one without rows is an empty table of its shape, as it is or is declared.

    Their schemas are the layers, with ``under`` before them."""
    for layer, name in tables:
        held = context.lake.files(layer, name) if context.lake.exists(layer, name) else []
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{under}{layer}"')
        if held:
            files = ", ".join(map(sql_text, held))
            connection.execute(f'CREATE VIEW "{under}{layer}"."{name}" AS FROM read_parquet([{files}])')
        else:
            _expose_empty(connection, context, (layer, name), under)


def _expose_empty(
    connection: duckdb.DuckDBPyConnection, context: Context, table: TableName, under: str
) -> None:
    layer, name = table
    if context.lake.exists(*table):
        shape = context.lake.scan(*table).collect_schema()
    else:
        declared = context.declared[table]
        shape = pl.Schema({column: of.dtype for column, of in declared.items()})
    connection.register("empty", shape.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()))
    connection.execute(f'CREATE TABLE "{under}{layer}"."{name}" AS FROM empty')
    connection.unregister("empty")


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(sql_name, columns))
