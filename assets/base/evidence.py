"""For which days the departments spoke of an entity: the data dates of its rows, or the days of the events that these tell,
and from when on a department was silent.

Here belong the days that a recorded state carries, found when it is recorded, while the rows are there: the next push takes
them away. What follows from them for the entity's record is reckoned in ``timeline``.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from assets.base.golden import BY_IDENTIFIER
from assets.base.identity import redirects
from assets.base.inputs import standard
from assets.base.states import DAYS, SAID, SILENT, TO
from assets.build import Context
from catalog.base_model import Base
from lake.ledger import PushState, open_ledger

_NOW = "now:"


def said_on(context: Context, base: Base) -> pl.LazyFrame:
    """Of each entity by resource the latest data date of its rows, and where its source names the day of an event
    (``latest_by``), the latest of these."""
    rows = context.lake.scan("base", f"{base.code}_crosswalk").filter(method=BY_IDENTIFIER)
    dated = {source.resource: source.latest_by for source in base.sources.values() if source.latest_by}
    by_event = [
        rows.filter(resource=resource).join(
            standard(context, resource).select("_push", "_row", pl.col(column).cast(pl.Date).alias("event")),
            on=["_push", "_row"],
        )
        for resource, column in dated.items()
    ]
    others = rows.filter(~pl.col("resource").is_in(list(dated))).with_columns(
        pl.lit(None, pl.Date).alias("event")
    )
    every = pl.concat(
        [part.select(base.id_column, "resource", "_data_date", "event") for part in (others, *by_event)]
    )
    latest = every.group_by(base.id_column, "resource").agg(
        pl.col("_data_date").max().alias("day"), pl.col("event").max()
    )
    days = pl.struct("resource", "day", "event").sort_by("resource").alias(SAID)
    return latest.group_by(base.id_column).agg(days).cast({SAID: DAYS})


def with_days(context: Context, base: Base, states: pl.DataFrame) -> pl.DataFrame:
    """States that begin, with the days for which their sources speak; states that end, with those from which resources say
    nothing any more."""
    of, ends = base.id_column, pl.col(TO).is_not_null()
    ids = states[of].unique()
    now = said_on(context, base).filter(pl.col(of).is_in(ids.implode())).collect(engine="streaming")
    silent = _silent(context, base, states.filter(ends), now)
    given = states.drop(SILENT).join(now.rename({SAID: _NOW}), on=of, how="left", maintain_order="left")
    given = given.join(silent, on=of, how="left", maintain_order="left")
    return given.with_columns(
        pl.when(ends).then(SAID).otherwise(_NOW).alias(SAID), pl.when(ends).then(SILENT).alias(SILENT)
    ).select(states.columns)


def _silent(context: Context, base: Base, ended: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Of entities whose state ends, the resources that spoke in it and do not now, each with the day for which it last spoke of
    anybody at all: from then on it says nothing of them. Null: it has no push any more."""
    of = base.id_column
    before, after = (_by_resource(rows, of) for rows in (ended, now))
    lost = before.join(after, on=[of, "resource"], how="anti").select(of, "resource")
    days = {resource: _spoke_last(context, resource) for resource in lost["resource"].unique().sort()}
    known = pl.DataFrame(
        {"resource": list(days), "day": list(days.values())}, schema={"resource": pl.String, "day": pl.Date}
    )
    dated = lost.join(known, on="resource", how="left").sort(of, "resource")
    silent = (
        dated.group_by(of, maintain_order=True)
        .agg(pl.struct("resource", "day", pl.lit(None, pl.Date).alias("event")).alias(SILENT))
        .cast({SILENT: DAYS})
    )
    merged = redirects(context, base)[base.id_column]
    return silent.with_columns(
        pl.when(pl.col(of).is_in(merged.implode())).then(pl.lit([], DAYS)).otherwise(SILENT).alias(SILENT)
    )


def _by_resource(rows: pl.DataFrame, of: str) -> pl.DataFrame:
    return rows.select(of, SAID).explode(SAID).drop_nulls(SAID).unnest(SAID)


def _spoke_last(context: Context, resource: str) -> date | None:
    """The latest day for which a push that stands spoke; of a resource without pushes, its rows."""
    pushes = open_ledger(context.home).history(resource)
    if pushes:
        return max((push.data_date for push in pushes if push.state is PushState.APPLIED), default=None)
    if not context.lake.exists("standard", resource):
        return None
    latest = context.lake.scan("standard", resource).select(pl.col("_data_date").max()).collect().item()
    return latest if isinstance(latest, date) else None
