"""What base databases keep for ever, without what a purged push said: its states in histories, ids given for it alone, and
what stewards decided on its rows.

Here belongs the taking out of ledgers that otherwise only grow. Everything else in the base databases is built
anew from the standard tables, and needs no erasing. The tables must have been built without the push before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from assets.base import address, crosswalk, history, linkage_residue, timeline
from assets.base.evidence import said_on
from assets.base.golden import conflict_key
from assets.base.identity import GIVEN_AT, IDENTIFIER, given_ids, known_ids, ledger_name
from assets.base.inputs import standard
from assets.base.states import FROM, SAID, SUFFIX, TO, hashed
from assets.base.together import keys_of, named
from assets.build import Context
from catalog.base_model import Base, load_bases
from catalog.linkage_model import reviewed_models
from lake.hashes import ROW_HASH
from lake.ledger import Push
from lake.locks import writing

_WHOSE, _SAID, _TOUCHED = "_whose", "_said", "_touched"
#: Columns that a row has from other pushes than the one it names: by table, of which resources, and which.
_CARRIED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "division": (("division_boundary",), ("geometry",)),
    "address": (("place_name", "point_of_interest", "building"), ("longitude", "latitude")),
}


def erase(context: Context, push: Push, rows: pl.DataFrame, cells: pl.Series) -> int:
    """Take what only ``push`` said out of histories and ledgers; ``rows`` are all of its rows as standard would hold them,
    ``cells`` as quarantine would. Returns how many rows went; said again, none."""
    gone = 0
    for base in load_bases(context.catalogue).values():
        told = _told(context, base, push.resource, rows)
        if not told.is_empty():
            gone += _erase_states(context, base, told, push.received_at)
            gone += _erase_conflicts(context, base, told, push.received_at)
            gone += _erase_days(context, base, told, push)
            gone += _erase_ids(context, base, told, push.received_at)
            # also where an earlier purge was killed after its states were struck
            if context.lake.exists("base", base.code + SUFFIX):
                timeline.update(context, base, told[base.id_column].unique())
        if push.resource in {source.resource for source in base.sources.values()}:
            records = linkage_residue.records_of(push.resource, rows, cells)
            gone += _erase_decisions(context, base, push.resource, records)
            gone += crosswalk.strike(context, base, push.id)
    gone += _erase_states_of_push(context, push)
    gone += _erase_carried(context, push)
    return gone + _erase_addresses(context)


def _told(context: Context, base: Base, resource: str, rows: pl.DataFrame) -> pl.DataFrame:
    """What the push said of whom: each entity's id (of merged ones both), the identifier, and one value as text."""
    id_column, pairs = base.id_column, []
    for source in base.sources.values():
        if source.resource != resource or not set(source.columns()) <= set(rows.columns):
            continue
        for whose in keys_of(base, source):
            texts = rows.select(
                whose.cast(pl.String).alias(_WHOSE),
                *(
                    pl.col(name).cast(pl.String)
                    for name, dtype in rows.schema.items()
                    if not name.startswith("_") and not dtype.is_nested() and dtype != pl.Binary
                ),
            )
            said = texts.unpivot(index=_WHOSE, value_name=_SAID)
            pairs.append(said.select(pl.col(_WHOSE).alias(base.identifier), _SAID))
    if not pairs:
        return pl.DataFrame(schema={id_column: pl.String, base.identifier: pl.String, _SAID: pl.String})
    told = pl.concat(pairs).drop_nulls().unique().lazy()
    ids = pl.concat(
        [
            table.select(id_column, base.identifier)
            for table in (given_ids(context, base), known_ids(context, base))
        ]
    )
    identifier = told.select(base.identifier, pl.col(base.identifier).alias(_SAID))
    return pl.concat([told, identifier]).join(ids.unique(), on=base.identifier).unique().collect()


