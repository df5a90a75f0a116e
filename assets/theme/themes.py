"""Read a theme's header, find what its SQL reads, run it in DuckDB, publish the result.

Here belongs what all themes share. Which columns of the result who may see is derived elsewhere, from the same SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
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

from assets.base.changes import note, noted, taken
from assets.base.golden import golden_schema
from assets.build import Build, Built, Context, TableName
from assets.standard import SYSTEM_SCHEMA
from catalog.base_model import load_bases
from catalog.load import Catalogue, CatalogueError, Fault, Place, validate
from catalog.model import Code, Declaration, Frequency, Text, Title
from lake.locks import writing
from lake.parts import Part, new_part, settle_part, write_part
from lake.quoting import sql_name, sql_text
from masking.columns import declared_tables
from masking.groups import SOURCE, UngroupedError, loosened_columns, read_groups
from masking.lineage import Tables
from masking.policy import load_policy
from masking.suppression import suppress
from masking.unnamed import UntraceableError
from quality.clock import today
from quality.plan import content_schema

#: Where the shipped themes stand.
FOLDER = Path(str(files("assets.theme")))
READABLE_LAYERS = ("base", "standard")
#: A connection inside the pipeline is given its share: by default DuckDB would take every core and 80 % of memory.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "4GB"}
#: Another number where this code makes other rows of the same SQL: all are run again.
RECIPE = 1
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
    if not faults:
        faults += [fault for theme in themes for fault in _group_faults(theme, catalogue)]
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


def _group_faults(theme: Theme, catalogue: Catalogue) -> list[Fault]:
    """Why the theme's SQL is none of groups of its subject."""
    subject, place = theme.header.subject, f"assets/theme/{theme.header.code}.sql"
    if subject is None:
        return []
    try:
        read_groups(theme.sql, subject, inputs_of(theme, declared_tables(catalogue)))
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
    that it is made from. A table of groups is always run: what is left in it follows from the catalogue's types, too."""
    table, name = ("theme", theme.header.code), _NOTE.format(theme.header.code)
    now = taken(context, _digest(theme), theme.reads)
    as_noted = noted(context, name) == now.with_made(context, [table])
    if as_noted and context.lake.exists(*table) and not theme.header.subject:
        commit = context.lake.unchanged(*table)
        return Built({table: commit}, {"rows": commit.rows})
    part, notes = _written(context, theme)
    with writing(context.home, ".".join(table)):
        commit = context.lake.publish_parts(*table, [part], pl.Schema(pl.read_parquet_schema(part.path)))
    note(context, name, now.with_made(context, [table]))
    return Built({table: commit}, {"rows": commit.rows, **notes})


def _digest(theme: Theme) -> str:
    """Changes where the theme does, or the day, if it asks for that."""
    asks_for_day = any(name in theme.sql.lower() for name in _DAYS)
    day = today().isoformat() if asks_for_day else ""
    text = [str(RECIPE), theme.header.model_dump_json(), theme.sql, day]
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


def _written(context: Context, theme: Theme) -> tuple[Part, dict[str, int | float | str]]:
    """The theme's rows in order, as a part of its table that is not committed yet, once its tests hold."""
    notes: dict[str, int | float | str] = {}
    folder = context.lake.path("theme", theme.header.code)
    settings = {**SETTINGS, "temp_directory": str(context.home.work / "duckdb")}
    with duckdb.connect(config=settings) as connection:
        _set_date(connection)
        expose(connection, context, theme.reads)
        if theme.header.subject:
            large, notes = _only_large(connection, context, theme, theme.header.subject)
            part = write_part(large.lazy().sort(theme.header.key), folder)
        else:
            part = _copied(connection, theme, new_part(folder))
        try:
            _hold_tests(connection, theme, part.path)
        except BaseException:
            part.path.unlink()
            raise
    return part, notes


def _copied(connection: duckdb.DuckDBPyConnection, theme: Theme, path: Path) -> Part:
    """The rows straight into the table's folder: they are in memory only as far as sorting them asks for it."""
    connection.execute(
        f"COPY (SELECT {_storable(connection, theme.sql)} FROM ({theme.sql}) ORDER BY {_listed(theme.header.key)}) "  # noqa: S608 - a theme's own
        f"TO {sql_text(path)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
    return settle_part(path)


def _storable(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The select list, with sums of whole numbers as decimals: Parquet has no 128-bit numbers, and DuckDB would round them."""
    shape = connection.sql(query)
    return ", ".join(
        f"CAST({name} AS DECIMAL(38, 0)) AS {name}" if str(dtype) == "HUGEINT" else name
        for name, dtype in zip(map(sql_name, shape.columns), shape.types, strict=True)
    )


def _hold_tests(connection: duckdb.DuckDBPyConnection, theme: Theme, path: Path) -> None:
    """Raise :class:`ThemeTestError` for the first test that rows of the file fail."""
    connection.execute(f"CREATE VIEW this AS FROM read_parquet({sql_text(path)})")
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
    inputs = inputs_of(theme, declared_tables(context.catalogue))
    groups = read_groups(theme.sql, subject, inputs)
    if groups.source:
        connection.execute(f"CREATE TEMP TABLE {SOURCE} AS {groups.source}")
    result = connection.execute(groups.result).pl()
    lifted = loosened_columns(theme.sql, subject, result.schema, inputs, theme.header.columns, policy)
    notes: dict[str, int | float | str] = {}
    if lifted.lines:
        sizes = connection.execute(groups.sizes).pl()
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


def expose(connection: duckdb.DuckDBPyConnection, context: Context, tables: Iterable[TableName]) -> None:
    """Give the connection a view for each table; one without rows is an empty table of its shape, as it is or is declared."""
    for layer, name in tables:
        held = context.lake.files(layer, name) if context.lake.exists(layer, name) else []
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
        if held:
            files = ", ".join(map(sql_text, held))
            connection.execute(f'CREATE VIEW "{layer}"."{name}" AS FROM read_parquet([{files}])')
        else:
            _expose_empty(connection, context, (layer, name))


def _expose_empty(connection: duckdb.DuckDBPyConnection, context: Context, table: TableName) -> None:
    layer, name = table
    if context.lake.exists(*table):
        shape = context.lake.scan(*table).collect_schema()
    else:
        shape = _declared_schemas(context.catalogue)[table]
    connection.register("empty", shape.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()))
    connection.execute(f'CREATE TABLE "{layer}"."{name}" AS FROM empty')
    connection.unregister("empty")


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(sql_name, columns))


def _declared_schemas(catalogue: Catalogue) -> Mapping[TableName, pl.Schema]:
    schemas: dict[TableName, pl.Schema] = {
        ("standard", entry.code): pl.Schema({**content_schema(entry), **SYSTEM_SCHEMA})
        for entry in catalogue.entries.values()
    }
    for base in load_bases(catalogue).values():
        schemas["base", base.code] = pl.Schema(golden_schema(catalogue, base))
    return schemas
