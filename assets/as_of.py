"""What a base table said on a day, asked in one line: ``from base.person_as_of('2026-11-24')`` for what we knew then,
``from base.person_on('2026-11-24')`` for what held then, as far as we know now; in every file of views.

Here belong the macros, and what a role may know of a history and of a timeline: masked as the table itself is for it, and by
days. What was recorded, and when, is in ``assets.base.history``, what held when in ``assets.base.timeline``; which columns a
role sees is decided in ``masking``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from assets.base.crosswalk import crosswalk_name, past_name
from assets.base.golden import SOURCE_SUFFIX
from assets.base.states import FROM, SAID, SILENT, SUFFIX, TO, record_columns
from assets.base.timeline import EVER, VALID_FROM, VALID_TO, periods, timeline_name
from catalog.base_model import Base
from catalog.model import Title
from lake.hashes import row_hash
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
VALID = {
    VALID_FROM: Title(zh="自该日（含）如此；空为自始", en="held from this day on; null: since ever"),
    VALID_TO: Title(zh="至该日（不含）为止；空为至今", en="held no more from this day on; null: still holds"),
}
RECORDED = {
    FROM: Title(zh="录入时间", en="when it was recorded"),
    TO: Title(zh="被取代时间；空为至今", en="when something else was recorded; null: still so"),
    SAID: Title(zh="所依据的各数据资源所述之日", en="the days for which the resources it rests on spoke"),
    SILENT: Title(
        zh="此后不再提供的数据资源及自何日起；空列表为已归并",
        en="the resources that said nothing any more after it, and from when on; an empty list: merged",
    ),
}
_ENTITY, _STATE = "_entity", "_state"


def table_of(name: str) -> str | None:
    """The base table whose history this is; None where it is no history."""
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else None


def timeline_of(name: str, bases: Mapping[str, Base]) -> Base | None:
    """The base database whose timeline this table is; None where it is none."""
    return next((base for base in bases.values() if timeline_name(base) == name), None)


def full_macro(table: str, held: pl.Schema) -> str:
    """Over the full history, which has these columns: what we knew at the end of a day in the city."""
    own = record_columns(held)
    return _macro(table, [name for name in held if name not in own], _known_then())


def crosswalk_macro(base: Base) -> str:
    """Whose each source row was, as far as was known at the end of a day."""
    name = crosswalk_name(base)
    both = f'FROM base."{name}" UNION ALL BY NAME FROM base."{past_name(base)}"'
    then = f"FROM ({both}) SELECT * EXCLUDE ({FROM}, {TO}) WHERE {_known_then()}"
    return f'CREATE MACRO base."{name}_as_of"(day) AS TABLE {then}'


def _known_then() -> str:
    """Recorded before a day of the city (UTC+8, without summer time) was over, and not superseded by then."""
    midnight = "epoch_us(day::DATE + INTERVAL 16 HOUR)"
    return f"epoch_us({FROM}) < {midnight} AND ({TO} IS NULL OR epoch_us({TO}) >= {midnight})"


def valid_macro(base: Base) -> str:
    """What held on a day, as far as is known now: of whom the timeline tells, what it tells, and of the others the record,
    once they had begun."""
    there = f"e.{base.begins_with} <= day::DATE" if base.begins_with else "false"
    timeline = f'base."{timeline_name(base)}"'
    others = f'FROM base."{base.code}" AS e ANTI JOIN {timeline} AS t USING ({base.id_column}) SELECT e.*'
    return (
        f'CREATE MACRO base."{base.code}_on"(day) AS TABLE '
        f"({_told(timeline)}) UNION ALL BY NAME ({others} WHERE {there})"
    )


def role_valid_macro(base: Base) -> str:
    """The same over a role's timeline, which has everybody, and of nobody when they began."""
    timeline = f'base."{timeline_name(base)}"'
    return f'CREATE MACRO base."{base.code}_on"(day) AS TABLE {_told(timeline)}'


