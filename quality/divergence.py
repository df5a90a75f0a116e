"""How far a column's values lie from a stated distribution: Great Expectations' Kullback-Leibler divergence.

Here belong its partitions: values, or bins of numbers, each with the weight that is expected of it. What the partition does not
name is counted, never named. How a column has changed since the last push is in ``changes.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from quality.compile import Arguments, UnsupportedExpectationError, among

DIVERGENCE = "expect_column_kl_divergence_to_be_less_than"


def counted(value: pl.Expr, arguments: Arguments) -> dict[str, pl.Expr]:
    """How many of the values are in each part, and of each distinct value that no part names how many there are."""
    stated = _partition(arguments)
    held = value.drop_nulls()
    if "bins" in stated:
        return {f"part {number}": part.sum() for number, part in enumerate(_in_bins(held, stated["bins"]))}
    parts = [held.eq_missing(pl.lit(item)) for item in stated["values"]]
    others = held.filter(~among(held, stated["values"])).unique_counts().sort(descending=True)
    return {f"part {number}": part.sum() for number, part in enumerate(parts)} | {"others": others.implode()}


def _in_bins(value: pl.Expr, bins: Sequence[float]) -> Iterator[pl.Expr]:
    """Below the bins, in each of them (its lower edge belongs to it, of the last also the upper), above."""
    yield value < bins[0]
    for low, high in pairwise(bins):
        yield (value >= low) & ((value <= high) if high == bins[-1] else (value < high))
    yield value > bins[-1]


def observed(row: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
    """The counts, as numbers that can be kept."""
    parts = [row[name] for name in row if name.startswith("part ")]
    return {"parts": parts, "others": list(row.get("others") or [])}


def as_metrics(found: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
    """The counts as the metrics that Great Expectations reads."""
    parts, others = found["parts"], found["others"]
    # of nothing each share is 0 there, not a division by zero
    metrics: dict[str, Any] = {"column_values.nonnull.count": max(1, sum(parts) + sum(others))}
    stated = _partition(arguments)
    if "bins" in stated:
        below, *within, above = parts
        return metrics | {
            "column.histogram": within,
            "below_partition": below,
            "above_partition": above,
        }
    import pandas as pd

    named = [(item, count) for item, count in zip(stated["values"], parts, strict=True) if count]
    unnamed = [(f"(other {number})", count) for number, count in enumerate(others, start=1)]
    values, counts = zip(*named, *unnamed, strict=True) if named or unnamed else ((), ())
    return metrics | {
        "column.value_counts": pd.Series(counts, index=list(values), name="count", dtype="int64")
    }


def diverges_less(found: Mapping[str, Any], arguments: Arguments) -> bool:
    """Great Expectations' verdict on the counts: of nothing there is no divergence, and it is not met."""
    threshold = arguments.get("threshold")
    if threshold is None:
        return True
    divergence = _entropy([*found["parts"], *found["others"]], _expected(arguments, len(found["others"])))
    return divergence is not None and divergence <= threshold


def _entropy(counts: Sequence[int], expected: Sequence[float]) -> float | None:
    """The relative entropy of two distributions, neither of which need add up to one; None of nothing."""
    total, whole = sum(counts), sum(expected)
    if not total or not whole:
        return None
    shares = [
        (count / total, weight / whole) for count, weight in zip(counts, expected, strict=True) if count
    ]
    return sum(share * math.log(share / weight) if weight else math.inf for share, weight in shares)


def _expected(arguments: Arguments, others: int) -> list[float]:
    """The weight of each part after what is held out for what the partition does not foresee."""
    stated, tail, internal = (
        _partition(arguments),
        _held_out(arguments, "tail"),
        _held_out(arguments, "internal"),
    )
    if "values" in stated:
        named = [weight * (1 - tail) if others else weight for weight in stated["weights"]]
        return [*named, *[tail / others for _ in range(others)]]
    within = [weight * (1 - tail - internal) for weight in stated["weights"]]
    empty = within.count(0)
    within = [weight or (internal / empty) for weight in within]
    # a bin without end leaves nothing on its side, and the other side has the whole tail
    open_below, open_above = math.isinf(stated["bins"][0]), math.isinf(stated["bins"][-1])
    each = tail if open_below or open_above else tail / 2
    low, high = stated.get("tail_weights") or (each * (not open_below), each * (not open_above))
    return [low, *within, high]


def _held_out(arguments: Arguments, part: str) -> float:
    return float(arguments.get(f"{part}_weight_holdout") or 0)


def _partition(arguments: Arguments) -> Mapping[str, Any]:
    """The stated partition; raises :class:`UnsupportedExpectationError` where it is none, or one that Great Expectations
    refuses."""
    stated = arguments.get("partition_object")
    if stated is None:
        why = "state `partition_object`: without one the column is compared with itself"
        raise UnsupportedExpectationError(DIVERGENCE, why)
    parts = stated.get("values" if "values" in stated else "bins")
    tails = stated.get("tail_weights")
    weights = list(stated.get("weights") or ())
    ends = 0 if "values" in stated or not parts else sum(map(math.isinf, (parts[0], parts[-1])))
    faults = {
        "`partition_object` has `weights`, and `values` or `bins`": not weights or not parts,
        "each of the `values` has a weight, and each bin between two of the `bins`": (
            len(parts or ()) != len(weights) + ("values" not in stated)
        ),
        "no value is named twice, and bins go upwards": (
            len(set(parts or ())) < len(parts or ()) or ("bins" in stated and sorted(parts) != list(parts))
        ),
        "the weights add up to one": not math.isclose(sum([*weights, *(tails or ())]), 1, rel_tol=1e-5),
        "values have no inner weight to hold out": "values" in stated
        and _held_out(arguments, "internal") > 0,
        "stated `tail_weights` leave no tail to hold out": tails and _held_out(arguments, "tail") > 0,
        "bins without end have no `tail_weights`": tails and ends,
        "bins without end on both sides leave no tail to hold out": ends == 2
        and _held_out(arguments, "tail") > 0,
        "bins need `bucketize_data`": "values" not in stated and arguments.get("bucketize_data") is False,
    }
    for rule, broken in faults.items():
        if broken:
            raise UnsupportedExpectationError(DIVERGENCE, rule)
    return stated  # type: ignore[no-any-return]
