"""Small counts are not told, nor the shares that tell them."""

from __future__ import annotations

import polars as pl

from masking.counts import without_small


def test_counts_of_fewer_than_k_are_written_so_and_their_shares_go() -> None:
    rows = pl.LazyFrame(
        {"kept": [0, 1, 11, 3, None], "refused": [0, 0, 2, 3, None], "quality": [None, 1.0, 0.85, 0.5, None]}
    )
    found = without_small(rows, ["kept", "refused"], ["quality"], k=3).collect()
    assert found["kept"].to_list() == ["0", "<3", "11", "3", None]
    assert found["refused"].to_list() == ["0", "0", "<3", "3", None]
    assert found["quality"].to_list() == [None, None, None, 0.5, None]


def test_a_share_that_is_of_few_goes_though_no_count_beside_it_is_small() -> None:
    rows = pl.LazyFrame(
        {"kept": [950, 950, 950, 950], "refused": [50] * 4, "accuracy": [0.998, 0.002, 0.98765, 1.0]}
    )
    found = without_small(rows, ["kept", "refused"], ["accuracy"], k=3).collect()
    assert found["accuracy"].to_list() == [None, None, 0.988, 1.0]
