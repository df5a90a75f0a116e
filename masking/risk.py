"""What masking leaves: how many subjects are alike, what they have in common, and what must be left out.

Here belong the measures (k-anonymity over quasi-identifiers, counted in distinct subjects, never in rows;
l-diversity and t-closeness of one column given the others) and the suppression that reaches a threshold.
Whether the loss is bearable is the policy's judgement; who would be found by joining with what is known is in
``linkage``. Small groups say nothing of what all members of a large group share: k alone lifts no type.
Source: GB/T 37964-2019; GB/T 42460-2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

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
    published_groups: int = 0
    published_memberships: int = 0
    """subjects summed over the groups that are left: more than there are people where one is in several"""
    published_smallest: int = 0
    """subjects in the smallest group that is left: k after suppression"""
    told_apart: int = 0
    """subjects left out, with all their rows, since all that the recipient holds together would tell them apart"""

    @property
    def loss(self) -> float:
        """The share of rows that must be left out."""
        return self.suppressed_rows / self.rows if self.rows else 0.0

    @property
    def prosecutor_risk(self) -> float:
        """The best chance that somebody known to be in the published table is found: one in the smallest group."""
        return 1 / self.published_smallest if self.published_smallest else 0.0

    @property
    def average_risk(self) -> float:
        """The same chance for everybody in the published table, on average."""
        memberships = self.published_memberships
        return self.published_groups / memberships if memberships else 0.0

    def of_published(self, sizes: pl.DataFrame) -> Risk:
        """The same with what is published, by its :func:`group_sizes`."""
        return replace(
            self,
            published_groups=sizes.height,
            published_memberships=int(sizes["_subjects"].sum()),
            published_smallest=int(sizes["_subjects"].min() or 0),  # type: ignore[arg-type]
        )

    def refusal(self, threshold: Threshold) -> str | None:
        """Why the product is not published (None where it may be): too much would have to be left out."""
        if self.told_apart and threshold.together == "refuse":
            return (
                f"{self.told_apart} subjects are told apart by all that the recipient holds together, and the policy "
                "asks for refusal: leave out a column of one of its products, or generalise further"
            )
        if self.loss <= threshold.max_loss:
            return None
        return (
            f"{self.suppressed_rows} of {self.rows} rows ({self.loss:.0%}) are in groups of fewer than "
            f"{self.k} subjects{', here or in all that the recipient holds' if self.told_apart else ''}, over the {threshold.max_loss:.0%} that may be left out: "
            "generalise further, or leave a column out"
        )


def group_sizes(rows: pl.LazyFrame, quasi: Sequence[str]) -> pl.DataFrame:
    """Each combination of the quasi-identifiers with ``_subjects`` (distinct) and ``_rows``; null is a
    value."""
    counts = [pl.col(SUBJECT).drop_nulls().n_unique().alias("_subjects"), pl.len().alias("_rows")]
    if not quasi:
        return rows.select(counts).filter(pl.col("_rows") > 0).collect(engine="streaming")
    return rows.group_by(list(quasi)).agg(counts).collect(engine="streaming")


def measure(
    rows: pl.LazyFrame, quasi: Sequence[str], k: int, left_out: pl.DataFrame | None = None
) -> tuple[Risk, pl.DataFrame]:
    """The risk of publishing ``rows`` without the subjects in ``left_out``, and the groups that are large enough."""
    sizes = group_sizes(rows, quasi)
    remaining = (
        sizes if left_out is None or left_out.is_empty() else group_sizes(without(rows, left_out), quasi)
    )
    large = remaining.filter(pl.col("_subjects") >= k)
    subjects = rows.select(pl.col(SUBJECT).drop_nulls().n_unique()).collect(engine="streaming").item()
    every_row = int(sizes["_rows"].sum())
    risk = Risk(
        rows=every_row,
        subjects=int(subjects),
        groups=sizes.height,
        smallest=int(sizes["_subjects"].min() or 0),  # type: ignore[arg-type]
        unique_subjects=sizes.filter(pl.col("_subjects") == 1).height,
        suppressed_rows=every_row - int(large["_rows"].sum()),
        k=k,
        told_apart=0 if left_out is None else left_out.height,
    )
    return risk.of_published(large), large


def without(rows: pl.LazyFrame, left_out: pl.DataFrame) -> pl.LazyFrame:
    """The rows of all other subjects; a row about nobody stays."""
    return rows.join(left_out.lazy(), on=SUBJECT, how="anti")


def only_large_groups(rows: pl.LazyFrame, quasi: Sequence[str], large: pl.DataFrame) -> pl.LazyFrame:
    """The rows whose group is among ``large``."""
    if not quasi:
        return rows if large.height else rows.clear()
    return rows.join(large.lazy().select(quasi), on=list(quasi), how="semi", nulls_equal=True)


def differing(rows: pl.LazyFrame, others: pl.LazyFrame) -> int:
    """How many subjects have other rows in one table than in the other; rows about nobody are no subject's."""
    sides = [
        frame.group_by(SUBJECT).agg(
            pl.struct(pl.all().exclude(SUBJECT), pl.lit(0)).hash(seed=1).sort().alias(side)
        )
        for frame, side in ((rows, "_rows"), (others, "_others"))
    ]
    both = sides[0].join(sides[1], on=SUBJECT, how="full", coalesce=True).drop_nulls(SUBJECT)
    return both.filter(pl.col("_rows").ne_missing(pl.col("_others"))).collect(engine="streaming").height


