"""Files made of another's chunks: rows are exchanged for every reader, and what did not change is copied."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.chunks import exchanged_part
from lake.footers import Footer, FooterError
from lake.parts import describe_part

COLUMNS = {
    "k": st.integers(-(2**40), 2**40),
    "s": st.none() | st.text("清远ab", max_size=3),
    "yes": st.none() | st.booleans(),
    "x": st.none() | st.floats(allow_nan=False),
    "day": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    "at": st.integers(-(2**40), 2**50).map(
        lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
    ),
    "texts": st.none() | st.lists(st.none() | st.sampled_from("ab"), max_size=2),
    "days": st.lists(st.fixed_dictionaries({"r": st.sampled_from("ab"), "n": st.integers(0, 9)}), max_size=2),
}
SCHEMA = pl.Schema(
    {
        "k": pl.Int64,
        "s": pl.String,
        "yes": pl.Boolean,
        "x": pl.Float64,
        "day": pl.Date,
        "at": pl.Datetime("us", "UTC"),
        "texts": pl.List(pl.String),
        "days": pl.List(pl.Struct({"r": pl.String, "n": pl.Int64})),
    }
)


def frames(size: int) -> st.SearchStrategy[pl.DataFrame]:
    rows = st.lists(st.tuples(*COLUMNS.values()), min_size=size, max_size=size)
    return rows.map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def pages(path: Path, group: int, column: str) -> bytes:
    chunks = [chunk for chunk in Footer.of(path).groups[group].chunks if chunk.column[0] == column.encode()]
    return b"".join(path.read_bytes()[chunk.start : chunk.start + chunk.size] for chunk in chunks)


@settings(max_examples=12, deadline=None)
@given(held=frames(9), coming=frames(3), data=st.data())
def test_rows_come_into_their_places_whoever_reads(
    held: pl.DataFrame, coming: pl.DataFrame, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, 8), min_size=3, max_size=3, unique=True))
    names = data.draw(st.lists(st.sampled_from(list(SCHEMA)), min_size=1, unique=True))
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old.parquet"
        held.lazy().sink_parquet(old, row_group_size=4)
        made = exchanged_part(old, pl.Series(places), coming.select(names))
        rows = held.rows(named=True)
        for place, row in zip(places, coming.select(names).rows(named=True), strict=True):
            rows[place] = {**rows[place], **row}
        wanted = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        assert made.rows == 9
        assert pl.read_parquet(made.path).equals(wanted)
        assert pl.DataFrame(pq.read_table(made.path)).cast(SCHEMA).equals(wanted)
        assert duckdb.read_parquet(str(made.path)).pl().cast(SCHEMA).equals(wanted)
        anew = Path(folder) / "anew.parquet"
        wanted.lazy().sink_parquet(anew, row_group_size=4)
        assert json.loads(made.stats) == json.loads(describe_part(anew).stats)
        for column in SCHEMA:
            for group in range(3):
                if column not in names or not any(place // 4 == group for place in places):
                    assert pages(made.path, group, column) == pages(old, group, column)


def test_columns_that_are_written_otherwise_make_no_file(tmp_path: Path) -> None:
    old, never_empty = tmp_path / "old.parquet", pa.schema([pa.field("k", pa.int64(), nullable=False)])
    pq.write_table(pa.table({"k": [1, 2]}, schema=never_empty), old)
    with pytest.raises(FooterError):
        exchanged_part(old, pl.Series([0]), pl.DataFrame({"k": [3]}))
    assert [path.name for path in tmp_path.iterdir()] == ["old.parquet"]