def _erase_states(context: Context, base: Base, told: pl.DataFrame, since: datetime) -> int:
    """Strike the states, recorded since the push came, that say of an entity what the push said and nobody says now."""
    name = base.code + SUFFIX
    if not context.lake.exists("base", name) or not context.lake.exists("base", base.code):
        return 0
    key, fields = base.id_column, [base.identifier, *base.fields]
    states = context.lake.scan("base", name).filter(pl.col(FROM) >= since)
    states = states.join(told.lazy().select(key).unique(), on=key, how="semi")

    def values(rows: pl.LazyFrame, *more: str) -> pl.LazyFrame:
        texts = rows.select(key, *more, *(pl.col(field).cast(pl.String) for field in fields))
        return texts.unpivot(index=[key, *more], variable_name="field", value_name=_SAID).drop_nulls(_SAID)

    now = values(context.lake.scan("base", base.code))
    struck = (
        values(states, FROM)
        .join(told.lazy().select(key, _SAID), on=[key, _SAID], how="semi")
        .join(now, on=[key, "field", _SAID], how="anti")
        .select(key, FROM)
        .unique()
    )
    return _strike(context, name, [key], struck.collect())


def _erase_days(context: Context, base: Base, told: pl.DataFrame, push: Push) -> int:
    """Take out of states, recorded since the push came, that its resource spoke of an entity for the push's day, where it
    does not now: that a department knows of somebody is told by that."""
    name, of = base.code + SUFFIX, base.id_column
    if not context.lake.exists("base", name) or SAID not in context.lake.scan("base", name).collect_schema():
        return 0
    day = pl.element().struct.field("day") == push.data_date
    meant = (pl.element().struct.field("resource") == push.resource) & day
    with writing(context.home, f"base.{name}"):
        now = said_on(context, base).filter(pl.col(SAID).list.eval(meant).list.any())
        whose = told.lazy().select(of).unique().join(now, on=of, how="anti").collect()[of]
        states, days = context.lake.scan("base", name), pl.col(SAID).list.eval(pl.element().filter(~meant))
        since = (pl.col(FROM) >= push.received_at) & pl.col(of).is_in(whose.implode())
        asked = states.filter(since, days.list.len() < pl.col(SAID).list.len())
        number = int(asked.select(pl.len()).collect().item())
        if number:
            fewer = states.with_columns(pl.when(since).then(days).otherwise(SAID).alias(SAID))
            context.lake.publish("base", name, fewer, key=[of, FROM])
    return number


def _erase_conflicts(context: Context, base: Base, told: pl.DataFrame, since: datetime) -> int:
    """Strike the conflicts, recorded since the push came, one side of which it said and that are none now."""
    table, key = f"{base.code}_conflict", conflict_key(base)
    name = table + SUFFIX
    if not context.lake.exists("base", name):
        return 0
    states = context.lake.scan("base", name).filter(pl.col(FROM) >= since)
    now = context.lake.scan("base", table).select(*key, "kept")
    said = told.lazy().select(base.id_column, _SAID).unique()
    sides = [
        states.join(said, left_on=[base.id_column, side], right_on=[base.id_column, _SAID], how="semi")
        for side in ("value", "kept")
    ]
    struck = pl.concat(sides).join(now, on=[*key, "kept"], how="anti").select(*key, FROM).unique()
    return _strike(context, name, key, struck.collect())


def _erase_states_of_push(context: Context, push: Push) -> int:
    """Strike the states of tables whose rows name the push that they come from."""
    gone = 0
    for table, key in history.keyed_tables(context.catalogue).items():
        name = table + SUFFIX
        if not context.lake.exists("base", name):
            continue
        states = context.lake.scan("base", name)
        named_by = [column for column in ("source_push", "_push") if column in states.collect_schema()]
        if named_by:
            struck = states.filter(pl.any_horizontal(pl.col(named_by) == push.id)).select(*key, FROM)
            gone += _strike(context, name, key, struck.collect())
    return gone


def _erase_carried(context: Context, push: Push) -> int:
    """Strike the states, recorded since the push came, that carry in these columns what nothing says now: which push each
    of them is from is not kept, so that a state more may go than need be."""
    gone, keys = 0, history.keyed_tables(context.catalogue)
    for table, (resources, columns) in _CARRIED.items():
        name, key = table + SUFFIX, keys[table]
        if push.resource not in resources or not context.lake.exists("base", name):
            continue
        carrying = pl.any_horizontal(pl.col(column).is_not_null() for column in columns)
        states = context.lake.scan("base", name).filter(pl.col(FROM) >= push.received_at, carrying)
        now = context.lake.scan("base", table).select(*key, *columns)
        struck = states.join(now, on=[*key, *columns], how="anti", nulls_equal=True).select(*key, FROM)
        gone += _strike(context, name, key, struck.collect())
    return gone


