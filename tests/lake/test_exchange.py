"""Exchanging entities' rows: the table holds what a plain list would, in whichever files the rows lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.tables import Lake

NAME = ("base", "sample")
ROW = st.tuples(st.integers(0, 5), st.sampled_from("abc"))
FILES = st.lists(st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=4)


def frame(rows: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"k": pl.Int64, "v": pl.String}, orient="row")


def held(lake: Lake) -> list[tuple[int, str]]:
    return sorted(lake.scan(*NAME).collect().rows())


@settings(max_examples=40)
@given(files=FILES, whose=st.sets(st.integers(0, 5)), coming=st.lists(ROW, max_size=4), also=st.booleans())
def test_rows_of_some_take_the_place_of_theirs_in_every_file(
    files: list[list[tuple[int, str]]], whose: set[int], coming: list[tuple[int, str]], also: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for rows in files:
            lake.append(*NAME, frame(rows))
        meant = pl.col("v") == "c" if also else None
        lake.exchange(
            *NAME, frame(coming), whose=pl.Series(sorted(whose), dtype=pl.Int64), also=meant, key="k"
        )
        stay = [row for rows in files for row in rows if row[0] not in whose and not (also and row[1] == "c")]
        assert held(lake) == sorted([*stay, *coming])


def test_where_nothing_changes_there_is_no_new_version() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        lake.append(*NAME, frame([(1, "a"), (2, "b")]))
        version = lake.table(*NAME).version()
        assert not lake.exchange(*NAME, frame([(2, "b")]), whose=pl.Series([2]), key="k").changed
        assert lake.table(*NAME).version() == version
