"""Leaving out what is too small in a table of groups, and as much more as keeps it from being found by subtraction.

Here belongs the choice on counted sizes, without any SQL: a group of fewer than k subjects goes; so does a number in
which fewer than k take part, or all but fewer than k, or fewer than k more than in another; where what is left out of a
total comes to fewer than k, the smallest that is left goes too. Who knows more than these totals may still reckon: see
docs/themes.md. Source: GB/T 37964-2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import polars as pl

from masking.groups import Groups


@dataclass
class _Group:
    """One group: its keys, its sizes, and what of it is left out."""

    keys: tuple[Any, ...]
    sizes: dict[str, Any]
    left_out: bool
    numbers: set[int] = field(default_factory=set)

    def taking_part(self, number: int) -> int:
        return int(self.sizes[f"_n_{number}"])


class RepeatedGroupError(ValueError):
    """Two rows have the keys of one group: which sizes are theirs cannot be told."""


@dataclass(frozen=True)
class Suppressed:
    """What is left of a table of groups, and how much is not."""

    rows: pl.DataFrame
    groups_left_out: int
    numbers_left_out: int


def suppress(
    result: pl.DataFrame, groups: Groups, sizes: pl.DataFrame, k: int, largest_share: float = 1.0
) -> Suppressed:
    """The groups that may be seen, with null for each number that may not.

    ``sizes`` are what ``groups.sizes`` gives, of all groups, also of those that the query itself leaves out."""
    keys = list(groups.keys)
    if keys and not result.select(keys).is_unique().all():
        msg = f"two rows are one group by {', '.join(keys)}"
        raise RepeatedGroupError(msg)
    shown = set(result.select(keys).rows()) if keys else {()}
    all_groups = [
        _Group(key, row, key not in shown or row["_n"] < k)
        for row in sizes.to_dicts()
        for key in [tuple(row[name] for name in keys)]
    ]
    _fill(all_groups, k, lambda group: int(group.sizes["_n"]), lambda group: group.left_out, _leave_out)
    numbers = range(len(groups.numbers))
    for group in all_groups:
        group.numbers |= {number for number in numbers if _too_small(group, number, k, largest_share)}
        for number in numbers:
            if any(_hair_apart(group, other, number, k) for other in numbers if other not in group.numbers):
                group.numbers.add(number)
    for number in numbers:
        _fill_number(all_groups, number, k)
    return _applied(result, groups, all_groups)


def _fill_number(groups: Sequence[_Group], number: int, k: int) -> None:
    _fill(
        groups,
        k,
        lambda group: group.taking_part(number),
        lambda group: group.left_out or number in group.numbers,
        lambda group: group.numbers.add(number),
    )


def _leave_out(group: _Group) -> None:
    group.left_out = True


def _too_small(group: _Group, number: int, k: int, largest_share: float) -> bool:
    """Whether few take part in a number, or all but few, or one subject has too much of a sum."""
    taking, share = group.taking_part(number), group.sizes.get(f"_share_{number}")
    few = 0 < taking < k or 0 < group.sizes["_n"] - taking < k
    return few or (share is not None and share > largest_share)


def _hair_apart(group: _Group, larger: int, number: int, k: int) -> bool:
    """Whether all who take part in a number take part in a larger one, and fewer than k more."""
    if larger == number or group.sizes[f"_n_{number}_{larger}"]:
        return False
    return 0 < int(group.sizes[f"_n_{larger}_{number}"]) < k


def _fill(
    groups: Sequence[_Group],
    k: int,
    size: Callable[[_Group], int],
    is_left_out: Callable[[_Group], bool],
    leave_out: Callable[[_Group], object],
) -> None:
    """Leave out more, smallest first, until what is left out of each total is nobody, or k and more.

    The totals are those over any of the keys: of the county over its towns, of the city over all."""
    width = len(groups[0].keys) if groups else 0
    for kept in range(width - 1, -1, -1):
        for places in combinations(range(width), kept):
            totals: dict[tuple[Any, ...], list[_Group]] = {}
            for group in groups:
                totals.setdefault(tuple(group.keys[place] for place in places), []).append(group)
            for members in totals.values():
                left_out = sum(size(group) for group in members if is_left_out(group))
                rest = sorted(
                    (group for group in members if not is_left_out(group) and size(group)), key=size
                )
                for group in rest:
                    if not 0 < left_out < k:
                        break
                    leave_out(group)
                    left_out += size(group)


def _applied(result: pl.DataFrame, groups: Groups, found: Sequence[_Group]) -> Suppressed:
    keys = list(groups.keys)
    known = {group.keys: group for group in found}
    rows = result.select(keys).rows() if keys else [()] * result.height
    # a group nobody is in: its numbers are of rows without a subject
    of_rows = [known.get(key) for key in rows]
    seen = [group is not None and not group.left_out for group in of_rows]
    hidden = {
        column: [group is not None and bool(group.numbers & set(numbers)) for group in of_rows]
        for column, numbers in groups.columns.items()
    }
    kept = result.with_columns(
        pl.when(pl.Series(flags, dtype=pl.Boolean)).then(None).otherwise(pl.col(column)).alias(column)
        for column, flags in hidden.items()
    ).filter(pl.Series(seen, dtype=pl.Boolean))
    return Suppressed(
        rows=kept,
        groups_left_out=sum(group.left_out for group in found),
        numbers_left_out=sum(
            flag for flags in hidden.values() for flag, shown in zip(flags, seen, strict=True) if shown
        ),
    )
