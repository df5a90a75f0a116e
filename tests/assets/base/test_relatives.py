"""Who is whose relative: tied by a relation, or to the same other end; a dormitory is no family."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assets.base.relatives import _ENDS, _FAMILY, _kin


def kin(*pairs: Sequence[int]) -> set[tuple[int, int]]:
    ends = pl.LazyFrame(pairs, schema=list(_ENDS), orient="row")
    return set(pl.concat(_kin(ends)).collect().rows())


def test_parents_and_brothers_are_relatives_in_both_directions() -> None:
    child, brother, mother, father = 1, 2, 3, 4
    told = kin((child, mother), (brother, mother), (child, father))
    pairs = [(child, mother), (brother, mother), (child, father), (child, brother), (mother, father)]
    assert told == {*pairs, *((other, one) for one, other in pairs)}


def test_many_under_one_head_are_no_family_of_his_nor_of_each_other() -> None:
    head, couple = 1000, (2000, 2001)
    household = [(member, head) for member in range(_FAMILY)]
    assert len(kin(*household)) == 2 * _FAMILY + _FAMILY * (_FAMILY - 1)
    assert kin(*household, (_FAMILY, head), couple) == {couple, couple[::-1]}
