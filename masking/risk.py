"""What masking leaves: how many subjects are alike, and what must be left out until enough are.

Here belong the measures (k-anonymity over quasi-identifiers, counted in distinct subjects, never in rows) and
the suppression that reaches a threshold. Whether the loss is bearable is the policy's judgement. Small groups
say nothing of what all members of a large group share: k alone lifts no type. Source: GB/T 37964-2019; GB/T
42460-2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from masking.compile import SUBJECT
from masking.policy import Threshold


@dataclass(frozen=True)
class Risk:
    """Group sizes of a masked table, in subjects, before and after small groups are left out."""

    rows: int
    subjects: int
    groups: int
    smallest: int
    """subjects in the smallest group: k before suppression; 0 where there are no rows"""
    unique_subjects: int
    """subjects alone in their group: re-identified by anyone who knows their quasi-identifiers"""
    suppressed_rows: int
    k: int
    """the k asked for, which what is published fulfils"""

    @property
    def loss(self) -> float:
        """The share of rows that must be left out."""
        return self.suppressed_rows / self.rows if self.rows else 0.0

    @property
    def prosecutor_risk(self) -> float:
        """The chance that somebody known to be in the published table is found: at most one in k."""
        return 1 / self.k if self.rows > self.suppressed_rows else 0.0

    def refusal(self, threshold: Threshold) -> str | None:
        """Why the product is not published (None where it may be): too much would have to be left out."""
        if self.loss <= threshold.max_loss:
            return None
        return (
            f"{self.suppressed_rows} of {self.rows} rows ({self.loss:.0%}) are in groups of fewer than "
            f"{self.k} subjects, over the {threshold.max_loss:.0%} that may be left out: "
            "generalise further, or leave a column out"
        )


def group_sizes(rows: pl.LazyFrame, quasi: Sequence[str]) -> pl.DataFrame:
    """Each combination of the quasi-identifiers with ``_subjects`` (distinct) and ``_rows``; null is a
    value."""
    counts = [pl.col(SUBJECT).drop_nulls().n_unique().alias("_subjects"), pl.len().alias("_rows")]
    if not quasi:
        return rows.select(counts).filter(pl.col("_rows") > 0).collect(engine="streaming")
    return rows.group_by(list(quasi)).agg(counts).collect(engine="streaming")


def measure(rows: pl.LazyFrame, quasi: Sequence[str], k: int) -> tuple[Risk, pl.DataFrame]:
    """The risk of publishing ``rows``, and the groups that are large enough."""
    sizes = group_sizes(rows, quasi)
    small = sizes.filter(pl.col("_subjects") < k)
    subjects = rows.select(pl.col(SUBJECT).drop_nulls().n_unique()).collect(engine="streaming").item()
    risk = Risk(
        rows=int(sizes["_rows"].sum()),
        subjects=int(subjects),
        groups=sizes.height,
        smallest=int(sizes["_subjects"].min() or 0),  # type: ignore[arg-type]
        unique_subjects=sizes.filter(pl.col("_subjects") == 1).height,
        suppressed_rows=int(small["_rows"].sum()),
        k=k,
    )
    return risk, sizes.filter(pl.col("_subjects") >= k)


def only_large_groups(rows: pl.LazyFrame, quasi: Sequence[str], large: pl.DataFrame) -> pl.LazyFrame:
    """The rows whose group is among ``large``."""
    if not quasi:
        return rows if large.height else rows.clear()
    return rows.join(large.lazy().select(quasi), on=list(quasi), how="semi", nulls_equal=True)
