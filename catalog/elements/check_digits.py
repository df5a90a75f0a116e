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
CREDIT_WEIGHTS = tuple(pow(3, index, 31) for index in range(17))
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def resident_check(texts: pl.Series) -> pl.Series:
    """The check character of each first 17 digits; null where they are not 17 digits."""
    places = positions(texts.str.slice(0, 17), 17, DIGITS)
    return _characters(places, _resident_check(places), RESIDENT_ALPHABET)


def with_century(texts: pl.Series) -> pl.Series:
    """Resident ids, those of 15 digits in the form of 18: with the century 19 and the check."""
    old = texts.str.contains("^[0-9]{15}$").fill_null(value=False)
    if not old.any():
        return texts
    long = texts.filter(old).str.replace(r"^([0-9]{6})", "${1}19")
    return texts.scatter(old.arg_true(), long + resident_check(long))


def credit_check(texts: pl.Series) -> pl.Series:
    """The check character of each credit code's first 17; null where a character is not of its alphabet."""
    places = positions(texts.str.slice(0, 17), 17, CREDIT_ALPHABET)
    return _characters(places, _credit_check(places), CREDIT_ALPHABET)


def organisation_check(texts: pl.Series) -> pl.Series:
    """The check character of each organisation code's first 8; null where a character is not 0-9, A-Z."""
    places = positions(texts.str.slice(0, 8), 8, BASE36)
    return _characters(places, _organisation_check(places), RESIDENT_ALPHABET)


def passes_resident(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 17 digits and their check character (GB 11643, ISO 7064 MOD 11-2).

    In bytes less that of 0, and not in places of the alphabet: two thirds of the time for what every row is asked."""
    places = _bytes(texts.fill_null("?"), 18) - np.uint8(ord("0"))
    ten = places[17] == ord("X") - ord("0")
    last = np.where(ten, np.uint16(10), places[17])
    known = (np.maximum.reduce(places[:17], axis=0) < 10) & (ten | (last < 10))
    total = last
    for row, weight in zip(places[:17], RESIDENT_WEIGHTS, strict=True):
        total = total + row * np.uint16(weight)
    return pl.Series(known & (total % np.uint16(11) == 1))


def passes_credit(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 17 characters of the credit code's alphabet and their check (GB 32100)."""
    places = positions(texts, 18, CREDIT_ALPHABET)
    return pl.Series(_known(places) & (places[17] == _credit_check(places[:17])))


def passes_organisation(texts: pl.Series) -> pl.Series:
    """Whether each whole text is 8 characters of 0-9, A-Z and their check (GB 11714); 10 is written X."""
    places = positions(texts, 9, BASE36)
    check = _organisation_check(places[:8])
    expected = np.where(check == 10, BASE36.index("X"), check)
    return pl.Series(_known(places) & (places[8] == expected))


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

    def apply(texts: pl.Series) -> pl.Series:
        some = texts.is_not_null()
        if some.all():
            return function(texts)
        # many a column is mostly empty
        nothing = function(texts.clear(1)).new_from_index(0, len(texts))
        return nothing.scatter(some.arg_true(), function(texts.filter(some)))

    return lambda text: text.map_batches(apply, return_dtype=dtype, is_elementwise=True)


def positions(texts: pl.Series, width: int, alphabet: str) -> Codes:
    """A (width, n) array of each character's place in ``alphabet``: -1 for another character, -2 past the end.

    A text longer than ``width``, one with characters beyond ASCII, and null count as a column of -1. The characters of
    one position lie side by side, so that what follows are operations on long rows."""
    table = np.full(256, -1, dtype=np.int8)
    table[0] = -2
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    return np.take(table, _bytes(texts.fill_null("?"), width))


def _bytes(texts: pl.Series, width: int) -> npt.NDArray[np.uint8]:
    """The texts' bytes, (width, n): filled with zeros past a text's end, and ``?`` where a text does not fit."""
    sizes = texts.str.len_bytes()
    whole = sizes == width
    if whole.all():
        return _columns(texts, width)
    columns = _columns(texts.zip_with(whole, pl.Series(["?" * width]).new_from_index(0, len(texts))), width)
    short = ((sizes < width) & (sizes == texts.str.len_chars())).arg_true()
    if len(short):
        columns[:, short.to_numpy()] = _columns(texts.gather(short).str.pad_end(width, "\0"), width)
    return columns


def _columns(texts: pl.Series, width: int) -> npt.NDArray[np.uint8]:
    """A fresh (width, n) array of texts that all have ``width`` bytes."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(texts) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", dtype=np.uint8)
    return data[offsets[0] : offsets[-1]].reshape(len(texts), width).T.copy()


def _known(places: Codes) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = np.logical_and.reduce(places >= 0, axis=0)
    return known


def _resident_check(places: Codes) -> npt.NDArray[np.int16]:
    """The check's place in :data:`RESIDENT_ALPHABET`: 12 less the sum, modulo 11."""
    return (12 - _weighted(places, RESIDENT_WEIGHTS) % 11) % 11


def _credit_check(places: Codes) -> npt.NDArray[np.int16]:
    return (31 - _weighted(places, CREDIT_WEIGHTS) % 31) % 31


def _organisation_check(places: Codes) -> npt.NDArray[np.int16]:
    return (11 - _weighted(places, ORGANISATION_WEIGHTS) % 11) % 11


def _weighted(places: Codes, weights: Sequence[int]) -> npt.NDArray[np.int16]:
    total = np.zeros(places.shape[1], dtype=np.int16)
    for row, weight in zip(places, weights, strict=True):
        total += row * np.int16(weight)
    return total


def _characters(places: Codes, check: npt.NDArray[np.int16], alphabet: str) -> pl.Series:
    letters = pl.Series(list(alphabet)).gather(pl.Series(check))
    return letters.set(pl.Series(~_known(places)), None)


def _hybrid(texts: pl.Series, alphabet: str, width: int) -> pl.Series:
    """ISO 7064 hybrid systems: sum modulo m, doubled modulo m + 1, position by position; 1 at the end is right."""
    modulus = len(alphabet)
    longest = texts.str.len_bytes().max()
    used = min(width, longest) if isinstance(longest, int) and longest else 1
    steps = _hybrid_steps(modulus)
    places = positions(texts, used, alphabet)
    state = np.full(len(texts), modulus // 2, dtype=np.intp)
    for row in places:
        state = steps[state * (modulus + 2) + row + 2]
    return pl.Series((places[0] >= 0) & (state == 1))


def _hybrid_steps(modulus: int) -> npt.NDArray[np.intp]:
    """The state after each state and character, flat: characters are 0 past the end, 1 unknown, 2 + its place; state
    ``modulus`` is where an unknown character leads, and stays."""
    steps = np.full((modulus + 1, modulus + 2), modulus, dtype=np.intp)
    steps[:, 0] = np.arange(modulus + 1)
    state, value = np.arange(modulus)[:, None], np.arange(modulus)[None, :]
    steps[:modulus, 2:] = (np.where(state == 0, modulus, state) * 2 % (modulus + 1) + value) % modulus
    return steps.ravel()
