"""Whether a number lies far from the rest of its column: z-scores, quartile fences, standard deviations.

Here belong the expectations that measure a row against all considered rows. Where there is nothing to measure against (no
spread, fewer than two values) no row is far from anything, as Great Expectations has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl


def z_score_below(arguments: Mapping[str, Any], considered: pl.Expr | None) -> pl.Expr:
    """The distance from the mean, in sample standard deviations, stays below the threshold."""
    value, all_values = _numbers(arguments, considered)
    spread, threshold = all_values.std(), float(arguments["threshold"])
    z_score = (value - all_values.mean()) / spread
    below = z_score.abs() < abs(threshold) if arguments["double_sided"] else z_score < threshold
    return below | ~_measurable(z_score) | ~_measurable(spread) | (spread == 0)


def not_outlier(arguments: Mapping[str, Any], considered: pl.Expr | None) -> pl.Expr:
    """Within Tukey's fences (``iqr``), or nearer to the mean than so many standard deviations (``std``)."""
    value, all_values = _numbers(arguments, considered)
    multiplier = float(arguments.get("multiplier", 1.5))
    if arguments.get("method", "iqr") == "iqr":
        low, high = (all_values.quantile(share, interpolation="linear") for share in (0.25, 0.75))
        reach = multiplier * (high - low)
        inside = (value >= low - reach) & (value <= high + reach)
        return inside | ~_finite(low) | ~_finite(high)
    mean, spread = all_values.mean(), all_values.std()
    reach = multiplier * spread
    near = pl.when(reach > 0).then((value - mean).abs() < reach).otherwise(value == mean)
    return near | ~_finite(mean) | ~_finite(spread)


def _numbers(arguments: Mapping[str, Any], considered: pl.Expr | None) -> tuple[pl.Expr, pl.Expr]:
    """The column's value, and all its considered values, as floats. The product makes Polars refuse what is no number."""
    value = (pl.col(arguments["column"]) * 1.0).cast(pl.Float64)
    return value, value if considered is None else value.filter(considered)


def _measurable(number: pl.Expr) -> pl.Expr:
    """Neither missing nor NaN."""
    return number.is_not_nan().fill_null(value=False)


def _finite(number: pl.Expr) -> pl.Expr:
    return number.is_finite().fill_null(value=False)
