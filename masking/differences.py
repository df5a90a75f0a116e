"""What a release of a masked product may differ in from the one before: in nothing that fewer than k subjects share.

Whoever kept the earlier release sees who came, went and changed; of one person's change it would tell all. So here belongs the
choice, subject by subject, of what comes out now and what waits until k subjects change alike. No reading or writing; what
must not wait at all is ``assets.releases``' business. Source: GB/T 37964-2019 (repeated releases).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from masking.compile import SUBJECT
from masking.product import COUNT_COLUMN

_NTH, _ALL, _MOVES = "_nth", "_all", "_moves"
_BEFORE, _AFTER = "_before", "_after"


@dataclass(frozen=True)
class Settled:
    """The rows that may come out, and how many changes wait: of subjects, or of groups where rows name no subject."""

    rows: pl.DataFrame
    waiting: int


def settled_by_subject(
    new: pl.DataFrame,
    held: pl.DataFrame,
    token: str,
    quasi: Sequence[str],
    k: int,
    beside: pl.DataFrame | None = None,
) -> Settled:
    """Of each subject, known by the pseudonym ``token`` in both releases, its new rows or, while it waits, those held.

    Alike are subjects that had the same rows, have the same rows now, and are alike in what else the recipient holds
    (``beside``: a row for each token, every other column of it). Fewer than k alike wait, coming and going too; so do those
    whose change would leave fewer than k behind where they were, and those without whom a group would have fewer than k."""
    now, before = (rows.select(held.columns).drop_nulls(token) for rows in (new, held))
    people = _people(now, before, token, quasi, beside)
    rest = [name for name in people.columns if name not in (token, _MOVES, _AFTER)]
    changed = _moving(people)
    while True:
        alike = [*rest, pl.when(_MOVES).then(_AFTER).otherwise(_BEFORE), _MOVES]
        left_behind = (~pl.col(_MOVES)).sum().over(rest).is_between(1, k - 1) & pl.col(_BEFORE).is_not_null()
        few = pl.col(_MOVES) & ((pl.len().over(alike) < k) | left_behind)
        moved, people = _moving(people), people.with_columns(pl.col(_MOVES) & ~few)
        if _moving(people) < moved:
            continue
        waiting = people.filter(~pl.col(_MOVES)).select(token)
        rows = pl.concat(
            [now.join(waiting, on=token, how="anti"), before.join(waiting, on=token, how="semi")]
        )
        touching = _of_small_groups([now, before], rows, token, quasi, k)
        if not (people[_MOVES] & people[token].is_in(touching.implode())).any():
            nobodys = new.select(held.columns).filter(pl.col(token).is_null())
            return Settled(pl.concat([rows, nobodys]), changed - moved)
        people = people.with_columns(pl.col(_MOVES) & ~pl.col(token).is_in(touching.implode()))


def _moving(people: pl.DataFrame) -> int:
    return int(people[_MOVES].sum())


def _people(
    now: pl.DataFrame, before: pl.DataFrame, token: str, quasi: Sequence[str], beside: pl.DataFrame | None
) -> pl.DataFrame:
    """Each subject of either release with what tells it apart in each, and whether any of its rows changed."""
    seen = [_seen(rows, token, quasi, name) for rows, name in ((before, _BEFORE), (now, _AFTER))]
    people = seen[0].join(seen[1], on=token, how="full", coalesce=True)
    moves = pl.col(f"{_BEFORE}_rows").ne_missing(pl.col(f"{_AFTER}_rows")).alias(_MOVES)
    people = people.select(token, _BEFORE, _AFTER, moves)
    return people if beside is None else people.join(beside, on=token, how="left")


def _seen(rows: pl.DataFrame, token: str, quasi: Sequence[str], name: str) -> pl.DataFrame:
    """Each subject with one text for what identifies it in its rows, and one for all that stands in them."""
    return rows.group_by(token).agg(
        _text(pl.struct(pl.lit(0), *quasi).hash(seed=1).unique()).alias(name),
        _text(pl.struct(pl.all().exclude(token), pl.lit(0)).hash(seed=1)).alias(f"{name}_rows"),
    )


def _text(hashes: pl.Expr) -> pl.Expr:
    return hashes.sort().cast(pl.String).str.join(" ")


def patterns(rows: pl.DataFrame, token: str, quasi: Sequence[str], name: str) -> pl.DataFrame:
    """A product's rows as they stand ``beside`` another's: each token with one text for all that identifies it."""
    return _seen(rows.drop_nulls(token), token, quasi, name).select(token, name)


def _of_small_groups(
    releases: Sequence[pl.DataFrame], rows: pl.DataFrame, token: str, quasi: Sequence[str], k: int
) -> pl.Series:
    """Whoever is or was in a group that has fewer than k subjects among the rows."""
    groups = [*quasi, _ALL]
    seen = pl.concat(releases).unique().with_columns(pl.lit(0).alias(_ALL))
    sizes = (
        rows.with_columns(pl.lit(0).alias(_ALL)).group_by(groups).agg(pl.col(token).n_unique().alias(_NTH))
    )
    small = sizes.filter(pl.col(_NTH) < k)
    return seen.join(small, on=groups, how="semi", nulls_equal=True)[token].unique()


def settled_by_group(new: pl.DataFrame, held: pl.DataFrame, quasi: Sequence[str], k: int) -> Settled:
    """Rows that name no subject: of each group its new rows, or those held while fewer than k came to it, or went.

    Of those who went nobody knows any more whose they were: each counts as one."""
    columns, groups = held.columns, [*quasi, _ALL]
    nth = pl.int_range(pl.len()).over(columns).alias(_NTH)
    now, before = (rows.with_columns(nth, pl.lit(0).alias(_ALL)) for rows in (new, held))
    came, went = (
        these.join(those, on=[*columns, _NTH], how="anti", nulls_equal=True)
        for these, those in ((now, before), (before, now))
    )
    few = pl.concat(
        [
            came.group_by(groups).agg(pl.col(SUBJECT).drop_nulls().n_unique().alias(_NTH)),
            went.group_by(groups).agg(pl.len().alias(_NTH)),
        ]
    ).filter(pl.col(_NTH).is_between(1, k - 1))
    waiting = few.select(groups).unique()
    rows = [
        now.join(waiting, on=groups, how="anti", nulls_equal=True).select(columns),
        before.join(waiting, on=groups, how="semi", nulls_equal=True).select(columns),
    ]
    return Settled(pl.concat(rows), waiting.height)


def settled_counts(new: pl.DataFrame, held: pl.DataFrame, k: int) -> Settled:
    """Counts of groups: each as it is now, or as it was while it has changed by fewer than k."""
    groups = [name for name in held.columns if name != COUNT_COLUMN]
    both = new.join(held, on=groups, how="full", nulls_equal=True, coalesce=True, suffix="_held")
    now, before = pl.col(COUNT_COLUMN), pl.col(f"{COUNT_COLUMN}_held")
    few = (now.fill_null(0) - before.fill_null(0)).abs().is_between(1, k - 1)
    rows = both.select(*groups, pl.when(few).then(before).otherwise(now).alias(COUNT_COLUMN)).drop_nulls(
        COUNT_COLUMN
    )
    return Settled(rows.select(held.columns), int(both.select(few.sum()).item()))
