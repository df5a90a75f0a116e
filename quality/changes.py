"""What has changed since the last push: its number of rows, and how a column's values are distributed.

Here belong the expectations that need to know how a resource was before; each becomes one-row expressions over the new
rows, as in ``aggregates.py``, beside what was counted of the old ones. Where nothing was there before, or too little,
nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from quality.compile import Arguments, UnsupportedExpectationError

RATIO = "expect_table_row_count_ratio_to_last_push_to_be_between"
DRIFT = "expect_column_drift_to_be_less_than"
#: Values of text beyond the most frequent of before are one bucket; numbers and days are in as many buckets of equal share.
TEXTS, SHARES = 50, 10
#: Fewer rows than this, before or now, have no distribution worth comparing.
MIN_ROWS = 1_000
#: A share of nothing would make the stability index infinite.
_LEAST = 1e-4


@dataclass(frozen=True)
class Before:
    """A resource before a push: its rows as they stand, and how many rows its last push had."""

    rows: pl.LazyFrame | None = None
    last_push: int | None = None


@dataclass(frozen=True)
class ChangeCompiler:
    """``prepared`` is what must be known of before (None: too little is known); ``scanned`` makes one-row expressions, by
    name, of the new rows; ``metric`` is the value that is judged (None: nothing to say), under the name ``reads``."""

    prepared: Callable[[Arguments, Before], Any]
    scanned: Callable[[Arguments, Any], dict[str, pl.Expr]]
    metric: Callable[[Mapping[str, Any], Arguments, Any], float | None]
    reads: str


def _last_rows(_: Arguments, before: Before) -> int | None:
    return before.last_push or None


@dataclass(frozen=True)
class Buckets:
    """A column's values before: how each falls into a numbered bucket, and the share that each bucket had."""

    number: pl.Expr
    shares: list[float]


def _buckets(arguments: Arguments, before: Before) -> Buckets | None:
    measure_of(arguments)
    column = arguments["column"]
    if before.rows is None:
        return None
    held = before.rows.select(column).drop_nulls().collect(engine="streaming").to_series()
    if held.len() < least(arguments):
        return None
    number, count = _numbered(pl.col(column), held)
    counts = _counts(held.to_frame().select(number.alias("n")).to_series().value_counts(name="rows").rows())
    return Buckets(number, [counts.get(bucket, 0) / held.len() for bucket in range(count)])


def _numbered(value: pl.Expr, held: pl.Series) -> tuple[pl.Expr, int]:
    """The bucket of a value, and how many buckets there are."""
    if held.dtype.is_numeric() or held.dtype.is_temporal():
        place = value.to_physical().cast(pl.Float64)
        was = held.to_physical().cast(pl.Float64)
        quantiles = (was.quantile(step / SHARES, "nearest") for step in range(1, SHARES))
        cuts = sorted({cut for cut in quantiles if cut is not None})
        above = [(place > cut).cast(pl.Int32) for cut in cuts]
        return pl.sum_horizontal(above) if above else place.cast(pl.Int32) * 0, len(cuts) + 1
    common = held.cast(pl.String).value_counts(name="rows").sort("rows", held.name, descending=[True, False])
    texts = common[held.name].head(TEXTS).to_list()
    number = value.cast(pl.String).replace_strict(
        texts, list(range(len(texts))), default=len(texts), return_dtype=pl.Int32
    )
    return pl.when(value.is_not_null()).then(number), len(texts) + 1


def _counts(rows: list[tuple[int | None, int]]) -> dict[int, int]:
    return {bucket: count for bucket, count in rows if bucket is not None}


def _scan_buckets(arguments: Arguments, before: Buckets) -> dict[str, pl.Expr]:
    value = pl.col(arguments["column"])
    number = before.number.filter(value.is_not_null())
    return {f"bucket {bucket}": (number == bucket).sum() for bucket in range(len(before.shares))}


def _drift(row: Mapping[str, Any], arguments: Arguments, before: Buckets) -> float | None:
    counts = [int(row[f"bucket {bucket}"] or 0) for bucket in range(len(before.shares))]
    total = sum(counts)
    if total < least(arguments):
        return None
    return MEASURES[measure_of(arguments)](before.shares, [count / total for count in counts])


def stability_index(before: list[float], now: list[float]) -> float:
    """The population stability index (PSI): 0 for equal shares; above 0.25 a distribution counts as another one."""
    floored = [(max(old, _LEAST), max(new, _LEAST)) for old, new in zip(before, now, strict=True)]
    return sum((new - old) * math.log(new / old) for old, new in floored)


def total_variation(before: list[float], now: list[float]) -> float:
    """The share of rows that would have to be others for the distributions to be equal: 0 to 1."""
    return sum(abs(new - old) for old, new in zip(before, now, strict=True)) / 2


MEASURES = {"psi": stability_index, "total_variation": total_variation}


def measure_of(arguments: Arguments) -> str:
    """The measure a drift is stated in; raises :class:`UnsupportedExpectationError`."""
    measure = arguments.get("measure") or "psi"
    if measure not in MEASURES:
        raise UnsupportedExpectationError(DRIFT, f"no measure {measure!r}; there are: {', '.join(MEASURES)}")
    return str(measure)


def least(arguments: Arguments) -> int:
    """How many values a drift needs, before and now."""
    stated = arguments.get("min_rows")
    return MIN_ROWS if stated is None else max(1, int(stated))


CHANGES: dict[str, ChangeCompiler] = {
    RATIO: ChangeCompiler(
        _last_rows,
        lambda _, __: {"rows": pl.len()},
        lambda row, _, last: row["rows"] / last,
        "table.row_count_ratio",
    ),
    DRIFT: ChangeCompiler(_buckets, _scan_buckets, _drift, "column.drift"),
}
