"""HMAC-SM3 of many texts at once (RFC 2104 over GB/T 32905): what pseudonyms are made of.

Here belongs the algorithm only, over whole arrays: one pass for each step of the hash, over one number for each text.
``cryptography`` computes the same, value by value, and holds Python's lock all the time; NumPy lets it go, so that all
processors take part, and costs less on one. A single MAC, from which keys are derived, is ``keys``' business.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl

Bytes = npt.NDArray[np.uint8]
Word = npt.NDArray[np.uint32]
"""One 32-bit number for each text."""

BLOCK = 64
DIGEST = 32
#: Texts computed at a time: few enough for the processor's cache, enough for a step to cost more than its call.
BATCH = 32_768

_ROUNDS = 64
_START = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)
_CONSTANTS = tuple(
    np.uint32((constant << turn | constant >> 32 - turn) & 0xFFFFFFFF)
    for number in range(_ROUNDS)
    for constant, turn in [(0x79CC4519 if number < 16 else 0x7A879D8A, number % 32)]
)


def macs(key: bytes, prefix: bytes, texts: pl.Series) -> Bytes:
    """HMAC-SM3 under ``key`` of ``prefix`` and each text, 32 bytes a row; no text may be null.

    The key's two blocks are hashed once. Texts of one length are hashed together, on all processors."""
    if len(key) > BLOCK:
        msg = f"a key of {len(key)} bytes would have to be hashed first: {BLOCK} at most"
        raise ValueError(msg)
    inner, outer = (
        _after_block(bytes(byte ^ pad for byte in key.ljust(BLOCK, b"\0"))) for pad in (0x36, 0x5C)
    )
    binary = texts.cast(pl.Binary)
    sizes = binary.bin.size().to_numpy()
    result = np.empty((len(texts), DIGEST), dtype=np.uint8)

    def compute(rows: npt.NDArray[np.int64]) -> None:
        messages = _messages(prefix, binary.gather(rows), int(sizes[rows[0]]))
        result[rows] = _as_bytes(_hashed_again(outer, _hashed(inner, messages)))

    batches = [
        rows[start : start + BATCH]
        for size in np.unique(sizes)
        for rows in [np.flatnonzero(sizes == size)]
        for start in range(0, len(rows), BATCH)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compute, batches))
    return result


def as_binary(digests: Bytes) -> pl.Series:
    """Each row of bytes as one binary value."""
    rows = pl.Series(digests, dtype=pl.Array(pl.UInt8, digests.shape[1]))
    return rows.cast(pl.List(pl.UInt8)).cast(pl.Binary)


