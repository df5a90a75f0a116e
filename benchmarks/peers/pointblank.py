"""pointblank on a Polars frame: one step for each check, without extracts of failing rows.

Where pointblank has a step of its own it is used; the rest are ``col_vals_expr``, its step for a Polars expression.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pointblank as pb
import polars as pl

Arguments = dict[str, Any]
Step = Callable[[pb.Validate, Arguments], pb.Validate]


def _between(plan: pb.Validate, said: Arguments) -> pb.Validate:
    column, low, high = said["column"], said.get("min_value"), said.get("max_value")
    if low is not None and high is not None:
        return plan.col_vals_between(column, low, high, na_pass=True)
    if low is not None:
        return (plan.col_vals_gt if said.get("strict_min") else plan.col_vals_ge)(column, low, na_pass=True)
    return plan.col_vals_le(column, high, na_pass=True)


def _rows(met: Callable[[pl.Expr, Arguments], pl.Expr]) -> Step:
    """Rows that meet an expression of one column; an absent value meets it."""
    return lambda plan, said: plan.col_vals_expr(met(pl.col(said["column"]), said).fill_null(True))


def _whole(number: Callable[[pl.Expr], pl.Expr]) -> Step:
    """One number of the column."""

    def step(plan: pb.Validate, said: Arguments) -> pb.Validate:
        low, high = said.get("min_value", float("-inf")), said.get("max_value", float("inf"))
        found = number(pl.col(said["column"])).is_between(low, high)
        return plan.specially(lambda table: bool(table.select(found).item()))

    return step


def _any_of(column: pl.Expr, said: Arguments) -> pl.Expr:
    return pl.any_horizontal(column.str.contains(pattern) for pattern in said["regex_list"])


def _lengths(column: pl.Expr, said: Arguments) -> pl.Expr:
    low, high = (said.get(bound, said.get("value")) for bound in ("min_value", "max_value"))
    return column.str.len_chars().is_between(low, high)


STEPS: dict[str, Step] = {
    "expect_column_values_to_not_be_null": lambda plan, said: plan.col_vals_not_null(said["column"]),
    "expect_column_values_to_be_unique": lambda plan, said: plan.rows_distinct(said["column"]),
    "expect_column_values_to_match_regex": lambda plan, said: plan.col_vals_regex(
        said["column"], said["regex"], na_pass=True
    ),
    "expect_column_values_to_not_match_regex": _rows(
        lambda column, said: ~column.str.contains(said["regex"])
    ),
    "expect_column_values_to_match_regex_list": _rows(_any_of),
    "expect_column_value_lengths_to_equal": _rows(_lengths),
    "expect_column_value_lengths_to_be_between": _rows(_lengths),
    "expect_column_values_to_be_in_set": lambda plan, said: plan.col_vals_in_set(
        said["column"], said["value_set"]
    ),
    "expect_column_values_to_not_be_in_set": lambda plan, said: plan.col_vals_not_in_set(
        said["column"], said["value_set"]
    ),
    "expect_column_values_to_be_between": _between,
    "expect_column_pair_values_a_to_be_greater_than_b": lambda plan, said: plan.col_vals_expr(
        (pl.col(said["column_A"]) >= pl.col(said["column_B"])).fill_null(True)
    ),
    "expect_column_pair_values_to_be_equal": lambda plan, said: plan.col_vals_expr(
        pl.col(said["column_A"]) == pl.col(said["column_B"])
    ),
    "expect_column_mean_to_be_between": _whole(pl.Expr.mean),
    "expect_column_max_to_be_between": _whole(pl.Expr.max),
    "expect_column_min_to_be_between": _whole(pl.Expr.min),
    "expect_column_sum_to_be_between": _whole(pl.Expr.sum),
    "expect_column_stdev_to_be_between": _whole(pl.Expr.std),
    "expect_column_unique_value_count_to_be_between": _whole(pl.Expr.n_unique),
    "expect_table_row_count_to_be_between": lambda plan, said: plan.specially(
        lambda table: len(table) >= said["min_value"]
    ),
}


def validate(folder: Path) -> None:
    """Read the table, run every step."""
    checks = json.loads((folder / "checks.json").read_text(encoding="utf-8"))
    plan = pb.Validate(pl.read_parquet(folder / "payments.parquet"))
    for kind, said in checks:
        plan = STEPS[kind](plan, said)
    judged = plan.interrogate(collect_extracts=False, collect_tbl_checked=False)
    assert len(judged.n_failed()) == len(checks)
    assert sum(judged.n_failed().values()) > 0
