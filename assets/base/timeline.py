"""What held of an entity on a day, as far as is known now: one row for each period of its record (valid time).

Here belong the table ``base.<database>_timeline`` and the reckoning by which it follows from the states that ``history``
recorded and the days they rest on (``evidence``). It has only entities of whom there is more to tell than their record
says: who changed, is gone, or has a value that began on a day of its own. What was known when is ``history``'s business.

What was recorded last of a field, of all that holds from a day on or before the one asked for, is what held on it. So a
late correction of an earlier period comes in where it belongs, one of the same day replaces, and what is known now stands
from its day on: at the end the timeline says what the record says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl
import polars.selectors as cs

from assets.base.golden import SOURCE_SUFFIX
from assets.base.states import FROM, SAID, SILENT, SUFFIX, TO, record_columns
from assets.build import Context
from catalog.base_model import Base
from lake.locks import writing
from lake.parts import write_part
from lake.tables import Commit
from quality.clock import CITY_TIME

VALID_FROM, VALID_TO = "valid_from", "valid_to"
#: Before all else. What is undone from here on was never there.
EVER = date(1, 1, 1)
#: Of so many entities the periods are reckoned at a time.
BAND_ENTITIES = 250_000
_MOST = 256
#: Of a field's entry: nothing is known, or was there yet.
_NOTHING = -1
_ROW, _LAST, _FIRST, _RECORDED, _UNDATED = "row:", "last:", "first:", "recorded:", "undated:"
_FIELD, _DAY, _ORDER, _BEGIN, _THERE = "field:", "day:", "order:", "begin:", "there:"
_SAID, _SILENT, _CAUSE = "said:", "silent:", "cause:"


#: What a base database's code is followed by in the name of its table of periods.
TIMELINE = "_timeline"


def timeline_name(base: Base) -> str:
    """The name of the table of periods."""
    return base.code + TIMELINE


def telling(base: Base) -> pl.Expr:
    """Whether a state shows that its entity's record does not say by itself what held on each day."""
    begins = pl.col(base.begins_with).is_null() if base.begins_with else pl.lit(value=True)
    dated = [pl.col(name).is_not_null() for name in _dated(base)]
    return pl.any_horizontal(pl.col(TO).is_not_null(), begins, *dated)


def _dated(base: Base) -> list[str]:
    """The fields that tell a day from which something holds."""
    since = [field.since for field in base.fields.values() if field.since]
    return list(dict.fromkeys([*since, *([base.over_with] if base.over_with else [])]))


