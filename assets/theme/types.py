"""What the columns of a theme's result are to the law.

Here belong a theme's types from its SQL and its header; reading SQL for them is in ``masking``.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import polars as pl

from assets.theme.themes import FOLDER, Theme, inputs_of, read_theme
from catalog.load import Catalogue
from masking.columns import declared_tables
from masking.groups import Loosened, UngroupedError, loosened_columns
from masking.lineage import Tables, query_columns
from masking.policy import Policy
from masking.unnamed import UntraceableError


def column_types(theme: Theme, shape: pl.Schema, tables: Tables, policy: Policy) -> Loosened:
    """The columns of the theme's table, of the dtypes in ``shape``, that can be traced and masked."""
    inputs, subject = inputs_of(theme, tables), theme.header.subject
    if subject is None:
        return Loosened(query_columns(theme.sql, shape, inputs, theme.header.columns))
    try:
        return loosened_columns(theme.sql, subject, shape, inputs, theme.header.columns, policy)
    except (UngroupedError, UntraceableError):
        return Loosened({})


def grouped_columns(catalogue: Catalogue, policy: Policy, codes: Collection[str]) -> Tables:
    """The columns of themes of groups, before any is built: what a masked product of one is judged by."""
    tables = declared_tables(catalogue)
    paths = [path for code in sorted(codes) if (path := FOLDER / f"{code}.sql").exists()]
    return {
        ("theme", theme.header.code): column_types(theme, result_shape(theme, tables), tables, policy).columns
        for path in paths
        if (theme := read_theme(path, catalogue, [])) and theme.header.subject
    }


def result_shape(theme: Theme, tables: Tables) -> pl.Schema:
    """The dtypes that DuckDB gives the theme's columns, found on empty tables."""
    with duckdb.connect() as connection:
        for layer, name in theme.reads:
            shape = pl.Schema({column: declared.dtype for column, declared in tables[layer, name].items()})
            connection.register("empty", shape.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()))
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
            connection.execute(f'CREATE TABLE "{layer}"."{name}" AS SELECT * FROM empty')  # noqa: S608 - names of ours
        return connection.execute(theme.sql).pl().schema
