"""Check digits over whole columns, in NumPy: each is a few array operations per character position.

Here belongs arithmetic on code points only; which code has which shape is in ``identifiers.py``. Sources: GB 11643
(ISO 7064 MOD 11-2), GB 32100 (weights 3^i modulo 31), GB 11714, GS 15-2006 (MOD 11,10), GB/T 36904 (MOD 37,36).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int32]

DIGITS = "0123456789"
RESIDENT_ALPHABET = "0123456789X"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS = "10X98765432"
CREDIT_WEIGHTS = tuple(pow(3, index, 31) for index in range(17))
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def resident_check(texts: pl.Series) -> pl.Series:
    """The check character of each first 17 digits; null where they are not 17 digits."""
    values = positions(texts.str.slice(0, 17), 17, DIGITS)
    return _characters(values, _weighted(values, RESIDENT_WEIGHTS) % 11, RESIDENT_CHECKS)


def credit_check(texts: pl.Series) -> pl.Series:
    """The check character of each credit code's first 17; null where a character is not of its alphabet."""
    values = positions(texts.str.slice(0, 17), 17, CREDIT_ALPHABET)
    return _characters(values, (31 - _weighted(values, CREDIT_WEIGHTS) % 31) % 31, CREDIT_ALPHABET)


def organisation_check(texts: pl.Series) -> pl.Series:
    """The check character of each organisation code's first 8; null where a character is not 0-9, A-Z."""
    values = positions(texts.str.slice(0, 8), 8, BASE36)
    return _characters(values, (11 - _weighted(values, ORGANISATION_WEIGHTS) % 11) % 11, RESIDENT_ALPHABET)


def passes_mod_11_10(texts: pl.Series) -> pl.Series:
    """Whether each whole text of digits, check digit last, fulfils ISO 7064 MOD 11,10."""
    return _hybrid(texts, DIGITS, 15)


def passes_mod_37_36(texts: pl.Series) -> pl.Series:
    """Whether each whole text of 0-9 and A-Z, check character last, fulfils ISO 7064 MOD 37,36 (up to 96 long)."""
    return _hybrid(texts, BASE36, 96)


def over(
    function: Callable[[pl.Series], pl.Series], dtype: type[pl.DataType]
) -> Callable[[pl.Expr], pl.Expr]:
    """One of the functions above as an expression; it sees batches, and nothing but single values matters."""

    def apply(text: pl.Expr) -> pl.Expr:
        return text.map_batches(function, return_dtype=dtype, is_elementwise=True)

    return apply


def positions(texts: pl.Series, width: int, alphabet: str) -> Codes:
    """An (n, width) array of each character's place in ``alphabet``: -1 for another character, -2 past the end.

    A text longer than ``width``, one with characters beyond ASCII, and null count as a row of -1."""
    fits = ((texts.str.len_bytes() <= width) & (texts.str.len_bytes() == texts.str.len_chars())).fill_null(
        value=False
    )
    padded = texts.zip_with(fits, pl.Series(["?"] * len(texts), dtype=pl.String)).str.pad_end(width, "\0")
    array = padded.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(texts) + 1]
    data = np.frombuffer(array.buffers()[2], dtype=np.uint8) if len(texts) else np.zeros(0, dtype=np.uint8)
    points = data[offsets[0] : offsets[-1]].reshape(len(texts), width)
    table = np.full(256, -1, dtype=np.int32)
    table[0] = -2
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    return table[points]


def _weighted(values: Codes, weights: Sequence[int]) -> Codes:
    return values @ np.asarray(weights, dtype=np.int32)


def _characters(values: Codes, check: Codes, alphabet: str) -> pl.Series:
    whole = (values >= 0).all(axis=1)
    letters = np.asarray(list(alphabet), dtype=object)[np.where(whole, check, 0)]
    return pl.Series(letters.tolist(), dtype=pl.String).set(pl.Series(~whole), None)


def _hybrid(texts: pl.Series, alphabet: str, width: int) -> pl.Series:
    """ISO 7064 hybrid systems: sum modulo m, doubled modulo m + 1, position by position; 1 at the end is right."""
    modulus = len(alphabet)
    values = positions(texts, width, alphabet)
    check = np.full(len(texts), modulus // 2, dtype=np.int32)
    for column in range(width):
        value = values[:, column]
        doubled = np.where(check == 0, modulus, check) * 2 % (modulus + 1)
        check = np.where(value >= 0, (doubled + value) % modulus, check)
    whole = (values != -1).all(axis=1) & (values[:, 0] >= 0)
    return pl.Series(whole & (check == 1))