def _strike(context: Context, name: str, key: Sequence[str], struck: pl.DataFrame) -> int:
    """Remove these states; the one before each then lasts until the next that stays."""
    if struck.is_empty():
        return 0
    with writing(context.home, f"base.{name}"):
        held = context.lake.scan("base", name)
        left = held.join(struck.lazy(), on=[*key, FROM], how="anti", nulls_equal=True).sort(*key, FROM)
        whose = struck.lazy().select(key).unique().with_columns(pl.lit(value=True).alias(_TOUCHED))
        left = left.join(whose, on=key, how="left", nulls_equal=True, maintain_order="left")
        following = pl.col(FROM).shift(-1).over(key)
        # the last state of an entity that is gone ended when it did, if it did
        ends = pl.when(pl.col(_TOUCHED) & following.is_not_null()).then(following).otherwise(TO)
        rows = left.with_columns(ends.alias(TO)).drop(_TOUCHED).collect(engine="streaming")
        rows = hashed(rows.drop(ROW_HASH).lazy()).select(rows.columns).collect()
        context.lake.publish("base", name, rows, key=[*key, FROM])
    return struck.height


def _erase_ids(context: Context, base: Base, told: pl.DataFrame, since: datetime) -> int:
    """Take back the ids given since the push came to identifiers that it named and no table names now.

    Should one come again, it gets the same id under the same master key."""
    name = ledger_name(base)
    if not context.lake.exists("base", base.code):
        return 0
    with writing(context.home, f"base.{name}"):
        ledger = context.lake.scan("base", name)
        if GIVEN_AT not in ledger.collect_schema():
            return 0
        living = named(context, base).rename({base.identifier: IDENTIFIER})
        gone = (
            ledger.filter(pl.col(GIVEN_AT) >= since)
            .join(told.lazy().select(pl.col(base.identifier).alias(IDENTIFIER)), on=IDENTIFIER, how="semi")
            .join(living, on=IDENTIFIER, how="anti")
            .select(IDENTIFIER)
            .collect()
        )
        if gone.height:
            kept = ledger.join(gone.lazy(), on=IDENTIFIER, how="anti")
            context.lake.publish("base", name, kept, key=[base.id_column])
    return gone.height


def _erase_decisions(context: Context, base: Base, resource: str, records: pl.Series) -> int:
    """Strike what stewards decided on rows of the push, save where such a row is there still: of another push."""
    name, model = linkage_residue.decisions_name(base), reviewed_models(context.catalogue.root).get(base.code)
    if model is None or not context.lake.exists("base", name):
        return 0
    with writing(context.home, f"base.{name}"):
        contested = standard(context, resource).select(ROW_HASH).collect()[ROW_HASH]
        waiting = linkage_residue.residue(context, base, model)[linkage_residue.RECORD]
        gone = set(records) - set(contested) - set(waiting)
        of_push = (pl.col("resource") == resource) & pl.col(linkage_residue.RECORD).is_in(list(gone))
        before = context.lake.rows("base", name)
        kept = context.lake.scan("base", name).filter(~of_push)
        key = ["decided_at", linkage_residue.RECORD]
        return before - context.lake.publish("base", name, kept, key=key).rows


def _erase_addresses(context: Context) -> int:
    """Take back the ids of addresses that nobody writes any more; written again, one gets the same id."""
    if not context.lake.exists("base", "address") or not context.lake.exists("base", address.LEDGER):
        return 0
    with writing(context.home, f"base.{address.LEDGER}"):
        ledger = context.lake.scan("base", address.LEDGER)
        kept = ledger.join(context.lake.scan("base", "address").select("address"), on="address", how="semi")
        before = context.lake.rows("base", address.LEDGER)
        return before - context.lake.publish("base", address.LEDGER, kept, key=["address_id"]).rows
