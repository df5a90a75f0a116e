"""Footers read and written again: byte for byte what polars, pyarrow and DuckDB wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from lake.footers import Footer, FooterError

ROWS = pl.DataFrame(
    {
        "k": range(40),
        "s": [None if n % 7 == 0 else f"清{n}" for n in range(40)],
        "yes": [n % 3 == 0 for n in range(40)],
        "x": [n / 3 for n in range(40)],
        "at": [datetime(2026, 1, 1, n % 24, tzinfo=UTC) for n in range(40)],
        "days": [[{"resource": "r", "day": date(2026, 1, 1 + n % 9)}] * (n % 3) for n in range(40)],
        # more than fourteen columns: a list that long has its length apart
        **{f"c{n}": [n] * 40 for n in range(16)},
    }
)


def wrote(path: Path, writer: str) -> None:
    if writer == "polars":
        ROWS.lazy().sink_parquet(path, row_group_size=15)
    elif writer == "pyarrow":
        pq.write_table(
            ROWS.to_arrow(),
            path,
            row_group_size=15,
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(0)],
        )
    else:
        held = ROWS.to_arrow()
        duckdb.sql("from held").write_parquet(str(path), row_group_size=2048)
        assert held.num_rows


@pytest.mark.parametrize("writer", ["polars", "pyarrow", "duckdb"])
def test_a_footer_that_nothing_changed_is_written_as_it_was(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "a.parquet"
    wrote(path, writer)
    file, footer = path.read_bytes(), Footer.of(path)
    assert Footer.read(file) == footer
    assert sum(group.rows for group in footer.groups) == ROWS.height
    assert footer.written() == file[-8 - int.from_bytes(file[-8:-4], "little") :]


def test_chunks_lie_where_pyarrow_says(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    wrote(path, "polars")
    told = pq.ParquetFile(path).metadata
    for number, group in enumerate(Footer.of(path).groups):
        for place, chunk in enumerate(group.chunks):
            said = told.row_group(number).column(place)
            assert ".".join(part.decode() for part in chunk.column) == said.path_in_schema
            assert chunk.size == said.total_compressed_size
            assert chunk.unpacked == said.total_uncompressed_size
            first = said.dictionary_page_offset if said.has_dictionary_page else said.data_page_offset
            assert chunk.start == first


@pytest.mark.parametrize(
    "file",
    [b"", b"PAR1PAR1", b"PAR1" + b"\x15\x02" + b"\x02\0\0\0PAR1", b"PAR1    \0\1\0\0\0PAR1", b"x" * 40],
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, file: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(file)
    with pytest.raises(FooterError):
        Footer.of(path)
