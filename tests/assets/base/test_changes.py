"""What has moved between two versions of a table, told from its files alone."""

from __future__ import annotations

import polars as pl
import pytest

from assets.base.changes import moved, rows_in_question, taken, touched
from assets.build import Context

NAME = ("base", "sample")


def frame(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"k": pl.String, "v": pl.String, "n": pl.Int64}, orient="row")


@pytest.mark.parametrize(
    ("after", "among", "said"),
    [
        ([("a", "x", 1), ("a", "x", 1), ("b", "y", 3)], [], {"b"}),
        # a row that is there once less, though another like it stays
        ([("a", "x", 1), ("b", "y", 2)], [], {"a"}),
        ([("a", "x", 1), ("a", "x", 1), ("a", "x", 1), ("b", "y", 2)], [], {"a"}),
        # what nobody asks for may change
        ([("a", "x", 7), ("a", "x", 8), ("b", "y", 9)], ["k", "v"], set()),
        ([("a", "x", 1), ("a", "z", 1), ("b", "y", 2)], ["k", "v"], {"a"}),
    ],
)
def test_rows_that_came_or_went_or_are_there_more_often(
    empty_lake: Context, after: list[tuple[str, str, int]], among: list[str], said: set[str]
) -> None:
    lake = empty_lake.lake
    lake.append(*NAME, frame(("a", "x", 1), ("a", "x", 1), ("b", "y", 2)))
    then = taken(empty_lake, "", [NAME])
    lake.publish(*NAME, frame(*after), key=["k"])
    found = moved(lake, then, NAME, [pl.col("k")], among)
    assert found is not None
    assert set(found["k"]) == said
    assert rows_in_question(lake, then, NAME) == 3 + len(after)
    if not among:
        whose = touched(lake, then, NAME, [pl.col("k")])
        assert whose is not None
        assert set(whose) == said
