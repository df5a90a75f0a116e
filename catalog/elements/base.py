"""What a data element is: one object that holds its dtype, standardisation, checks, default mask and grade.

Here belong the shape, the text cleaning every element begins with, and the shortcut that spares most cells of it.
The elements themselves are in the modules beside this one. Everything is a Polars expression over a whole column:
no row is ever looped over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from catalog.model import Dimension, Grade, Severity, Title

Expression = Callable[[pl.Expr], pl.Expr]

#: Words that departments' systems write for «nothing»; compared after cleaning, in upper case.
NULL_WORDS = (
    "",
    "NULL",
    "NONE",
    "NAN",
    "N/A",
    "NA",
    "#N/A",
    "-",
    "--",
    "---",
    "/",
    "\\N",
    "无",
    "空",
    "(NULL)",
    "<NULL>",
)


@dataclass(frozen=True)
class Check:
    """One rule over a *standardised* value: ``passes`` gives True where it holds, null where there is no value."""

    code: str
    passes: Expression
    reason: Title
    severity: Severity = Severity.REJECT
    dimension: Dimension = Dimension.CONFORMITY


@dataclass(frozen=True)
class Mask:
    """A masking method by name, with its parameters; the methods are in ``masking.methods``."""

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Companion:
    """A further column an element makes from the same raw value: a currency beside an amount."""

    suffix: str
    title: str
    dtype: pl.DataType
    standardise: Expression


@dataclass(frozen=True)
class Element:
    """A kind of value (数据元). ``standardise`` takes raw text to ``dtype``: null where it cannot be read.

    ``nothing`` are words that say, of this kind of value only, that there is none: a validity without an end."""

    code: str
    title: Title
    dtype: pl.DataType
    grade: Grade
    mask: Mask
    standardise: Expression
    checks: tuple[Check, ...] = ()
    companions: tuple[Companion, ...] = ()
    nothing: tuple[str, ...] = ()


def tidy(raw: pl.Expr) -> pl.Expr:
    """NFKC (full width becomes half), control characters and outer blanks gone."""
    text = raw.str.normalize("NFKC").str.replace_all(r"[\p{Cc}\u200b\u200c\u200d\ufeff]+", " ")
    return text.str.strip_chars()


def clean(raw: pl.Expr) -> pl.Expr:
    """Text as meant: :func:`tidy`, and null where it is a word for «nothing»."""
    text = tidy(raw)
    return pl.when(text.str.to_uppercase().is_in(NULL_WORDS)).then(None).otherwise(text)


def unspaced(raw: pl.Expr) -> pl.Expr:
    """:func:`tidy`, with every inner blank removed; words for «nothing» stay, for a later :func:`clean` to find."""
    return tidy(raw).str.replace_all(r"\s+", "")


def squeeze(raw: pl.Expr) -> pl.Expr:
    """:func:`clean`, with every inner blank removed: for codes and names, where a blank means nothing."""
    return clean(unspaced(raw))


@dataclass(frozen=True)
class Already:
    """The value itself where it matches ``pattern``, else null: text that :class:`Shortcut` need not touch."""

    pattern: str

    def __call__(self, raw: pl.Expr) -> pl.Expr:
        return pl.when(raw.str.contains(self.pattern)).then(raw)


@dataclass(frozen=True)
class Shortcut:
    """``thorough``, computed only for the cells that ``known`` leaves null: the same values, many times faster.

    Nearly all cells of a real export are already in standard form, and cleaning costs far more than seeing that. Of
    the others each distinct value is computed once where they repeat. A value that ``dtype`` cannot hold is null."""

    known: Expression
    thorough: Expression
    dtype: pl.DataType

    def __call__(self, raw: pl.Expr) -> pl.Expr:
        return raw.map_batches(self._apply, return_dtype=self.dtype, is_elementwise=True)

    def _apply(self, cells: pl.Series) -> pl.Series:
        if isinstance(self.known, Already):
            # the cells that are left as they are need not be copied first
            left = (~cells.str.contains(self.known.pattern)).arg_true()
            return (
                cells.clone().scatter(left, self._by_distinct_value(cells.gather(left)))
                if len(left)
                else cells
            )
        values = self._computed(self.known, cells)
        if values.null_count() == cells.null_count():
            return values
        left = (values.is_null() & cells.is_not_null()).arg_true()
        return values.scatter(left, self._by_distinct_value(cells.gather(left)))

    def _by_distinct_value(self, cells: pl.Series) -> pl.Series:
        distinct = cells.unique()
        if 2 * len(distinct) > len(cells):
            return self._computed(self.thorough, cells)
        return cells.replace_strict(
            distinct, self._computed(self.thorough, distinct), return_dtype=self.dtype
        )

    def _computed(self, expression: Expression, cells: pl.Series) -> pl.Series:
        """The expression over these cells. Lazily, since only then a part that occurs twice is computed once."""
        frame = cells.alias("cell").to_frame().lazy()
        values = frame.select(expression(pl.col("cell")).cast(self.dtype, strict=False))
        return values.collect(engine="in-memory").to_series()