def _messages(prefix: bytes, texts: pl.Series, size: int) -> Bytes:
    """Each of the texts, which are all of one size, behind the prefix."""
    messages = np.empty((len(texts), len(prefix) + size), dtype=np.uint8)
    messages[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    messages[:, len(prefix) :] = texts.bin.reinterpret(dtype=pl.Array(pl.UInt8, size)).to_numpy()
    return messages


def _after_block(block: bytes) -> tuple[int, ...]:
    """The hash's state after one whole block."""
    words = np.frombuffer(block, dtype=">u4").astype(np.uint32)
    state = _compressed([np.array([word], dtype=np.uint32) for word in _START], [*words.reshape(-1, 1)])
    return tuple(int(word[0]) for word in state)


def _hashed(state: Sequence[int], messages: Bytes) -> list[Word]:
    """Each message hashed to its end, in the state after one block that is the same for all."""
    rows, length = messages.shape
    padded = np.zeros((rows, -(-(length + 9) // BLOCK) * BLOCK), dtype=np.uint8)
    padded[:, :length] = messages
    padded[:, length] = 0x80
    padded[:, -8:] = np.frombuffer(((BLOCK + length) * 8).to_bytes(8, "big"), dtype=np.uint8)
    # one row for each word: a step then reads what lies together
    words = np.ascontiguousarray(padded.view(">u4").T).astype(np.uint32)
    current = [np.full(rows, word, dtype=np.uint32) for word in state]
    for block in np.split(words, len(words) // 16):
        current = _compressed(current, [*block])
    return current


def _hashed_again(state: Sequence[int], digests: Sequence[Word]) -> list[Word]:
    """Each digest hashed: its eight words, and the end of a block of which they are the first half, as they are."""
    rows = len(digests[0])
    end = (0x80000000, *[0] * 6, (BLOCK + DIGEST) * 8)
    words = [*digests, *(np.full(rows, word, dtype=np.uint32) for word in end)]
    return _compressed([np.full(rows, word, dtype=np.uint32) for word in state], words)


def _as_bytes(words: Sequence[Word]) -> Bytes:
    return np.stack(words, axis=1).astype(">u4").view(np.uint8)


def _compressed(state: Sequence[Word], words: list[Word]) -> list[Word]:
    """The compression function CF (5.3.3), with its names; ``words`` are the sixteen of the block, and are lost."""
    a, b, c, d, e, f, g, h = (word.copy() for word in state)
    x, y, z, spare = (np.empty_like(a) for _ in range(4))
    for number in range(_ROUNDS):
        if number >= 12:
            _expand(words, number + 4, (x, y, spare))
        word = words[number % 16]
        _turned(a, 12, x, spare)
        np.add(x, e, out=y)
        np.add(y, _CONSTANTS[number], out=y)
        _turned(y, 7, z, spare)  # SS1
        np.bitwise_xor(z, x, out=x)  # SS2
        # TT1 becomes x, TT2 becomes z
        np.add(x, d, out=x)
        np.bitwise_xor(word, words[(number + 4) % 16], out=y)
        np.add(x, y, out=x)
        np.add(z, h, out=z)
        np.add(z, word, out=z)
        # what d and h held is in them by now: their room is free
        np.add(x, _parity(a, b, c, d) if number < 16 else _majority(a, b, c, d, y), out=x)
        np.add(z, _parity(e, f, g, d) if number < 16 else _choice(e, f, g, d), out=z)
        _turned(b, 9, d, spare)
        _turned(f, 19, h, spare)
        _permuted(z, (9, 17), y, spare)
        # the rooms of the old b and f take the next round's x and z
        a, b, c, d, e, f, g, h, x, z = x, a, d, c, z, e, h, g, b, f
    return [now ^ before for now, before in zip((a, b, c, d, e, f, g, h), state, strict=True)]


def _expand(words: list[Word], number: int, rooms: tuple[Word, Word, Word]) -> None:
    """Message word ``number`` (5.3.2) in the place of the one sixteen before it, which nothing needs any more."""
    x, y, spare = rooms
    _turned(words[(number - 3) % 16], 15, x, spare)
    np.bitwise_xor(x, words[(number - 9) % 16], out=x)
    np.bitwise_xor(x, words[number % 16], out=x)
    _permuted(x, (15, 23), y, spare)
    _turned(words[(number - 13) % 16], 7, y, spare)
    np.bitwise_xor(x, y, out=x)
    np.bitwise_xor(x, words[(number - 6) % 16], out=words[number % 16])


def _permuted(value: Word, turns: tuple[int, int], room: Word, spare: Word) -> None:
    """P0 and P1, in place: the value, and itself turned twice."""
    first, second = turns
    _turned(value, first, room, spare)
    # turning once more by the difference saves keeping the value
    np.bitwise_xor(value, room, out=value)
    _turned(room, second - first, room, spare)
    np.bitwise_xor(value, room, out=value)


def _turned(value: Word, places: int, out: Word, spare: Word) -> None:
    """Rotated to the left; ``out`` may be the value itself."""
    np.right_shift(value, np.uint32(32 - places), out=spare)
    np.left_shift(value, np.uint32(places), out=out)
    np.bitwise_or(out, spare, out=out)


def _parity(x: Word, y: Word, z: Word, out: Word) -> Word:
    np.bitwise_xor(x, y, out=out)
    return np.bitwise_xor(out, z, out=out)


def _majority(x: Word, y: Word, z: Word, out: Word, spare: Word) -> Word:
    np.bitwise_or(x, y, out=out)
    np.bitwise_and(out, z, out=out)
    np.bitwise_and(x, y, out=spare)
    return np.bitwise_or(out, spare, out=out)


def _choice(x: Word, y: Word, z: Word, out: Word) -> Word:
    np.bitwise_xor(y, z, out=out)
    np.bitwise_and(out, x, out=out)
    return np.bitwise_xor(out, z, out=out)
