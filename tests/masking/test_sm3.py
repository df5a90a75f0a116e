"""HMAC-SM3 over arrays: the same as ``cryptography`` computes value by value, whatever the lengths."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import sm3
from masking.keys import hmac_sm3


@given(
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=70),
    st.lists(st.text(max_size=80), min_size=1, max_size=8),
)
def test_agrees_with_the_library(key: bytes, prefix: bytes, texts: list[str]) -> None:
    found = sm3.macs(key, prefix, pl.Series(texts))
    assert [row.tobytes() for row in found] == [hmac_sm3(key, prefix + text.encode()) for text in texts]


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 200])
def test_padding_at_the_edges_of_a_block(length: int) -> None:
    text = "a" * length
    assert sm3.macs(b"key", b"", pl.Series([text]))[0].tobytes() == hmac_sm3(b"key", text.encode())


def test_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm3, "BATCH", 3)
    texts = pl.Series(["一", "22", "333", "二", "1", "55555", "6", "77", "8", "99"])
    found = sm3.macs(b"key", b"domain\0", texts)
    assert [row.tobytes() for row in found] == [hmac_sm3(b"key", b"domain\0" + t.encode()) for t in texts]


def test_of_nothing_there_is_nothing() -> None:
    assert sm3.as_binary(sm3.macs(b"key", b"", pl.Series([], dtype=pl.String))).to_list() == []


def test_a_key_longer_than_a_block_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="65 bytes") as refusal:
        sm3.macs(b"k" * 65, b"", pl.Series(["a"]))
    assert "kkk" not in str(refusal.value)
