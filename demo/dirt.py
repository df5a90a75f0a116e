"""The dirt of real life: what goes wrong in exports, how often, and whether the row can still be used.

Here belong the kinds, in one table with their rates, and the soiling of a frame of text. Every soiled row is written
down, so that tests can count what the pipeline found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from catalog.model import Entry

Soil = Callable[[pl.Expr], pl.Expr]
FULL_WIDTH = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}


@dataclass(frozen=True)
class Dirt:
    """One kind: which elements it befalls, how often (share of rows), what it does, and the rule that must find it.

    ``rejects`` is true where a row with it, in a required column, ends in quarantine; such kinds befall one required
    column only. ``empties`` is true where it leaves nothing: in a required column that rejects the row too."""

    code: str
    elements: tuple[str, ...]
    rate: float
    soil: Soil
    rejects: bool
    what: str
    empties: bool = False


def _full_width(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(list(FULL_WIDTH), list(FULL_WIDTH.values()))


def _short(text: pl.Expr) -> pl.Expr:
    """The 15-digit form, for those born before 2000."""
    old = text.str.slice(6, 2) == "19"
    return pl.when(old).then(text.str.slice(0, 6) + text.str.slice(8, 9)).otherwise(text)


def _wrong_check(text: pl.Expr) -> pl.Expr:
    last = text.str.slice(17, 1)
    return text.str.slice(0, 17) + pl.when(last == "1").then(pl.lit("2")).otherwise(pl.lit("1"))


KINDS = (
    Dirt("short_id", ("resident_id",), 0.01, _short, rejects=False, what="an old 15-digit id"),
    Dirt("lower_x", ("resident_id", "credit_code"), 0.02, lambda text: text.str.to_lowercase(), rejects=False, what="letters in lower case"),
    Dirt("full_width", ("resident_id", "mobile", "amount"), 0.005, _full_width, rejects=False, what="full-width characters"),
    Dirt("blanks", ("resident_id", "person_name"), 0.01, lambda text: " " + text.str.slice(0, 2) + " " + text.str.slice(2), rejects=False, what="blanks inside"),
    Dirt("dots", ("person_name",), 0.5, lambda text: text.str.replace("·", "•", literal=True), rejects=False, what="another separator in a name"),
    Dirt("null_word", ("mobile", "address"), 0.01, lambda text: pl.lit("NULL"), rejects=False, what="the word NULL for nothing", empties=True),
    Dirt("junk_phone", ("mobile",), 0.008, lambda text: pl.lit("无电话"), rejects=False, what="words in a phone column"),
    Dirt("spelling", ("date",), 0.05, lambda text: text.str.replace(r"^(\d{4})-(\d\d)-(\d\d)$", "${1}年${2}月${3}日"), rejects=False, what="another spelling of a date"),
    Dirt("wrong_check", ("resident_id",), 0.004, _wrong_check, rejects=True, what="a wrong check digit"),
    Dirt("missing", ("person_name", "organisation_name"), 0.003, lambda text: pl.lit(""), rejects=True, what="an empty required cell"),
    Dirt("bad_date", ("date",), 0.003, lambda text: pl.lit("不详"), rejects=True, what="a date that is none"),
)  # fmt: skip
DUPLICATES = 0.004


@dataclass(frozen=True)
class Soiled:
    """The export as it will be sent, and one line (row, column, kind, rejected) for each bad thing in it."""

    rows: pl.DataFrame
    log: pl.DataFrame


def soil(entry: Entry, clean: pl.DataFrame, rng: np.random.Generator) -> Soiled:
    """Soil a frame of text columns named as the entry's; rejecting kinds befall only required columns that are no
    foreign id, each in rows of their own, so that they can be counted."""
    rows = clean.with_row_index("_n")
    log = []
    free = np.ones(len(rows), dtype=bool)
    for kind in KINDS:
        for name in _befallen(entry, kind, clean.columns):
            hit = rng.random(len(rows)) < kind.rate
            rejects = kind.rejects or (kind.empties and entry.columns[name].required)
            if rejects:
                hit &= free
            soiled = kind.soil(pl.col(name))
            changes = (
                rows.select((soiled != pl.col(name)).fill_null(value=False) & pl.Series(hit))
                .to_series()
                .to_numpy()
            )
            rows = rows.with_columns(
                pl.when(pl.Series(changes)).then(soiled).otherwise(pl.col(name)).alias(name)
            )
            log.append(_logged(np.flatnonzero(changes), name, kind.code, rejects))
            free &= ~changes
    rows, repeats = _repeat(entry, rows.drop("_n"), free, rng)
    return Soiled(rows, pl.concat([*log, repeats]) if log else repeats)


def _befallen(entry: Entry, kind: Dirt, present: list[str]) -> list[str]:
    """The columns a kind befalls: for a rejecting kind the first required one only, for others all of the element."""
    columns = [
        name for name, column in entry.columns.items() if name in present and column.element in kind.elements
    ]
    if kind.rejects:
        return [name for name in columns if entry.columns[name].required][:1]
    return columns


def _repeat(
    entry: Entry, rows: pl.DataFrame, free: np.ndarray, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Append exact copies of some clean rows; the pipeline keeps one of each and quarantines the copy."""
    if not entry.delivery.key:
        return rows, _logged(np.array([], dtype=int), "", "duplicate", rejected=True)
    chosen = np.flatnonzero(free & (rng.random(len(rows)) < DUPLICATES))
    copies = rows[chosen.tolist()]
    numbers = np.arange(len(rows), len(rows) + len(copies))
    return pl.concat([rows, copies]), _logged(numbers, "", "duplicate", rejected=True)


def _logged(numbers: np.ndarray, column: str, kind: str, rejected: bool) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": pl.Series(numbers + 1, dtype=pl.Int64),
            "column": pl.Series([column] * len(numbers), dtype=pl.String),
            "kind": pl.Series([kind] * len(numbers), dtype=pl.String),
            "rejected": pl.Series([rejected] * len(numbers), dtype=pl.Boolean),
        }
    )
