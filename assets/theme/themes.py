"""Read a theme's header, find what its SQL reads, run it in DuckDB, publish the result.

Here belongs what all themes share. Which columns of the result who may see is derived elsewhere, from the same SQL.
"""

from __future__ import annotations

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

from assets.base.golden import golden_schema
from assets.build import Build, Built, Context, TableName
from assets.standard import SYSTEM_SCHEMA
from catalog.base_model import load_bases
from catalog.load import Catalogue, CatalogueError, Fault, Place, validate
from catalog.model import Code, Declaration, Frequency, Text, Title
from lake.locks import writing
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
    """Run the theme's SQL and its tests, and make its table equal the result."""
    code = theme.header.code
    with duckdb.connect(config=SETTINGS) as connection:
        _set_date(connection)
        expose(connection, context, theme.reads)
        notes: dict[str, int | float | str] = {}
        if theme.header.subject:
            result, notes = _only_large(connection, context, theme, theme.header.subject)
        else:
            result = connection.execute(theme.sql).pl()
        connection.register("this", result.to_arrow(compat_level=pl.CompatLevel.oldest()))
        for test in theme.header.tests:
            failing = len(connection.execute(test.sql).fetchall())
            if failing:
                raise ThemeTestError(code, test, failing)
    with writing(context.home, f"theme.{code}"):
        commit = context.lake.publish("theme", code, result, key=theme.header.key)
    return Built({("theme", code): commit}, {"rows": commit.rows, **notes})


def _only_large(
    connection: duckdb.DuckDBPyConnection,
    context: Context,
    theme: Theme,
    subject: str,
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
    if not lifted.lines:
        return result, {}
    sizes = connection.execute(groups.sizes).pl()
    left = suppress(result, groups, sizes, lifted.k, lifted.largest_share)
    return left.rows, {
        "k": lifted.k,
        "groups left out": left.groups_left_out,
        "numbers left out": left.numbers_left_out,
    }


def _set_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Let ``current_date`` and ``today()`` be the city's date: DuckDB without its ICU extension knows only UTC's, which
    is yesterday's until eight in the morning."""
    for name in ("current_date", "today"):
        connection.execute(f"CREATE MACRO {name}() AS DATE '{today().isoformat()}'")


def expose(connection: duckdb.DuckDBPyConnection, context: Context, tables: Iterable[TableName]) -> None:
    """Give the connection a view for each table; one not yet built is an empty table of its declared shape."""
    declared = _declared_schemas(context.catalogue)
    for layer, name in tables:
        built = context.lake.exists(layer, name)
        shape = context.lake.scan(layer, name).collect_schema() if built else declared[layer, name]
        empty = pl.Schema(shape).to_frame().to_arrow(compat_level=pl.CompatLevel.oldest())
        # a table, not the frame itself: DuckDB pushes filters into a view's parts that it cannot push into Arrow
        connection.register("empty", empty)
        connection.execute(f'CREATE TEMP TABLE "empty:{layer}.{name}" AS SELECT * FROM empty')  # noqa: S608 - as below
        connection.unregister("empty")
        rows = f'SELECT * FROM "empty:{layer}.{name}"'  # noqa: S608 - names of the catalogue
        paths = context.lake.files(layer, name) if built else []
        if paths:
            listed = ", ".join(f"'{str(path).replace(chr(39), chr(39) * 2)}'" for path in paths)
            rows += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}])"  # noqa: S608 - paths of ours
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
        connection.execute(f'CREATE VIEW "{layer}"."{name}" AS {rows}')


def _declared_schemas(catalogue: Catalogue) -> Mapping[TableName, pl.Schema]:
    schemas: dict[TableName, pl.Schema] = {
        ("standard", entry.code): pl.Schema({**content_schema(entry), **SYSTEM_SCHEMA})
        for entry in catalogue.entries.values()
    }
    for base in load_bases(catalogue).values():
        schemas["base", base.code] = pl.Schema(golden_schema(catalogue, base))
    return schemas
