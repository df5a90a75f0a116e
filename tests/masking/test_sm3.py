"""HMAC-SM3 over arrays: the same as ``cryptography`` computes value by value, whatever the lengths."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from masking import sm3
from masking.keys import hmac_sm3


@given(
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=70),
    st.lists(st.text(max_size=80), min_size=1, max_size=8),
)
def test_agrees_with_the_library(key: bytes, prefix: bytes, texts: list[str]) -> None:
    found = sm3.macs(key, prefix, pl.Series(texts))
    assert found.to_list() == [hmac_sm3(key, prefix + text.encode()) for text in texts]


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 200])
def test_padding_at_the_edges_of_a_block(length: int) -> None:
    text = "a" * length
    assert sm3.macs(b"key", b"", pl.Series([text])).to_list() == [hmac_sm3(b"key", text.encode())]


def test_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm3, "BATCH", 3)
    texts = pl.Series(["一", "22", "333", "二", "1", "55555", "6", "77", "8", "99"])
    found = sm3.macs(b"key", b"domain\0", texts)
    assert found.to_list() == [hmac_sm3(b"key", b"domain\0" + t.encode()) for t in texts]


def test_of_nothing_there_is_nothing() -> None:
    assert sm3.macs(b"key", b"", pl.Series([], dtype=pl.String)).to_list() == []
    assert sm3.macs(b"key", b"", pl.Series([None, "", None])).to_list() == [None, hmac_sm3(b"key", b""), None]


def test_a_part_of_a_column_is_read_where_it_begins() -> None:
    texts = pl.Series(["no", "一", None, "three"]).append(pl.Series(["four", "no"]))[1:5]
    found = sm3.macs(b"key", b"", texts).to_list()
    assert found == [None if text is None else hmac_sm3(b"key", text.encode()) for text in texts]


def test_where_machine_code_cannot_be_kept_it_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a service's user without a home, in a folder that is not its own."""

    def nowhere_to_keep(**options: bool) -> Any:
        if options.get("cache"):
            msg = "cannot cache function: no locator available"
            raise RuntimeError(msg)
        return njit(**options)

    monkeypatch.setattr(sm3, "njit", nowhere_to_keep)
    assert sm3._compiled(lambda number: number + 1)(1) == 2


def test_a_key_longer_than_a_block_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="65 bytes") as refusal:
        sm3.macs(b"k" * 65, b"", pl.Series(["a"]))
    assert "kkk" not in str(refusal.value)
