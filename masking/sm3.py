"""HMAC-SM3 of many texts at once (RFC 2104 over GB/T 32905-2016): what pseudonyms are made of.

Here belongs the algorithm only, one text after the other, with the standard's names; numba makes machine code of it, which
computes without Python's lock. Nothing else is written for numba; it takes half a second to load, so this module is imported
where it is used. A single MAC, from which keys are derived, is ``keys``' business.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from numba import njit

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
Given = ParamSpec("Given")
Result = TypeVar("Result")

BLOCK = 64
DIGEST = 32
#: Texts computed at a time by one thread.
BATCH = 16_384
#: What padding adds at most: a byte, the length in eight, and what is missing to a block.
_PADDING = BLOCK + 8

_START = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)
_CONSTANTS = np.array(
    [
        (constant << turn | constant >> 32 - turn) & 0xFFFFFFFF
        for j in range(64)
        for constant, turn in [(0x79CC4519 if j < 16 else 0x7A879D8A, j % 32)]
    ],
    dtype=np.uint32,
)


def macs(key: bytes, prefix: bytes, texts: pl.Series) -> pl.Series:
    """HMAC-SM3 under ``key`` of ``prefix`` and each text, as 32 bytes in Binary; null stays null. On all processors.

    Raises :class:`ValueError` for a key longer than a block."""
    if len(key) > BLOCK:
        msg = f"a key of {len(key)} bytes would have to be hashed first: {BLOCK} at most"
        raise ValueError(msg)
    inner, outer = (
        _after_block(bytes(byte ^ pad for byte in key.ljust(BLOCK, b"\0"))) for pad in (0x36, 0x5C)
    )
    start, end_to_end, ends = np.frombuffer(prefix, dtype=np.uint8), *_end_to_end(texts)
    found = np.empty((len(texts), DIGEST), dtype=np.uint8)

    def compute(first: int) -> None:
        batch = slice(first, first + BATCH)
        _authenticate(inner, outer, start, end_to_end, ends[first : first + BATCH + 1], found[batch])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compute, range(0, len(texts), BATCH)))
    stored = pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST), len(found), [None, pa.py_buffer(found)])
    computed = pl.Series(texts.name, stored, dtype=pl.Binary)
    return computed.set(texts.is_null(), None) if texts.null_count() else computed


def _end_to_end(texts: pl.Series) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """All texts' bytes behind each other, and where each begins and the last one ends."""
    column = texts.cast(pl.Binary).rechunk().to_arrow()
    _, ends, content = column.buffers()
    places = np.frombuffer(ends, dtype=np.int64)[column.offset : column.offset + len(texts) + 1]
    return np.frombuffer(content or b"", dtype=np.uint8), places


def _after_block(block: bytes) -> Words:
    """The hash's state after one whole block."""
    state, words = np.array(_START, dtype=np.uint32), np.empty(68, dtype=np.uint32)
    words[:16] = np.frombuffer(block, dtype=">u4")
    _compress(state, words)
    return state


def _compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Made machine code at the first call, which is kept for the next process where there is a place to keep it."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # neither the package's folder nor a home may be written to: seconds lost in each process, nothing else
        return njit(nogil=True)(function)


@_compiled
def _turned(word: np.uint32, places: int) -> np.uint32:
    """Rotated to the left. To numba what is made of 32 bits has 64: it is cut where it is used."""
    return np.uint32(word << np.uint32(places) | word >> np.uint32(32 - places))


@_compiled
def _p0(x: np.uint32) -> np.uint32:
    return np.uint32(x ^ _turned(x, 9) ^ _turned(x, 17))


@_compiled
def _p1(x: np.uint32) -> np.uint32:
    return np.uint32(x ^ _turned(x, 15) ^ _turned(x, 23))


@_compiled
def _compress(state: Words, words: Words) -> None:
    """The compression function CF (5.3.3) of the block in the first 16 of 68 ``words``; ``state`` becomes the next."""
    for j in range(16, 68):
        words[j] = _p1(words[j - 16] ^ words[j - 9] ^ _turned(words[j - 3], 15))
        words[j] ^= _turned(words[j - 13], 7) ^ words[j - 6]
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for j in range(64):
        ss1 = _turned(np.uint32(_turned(a, 12) + e + _CONSTANTS[j]), 7)
        ss2 = ss1 ^ _turned(a, 12)
        ff = a ^ b ^ c if j < 16 else a & b | a & c | b & c
        gg = e ^ f ^ g if j < 16 else e & f | ~e & g
        tt1 = np.uint32(ff + d + ss2 + (words[j] ^ words[j + 4]))
        tt2 = np.uint32(gg + h + ss1 + words[j])
        a, b, c, d = tt1, a, _turned(b, 9), c
        e, f, g, h = _p0(tt2), e, _turned(f, 19), g
    for place, word in enumerate((a, b, c, d, e, f, g, h)):
        state[place] ^= word


@_compiled
def _hash(state: Words, words: Words, message: Bytes, size: int) -> None:
    """Go on from a ``state`` after one block to that after ``size`` bytes more; behind them there is room to pad."""
    end = (size + _PADDING) // BLOCK * BLOCK
    message[size] = 0x80
    message[size + 1 : end - 8] = 0
    bits = 8 * (BLOCK + size)
    for place in range(8):
        message[end - 1 - place] = bits >> 8 * place & 0xFF
    for block in range(0, end, BLOCK):
        for j in range(16):
            at = block + 4 * j
            words[j] = message[at] << 24 | message[at + 1] << 16 | message[at + 2] << 8 | message[at + 3]
        _compress(state, words)


@_compiled
def _authenticate(
    inner: Words,
    outer: Words,
    prefix: Bytes,
    end_to_end: Bytes,
    ends: npt.NDArray[np.int64],
    found: Bytes,
) -> None:
    """HMAC of each text, given the states after the key's two blocks, which are the same for all."""
    state, words = np.empty(8, dtype=np.uint32), np.empty(68, dtype=np.uint32)
    before, longest = len(prefix), np.max(ends[1:] - ends[:-1])
    message = np.empty(before + longest + _PADDING, dtype=np.uint8)
    message[:before] = prefix
    for row in range(len(found)):
        text = end_to_end[ends[row] : ends[row + 1]]
        message[before : before + len(text)] = text
        state[:] = inner
        _hash(state, words, message, before + len(text))
        # the digest, padded, is one block more
        words[:8], words[8], words[9:15], words[15] = state, 0x80000000, 0, 8 * (BLOCK + DIGEST)
        state[:] = outer
        _compress(state, words)
        for place in range(DIGEST):
            found[row, place] = state[place // 4] >> np.uint32(24 - 8 * (place % 4)) & np.uint32(0xFF)
