"""Since when each source row has been whose: a crosswalk's ``recorded_from``, and the rows that it has no more.

Here belong the comparing of a crosswalk's rows with those it had, and the table ``base.<database>_crosswalk_past`` of those
that ended, each with when it began and ended. So a first build has nothing to compare, and a later one compares only the
rows it exchanges. Whose a row is, is decided in ``golden`` and ``linkage_residue``; what is exchanged in ``database``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from assets.base.identity import given_ids
from assets.base.linkage_residue import crosswalk_schema
from assets.base.states import FROM, INSTANT, TO
from assets.build import Context
from catalog.base_model import Base
from lake.locks import writing

#: A probability that moves by less is not recorded anew: each build weighs all linked rows again.
_NEAR = 0.01
_THEN = "then:"


def crosswalk_name(base: Base) -> str:
    """The name of the table of whose each source row is."""
    return f"{base.code}_crosswalk"


def past_name(base: Base) -> str:
    """The name of the table of the rows that the crosswalk has no more."""
    return f"{crosswalk_name(base)}_past"


def past_schema(base: Base) -> pl.Schema:
    """The crosswalk's columns, and from when to when it said so."""
    return pl.Schema({**crosswalk_schema(base), FROM: INSTANT, TO: INSTANT})


def as_of(rows: pl.LazyFrame, past: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """What the crosswalk said at an instant."""
    standing = rows.with_columns(pl.lit(None, INSTANT).alias(TO))
    known = (pl.col(FROM) <= at) & (pl.col(TO).is_null() | (pl.col(TO) > at))
    return pl.concat([standing, past]).filter(known).drop(FROM, TO)


@dataclass
class Since:
    """One build's recording: its instant ``at``, and the rows that it found ``ended``."""

    base: Base
    at: datetime
    ended: list[pl.DataFrame]

    def begun(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows none of which was there before."""
        return rows.with_columns(pl.lit(self.at, INSTANT).alias(FROM))

    def settle(self, rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        """The rows, those of ``held`` among them with when they were first recorded; the others of ``held`` have ended."""
        same = [name for name in crosswalk_schema(self.base).names() if name != "probability"]
        then = held.select(*same, FROM, pl.col("probability").alias(_THEN)).unique(same)
        met = rows.drop(FROM, strict=False).join(
            then, on=same, how="left", nulls_equal=True, maintain_order="left"
        )
        near = ((pl.col("probability") - pl.col(_THEN)).abs() < _NEAR).fill_null(value=False)
        began = pl.when(near).then(FROM).otherwise(pl.lit(self.at, INSTANT)).alias(FROM)
        ended = held.join(met.filter(near).select(same), on=same, how="anti", nulls_equal=True)
        self.ended.append(ended.with_columns(pl.lit(self.at, INSTANT).alias(TO)))
        return met.with_columns(began).drop(_THEN)

    def keep(self, context: Context) -> int:
        """Write down what has ended, before the crosswalk loses it; how many rows. A build that was killed in between
        finds the same rows ended again, and does not write them twice."""
        schema, name = past_schema(self.base), past_name(self.base)
        with writing(context.home, f"base.{name}"):
            context.lake.create("base", name, schema)
            ended = pl.concat([schema.to_frame(), *(rows.select(schema.names()) for rows in self.ended)])
            if ended.height:
                first = context.lake.scan("base", crosswalk_name(self.base)).select(pl.col(FROM).max())
                latest = first.collect().item()
                again = context.lake.scan("base", name).filter(pl.col(TO) > latest)
                key = [column for column in schema.names() if column != TO]
                ended = ended.join(again.collect(), on=key, how="anti", nulls_equal=True)
            context.lake.append("base", name, ended)
        return ended.height


def strike(context: Context, base: Base, push: str) -> int:
    """Remove the past rows of a purged push, and those that name an id which is nobody's any more; how many."""
    name = past_name(base)
    if not context.lake.exists("base", name):
        return 0
    with writing(context.home, f"base.{name}"):
        before, held = context.lake.rows("base", name), context.lake.scan("base", name)
        given = given_ids(context, base).select(base.id_column).unique()
        kept = held.filter(pl.col("_push") != push).join(given, on=base.id_column, how="semi")
        key = [base.id_column, "resource", "_push", "_row", FROM]
        return before - context.lake.publish("base", name, kept, key=key).rows
