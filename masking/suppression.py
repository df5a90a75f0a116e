"""Leaving out what is too small in a table of groups, and as much more as keeps it from being found by subtraction.

Here belongs the choice on counted sizes, without any SQL: a group of fewer than k subjects goes; so does a number in
which fewer than k take part, or all but fewer than k, or by which, with others of the row added or subtracted, fewer than k
can be told apart; where what is left out of a total comes to fewer than k, the smallest that is left goes too. Who knows
more than these totals may still reckon: see docs/themes.md. Source: GB/T 37964-2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from masking.groups import Groups

#: So many numbers of one group are added and subtracted: a whole, and three parts of it.
_TOGETHER = 4


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
        group.numbers |= {number for number in numbers if _too_large(group, number, largest_share)}
        while (telling := _telling(group, numbers, k)) is not None:
            group.numbers.add(telling)
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


def _too_large(group: _Group, number: int, largest_share: float) -> bool:
    """Whether one subject has too much of a sum."""
    share = group.sizes.get(f"_share_{number}")
    return share is not None and share > largest_share


def _telling(group: _Group, numbers: Sequence[int], k: int) -> int | None:
    """The smallest number of those that, added or subtracted with what else of the group is seen, tell of fewer than k
    subjects; None where none do.

    How many are in the group counts as seen. What comes out of such a sum depends on those alone whom it does not cancel."""
    seen = [number for number in numbers if number not in group.numbers and group.taking_part(number)]
    masks = np.array([alike["mask"] for alike in group.sizes["_alike"]], dtype=np.int64)
    subjects = np.array([alike["subjects"] for alike in group.sizes["_alike"]], dtype=np.int64)
    takes = np.column_stack([np.ones_like(masks), *((masks >> number) & 1 for number in seen)])
    ways = _ways(len(seen))
    told = (takes @ ways.T != 0).T @ subjects
    for way in ways[(told > 0) & (told < k)]:
        return min((seen[place - 1] for place in np.flatnonzero(way) if place), key=group.taking_part)
    return None


@cache
def _ways(numbers: int) -> npt.NDArray[np.int64]:
    """How some of so many numbers, and of the group's size before them, are added (1) and subtracted (-1); the simplest
    first. Shape: ways x (1 + numbers)."""
    found = []
    for many in range(1, _TOGETHER + 1):
        for places in combinations(range(numbers + 1), many):
            if places == (0,):
                continue
            for signs in product((1, -1), repeat=many - 1):
                way = np.zeros(numbers + 1, dtype=np.int64)
                way[list(places)] = (1, *signs)
                found.append(way)
    return np.array(found, dtype=np.int64).reshape(-1, numbers + 1)


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
