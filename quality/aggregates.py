"""One Great Expectations metric over a whole column or table → one Polars aggregation.

Here belong the expectations that are not about single rows: counts, extremes, means, distinct values, headings. Each is
judged by Great Expectations from the metrics that it asks for; here these are computed. Rows are judged in ``compile.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from quality.compile import Arguments, among, row_condition
from quality.divergence import DIVERGENCE, as_metrics, counted, observed

#: How many distinct values Great Expectations shows of a set that has too many or too few.
SHOWN_DISTINCT = 20

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class AggregateCompiler:
    """What one type needs from the scan, and how Great Expectations' metrics follow from it.

    ``scanned`` makes one-row expressions, by name, of the column's considered rows; ``metrics`` turns their values
    into what the expectation reads, or what ``handed`` makes that of, where it cannot be kept as JSON. ``tells`` says
    whether the observed value is a value of the column itself."""

    scanned: Callable[[pl.Expr, Arguments], dict[str, pl.Expr]]
    metrics: Callable[[Metrics, Arguments], dict[str, Any]]
    tells: bool = False
    handed: Callable[[Metrics, Arguments], dict[str, Any]] = lambda metrics, arguments: dict(metrics)


def scanned(expectation: str, arguments: Arguments) -> dict[str, pl.Expr]:
    """The one-row expressions of one of :data:`AGGREGATES`, over the rows of its row condition."""
    rows = row_condition(expectation, arguments.get("row_condition"))
    of_column = expectation.startswith("expect_column")
    value = pl.col(arguments["column"]) if of_column else pl.int_range(pl.len())
    return AGGREGATES[expectation].scanned(value if rows is None else value.filter(rows), arguments)


def headings(expectation: str, names: Sequence[str]) -> dict[str, Any]:
    """The metrics of one of :data:`HEADINGS`: known from the frame's schema, without a scan."""
    return {HEADINGS[expectation]: list(names) if HEADINGS[expectation] == "table.columns" else len(names)}


def _one(metric: str, aggregate: Callable[[pl.Expr], pl.Expr], *, tells: bool = False) -> AggregateCompiler:
    """A metric that is one number, or one value, of the column."""
    return AggregateCompiler(
        lambda value, _: {metric: aggregate(value)}, lambda row, _: {metric: row[metric]}, tells
    )


def _number(value: pl.Expr) -> pl.Expr:
    """Exact decimals as floats, as Great Expectations' own engine reckons with them."""
    return value.cast(pl.Float64)


def _quantiles(value: pl.Expr, arguments: Arguments) -> dict[str, pl.Expr]:
    how = arguments.get("allow_relative_error") or "nearest"
    wanted = arguments["quantile_ranges"]["quantiles"]
    return {f"quantile {share}": _quantile(value, share, how) for share in wanted}


def _quantile(value: pl.Expr, share: float, how: str) -> pl.Expr:
    if how != "nearest":
        return value.quantile(share, interpolation=how)  # type: ignore[arg-type] # one of Polars' words, checked there
    # between two rows pandas takes the one with the even number, Polars the upper
    held = value.drop_nulls().sort()
    place = ((held.len() - 1) * share).round(mode="half_to_even").cast(pl.Int64)
    return held.get(place, null_on_oob=True)


def _read_quantiles(row: Metrics, arguments: Arguments) -> dict[str, Any]:
    wanted = arguments["quantile_ranges"]["quantiles"]
    return {"column.quantile_values": [row[f"quantile {share}"] for share in wanted]}


def _unexpected_distinct(value: pl.Expr, arguments: Arguments) -> dict[str, pl.Expr]:
    held = value.drop_nulls()
    # only then made distinct: asked twice for its distinct values, Polars may give them in two orders
    others = held.filter(~among(held, _distinct(arguments))).unique()
    return {"others": others.len(), "some others": others.sort().head(SHOWN_DISTINCT).implode()}


