"""FF1: NIST's published samples, and that it is a permutation which only the key undoes."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from masking.ff1 import FF1, Numerals

SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"
AES_128 = "2B7E151628AED2A6ABF7158809CF4F3C"
AES_192 = AES_128 + "EF4359D8D580AA4F"
AES_256 = AES_192 + "7F036D6F04FC6A94"


def numerals(*texts: str) -> Numerals:
    return np.array([[SIGNS.index(sign) for sign in text] for text in texts], dtype=np.uint8)


def text(rows: Numerals) -> str:
    return "".join(SIGNS[numeral] for numeral in rows[0])


@pytest.mark.parametrize(
    ("key", "radix", "tweak", "plain", "enciphered"),
    [  # NIST SP 800-38G, samples 1 to 9 for FF1
        (AES_128, 10, "", "0123456789", "2433477484"),
        (AES_128, 10, "39383736353433323130", "0123456789", "6124200773"),
        (AES_128, 36, "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
        (AES_192, 10, "", "0123456789", "2830668132"),
        (AES_192, 10, "39383736353433323130", "0123456789", "2496655549"),
        (AES_192, 36, "3737373770717273373737", "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
        (AES_256, 10, "", "0123456789", "6657667009"),
        (AES_256, 10, "39383736353433323130", "0123456789", "1001623463"),
        (AES_256, 36, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
    ],
)
def test_the_published_samples(key: str, radix: int, tweak: str, plain: str, enciphered: str) -> None:
    ff1 = FF1(AES(bytes.fromhex(key)), radix, len(plain), bytes.fromhex(tweak))
    assert text(ff1.encrypt(numerals(plain))) == enciphered
    assert text(ff1.decrypt(numerals(enciphered))) == plain


@given(
    st.integers(2, 36),
    st.integers(0, 40),
    st.binary(min_size=16, max_size=16),
    st.data(),
)
def test_deciphering_undoes_enciphering(radix: int, tweak: int, key: bytes, data: st.DataObject) -> None:
    length = data.draw(
        st.integers(2, 20).filter(lambda n: radix**n >= 10**6 and radix ** (n - n // 2) <= 2**56)
    )
    row = st.lists(st.integers(0, radix - 1), min_size=length, max_size=length)
    rows = np.array(data.draw(st.lists(row, min_size=1, max_size=5)), dtype=np.uint8)
    ff1 = FF1(SM4(key), radix, length, bytes(tweak))
    enciphered = ff1.encrypt(rows)
    assert (enciphered < radix).all()
    assert (ff1.decrypt(enciphered) == rows).all()


def test_a_whole_domain_is_permuted_across_batches() -> None:
    rows = np.stack(np.unravel_index(np.arange(10**6), (10,) * 6), axis=1).astype(np.uint8)
    enciphered = FF1(SM4(bytes(16)), 10, 6).encrypt(rows)
    assert np.unique(enciphered @ 10 ** np.arange(6)).size == 10**6
    assert not (enciphered == rows).all(axis=1).sum() > 20


@pytest.mark.parametrize(("radix", "length", "problem"), [(10, 5, "fewer than"), (10, 40, "56-bit")])
def test_a_domain_that_cannot_be_used_is_refused(radix: int, length: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        FF1(SM4(bytes(16)), radix, length)


def test_the_key_is_not_shown() -> None:
    assert bytes(range(16)).hex() not in repr(FF1(SM4(bytes(range(16))), 10, 14))


def test_sm4_agrees_with_the_standard() -> None:
    """GB/T 32907-2016, annex A: the block cipher under the tokens."""
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    enciphered = Cipher(SM4(key), ECB()).encryptor().update(key)  # noqa: S305
    assert enciphered.hex() == "681edf34d206965e86b3e94f536e4246"
