"""What a base table said on a day, asked in one line: ``from base.person_as_of('2026-11-24')``, in every file of views.

Here belong the macros, and what a role may know of a history: masked as the table itself is for it, and by days. What was
recorded, and when, is in ``assets.base.history``; which columns a role sees is decided in ``masking``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assets.base import history
from catalog.model import Title
from lake.hashes import ROW_HASH, row_hash
from masking.compile import RoleColumn, masked
from masking.keys import RecipientKey
from quality.clock import CITY_TIME

#: The first day on whose end a state was known, and the first on whose end it was known no more.
SINCE, UNTIL = "known_since", "known_until"
DAYS = {
    SINCE: Title(zh="自该日（含）所知", en="known at the end of this day, and of those after it"),
    UNTIL: Title(
        zh="至该日（不含）为止；空为至今", en="no longer known at the end of this day; null: still known"
    ),
}
_ENTITY, _STATE = "_entity", "_state"


def table_of(name: str) -> str | None:
    """The base table whose history this is; None where it is no history."""
    return name.removesuffix(history.SUFFIX) if name.endswith(history.SUFFIX) else None


def full_macro(table: str) -> str:
    """Over the full history: what we knew at the end of a day in the city (UTC+8, without summer time)."""
    midnight = "epoch_us(day::DATE + INTERVAL 16 HOUR)"
    begun = f"epoch_us({history.FROM}) < {midnight}"
    open_then = f"({history.TO} IS NULL OR epoch_us({history.TO}) >= {midnight})"
    return _macro(table, (history.FROM, history.TO, ROW_HASH), f"{begun} AND {open_then}")


def role_macro(table: str) -> str:
    """The same over a role's history, which knows days."""
    return _macro(table, (SINCE, UNTIL), f"{SINCE} <= day::DATE AND ({UNTIL} IS NULL OR {UNTIL} > day::DATE)")


def _macro(table: str, ours: Sequence[str], where: str) -> str:
    rows = f'FROM base."{table}{history.SUFFIX}" SELECT * EXCLUDE ({", ".join(ours)}) WHERE {where}'
    return f'CREATE MACRO base."{table}_as_of"(day) AS TABLE {rows}'


def masked_states(
    states: pl.LazyFrame, entity: Sequence[str], columns: Sequence[RoleColumn], key: RecipientKey
) -> pl.LazyFrame:
    """A history as a role may know it: its columns masked, and the days on whose end each state was known.

    States that look alike under the masks are one: that something hidden changed, and when, is not told. ``entity`` names
    the table's id, by which states follow each other, also where the role does not see it."""
    shown = states.select(
        row_hash(entity, states.collect_schema()).alias(_ENTITY),
        *(masked(seen.column, seen.mask, key) for seen in columns),
        _day(history.FROM).alias(SINCE),
        _day(history.TO).alias(UNTIL),
    )
    # what came and went within one day was known at no day's end
    lasting = shown.filter(pl.col(UNTIL).is_null() | (pl.col(UNTIL) > pl.col(SINCE)))
    names = [seen.column.name for seen in columns]
    told = lasting.with_columns(row_hash(names, lasting.collect_schema()).alias(_STATE)).sort(_ENTITY, SINCE)
    follows = (
        (pl.col(_ENTITY) == pl.col(_ENTITY).shift())
        & (pl.col(_STATE) == pl.col(_STATE).shift())
        & (pl.col(SINCE) == pl.col(UNTIL).shift())
    )
    runs = told.with_columns((~follows.fill_null(value=False)).cum_sum().alias("_run"))
    merged = runs.group_by("_run", maintain_order=True).agg(
        pl.col(*names, SINCE).first(), pl.col(UNTIL).last()
    )
    return merged.drop("_run")


def _day(instant: str) -> pl.Expr:
    return pl.col(instant).dt.convert_time_zone(str(CITY_TIME)).dt.date()