def update(context: Context, base: Base, ids: pl.Series | None) -> Commit:
    """Make the periods of these entities (None: of all) follow from the history as it is."""
    lake, name, of = context.lake, timeline_name(base), base.id_column
    history = lake.scan("base", base.code + SUFFIX)
    schema = _shape(history.collect_schema())
    with writing(context.home, f"base.{name}"):
        if (
            ids is not None
            and lake.exists("base", name)
            and lake.scan("base", name).collect_schema() == schema
        ):
            return lake.exchange("base", name, _told(base, history, ids), whose=ids, key=of)
        whose = history.filter(telling(base)).select(of).unique().collect(engine="streaming")[of]
        number = min(max(-(-whose.len() // BAND_ENTITIES), 1), _MOST)
        band = whose.hash(seed=1) % number
        rows = (_told(base, history, whose.filter(band == one)) for one in range(number))
        parts = [write_part(some.lazy(), lake.path("base", name)) for some in rows]
        return lake.publish_parts("base", name, parts, schema)


def held_since(context: Context, base: Base, entity: str) -> Mapping[str, date]:
    """From which day on each field of an entity has been what it is; none of what it has been as far back as is known."""
    name, of = base.code + SUFFIX, pl.col(base.id_column)
    if not context.lake.exists("base", name):
        return {}
    rows = periods(context.lake.scan("base", name).filter(of == entity).collect(), base).to_dicts()
    found = {}
    for field in base.fields:
        other = [number for number, row in enumerate(rows) if row[field] != rows[-1][field]]
        if other:
            found[field] = rows[other[-1] + 1][VALID_FROM]
    return found


def _shape(history: pl.Schema) -> pl.Schema:
    record = {name: history[name] for name in record_columns(history)}
    return pl.Schema({**record, VALID_FROM: pl.Date(), VALID_TO: pl.Date()})


def _told(base: Base, history: pl.LazyFrame, ids: pl.Series) -> pl.DataFrame:
    """The periods of those of these entities of whom there is more to tell than their record says."""
    of = pl.col(base.id_column)
    states = history.filter(of.is_in(ids.implode())).collect(engine="streaming")
    more = states.filter(telling(base))[base.id_column].unique()
    return periods(states.filter(of.is_in(more.implode())), base)


def periods(states: pl.DataFrame, base: Base, *, events: bool = True) -> pl.DataFrame:
    """The periods of entities of whom ``states`` are all: the record, the day from which it held (the first: since the
    entity began), and that from which it held no more (null: it holds).

    Without ``events`` the days that are told in records (of birth, of death) are not used, but only those for which
    departments spoke, and each entity begins at :data:`EVER`: for whoever may not know such days."""
    of, schema = base.id_column, _shape(states.schema)
    if states.is_empty():
        return schema.to_frame()
    columns = record_columns(states.schema)
    states = states.sort(of, FROM).with_columns(pl.int_range(pl.len()).alias(_ROW))
    states = _with_days(base, states, events=events)
    fields = _fields(base, columns, events=events)
    begins = _begins(base, states, events=events)
    entries = _in_force(_entries(base, states, fields, events=events), [of, _FIELD])
    entries = _since_begin(_since_ever(entries, [of, _FIELD]), begins, [of, _FIELD])
    there = _since_begin(_presence(of, states), begins, [of])
    days = pl.concat([rows.select(of, _DAY) for rows in (entries, there)]).unique().sort(of, _DAY)
    told = days.join(there.select(of, _DAY, _THERE), on=[of, _DAY], how="left", maintain_order="left")
    told = _with_rows(told, entries, states.select(of, _LAST).unique(), of).with_columns(
        pl.col(_THERE).forward_fill().over(of), pl.col(_DAY).shift(-1).over(of).alias(VALID_TO)
    )
    told = told.filter(_THERE)
    nothing = pl.lit(None, pl.Int64)
    values = []
    for name in columns:
        whence = fields.get(name, _LAST)
        row = pl.col(whence if whence in told.columns else _LAST)
        rows = told.select(pl.when(row != _NOTHING).then(row).otherwise(nothing)).to_series()
        values.append(states[name].gather(rows).alias(name))
    return pl.DataFrame([*values, told[_DAY].alias(VALID_FROM), told[VALID_TO]])


def _fields(base: Base, columns: Sequence[str], *, events: bool) -> dict[str, str]:
    """Each column and the field it goes with: a value and where it came from hold together. The day on which an entity
    began is a fact of all of its periods, and has no time of its own."""
    found = {}
    for name in columns:
        value = name.removesuffix(SOURCE_SUFFIX)
        field = value if value in base.fields else name
        if name != base.id_column and not (events and field == base.begins_with):
            found[name] = _FIELD + field
    return found


def _with_days(base: Base, states: pl.DataFrame, *, events: bool) -> pl.DataFrame:
    """The states with, by resource, the day for which it spoke, and (``cause:``) where that is another than in the state
    before, the day from which it spoke otherwise or no more."""
    of, resources = base.id_column, _resources(base)
    for column, prefix in ((SAID, _SAID), (SILENT, _SILENT)):
        days = states.select(_ROW, column).explode(column).drop_nulls(column).unnest(column)
        spoke = pl.coalesce(*(["event"] if events else []), "day", pl.lit(EVER))
        wide = days.with_columns(spoke.alias("day")).pivot(on="resource", index=_ROW, values="day")
        wide = wide.select(
            _ROW, *(pl.col(each).alias(prefix + each) for each in wide.columns if each != _ROW)
        )
        states = states.join(wide, on=_ROW, how="left", maintain_order="left")
        missing = [prefix + resource for resource in resources if prefix + resource not in states.columns]
        states = states.with_columns(pl.lit(None, pl.Date).alias(name) for name in missing)
    same = (pl.col(of) == pl.col(of).shift()).fill_null(value=False)
    states = states.with_columns(
        (~same).alias(_FIRST),
        pl.col(_ROW).max().over(of).alias(_LAST),
        _day_of(FROM).alias(_RECORDED),
        # a first state from before days were kept is older than all that has one
        pl.when(~same).then(pl.lit(EVER)).otherwise(_day_of(FROM)).alias(_UNDATED),
    )
    return states.with_columns(_cause(resource).alias(_CAUSE + resource) for resource in resources)


def _resources(base: Base) -> list[str]:
    return sorted({source.resource for source in base.sources.values()})


def _day_of(instant: str) -> pl.Expr:
    return pl.col(instant).dt.convert_time_zone(str(CITY_TIME)).dt.date()


def _cause(resource: str) -> pl.Expr:
    now, first = pl.col(_SAID + resource), pl.col(_FIRST)
    before = pl.when(~first).then(now.shift())
    lost = now.is_null() & before.is_not_null() & pl.col(SAID).is_not_null()
    silent = pl.coalesce(pl.col(_SILENT + resource).shift(), _RECORDED)
    return pl.when(lost).then(silent).when(first | now.ne_missing(before)).then(now)


def _begins(base: Base, states: pl.DataFrame, *, events: bool) -> pl.DataFrame:
    """When each entity began: the day that its record tells now, else the earliest for which anything is said of it."""
    of = base.id_column
    if not events:
        return states.select(of).unique().with_columns(pl.lit(EVER).alias(_BEGIN))
    told = pl.min_horizontal(*_dated(base), *(_SAID + resource for resource in _resources(base)))
    record = pl.col(base.begins_with).last() if base.begins_with else pl.lit(None, pl.Date)
    return states.group_by(of).agg(
        pl.coalesce(record, told.min(), pl.col(_RECORDED).min()).alias(_BEGIN),
    )


def _entries(base: Base, states: pl.DataFrame, fields: Mapping[str, str], *, events: bool) -> pl.DataFrame:
    """What each field that has more than one value was from which day on: the state's row that says it, and in which order
    it was recorded."""
    of, found = base.id_column, []
    for field in dict.fromkeys(fields.values()):
        name = field.removeprefix(_FIELD)
        declared = base.fields.get(name)
        pair = [column for column, its in fields.items() if its == field]
        if events and name == base.over_with:
            found.append(_once(states, of, name))
        else:
            since = declared.since if declared and events else None
            found.append(_changes(base, states, name, pair, since))
    shape = {of: pl.String(), _FIELD: pl.String(), _DAY: pl.Date(), _ROW: pl.Int64(), _ORDER: pl.Int64()}
    return pl.concat([pl.DataFrame(schema=shape), *found])


def _changes(
    base: Base, states: pl.DataFrame, name: str, pair: Sequence[str], since: str | None
) -> pl.DataFrame:
    """The states in which a field became another, and of the same entities the first. ``since`` tells the day itself, and
    that there was nothing before."""
    of, first = base.id_column, pl.col(_FIRST)
    other = [pl.col(column).ne_missing(pl.col(column).shift()) for column in pair]
    own = pl.col(since) if since else pl.lit(None, pl.Date)
    told = states.select(
        of,
        _FIRST,
        _ROW,
        own.alias("own"),
        (~first & pl.any_horizontal(other)).alias("changed"),
        pl.coalesce(own, _day(base, name)).alias(_DAY),
    )
    asked = (pl.col("changed") | (first & pl.col("own").is_not_null())).any().over(of)
    told = told.filter(asked).filter(first | pl.col("changed"))
    entries = told.select(of, pl.lit(_FIELD + name).alias(_FIELD), _DAY, _ROW, pl.col(_ROW).alias(_ORDER))
    return pl.concat([_nothing_before(told.filter(first, pl.col("own").is_not_null()), of, name), entries])


def _once(states: pl.DataFrame, of: str, name: str) -> pl.DataFrame:
    """What happens once, on the day that the record tells now: whatever was said of it before."""
    told = states.filter(pl.col(_ROW) == pl.col(_LAST), pl.col(name).is_not_null())
    happened = told.select(
        of, pl.lit(_FIELD + name).alias(_FIELD), pl.col(name).alias(_DAY), _ROW, pl.col(_ROW).alias(_ORDER)
    )
    return pl.concat([_nothing_before(told, of, name), happened])


def _nothing_before(told: pl.DataFrame, of: str, name: str) -> pl.DataFrame:
    nothing = pl.lit(_NOTHING, pl.Int64)
    return told.select(
        of,
        pl.lit(_FIELD + name).alias(_FIELD),
        pl.lit(EVER).alias(_DAY),
        nothing.alias(_ROW),
        nothing.alias(_ORDER),
    )


def _day(base: Base, name: str) -> pl.Expr:
    """From which day on a field is what a state says: for which its source spoke now, or the one before it fell silent; where
    neither did, the others that may have decided."""
    every = _resources(base)
    declared = base.fields.get(name)
    mine = sorted({base.resource(each) for each in declared.sources}) if declared else every
    latest = pl.max_horizontal(_SAID + resource for resource in every)
    if not declared:
        return pl.coalesce(pl.max_horizontal(_CAUSE + resource for resource in every), latest, _UNDATED)
    source = pl.col(name + SOURCE_SUFFIX)
    before = pl.when(~pl.col(_FIRST)).then(source.shift())

    def of(what: str, whose: pl.Expr) -> pl.Expr:
        return pl.coalesce([pl.when(whose == each).then(pl.col(what + each)) for each in mine])

    return pl.coalesce(
        pl.max_horizontal(of(_CAUSE, source), of(_CAUSE, before)),
        pl.max_horizontal(_CAUSE + resource for resource in mine),
        of(_SAID, source),
        of(_SAID, before),
        latest,
        _UNDATED,
    )


def _presence(of: str, states: pl.DataFrame) -> pl.DataFrame:
    """From which days on each entity is there, and is not; the first since ever. Who gave way in a merge never was, and
    where that was undone, always."""
    spoke = pl.max_horizontal(cs.starts_with(_SAID))
    came = pl.max_horizontal(cs.starts_with(_CAUSE))
    told = states.select(
        of,
        _ROW,
        _FIRST,
        (pl.col(_ROW) == pl.col(_LAST)).alias("final"),
        pl.coalesce(pl.min_horizontal(cs.starts_with(_SAID)), _UNDATED).alias("from"),
        pl.coalesce(came, spoke, _RECORDED).alias("again"),
        (
            pl.col(TO).is_not_null()
            & ((pl.col(_ROW) == pl.col(_LAST)) | (pl.col(FROM).shift(-1) > pl.col(TO)))
        ).alias("goes"),
        (pl.col(SILENT).list.len() == 0).fill_null(value=False).alias("merged"),
        pl.coalesce(
            pl.col(SILENT).list.eval(pl.element().struct.field("day").fill_null(EVER)).list.max(), _day_of(TO)
        ).alias("until"),
    )
    gap = pl.col("goes") & ~(pl.col("merged") & ~pl.col("final"))
    told = told.with_columns(gap.alias("goes"))
    back = (~pl.col(_FIRST) & pl.col("goes").shift()).fill_null(value=False)
    until = pl.when("merged").then(pl.lit(EVER)).otherwise("until")
    entries = pl.concat(
        told.filter(which).select(
            of, day.alias(_DAY), pl.lit(value=there).alias(_THERE), (pl.col(_ROW) * 2 + late).alias(_ORDER)
        )
        for which, day, there, late in (
            (pl.col(_FIRST), pl.col("from"), True, 0),
            (back, pl.col("again"), True, 0),
            (pl.col("goes"), until, False, 1),
        )
    )
    # who was not there when the first that stands begins was never there before
    return _since_ever(_in_force(entries, [of]).filter(pl.col(_THERE).cum_max().over(of)), [of])


def _in_force(entries: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The entries, in order, after which nothing was recorded that holds from the same day or an earlier one."""
    ordered = entries.sort(*keys, _ORDER)
    later = pl.col(_DAY).cum_min(reverse=True).shift(-1).over(keys)
    return ordered.filter(later.is_null() | (pl.col(_DAY) < later))


def _since_ever(entries: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The entries, in order, the first of each since ever: nothing is known of before."""
    first = pl.col(_ORDER) == pl.col(_ORDER).min().over(keys)
    return entries.with_columns(pl.when(first).then(pl.lit(EVER)).otherwise(_DAY).alias(_DAY))


def _since_begin(entries: pl.DataFrame, begins: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The entries with none of them from a day before the entity began: the last of those holds from then on."""
    dated = entries.join(begins, on=keys[0], maintain_order="left")
    dated = dated.with_columns(pl.max_horizontal(_DAY, _BEGIN).alias(_DAY)).drop(_BEGIN)
    return dated.unique([*keys, _DAY], keep="last", maintain_order=True)


def _with_rows(told: pl.DataFrame, entries: pl.DataFrame, last: pl.DataFrame, of: str) -> pl.DataFrame:
    """Beside each entity and day the row of the state that says what each field was: of a field that was never another, the
    last state's."""
    told = told.join(last, on=of, how="left", maintain_order="left")
    if entries.is_empty():
        return told
    on_day = entries.pivot(on=_FIELD, index=[of, _DAY], values=_ROW)
    fields = [name for name in on_day.columns if name.startswith(_FIELD)]
    told = told.join(on_day, on=[of, _DAY], how="left", maintain_order="left")
    return told.with_columns(
        pl.coalesce(pl.col(field).forward_fill().over(of), _LAST).alias(field) for field in fields
    )
