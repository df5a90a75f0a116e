"""What happened to each entity, and when: births, moves, marriages, registrations, changes, mergers, one row each.

Here belong the tables ``base.<database>_event``, read from the rows that the crosswalk gives to entities, and the
macros that ask who is in a state on a day. Which events and states there are is declared with the base database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import zip_longest

import polars as pl

from assets.base.inputs import standard
from assets.build import Build, Built, Context
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.model import Title
from lake.locks import writing

_PLACE = ("resource", "_push", "_row")


def builds(catalogue: Catalogue) -> list[Build]:
    """A table of events for each base database that declares any."""
    return [_build(base) for base in load_bases(catalogue).values() if base.events]


def event_name(base: Base) -> str:
    """The name of the table of events."""
    return f"{base.code}_event"


def key(base: Base) -> tuple[str, ...]:
    """The columns that tell events apart."""
    return (base.id_column, "happened_on", "event", *_PLACE)


def _build(base: Base) -> Build:
    told = "、".join(event.title for event in base.events.values())
    return Build(
        makes=(("base", event_name(base)),),
        reads=(
            ("base", f"{base.code}_crosswalk"),
            *(
                ("standard", resource)
                for resource in sorted({source.resource for source in base.sources.values()})
            ),
        ),
        title=Title(zh=f"{base.title.zh}：生命事件", en=f"{base.title.en}: events"),
        description=f"每个事件一行：{told}。\n\nOne row for each event, with its day and the row that tells it.",
        owner="data_bureau",
        run=lambda context: build(context, base),
    )


def build(context: Context, base: Base) -> Built:
    """Make the table equal what the sources tell now."""
    table = ("base", event_name(base))
    with writing(context.home, ".".join(table)):
        commit = context.lake.publish(*table, events(context, base), key=key(base))
    return Built({table: commit}, {"events": commit.rows})


def events(context: Context, base: Base) -> pl.LazyFrame:
    """Every event: whose, what, its day, the last day of what began with it, and the row that tells it."""
    whose = context.lake.scan("base", f"{base.code}_crosswalk").select(base.id_column, *_PLACE)
    told = [
        _told(context, base, code, day, until, event.where)
        for code, event in base.events.items()
        for day, until in zip_longest(event.day, event.until)
    ]
    columns = (base.id_column, "event", "happened_on", "until", *_PLACE)
    return pl.concat(told).join(whose, on=_PLACE).select(columns)


def _told(
    context: Context,
    base: Base,
    code: str,
    day: str,
    until: str | None,
    where: Mapping[str, Collection[str]],
) -> pl.LazyFrame:
    resource, column = base.resource(day), base.split(day)[1]
    last = pl.col(base.split(until)[1]) if until else pl.lit(None)
    asked = (pl.col(name).is_in(list(values)) for name, values in where.items())
    rows = standard(context, resource).filter(pl.col(column).is_not_null(), *asked)
    return rows.select(
        pl.lit(resource).alias("resource"),
        "_push",
        "_row",
        pl.lit(code).alias("event"),
        pl.col(column).cast(pl.Date).alias("happened_on"),
        last.cast(pl.Date).alias("until"),
    )


def macros(context: Context) -> list[str]:
    """``base.person_alive_on(day)`` and its like: the records of those who were in a state on a day, as far as is known
    now; for each base database that has been built."""
    return [
        f"CREATE MACRO base.{base.code}_{state}_on(day) AS TABLE FROM base.{base.code} AS e WHERE {declared.when}"
        for base in load_bases(context.catalogue).values()
        if context.lake.exists("base", base.code) and context.lake.exists("base", event_name(base))
        for state, declared in base.states.items()
    ]
