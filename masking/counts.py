"""Counts as others than the bureau and the owner see them: from one to k - 1 as ``<k``.

Here belongs the writing only. Whoever is told that two rows of a rare disease's register were refused, or that eleven of
twelve passed, is told of somebody; so a share goes where a count behind it does, whether that is told or not.
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


def without_small(
    rows: pl.LazyFrame, counts: Sequence[str], shares: Sequence[str], behind: str, k: int
) -> pl.LazyFrame:
    """The rows with each of their counts written; the shares, in thousandths, are null beside a small one, and where they
    tell of fewer than k: of a thousand rows, 0.998 is two, and of four, 0.75 is one, however many the table has.

    ``behind`` is a struct with the fewest rows that each share tells of, null where it tells of nobody; it goes. A table
    that has no such column shows no share."""
    known = behind in rows.collect_schema()
    few = pl.any_horizontal(*(small(count, k) for count in counts))
    told = [
        pl.when(~few & ~_of_few(behind, share, k) if known else pl.lit(value=False)).then(
            pl.col(share).round(3)
        )
        for share in shares
    ]
    shown = rows.with_columns(
        *(written(count, k) for count in counts),
        *(told.alias(share) for told, share in zip(told, shares, strict=True)),
    )
    return shown.drop(behind, strict=False)


def _of_few(behind: str, share: str, k: int) -> pl.Expr:
    """Whether a share tells of somebody, but of fewer than k."""
    return (pl.col(behind).struct.field(share) < k).fill_null(value=False)
