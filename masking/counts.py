"""Counts as others than the bureau and the owner see them: from one to k - 1 as ``<k``.

Here belongs the writing only. Whoever is told that two rows of a rare disease's register were refused, or that eleven of
twelve passed, is told of somebody; so a share goes where the count behind it does, or where there is none beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def small(count: str, k: int) -> pl.Expr:
    """Whether a count is of somebody, but of fewer than k."""
    return pl.col(count).is_between(1, k - 1)


def written(count: str, k: int) -> pl.Expr:
    """A count as text: ``<3`` where it is small."""
    return (
        pl.when(small(count, k)).then(pl.lit(f"<{k}")).otherwise(pl.col(count).cast(pl.String)).alias(count)
    )


def without_small(rows: pl.LazyFrame, counts: Sequence[str], shares: Sequence[str], k: int) -> pl.LazyFrame:
    """The rows with each of their counts written; the shares, in thousandths, are null beside a small one, and where they
    are of few rows that no count tells of: of a thousand rows, 0.998 is two."""
    any_small = pl.any_horizontal(*(small(count, k) for count in counts))
    every = pl.sum_horizontal(*counts)
    told = [pl.when(~any_small & ~_of_few(share, every, k)).then(pl.col(share).round(3)) for share in shares]
    return rows.with_columns(
        *(written(count, k) for count in counts),
        *(told.alias(share) for told, share in zip(told, shares, strict=True)),
    )


def _of_few(share: str, every: pl.Expr, k: int) -> pl.Expr:
    """Whether a share, or what is left of the whole, is of somebody, but of fewer than k."""
    parts = (pl.col(share) * every, (1 - pl.col(share)) * every)
    return pl.any_horizontal(*((part > 0) & (part < k) for part in parts)).fill_null(value=False)
