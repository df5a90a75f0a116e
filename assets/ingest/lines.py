"""One look at the lines of a delimited file before it is read: whether each of them, by itself, is a row.

Here belongs what can be told of bytes in bulk: blocks of whole lines are looked at side by side, as arrays of byte
positions, in less time than the same questions cost as text. What is then read, and how, is in ``delimited.py``.
"""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

BLANK = " \t\r\n\u3000\ufeff\x1a"
#: Large enough that threads are seldom in each other's way, small enough for the processor's cache.
BLOCK = 1 << 21
#: A file with a longer line is read row by row.
MAX_LINE = 16 << 20
#: Lines with quotes, up to so many characters of a block, wait to be judged with those of all blocks: making the pattern
#: ready takes longer than all else that is asked of a block.
FEW = 1 << 14
_NEWLINE, _QUOTE = ord("\n"), ord('"')
_LONE_RETURN = re.compile(rb"\r(?!\n)")


class NotUtf8Error(ValueError):
    """Some bytes are not UTF-8, or were not looked at."""


@dataclass(frozen=True)
class Lines:
    """What the lines are. ``regular``: each is a row of the right width as RFC 4180 has it, without characters on which
    readers differ. ``quoted``: some have quotes. ``blank``: some have nothing but blanks in their cells."""

    regular: bool = True
    quoted: bool = False
    blank: bool = False

    def __or__(self, other: Lines) -> Lines:
        return Lines(self.regular and other.regular, self.quoted or other.quoted, self.blank or other.blank)


_Places = npt.NDArray[np.intp]
_Codes = npt.NDArray[np.uint8]
#: What the lines of a block are, save for some with quotes, which have yet to be judged.
_Look = tuple[Lines, list[str]]


def look_at_lines(path: Path, header_lines: int, delimiter: str, width: int) -> Lines:
    """Look at every line after the header's. Raises :class:`NotUtf8Error`."""
    with path.open("rb") as file, ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        for _ in range(header_lines):
            file.readline()
        start, size = file.tell(), file.seek(0, 2)
        look = partial(_look_at_block, file.fileno(), delimiter, width, start)
        places = range(start, size, BLOCK)
        lines, unsure = Lines(), list[str]()
        # most files are one block: a thread would take longer to start than to look
        for found, few in (pool.map if len(places) > 1 else map)(look, places):
            lines |= found
            unsure += few
    return lines | Lines(regular=not unsure or bool(_quoted_rows(unsure, delimiter, width).all()))


