"""pandera's Polars backend: one schema of a table's checks, validated lazily so that every failure is found.

Where pandera has a check of its own it is used; the rest are its custom checks, written as Polars expressions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl

Arguments = dict[str, Any]


def _each(met: Callable[[pl.Expr, Arguments], pl.Expr]) -> Callable[[Arguments], pa.Check]:
    """A check of each value."""
    return lambda said: pa.Check(lambda data: data.lazyframe.select(met(pl.col(data.key), said)))


def _whole(number: Callable[[pl.Expr], pl.Expr]) -> Callable[[Arguments], pa.Check]:
    """A check of one number of the column."""

    def check(said: Arguments) -> pa.Check:
        low, high = said.get("min_value", float("-inf")), said.get("max_value", float("inf"))
        return pa.Check(
            lambda data: (
                data.lazyframe.select(number(pl.col(data.key)).is_between(low, high)).collect().item()
            )
        )

    return check


def _between(said: Arguments) -> pa.Check:
    low, high = said.get("min_value"), said.get("max_value")
    if low is not None and high is not None:
        return pa.Check.in_range(low, high)
    if low is not None:
        return pa.Check.gt(low) if said.get("strict_min") else pa.Check.ge(low)
    return pa.Check.le(high)


def _any_of(column: pl.Expr, said: Arguments) -> pl.Expr:
    return pl.any_horizontal(column.str.contains(pattern) for pattern in said["regex_list"])


#: What is said of one column.
COLUMN: dict[str, Callable[[Arguments], pa.Check]] = {
    "expect_column_values_to_match_regex": lambda said: pa.Check.str_matches(said["regex"]),
    "expect_column_values_to_not_match_regex": _each(
        lambda column, said: ~column.str.contains(said["regex"])
    ),
    "expect_column_values_to_match_regex_list": _each(_any_of),
    "expect_column_value_lengths_to_equal": lambda said: pa.Check.str_length(said["value"], said["value"]),
    "expect_column_value_lengths_to_be_between": lambda said: pa.Check.str_length(
        said["min_value"], said["max_value"]
    ),
    "expect_column_values_to_be_in_set": lambda said: pa.Check.isin(said["value_set"]),
    "expect_column_values_to_not_be_in_set": lambda said: pa.Check.notin(said["value_set"]),
    "expect_column_values_to_be_between": _between,
    "expect_column_mean_to_be_between": _whole(pl.Expr.mean),
    "expect_column_max_to_be_between": _whole(pl.Expr.max),
    "expect_column_min_to_be_between": _whole(pl.Expr.min),
    "expect_column_sum_to_be_between": _whole(pl.Expr.sum),
    "expect_column_stdev_to_be_between": _whole(pl.Expr.std),
    "expect_column_unique_value_count_to_be_between": _whole(pl.Expr.n_unique),
}
#: What is said of the table: rows that meet it.
TABLE: dict[str, Callable[[Arguments], pl.Expr]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": lambda said: (
        pl.col(said["column_A"]) >= pl.col(said["column_B"])
    ),
    "expect_column_pair_values_to_be_equal": lambda said: (
        pl.col(said["column_A"]) == pl.col(said["column_B"])
    ),
    "expect_table_row_count_to_be_between": lambda said: pl.len() >= said["min_value"],
}
ABSENT, UNIQUE = "expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"


def schema(checks: list[tuple[str, Arguments]]) -> pa.DataFrameSchema:
    """The list as a pandera schema; a kind that no line above names is an error."""
    said_of: dict[str, list[tuple[str, Arguments]]] = {}
    for kind, said in checks:
        if kind not in TABLE:
            said_of.setdefault(said["column"], []).append((kind, said))
    columns = {}
    for column, said in said_of.items():
        kinds = {kind for kind, _ in said}
        columns[column] = pa.Column(
            checks=[COLUMN[kind](arguments) for kind, arguments in said if kind not in (ABSENT, UNIQUE)],
            nullable=ABSENT not in kinds,
            unique=UNIQUE in kinds,
        )
    return pa.DataFrameSchema(
        columns, checks=[_of_table(TABLE[kind](s)) for kind, s in checks if kind in TABLE]
    )


def _of_table(met: pl.Expr) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(met))


def validate(folder: Path) -> None:
    """Read the table, find every failure."""
    checks = json.loads((folder / "checks.json").read_text(encoding="utf-8"))
    assert len(failures(schema(checks), pl.read_parquet(folder / "payments.parquet"))) > 0


def failures(stated: pa.DataFrameSchema, table: pl.DataFrame) -> pl.DataFrame:
    """Every failure; none where the table is as it should be."""
    try:
        stated.validate(table, lazy=True)
    except pa.errors.SchemaErrors as found:
        return found.failure_cases
    return pl.DataFrame()
