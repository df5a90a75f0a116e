"""A Parquet file made of another by exchanging some of its rows: only columns in which that changes something are encoded.

Here belongs that copying. Of a table with sixty columns a push mostly changes a few, though in rows that lie in every
file: the chunks of the other columns are copied as bytes, with their bounds. Which rows are exchanged is decided in
``lake.changes``; how a footer reads is ``lake.footers``' business.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import polars as pl

from lake.footers import MAGIC, Chunk, Footer, FooterError
from lake.parts import Part, new_part, packed, settle_part

#: The chunks of a row group that are not copied, by their columns: each with the file that it is in.
_Fresh = dict[tuple[bytes, ...], tuple[Chunk, memoryview]]


def exchanged_part(old: Path, places: pl.Series, rows: pl.DataFrame) -> Part:
    """A new file beside ``old``, not yet committed: as it is, but with ``rows`` where its rows at these places are (numbers
    from 0, each once). They have some of the file's columns; those places keep what they have in all others.

    Raises :class:`lake.footers.FooterError` where the file cannot be read so, and then makes none."""
    footer = Footer.of(old)
    path = new_part(old.parent)
    try:
        with (
            old.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as held,
            path.open("wb") as made,
        ):
            _write(made, footer, held, _fresh(old, footer, places, rows))
    except FooterError:
        path.unlink()
        raise
    return settle_part(path)


def _write(made: BinaryIO, footer: Footer, held: memoryview, fresh: Iterable[_Fresh]) -> None:
    made.write(MAGIC)
    groups = []
    for group, exchanged in zip(footer.groups, fresh, strict=True):
        chunks = []
        for chunk in group.chunks:
            taken, file = exchanged.get(chunk.column, (chunk, held))
            chunks.append(taken.moved(made.tell()))
            with file[taken.start : taken.start + taken.size] as pages:
                made.write(pages)
        groups.append(chunks)
    made.write(footer.with_chunks(groups).written())


def _fresh(old: Path, footer: Footer, places: pl.Series, rows: pl.DataFrame) -> Iterator[_Fresh]:
    """By row group what is not copied."""
    for group, end in zip(footer.groups, accumulate(group.rows for group in footer.groups), strict=True):
        start = end - group.rows
        here = places.is_between(start, end, closed="left")
        yield (
            _encoded(old, footer, group.rows, start, places.filter(here) - start, rows.filter(here))
            if here.any()
            else {}
        )


def _encoded(
    old: Path, footer: Footer, number: int, start: int, places: pl.Series, rows: pl.DataFrame
) -> _Fresh:
    """The columns of ``rows`` in the row group of this ``number`` of rows from ``start`` on."""
    held = pl.scan_parquet(old).slice(start, number).select(rows.columns).collect()
    # a row is taken from below where another comes into its place: unlike a scatter, that works for every type
    below = pl.int_range(number, number + rows.height, eager=True)
    taken = pl.int_range(number, eager=True).scatter(places, below)
    file = packed(pl.concat([held, rows]).select(pl.all().gather(taken)))
    made, written = Footer.read(file), footer.columns
    if len(made.groups) != 1 or any(written.get(name) != how for name, how in made.columns.items()):
        msg = f"{old.name}: its columns are written otherwise today"
        raise FooterError(msg)
    return {chunk.column: (chunk, file) for chunk in made.groups[0].chunks}
