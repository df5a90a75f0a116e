"""What the base databases said, and when: one row for each state of an entity, with when we recorded it.

Here belong ``base.<table>_history`` and the comparing that makes it. A state is open (``recorded_to`` null) until another
is recorded or the entity goes; nothing in it is ever deleted, so that neither a rebuild nor a vacuum loses what was
known on a day. What the state is, is decided in ``golden`` and ``licence``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from assets.base import address, changes, evidence, geospatial, life, relation, timeline
from assets.base.golden import conflict_key
from assets.base.identity import redirect_key, redirect_name
from assets.base.states import DAYS, FROM, INSTANT, SAID, SILENT, SUFFIX, TO, hashed, record_columns
from assets.build import Build, Built, Context, TableName
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.model import Title
from catalog.relation_model import load_relations
from lake.hashes import ROW_HASH
from lake.locks import writing
from lake.tables import Commit

_WHOSE = "whose:"
#: The recipe of licences makes several tables, and is titled as the database.
_LICENCE = Title(zh="电子证照", en="Licences")

_OF_ENTITIES = (
    "时间线表说明据现在所知哪一天是什么情况（有效时间）：只含变更过、已不在册或某项自有起始日的主体。",
    (
        " The timeline says what held on which day, as far as is known now: of entities that changed, are gone, or have a value "
        "that began on a day of its own."
    ),
)


def builds(catalogue: Catalogue) -> list[Build]:
    """A history for each table of entities and of relations between them."""
    recipes = [
        *geospatial.builds(),
        *address.builds(catalogue),
        *relation.builds(catalogue),
        *life.builds(catalogue),
    ]
    titles = {build.makes[0][1]: build.title for build in recipes} | {"licence": _LICENCE}
    for base in load_bases(catalogue).values():
        titles |= {base.code: base.title, f"{base.code}_conflict": _of(base, "冲突", "conflicts")}
        titles[redirect_name(base)] = _of(base, "归并", "merges")
    bases = load_bases(catalogue)
    return [
        _build(table, key, titles[table], bases.get(table)) for table, key in keyed_tables(catalogue).items()
    ]


def _of(base: Base, zh: str, en: str) -> Title:
    return Title(zh=f"{base.title.zh}：{zh}", en=f"{base.title.en}: {en}")


def keyed_tables(catalogue: Catalogue) -> Mapping[str, Sequence[str]]:
    """The base tables of which a history is kept, each with the columns that tell its rows apart, whose they are first."""
    bases = load_bases(catalogue)
    golden: dict[str, Sequence[str]] = {base.code: (base.id_column,) for base in bases.values()}
    golden |= {f"{base.code}_conflict": conflict_key(base) for base in bases.values()}
    golden |= {redirect_name(base): redirect_key(base) for base in bases.values()}
    golden |= {life.event_name(base): life.key(base) for base in bases.values() if base.events}
    relations = {held.code: relation.key(held) for held in load_relations(catalogue, bases).values()}
    return {
        **golden,
        "licence": ("licence_id",),
        **geospatial.KEYS,
        "address": ("address_id",),
        **relations,
    }


def _build(table: str, key: Sequence[str], title: Title, base: Base | None) -> Build:
    zh, en = _OF_ENTITIES if base else ("", "")
    return Build(
        makes=tuple(_made(table, base)),
        reads=(("base", table), *((("base", f"{table}_crosswalk"),) if base else ())),
        title=Title(zh=f"{title.zh}的历史", en=f"History of {title.en.lower()}"),
        description=f"每个主体的每个状态一行，注明何时录入、何时被取代，只增不删；可查询任何一天我们所知的情况。{zh}\n\n"
        "One row for each state of an entity, with when it was recorded and when superseded: what we knew on any day."
        + en,
        owner="data_bureau",
        run=lambda context: record(context, table, key, base=base),
    )


def _made(table: str, base: Base | None) -> list[TableName]:
    names = [table + SUFFIX, *([timeline.timeline_name(base)] if base else [])]
    return [("base", name) for name in names]


def record(
    context: Context,
    table: str,
    key: Sequence[str],
    now: datetime | None = None,
    base: Base | None = None,
) -> Built:
    """Record what has changed since the last time; where nothing has, no new version. Only the states of entities in
    whose rows something changed are compared, where that is known. Of the records of a ``base`` database also what held
    when is brought up to date."""
    name, at = table + SUFFIX, now or datetime.now(UTC)
    read = changes.taken(context, "", [("base", table)])
    some = _touched(context, table, key[0], _made(table, base))
    with writing(context.home, f"base.{name}"):
        commits = {("base", name): _recorded(context, table, key, at, some, base)}
    if base:
        commits["base", timeline.timeline_name(base)] = timeline.update(context, base, some)
    changes.note(context, name, read.with_made(context, _made(table, base)))
    commit = commits["base", name]
    return Built(commits, {"states": commit.rows, "recorded": commit.inserted})


def _recorded(
    context: Context,
    table: str,
    key: Sequence[str],
    at: datetime,
    some: pl.Series | None,
    base: Base | None,
) -> Commit:
    """Write the states that begin and end, of ``some`` entities or (None) of all."""
    name, lake = table + SUFFIX, context.lake
    current = lake.scan("base", table)
    opened = _open_states(current, at, base)
    lake.create("base", name, opened.collect_schema())
    if not lake.rows("base", name):
        # the first time there is nothing to compare with, and all of the table: it is not held in memory
        if base:
            names = opened.collect_schema().names()
            said = evidence.said_on(context, base)
            opened = opened.drop(SAID).join(said, on=base.id_column, how="left").select(names)
        return lake.append("base", name, opened)
    held = lake.scan("base", name).filter(pl.col(TO).is_null())
    if some is not None:
        whose = some.alias(_WHOSE).to_frame().lazy()
        current, held = (
            rows.with_columns(pl.col(key[0]).cast(pl.String).alias(_WHOSE))
            .join(whose, on=_WHOSE, how="semi", nulls_equal=True)
            .drop(_WHOSE)
            for rows in (current, held)
        )
    opened = _open_states(current, at, base)
    states = changed_states(opened, held, key, at).collect(engine="streaming")
    if base:
        states = evidence.with_days(context, base, states)
    return lake.change("base", name, states, key=[*key, FROM])


def _touched(context: Context, table: str, key: str, made: Sequence[TableName]) -> pl.Series | None:
    """The entities in whose rows something changed since the last time; None where that is not known."""
    then = changes.noted(context, table + SUFFIX)
    if then is None or not then.stand(context, made):
        return None
    return changes.touched(context.lake, then, ("base", table), [pl.col(key)])


def changed_states(
    current: pl.LazyFrame, held: pl.LazyFrame, key: Sequence[str], at: datetime
) -> pl.LazyFrame:
    """The states to write: those that begin now, and those held ones that end now.

    ``current`` and ``held`` have one open state for each ``key``; equal states have equal hashes."""
    same = [*key, ROW_HASH]
    begun = current.join(held.select(same), on=same, how="anti", nulls_equal=True)
    ended = held.join(current.select(same), on=same, how="anti", nulls_equal=True)
    ended = ended.with_columns(pl.lit(at, INSTANT).alias(TO))
    return pl.concat([begun, hashed(ended.drop(ROW_HASH)).select(begun.collect_schema().names())])


def as_of(history: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """The rows that were known at an instant, as the base table had them."""
    known = (pl.col(FROM) <= at) & (pl.col(TO).is_null() | (pl.col(TO) > at))
    return history.filter(known).select(record_columns(history.collect_schema()))


def _open_states(rows: pl.LazyFrame, at: datetime, base: Base | None) -> pl.LazyFrame:
    opened = rows.with_columns(pl.lit(at, INSTANT).alias(FROM), pl.lit(None, INSTANT).alias(TO))
    if base:
        opened = opened.with_columns(pl.lit(None, DAYS).alias(name) for name in (SAID, SILENT))
    return hashed(opened)