def _missing_distinct(value: pl.Expr, arguments: Arguments) -> dict[str, pl.Expr]:
    values = _distinct(arguments)
    return {f"has {number}": (value == item).any() for number, item in enumerate(values)}


def _distinct(arguments: Arguments) -> list[Any]:
    return list(dict.fromkeys(arguments.get("value_set") or ()))


def _read_unexpected(row: Metrics, arguments: Arguments) -> dict[str, Any]:
    metric = "column.distinct_values.not_in_set"
    return {f"{metric}.count": row["others"], metric: row["some others"]}


def _read_missing(row: Metrics, arguments: Arguments) -> dict[str, Any]:
    metric = "column.distinct_values.missing_from_column"
    missing = [item for number, item in enumerate(_distinct(arguments)) if not row[f"has {number}"]]
    return {f"{metric}.count": len(missing), metric: missing[:SHOWN_DISTINCT]}


def _share(metric: str, part: str, whole: str) -> Callable[[Metrics, Arguments], dict[str, Any]]:
    """A proportion; of nothing it is 0, as in Great Expectations."""
    return lambda row, _: {metric: row[part] / row[whole] if row[whole] else 0}


AGGREGATES: dict[str, AggregateCompiler] = {
    "expect_column_max_to_be_between": _one("column.max", pl.Expr.max, tells=True),
    "expect_column_min_to_be_between": _one("column.min", pl.Expr.min, tells=True),
    "expect_column_mean_to_be_between": _one("column.mean", lambda value: _number(value).mean()),
    "expect_column_median_to_be_between": _one(
        "column.median", lambda value: _number(value).median(), tells=True
    ),
    "expect_column_sum_to_be_between": _one("column.sum", pl.Expr.sum),
    "expect_column_stdev_to_be_between": _one(
        "column.standard_deviation", lambda value: _number(value).std()
    ),
    "expect_column_unique_value_count_to_be_between": _one(
        "column.distinct_values.count", lambda value: value.drop_nulls().n_unique()
    ),
    "expect_column_proportion_of_unique_values_to_be_between": AggregateCompiler(
        lambda value, _: {"distinct": value.drop_nulls().n_unique(), "present": value.count()},
        _share("column.unique_proportion", "distinct", "present"),
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": AggregateCompiler(
        lambda value, _: {"present": value.count(), "rows": value.len()},
        _share("column.non_null_proportion", "present", "rows"),
    ),
    "expect_column_distinct_values_to_be_in_set": AggregateCompiler(
        _unexpected_distinct, _read_unexpected, tells=True
    ),
    "expect_column_distinct_values_to_contain_set": AggregateCompiler(_missing_distinct, _read_missing),
    "expect_column_distinct_values_to_equal_set": AggregateCompiler(
        lambda value, a: _unexpected_distinct(value, a) | _missing_distinct(value, a),
        lambda row, a: _read_unexpected(row, a) | _read_missing(row, a),
        tells=True,
    ),
    "expect_column_most_common_value_to_be_in_set": _one(
        "column.most_common_value", lambda value: value.drop_nulls().mode().sort().implode(), tells=True
    ),
    "expect_column_quantile_values_to_be_between": AggregateCompiler(_quantiles, _read_quantiles, tells=True),
    DIVERGENCE: AggregateCompiler(counted, observed, handed=as_metrics),
    "expect_table_row_count_to_be_between": _one("table.row_count", pl.Expr.len),
    "expect_table_row_count_to_equal": _one("table.row_count", pl.Expr.len),
}

#: Expectations about the headings alone, with the metric each reads.
HEADINGS: dict[str, str] = {
    "expect_column_to_exist": "table.columns",
    "expect_table_columns_to_match_set": "table.columns",
    "expect_table_columns_to_match_ordered_list": "table.columns",
    "expect_table_column_count_to_equal": "table.column_count",
    "expect_table_column_count_to_be_between": "table.column_count",
}
