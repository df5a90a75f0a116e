"""Check digits over whole columns, in NumPy: each is a few array operations per character position.

Here belongs arithmetic on code points only; which code has which shape is in ``identifiers.py``. Sources: GB 11643
(ISO 7064 MOD 11-2), GB 32100 (weights 3^i modulo 31), GB 11714, GS 15-2006 (MOD 11,10), GB/T 36904 (MOD 37,36).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int8]

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
    return _characters(values, _resident_sum(values), RESIDENT_CHECKS)


def credit_check(texts: pl.Series) -> pl.Series:
    """The check character of each credit code's first 17; null where a character is not of its alphabet."""
    values = positions(texts.str.slice(0, 17), 17, CREDIT_ALPHABET)
    return _characters(values, _credit_check(values), CREDIT_ALPHABET)


def organisation_check(texts: pl.Series) -> pl.Series:
    """The check character of each organisation code's first 8; null where a character is not 0-9, A-Z."""
    values = positions(texts.str.slice(0, 8), 8, BASE36)
    return _characters(values, _organisation_check(values), RESIDENT_ALPHABET)


def passes_resident(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 17 digits and their check character (GB 11643, ISO 7064 MOD 11-2)."""
    values = positions(texts, 18, RESIDENT_ALPHABET)
    digits = ((values[:, :17] >= 0) & (values[:, :17] < 10)).all(axis=1)
    expected = np.asarray([RESIDENT_ALPHABET.index(check) for check in RESIDENT_CHECKS])[
        _resident_sum(values[:, :17])
    ]
    return pl.Series(digits & (values[:, 17] == expected))


def passes_credit(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 17 characters of the credit code's alphabet and their check (GB 32100)."""
    values = positions(texts, 18, CREDIT_ALPHABET)
    return pl.Series((values >= 0).all(axis=1) & (values[:, 17] == _credit_check(values[:, :17])))


def passes_organisation(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 8 characters of 0-9, A-Z and their check (GB 11714); 10 is written X."""
    values = positions(texts, 9, BASE36)
    check = _organisation_check(values[:, :8])
    expected = np.where(check == 10, BASE36.index("X"), check)
    return pl.Series((values >= 0).all(axis=1) & (values[:, 8] == expected))


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
    table = np.full(256, -1, dtype=np.int8)
    table[0] = -2
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    return table[_bytes(texts.fill_null("?"), width).reshape(len(texts), width)]


def _bytes(texts: pl.Series, width: int) -> npt.NDArray[np.uint8]:
    """The texts' bytes one after the other, each ``width`` long: filled with zeros, or ``?`` where it cannot be."""
    if not (texts.str.len_bytes() == width).all():
        fits = (texts.str.len_bytes() <= width) & (texts.str.len_bytes() == texts.str.len_chars())
        texts = texts.zip_with(fits, pl.Series(["?"]).new_from_index(0, len(texts))).str.pad_end(width, "\0")
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(texts) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", dtype=np.uint8)
    return data[offsets[0] : offsets[-1]]


def _resident_sum(values: Codes) -> npt.NDArray[np.int32]:
    return _weighted(values, RESIDENT_WEIGHTS) % 11


def _credit_check(values: Codes) -> npt.NDArray[np.int32]:
    return (31 - _weighted(values, CREDIT_WEIGHTS) % 31) % 31


def _organisation_check(values: Codes) -> npt.NDArray[np.int32]:
    return (11 - _weighted(values, ORGANISATION_WEIGHTS) % 11) % 11


def _weighted(values: Codes, weights: Sequence[int]) -> npt.NDArray[np.int32]:
    # single precision is exact for these sums, and has a fast product where integers have none
    products: npt.NDArray[np.float32] = values.astype(np.float32) @ np.asarray(weights, dtype=np.float32)
    return products.astype(np.int32)


def _characters(values: Codes, check: npt.NDArray[np.int32], alphabet: str) -> pl.Series:
    whole = pl.Series((values >= 0).all(axis=1))
    letters = pl.Series(list(alphabet)).gather(pl.Series(check % len(alphabet)))
    return letters.set(~whole, None)


def _hybrid(texts: pl.Series, alphabet: str, width: int) -> pl.Series:
    """ISO 7064 hybrid systems: sum modulo m, doubled modulo m + 1, position by position; 1 at the end is right."""
    modulus = len(alphabet)
    longest = texts.str.len_bytes().max()
    used = min(width, longest) if isinstance(longest, int) and longest else 1
    steps = _hybrid_steps(modulus)
    columns = np.ascontiguousarray(positions(texts, used, alphabet).T).astype(np.intp) + 2
    state = np.full(len(texts), modulus // 2, dtype=np.intp)
    for column in columns:
        state = steps[state * (modulus + 2) + column]
    return pl.Series((columns[0] >= 2) & (state == 1))


def _hybrid_steps(modulus: int) -> npt.NDArray[np.intp]:
    """The state after each state and character, flat: characters are 0 past the end, 1 unknown, 2 + its place; state
    ``modulus`` is where an unknown character leads, and stays."""
    steps = np.full((modulus + 1, modulus + 2), modulus, dtype=np.intp)
    steps[:, 0] = np.arange(modulus + 1)
    state, value = np.arange(modulus)[:, None], np.arange(modulus)[None, :]
    steps[:modulus, 2:] = (np.where(state == 0, modulus, state) * 2 % (modulus + 1) + value) % modulus
    return steps.ravel()
