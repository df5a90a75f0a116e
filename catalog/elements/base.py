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
    """A kind of value (数据元). ``standardise`` takes raw text to ``dtype``: null where it cannot be read."""

    code: str
    title: Title
    dtype: pl.DataType
    grade: Grade
    mask: Mask
    standardise: Expression
    checks: tuple[Check, ...] = ()
    companions: tuple[Companion, ...] = ()


def clean(raw: pl.Expr) -> pl.Expr:
    """Text as meant: NFKC (full width becomes half), control characters and outer blanks gone, null words null."""
    text = (
        raw.str.normalize("NFKC").str.replace_all(r"[\p{Cc}\u200b\u200c\u200d\ufeff]+", " ").str.strip_chars()
    )
    return pl.when(text.str.to_uppercase().is_in(NULL_WORDS)).then(None).otherwise(text)


def squeeze(raw: pl.Expr) -> pl.Expr:
    """:func:`clean`, with every inner blank removed: for codes and names, where a blank means nothing."""
    return clean(clean(raw).str.replace_all(r"\s+", ""))


def shortcut(known: Expression, thorough: Expression, dtype: pl.DataType) -> Expression:
    """``thorough``, computed only for the cells that ``known`` leaves null: the same values, many times faster.

    Nearly all cells of a real export are already in standard form, and cleaning costs far more than seeing that. Of
    the others each distinct value is computed once where they repeat."""

    def apply(cells: pl.Series) -> pl.Series:
        frame = cells.alias("cell").to_frame()
        values = frame.select(known(pl.col("cell")).cast(dtype)).to_series()
        left = values.is_null() & cells.is_not_null()
        if not left.any():
            return values
        places = left.arg_true()
        return values.scatter(places, _by_distinct_value(cells.gather(places), thorough, dtype))

    return lambda raw: raw.map_batches(apply, return_dtype=dtype, is_elementwise=True)


def already(pattern: str) -> Expression:
    """The value itself where it matches ``pattern``, else null: text that :func:`shortcut` need not touch."""
    return lambda raw: pl.when(raw.str.contains(pattern)).then(raw)


def _by_distinct_value(cells: pl.Series, thorough: Expression, dtype: pl.DataType) -> pl.Series:
    distinct = cells.unique()
    frame = (distinct if 2 * len(distinct) <= len(cells) else cells).alias("cell").to_frame()
    values = frame.select(thorough(pl.col("cell")).cast(dtype)).to_series()
    return values if len(values) == len(cells) else cells.replace_strict(distinct, values, return_dtype=dtype)
