"""Making only those rows of a theme anew that changed source rows lead to.

Here belong the steps in DuckDB, over tables that are there: which keys changed rows lead to, which rows of the sources are
needed for them, and so the views that the query reads. That this gives what the whole query would is ``locality``'s proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
import polars as pl

from assets.build import TableName
from assets.theme.locality import Bridge, Keys, Local
from lake.quoting import sql_name

#: Whole tables are under this and their layer's name; what is needed of them is under the layer's own.
WHOLE = "_whole_"
_REACHED, _NEEDED = "_reached_{}", "_needed_{}"


def narrow(
    connection: duckdb.DuckDBPyConnection, local: Local, changed: Mapping[TableName, pl.DataFrame]
) -> pl.Series:
    """The theme's keys whose rows may have changed; the query's tables are made views of what these keys' rows need.

    ``changed`` holds the tied columns of rows that came or went, as they were before and after; of tables that changed only."""
    every = sorted(_every(local), key=_depth)
    number = {keys: place for place, keys in enumerate(every)}
    for keys in reversed(every):
        _make(connection, _REACHED.format(number[keys]), _reached(connection, local, changed, keys, number))
    for keys in every:
        led = [_led(connection, bridge, number[bridge.keys]) for bridge in keys.bridges]
        _make(connection, _NEEDED.format(number[keys]), led or [f"FROM {_REACHED.format(number[Keys()])}"])
    for table in local.reads:
        wanted = [
            _among(connection, tie.column, _NEEDED.format(number[tie.keys]), nulls=tie.nulls)
            for tie in sorted(local.ties, key=str)
            if tie.table == table
        ]
        chosen = " OR ".join(wanted) if wanted and table not in local.whole else "true"
        layer, name = map(sql_name, table)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
        connection.execute(f"CREATE VIEW {layer}.{name} AS SELECT * FROM {_whole(table)} WHERE {chosen}")  # noqa: S608 - names of ours
    return connection.execute(f"FROM {_NEEDED.format(number[Keys()])}").pl().to_series()


def tied_columns(local: Local, table: TableName) -> list[str]:
    """The columns by which rows of a table lead to keys."""
    return sorted({tie.column for tie in local.ties if tie.table == table})


def reached(local: Local) -> str:
    """SQL: whether a row of the theme is one of those that :func:`narrow` gave the keys of."""
    key, name = sql_name(local.key), _NEEDED.format(0)
    return f"EXISTS (FROM {name} WHERE _v IS NOT DISTINCT FROM {key})"


def _every(local: Local) -> set[Keys]:
    """All sets of keys, also those that lead to others."""
    found, waiting = {Keys()}, [tie.keys for tie in local.ties]
    while waiting:
        keys = waiting.pop()
        found.add(keys)
        waiting += [bridge.keys for bridge in keys.bridges]
    return found


def _depth(keys: Keys) -> int:
    return 1 + max((_depth(bridge.keys) for bridge in keys.bridges), default=-1)


def _reached(
    connection: duckdb.DuckDBPyConnection,
    local: Local,
    changed: Mapping[TableName, pl.DataFrame],
    keys: Keys,
    number: Mapping[Keys, int],
) -> Iterator[str]:
    """The keys that changed rows have, and those of the rows that lead on to what changed rows have."""
    for place, tie in enumerate(sorted(local.ties, key=str)):
        if tie.keys == keys:
            if tie.table not in changed:
                yield f"SELECT {sql_name(tie.column)} FROM {_whole(tie.table)} LIMIT 0"  # noqa: S608 - names of ours
                continue
            name = f"_changed_{place}"
            values = changed[tie.table].select(tie.column).unique()
            values = values if tie.nulls else values.drop_nulls()
            connection.register(name, values.to_arrow(compat_level=pl.CompatLevel.oldest()))
            yield f"FROM {name}"
    for child, place in number.items():
        for bridge in child.bridges:
            if bridge.keys == keys:
                led = _among(connection, bridge.value, _REACHED.format(place), nulls=bridge.nulls)
                yield f"SELECT {sql_name(bridge.key)} FROM {_whole(bridge.table)} WHERE {led}"  # noqa: S608 - names of ours


def _led(connection: duckdb.DuckDBPyConnection, bridge: Bridge, place: int) -> str:
    """The values that rows with the keys lead to."""
    chosen, value = _among(connection, bridge.key, _NEEDED.format(place)), sql_name(bridge.value)
    some = "" if bridge.nulls else f" AND {value} IS NOT NULL"
    return f"SELECT {value} FROM {_whole(bridge.table)} WHERE ({chosen}){some}"  # noqa: S608 - names of ours


def _make(connection: duckdb.DuckDBPyConnection, name: str, parts: Iterator[str] | list[str]) -> None:
    united = " UNION ALL ".join(f"({part})" for part in parts)
    connection.execute(f"CREATE TEMP TABLE {name} AS SELECT DISTINCT _v FROM ({united}) AS u(_v)")  # noqa: S608 - names of ours


def _among(connection: duckdb.DuckDBPyConnection, column: str, name: str, *, nulls: bool = True) -> str:
    """SQL: whether a column is among the values of a table; null is among them where it is one of them."""
    row = connection.execute(f"SELECT count(*) FROM {name} WHERE _v IS NULL").fetchone()  # noqa: S608 - a name of ours
    found = f"{sql_name(column)} IN (SELECT _v FROM {name} WHERE _v IS NOT NULL)"  # noqa: S608 - names of ours
    return f"({found} OR {sql_name(column)} IS NULL)" if nulls and row and row[0] else found


def _whole(table: TableName) -> str:
    layer, name = table
    return f"{sql_name(WHOLE + layer)}.{sql_name(name)}"