def _told(timeline: str) -> str:
    return f"FROM {timeline} SELECT * EXCLUDE ({VALID_FROM}, {VALID_TO}) WHERE {_held_then()}"


def _held_then() -> str:
    since = f"({VALID_FROM} IS NULL OR {VALID_FROM} <= day::DATE)"
    return f"{since} AND ({VALID_TO} IS NULL OR {VALID_TO} > day::DATE)"


def role_macro(table: str) -> str:
    """The same over a role's history, which knows days."""
    return _macro(table, (SINCE, UNTIL), f"{SINCE} <= day::DATE AND ({UNTIL} IS NULL OR {UNTIL} > day::DATE)")


def _macro(table: str, ours: Sequence[str], where: str) -> str:
    rows = f'FROM base."{table}{SUFFIX}" SELECT * EXCLUDE ({", ".join(ours)}) WHERE {where}'
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
        _day(FROM).alias(SINCE),
        _day(TO).alias(UNTIL),
    )
    # what came and went within one day was known at no day's end
    lasting = shown.filter(pl.col(UNTIL).is_null() | (pl.col(UNTIL) > pl.col(SINCE)))
    names = [seen.column.name for seen in columns]
    return _joined_runs(lasting, names, SINCE, UNTIL)


def masked_periods(
    history: pl.LazyFrame, base: Base, columns: Sequence[RoleColumn], key: RecipientKey
) -> pl.LazyFrame:
    """What held of each entity when, as a role may know it: by the days for which departments spoke. No day of a life is
    told by it but what the columns show: everybody is there since ever.

    As in a history, periods that look alike under the masks are one."""
    names = [seen.column.name for seen in columns]
    fields = {name.removesuffix(SOURCE_SUFFIX) for name in names} & set(base.fields)
    needed = {base.id_column, *names, *fields, *(field + SOURCE_SUFFIX for field in fields)}
    held = [name for name in history.collect_schema() if name in {*needed, FROM, TO, SAID, SILENT}]
    states = history.select(held)
    moved = states.filter(pl.col(TO).is_not_null()).select(base.id_column).unique().collect()[base.id_column]
    among = pl.col(base.id_column).is_in(moved.implode())
    asked = base.model_copy(update={"fields": {name: base.fields[name] for name in fields}})
    told = periods(states.filter(among).collect(), asked, events=False).lazy()
    rest = states.filter(~among).select(
        *told.collect_schema().names()[:-2],
        pl.lit(EVER).alias(VALID_FROM),
        pl.lit(None, pl.Date).alias(VALID_TO),
    )
    everybody = pl.concat([told, rest])
    shown = everybody.select(
        row_hash([base.id_column], everybody.collect_schema()).alias(_ENTITY),
        *(masked(seen.column, seen.mask, key) for seen in columns),
        VALID_FROM,
        VALID_TO,
    )
    since = pl.when(pl.col(VALID_FROM) > EVER).then(VALID_FROM).alias(VALID_FROM)
    return _joined_runs(shown, names, VALID_FROM, VALID_TO).with_columns(since)


def _joined_runs(shown: pl.LazyFrame, names: Sequence[str], since: str, until: str) -> pl.LazyFrame:
    """Rows of one entity that say the same, one right after the other, as one."""
    told = shown.with_columns(row_hash(names, shown.collect_schema()).alias(_STATE)).sort(_ENTITY, since)
    follows = (
        (pl.col(_ENTITY) == pl.col(_ENTITY).shift())
        & (pl.col(_STATE) == pl.col(_STATE).shift())
        & (pl.col(since) == pl.col(until).shift())
    )
    runs = told.with_columns((~follows.fill_null(value=False)).cum_sum().alias("_run"))
    merged = runs.group_by("_run", maintain_order=True).agg(
        pl.col(*names, since).first(), pl.col(until).last()
    )
    return merged.drop("_run")


def _day(instant: str) -> pl.Expr:
    return pl.col(instant).dt.convert_time_zone(str(CITY_TIME)).dt.date()