@dataclass(frozen=True)
class Diversity:
    """What somebody who knows all other quasi-identifiers of a person learns of one column."""

    column: str
    groups: int
    fewest_values: int
    """l: the different values in the group that has fewest; with 1 the value is known"""
    known_subjects: int
    """subjects in groups where all have the same value: it is learned of them without finding their row"""
    farthest: float
    """t: how far a group's values are from everybody's, at most; 0 tells nothing new, near 1 nearly all"""


def diversity(rows: pl.LazyFrame, quasi: Sequence[str], column: str) -> Diversity:
    """l-diversity (distinct values) and t-closeness of ``column`` in the groups that the others form.

    The distance is the variational one, half the summed differences of shares: the earth mover's distance
    where all values are equally far apart, and never below it where they are ordered. Null is a value."""
    others = [name for name in quasi if name != column]
    subjects = pl.col(SUBJECT).drop_nulls().n_unique().alias("_subjects")
    cells = rows.group_by(*others, column).agg(pl.len().alias("_rows"), subjects).collect(engine="streaming")
    if cells.is_empty():
        return Diversity(column, 0, 0, 0, 0.0)
    shares = cells.group_by(column).agg(
        (pl.col("_rows").sum() / int(cells["_rows"].sum())).alias("_everybody")
    )
    # the constant makes all rows one group where there are no other columns
    group = [*map(pl.col, others), pl.lit(0).alias("_all")]
    excess = pl.col("_rows") / pl.col("_rows").sum() - pl.col("_everybody")
    groups = (
        cells.join(shares, on=column, nulls_equal=True)
        .group_by(group)
        .agg(pl.len().alias("_values"), excess.clip(0).sum().alias("_distance"), pl.col("_subjects").sum())
    )
    return Diversity(
        column=column,
        groups=groups.height,
        fewest_values=int(groups["_values"].min()),  # type: ignore[arg-type]
        known_subjects=int(groups.filter(pl.col("_values") == 1)["_subjects"].sum()),
        farthest=round(float(groups["_distance"].max()), 4),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Joined:
    """People alike in everything that one recipient holds of them, all its products and all their rows together."""

    subjects: int
    smallest: int
    unique_subjects: int
    """people whose rows taken together are like nobody else's"""


@dataclass(frozen=True)
class Held:
    """One of the tables that a recipient holds: masked rows with their subjects, what tells these apart, and the k
    asked."""

    rows: pl.LazyFrame
    quasi: Sequence[str]
    k: int

    def published(self, left_out: pl.DataFrame) -> pl.LazyFrame:
        """The rows that the recipient gets."""
        remaining = without(self.rows, left_out)
        sizes = group_sizes(remaining, self.quasi)
        return only_large_groups(remaining, self.quasi, sizes.filter(pl.col("_subjects") >= self.k))


def told_apart(tables: Sequence[Held]) -> pl.DataFrame:
    """The subjects to be left out of all the tables, so that each one left is like k - 1 others in all of them together.

    Leaving somebody out makes the groups of others smaller: it is done again until nobody is told apart. The k is the
    largest that any of the tables asks for."""
    k = max(table.k for table in tables)
    left_out = tables[0].rows.select(SUBJECT).clear().collect()
    while True:
        people = _people([(table.published(left_out), table.quasi) for table in tables])
        patterns = [name for name in people.collect_schema() if name != SUBJECT]
        few = people.filter(pl.len().over(patterns) < k).select(SUBJECT).collect()
        if few.is_empty():
            return left_out
        left_out = pl.concat([left_out, few])


def joined(tables: Sequence[tuple[pl.LazyFrame, Sequence[str]]]) -> Joined:
    """Group the subjects of several published tables (each with its quasi-identifiers) by all of their rows.

    Pseudonyms of one recipient join, so what it holds of a person is one long row; a group of k in each table by
    itself may be one person in all of them."""
    alike = _people(tables).group_by(pl.exclude(SUBJECT)).agg(pl.len().alias("_subjects"))
    sizes = alike.collect(engine="streaming")
    return Joined(
        subjects=int(sizes["_subjects"].sum()),
        smallest=int(sizes["_subjects"].min() or 0),  # type: ignore[arg-type]
        unique_subjects=sizes.filter(pl.col("_subjects") == 1).height,
    )


def _people(tables: Sequence[tuple[pl.LazyFrame, Sequence[str]]]) -> pl.LazyFrame:
    """Each subject with one text for all of its rows in each table; null where it has none there."""
    patterns = [_patterns(rows, quasi, f"_{number}") for number, (rows, quasi) in enumerate(tables)]
    return reduce(lambda left, right: left.join(right, on=SUBJECT, how="full", coalesce=True), patterns)


def _patterns(rows: pl.LazyFrame, quasi: Sequence[str], name: str) -> pl.LazyFrame:
    """Each subject with one text for all of its different rows."""
    seen = pl.struct(quasi).hash(seed=1).cast(pl.String) if quasi else pl.lit("")
    distinct = rows.select(SUBJECT, seen.alias(name)).drop_nulls(SUBJECT).unique()
    return distinct.group_by(SUBJECT).agg(pl.col(name).sort().str.join(" "))
