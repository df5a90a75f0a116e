"""Small counts are not told, nor the shares that tell them."""

from __future__ import annotations

import polars as pl

from masking.counts import without_small


def table(**columns: list[float | None]) -> pl.LazyFrame:
    """Rows of 950 kept and 50 refused where nothing else is said; ``few``: the fewest rows of which the score tells."""
    length = len(next(iter(columns.values())))
    full = {"kept": [950] * length, "refused": [50] * length, "few": [None] * length, **columns}
    scores = pl.struct(quality=pl.col("few").cast(pl.Float64)).alias("score_rows")
    return pl.LazyFrame(full).with_columns(scores).drop("few")


def shown(rows: pl.LazyFrame) -> pl.DataFrame:
    return without_small(rows, ["kept", "refused"], ["quality"], "score_rows", k=3).collect()


def test_counts_of_fewer_than_k_are_written_so_and_their_shares_go() -> None:
    kept: list[float | None] = [0, 1, 11, 3, None]
    found = shown(table(kept=kept, refused=[0, 0, 2, 3, None], quality=[None, 1.0, 0.85, 0.5, None]))
    assert found["kept"].to_list() == ["0", "<3", "11", "3", None]
    assert found["refused"].to_list() == ["0", "0", "<3", "3", None]
    assert found["quality"].to_list() == [None, None, None, 0.5, None]


def test_a_share_that_tells_of_few_goes_though_no_count_beside_it_is_small() -> None:
    """Whatever its table has: of a push of four rows, 0.75 is one."""
    found = shown(table(quality=[0.998, 0.75, 0.98765, 1.0], few=[2, 1, 3, None]))
    assert found["quality"].to_list() == [None, None, 0.988, 1.0]
    assert "score_rows" not in found.columns, "it would be the count itself"


def test_where_it_is_not_known_of_how_many_no_share_is_told() -> None:
    assert shown(table(quality=[0.5]).drop("score_rows"))["quality"].to_list() == [None]
