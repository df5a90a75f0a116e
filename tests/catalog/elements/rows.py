"""Literal cells through one data element, in one line: what it makes of them, and which checks they fail."""

from __future__ import annotations

from typing import Any

import polars as pl

from catalog.elements import ELEMENTS, Element
from catalog.elements.base import NULL_WORDS

#: What every element must bear: nothing, blanks, one character, Chinese, full width, controls, words for nothing, length.
AWKWARD = (
    *(None, "", " ", "\u3000", "\t\r\n", "\0", "\u200b", "x", "7", "中", "-", "清远市", "１２３ＡＢｃ", "４４１８０２", "㎡", "e\u0301"),
    *("'441802198706150013", "2024-02-30", "99999999999999999999999999", "-1e309", "NaN", "\U0001f600", "٣٤", "\ud7ff\uffff"),
    *("9" * 5_000, "中" * 20_001, "x" * 5_000, "１" * 5_000, " " * 5_000),
    *NULL_WORDS,
    *(word.lower() for word in NULL_WORDS),
)  # fmt: skip


def standardised(element: Element, cells: list[str | None]) -> pl.Series:
    """What the element makes of these cells."""
    frame = pl.DataFrame({"cell": pl.Series(cells, dtype=pl.String)})
    return frame.select(element.standardise(pl.col("cell"))).to_series()


def standard(code: str, *cells: str | None) -> list[Any]:
    """What the element of this code makes of these cells."""
    return standardised(ELEMENTS[code], list(cells)).to_list()


def failed(code: str, cell: str) -> set[str]:
    """The checks that the standardised cell fails."""
    values = standardised(ELEMENTS[code], [cell]).alias("value").to_frame()
    passes = values.select(
        check.passes(pl.col("value")).fill_null(value=False).alias(check.code)
        for check in ELEMENTS[code].checks
    )
    return {name for name, holds in passes.row(0, named=True).items() if not holds}