class _Memory(threading.local):
    """A block's bytes and marks on them, in memory that a thread keeps: to fetch it anew from the system for each block
    takes longer than the looking."""

    def __init__(self) -> None:
        self._hold(2 * BLOCK)

    def _hold(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.codes = np.frombuffer(self.bytes, dtype=np.uint8)
        self._marks = np.empty(size, dtype=bool)

    def read(self, file: int, place: int, size: int) -> int:
        """Take up so many bytes of the file; returns how many there are."""
        return os.preadv(file, [memoryview(self.bytes)[:size]], place)

    def append(self, more: bytes, end: int) -> int:
        """Take up more bytes behind ``end``; returns where they end."""
        if end + len(more) > len(self.bytes):
            held = bytes(self.codes[:end])
            self._hold(2 * (end + len(more)))
            self.bytes[:end] = held
        self.bytes[end : end + len(more)] = more
        return end + len(more)

    def marked(self, first: int, end: int, byte: int) -> npt.NDArray[np.bool_]:
        """Which of the bytes from ``first`` to ``end`` are this one. The answer stands until the thread asks again."""
        return np.equal(self.codes[first:end], byte, out=self._marks[first:end])

    def has(self, first: int, end: int, byte: bytes) -> bool:
        """Whether one of these bytes is this one."""
        return self.bytes.find(byte, first, end) >= 0


_MEMORY = _Memory()


def _look_at_block(file: int, delimiter: str, width: int, start: int, place: int) -> _Look:
    """The lines that begin in the block at ``place``."""
    before = int(place > start)  # where the byte before is a newline, a line begins right here
    end = _MEMORY.read(file, place - before, BLOCK + before)
    first = _MEMORY.bytes.find(b"\n", 0, end) + 1 if before else 0
    if before and not first:
        return Lines(), []
    if _MEMORY.codes[end - 1] != _NEWLINE:
        end = _MEMORY.append(_to_newline(file, place - before + end), end)
    return _look_at(first, end, delimiter, width) if first < end else (Lines(), [])


def _to_newline(file: int, place: int) -> bytes:
    """The rest of the line that has begun before ``place``."""
    piece = 1 << 14
    while piece <= MAX_LINE:
        rest = os.pread(file, piece, place)
        end = rest.find(b"\n") + 1
        if end or len(rest) < piece:
            return rest[:end] if end else rest
        piece *= 4
    raise NotUtf8Error


def _look_at(first: int, end: int, delimiter: str, width: int) -> _Look:
    """The lines in memory from ``first`` to ``end``, which are whole ones."""
    _require_utf8(first, end)
    if any(_MEMORY.has(first, end, byte) for byte in (b"\0", b"\x1a")) or (
        _MEMORY.has(first, end, b"\r") and _LONE_RETURN.search(_MEMORY.bytes, first, end)
    ):
        return Lines(regular=False), []
    if _MEMORY.codes[end - 1] != _NEWLINE:
        end = _MEMORY.append(b"\n", end)
    block = _MEMORY.codes[first:end]
    ends = np.flatnonzero(_MEMORY.marked(first, end, _NEWLINE))
    fits = _of_width(_MEMORY.marked(first, end, ord(delimiter)), ends, width)
    quoted = ends[:0]
    if _MEMORY.has(first, end, b'"'):
        quoted = np.unique(np.searchsorted(ends, np.flatnonzero(_MEMORY.marked(first, end, _QUOTE))))
    unsure = _texts(block, ends, quoted)
    few = sum(map(len, unsure)) <= FEW
    fits[quoted] = few or _quoted_rows(unsure, delimiter, width)
    blank = _may_be_blank(block, ends, delimiter)
    lines = Lines(
        regular=bool(fits.all()),
        quoted=bool(len(quoted)),
        blank=any(not text.strip(BLANK + delimiter) for text in _texts(block, ends, blank)),
    )
    return lines, unsure if few else []


def _require_utf8(first: int, end: int) -> None:
    """Polars looks at the bytes where they are. Raises :class:`NotUtf8Error`."""
    places = np.array([first, end], dtype=np.int64)
    buffers = [None, pa.py_buffer(places), pa.py_buffer(_MEMORY.bytes)]
    cells = pl.from_arrow(pa.Array.from_buffers(pa.large_binary(), 1, buffers))
    try:
        cells.cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise NotUtf8Error from error


def _of_width(delimiters: npt.NDArray[np.bool_], ends: _Places, width: int) -> npt.NDArray[np.bool_]:
    """Which lines have one delimiter less than the width.

    Counted in bytes, which takes a third of the time: where the sum is right, no line can have 256 too many."""
    begins = np.concatenate(([0], ends[:-1] + 1))
    counts = np.add.reduceat(delimiters.view(np.uint8), begins, dtype=np.uint8)
    if width > 256 or counts.sum(dtype=np.intp) != np.count_nonzero(delimiters):
        counts = np.add.reduceat(delimiters, begins, dtype=np.intp)
    fits: npt.NDArray[np.bool_] = counts == width - 1
    return fits


def _texts(block: _Codes, ends: _Places, lines: _Places) -> list[str]:
    """These lines as text."""
    begins = np.where(lines > 0, ends[lines - 1] + 1, 0)
    spans = zip(begins.tolist(), ends[lines].tolist(), strict=True)
    return [block[begin:end].tobytes().decode() for begin, end in spans]


def _quoted_rows(lines: list[str], delimiter: str, width: int) -> npt.NDArray[np.bool_]:
    """Of lines with quotes, which are rows of the right width. One pattern for the whole row would be long, and dear to
    make."""
    mark, whole = re.escape(delimiter), r'"(?:[^"]|"")*"'
    cell = f'(?:{whole}|[^"{mark}]*)'
    text = pl.Series(lines, dtype=pl.String)
    separators = text.str.replace_all(whole, "").str.count_matches(delimiter, literal=True)
    return (text.str.contains(f"^{cell}(?:{mark}{cell})*\r?$") & (separators == width - 1)).to_numpy()


def _may_be_blank(codes: _Codes, ends: _Places, delimiter: str) -> _Places:
    """The lines that begin and end like one without content: nearly always none."""
    marks = [character.encode() for character in {*BLANK, delimiter}]
    begins, finishes = np.zeros((2, 256), dtype=bool)
    begins[[mark[0] for mark in marks]] = True
    finishes[[mark[-1] for mark in marks]] = True
    return np.flatnonzero(begins[codes[np.concatenate(([0], ends[:-1] + 1))]] & finishes[codes[ends - 1]])
