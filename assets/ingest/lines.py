"""One look at the lines of a delimited file before it is read: whether each of them, by itself, is a row.

Here belongs what can be told of bytes in bulk: blocks of whole lines are looked at side by side, as arrays of byte
positions, in less time than the same questions cost as text. What is then read, and how, is in ``delimited.py``.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

BLANK = " \t\r\n\u3000\ufeff\x1a"
#: What is asked of a block's bytes stays in the processor's cache, and in memory that the next block takes over: of
#: blocks four times this size each fetches memory anew from the system, which takes as long again.
BLOCK = 1 << 18
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


def _look_at_block(file: int, delimiter: str, width: int, start: int, place: int) -> _Look:
    """The lines that begin in the block at ``place``."""
    before = int(place > start)  # where the byte before is a newline, a line begins right here
    block = os.pread(file, BLOCK + before, place - before)
    first = block.find(b"\n") + 1 if before else 0
    if before and not first:
        return Lines(), []
    rest = _to_newline(file, place - before + len(block)) if not block.endswith(b"\n") else b""
    return _look_at(block[first:] + rest, delimiter, width) if first < len(block) else (Lines(), [])


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


def _look_at(block: bytes, delimiter: str, width: int) -> _Look:
    """The lines of a block that begins and ends with whole ones."""
    try:
        pl.Series([block], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise NotUtf8Error from error
    if b"\0" in block or b"\x1a" in block or (b"\r" in block and _LONE_RETURN.search(block)):
        return Lines(regular=False), []
    codes = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(codes == _NEWLINE)
    fits = _of_width(codes == ord(delimiter), ends, width)
    quoted = np.unique(np.searchsorted(ends, np.flatnonzero(codes == _QUOTE))) if b'"' in block else ends[:0]
    unsure = _texts(block, ends, quoted)
    few = sum(map(len, unsure)) <= FEW
    fits[quoted] = few or _quoted_rows(unsure, delimiter, width)
    blank = _may_be_blank(codes, ends, delimiter)
    lines = Lines(
        regular=bool(fits.all()),
        quoted=bool(len(quoted)),
        blank=any(not text.strip(BLANK + delimiter) for text in _texts(block, ends, blank)),
    )
    return lines, unsure if few else []


_Places = npt.NDArray[np.intp]


def _of_width(delimiters: npt.NDArray[np.bool_], ends: _Places, width: int) -> npt.NDArray[np.bool_]:
    """Which lines have one delimiter less than the width.

    Counted in bytes, which takes a third of the time: where the sum is right, no line can have 256 too many."""
    begins = np.concatenate(([0], ends[:-1] + 1))
    counts = np.add.reduceat(delimiters.view(np.uint8), begins, dtype=np.uint8)
    if width > 256 or counts.sum(dtype=np.intp) != np.count_nonzero(delimiters):
        counts = np.add.reduceat(delimiters, begins, dtype=np.intp)
    fits: npt.NDArray[np.bool_] = counts == width - 1
    return fits


def _texts(block: bytes, ends: _Places, lines: _Places) -> list[str]:
    """These lines as text."""
    begins = np.where(lines > 0, ends[lines - 1] + 1, 0)
    spans = zip(begins.tolist(), ends[lines].tolist(), strict=True)
    return [block[begin:end].decode() for begin, end in spans]


def _quoted_rows(lines: list[str], delimiter: str, width: int) -> npt.NDArray[np.bool_]:
    """Of lines with quotes, which are rows of the right width. One pattern for the whole row would be long, and dear to
    make."""
    mark, whole = re.escape(delimiter), r'"(?:[^"]|"")*"'
    cell = f'(?:{whole}|[^"{mark}]*)'
    text = pl.Series(lines, dtype=pl.String)
    separators = text.str.replace_all(whole, "").str.count_matches(delimiter, literal=True)
    return (text.str.contains(f"^{cell}(?:{mark}{cell})*\r?$") & (separators == width - 1)).to_numpy()


def _may_be_blank(codes: npt.NDArray[np.uint8], ends: _Places, delimiter: str) -> _Places:
    """The lines that begin and end like one without content: nearly always none."""
    marks = [character.encode() for character in {*BLANK, delimiter}]
    begins, finishes = np.zeros((2, 256), dtype=bool)
    begins[[mark[0] for mark in marks]] = True
    finishes[[mark[-1] for mark in marks]] = True
    return np.flatnonzero(begins[codes[np.concatenate(([0], ends[:-1] + 1))]] & finishes[codes[ends - 1]])
