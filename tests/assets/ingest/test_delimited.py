"""A regular CSV file is handed on in batches: whole, in order, whatever a query asks of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from assets.ingest import delimited, lines
from quality.split import PROBLEM

ROWS = 1_000


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.LazyFrame:
    """``ROWS`` rows in batches of seven, one in ten with quotes."""
    monkeypatch.setattr(delimited, "BATCH", 7)
    path = tmp_path / "push.csv"
    rows = (f'{n},"b,""{n}"""' if n % 10 == 0 else f"{n},b{n}" for n in range(ROWS))
    path.write_text("a,b\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return delimited.read_delimited(
        path, tmp_path, lambda cells: float(cells == ["a", "b"]), "表", "table"
    ).frame


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (lambda rows: rows.select("c0"), [(str(n),) for n in range(ROWS)]),
        (lambda rows: rows.select("_row").tail(2), [(ROWS - 1,), (ROWS,)]),
        (lambda rows: rows.head(2), [(1, "0", 'b,"0"'), (2, "1", "b1")]),
        (lambda rows: rows.slice(8, 1), [(9, "8", "b8")]),
        (lambda rows: rows.filter(pl.col("_row").is_in([1, 500])).select("c0"), [("0",), ("499",)]),
        (lambda rows: rows.filter(pl.col("c1") == "b3").head(1), [(4, "3", "b3")]),
        (lambda rows: rows.select(pl.len()), [(ROWS,)]),
    ],
)
@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_every_query_sees_every_row_in_order(
    frame: pl.LazyFrame, query: Callable[[pl.LazyFrame], pl.LazyFrame], expected: list[object], engine: str
) -> None:
    ordered = query(frame).collect(engine=engine)  # type: ignore[call-overload]
    columns = [name for name in ("_row", "c0", "c1", "len") if name in ordered.columns]
    assert ordered.select(columns).rows() == expected


def test_a_row_that_is_no_row_of_the_table_is_kept_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "push.csv"
    path.write_text('a,b\n1,"x""y"\n2,"xy\n3,z\n', encoding="utf-8")
    read = delimited.read_delimited(path, tmp_path, lambda cells: float(cells == ["a", "b"]), "表", "table")
    rows = read.frame.collect()
    assert rows["c0"].to_list() == ["1", "2", "3"]
    assert rows["c1"][0] == 'x"y'
    assert rows.filter(pl.col(PROBLEM).is_not_null())["c0"].to_list() == ["2"]


def test_a_line_too_long_to_be_looked_at_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 64)
    monkeypatch.setattr(lines, "MAX_LINE", 1 << 14)
    path = tmp_path / "push.csv"
    path.write_text(f"a,b\n1,{'x' * (1 << 15)}\n2,y\n", encoding="utf-8")
    read = delimited.read_delimited(path, tmp_path, lambda cells: float(cells == ["a", "b"]), "表", "table")
    assert read.frame.collect()["c1"].str.len_chars().to_list() == [1 << 15, 1]
