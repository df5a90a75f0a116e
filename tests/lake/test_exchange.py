"""Exchanging entities' rows: the table holds what a plain list would, in whichever files the rows lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.parts import describe_part, new_part
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


def exchanged(lake: Lake, coming: pl.DataFrame, whose: list[int]) -> list[tuple[int | str, ...]]:
    """The table's rows after the exchange, in the order of its files."""
    lake.exchange(*NAME, coming, whose=pl.Series(whose), key="k")
    return lake.scan(*NAME).collect().rows()


def test_a_row_comes_into_the_place_of_its_own_and_else_goes_to_the_end(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(*NAME, frame([(1, "a"), (2, "b"), (2, "c"), (3, "d")]))
    assert exchanged(lake, frame([(2, "c"), (2, "e")]), [2]) == [(1, "a"), (2, "e"), (2, "c"), (3, "d")]
    assert exchanged(lake, frame([(1, "g"), (3, "f")]), [3, 1]) == [(1, "g"), (2, "e"), (2, "c"), (3, "f")]
    assert exchanged(lake, frame([(1, "h"), (0, "i")]), [1, 0]) == [
        (2, "e"),
        (2, "c"),
        (3, "f"),
        (1, "h"),
        (0, "i"),
    ]
    assert exchanged(lake, frame([(2, "e")]), [2]) == [(3, "f"), (1, "h"), (0, "i"), (2, "e")]


def test_rows_that_are_there_twice_stay_as_many(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(*NAME, frame([(1, "a"), (1, "a"), (1, "b"), (1, "c")]))
    coming = [(1, "a"), (1, "b"), (1, "b"), (1, "d")]
    assert sorted(exchanged(lake, frame(coming), [1])) == coming


def test_a_file_whose_columns_are_written_otherwise_is_written_anew(tmp_path: Path) -> None:
    lake, rows = Lake(tmp_path), frame([(1, "a"), (2, "b")])
    never_empty = pa.schema([pa.field("k", pa.int64()), pa.field("v", pa.large_string(), nullable=False)])
    path = new_part(lake.path(*NAME))
    pq.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(never_empty), path)
    lake.append_part(*NAME, describe_part(path), rows.schema, transaction=None)
    assert exchanged(lake, frame([(1, "c")]), [1]) == [(2, "b"), (1, "c")]
    kept = {path.name for path in lake.path(*NAME).glob("*.parquet")}
    assert len(kept) == 2, "the old file and the new one, and none that was begun"
