"""Quarters of a city that are written before a road, with nothing that says where one ends: 小市凤翔大道.

Here belongs telling them apart by what all addresses together say. A quarter with a word for it (阳光小区康乐路) is known from
its own text alone, in ``address_reading``; where it lies is ``geocoding``'s business.
"""

from __future__ import annotations

import polars as pl

from assets.base.address_reading import AGREEING, DIGITS, NO_ROAD

#: A quarter's name has so many characters, a road's at least so many.
_QUARTER, _ROAD = (2, 6), 3
#: What is no quarter: a road, or one of two roads that cross.
_NO_QUARTER = r"[路街巷道线与及和]|段$"


def with_quarters_apart(parts: pl.DataFrame, roads: pl.DataFrame) -> pl.DataFrame:
    """Addresses with the quarter that stands before their ``road`` as (the end of) their ``locality``.

    ``parts`` is what :func:`read` gives, ``roads`` the ``road`` that the register names, one row for each statement. A
    quarter is what stands before at least two different roads of one city that others name without it, or the register
    does; then it is one before any road of that city. The standard text of an address is the same before and after."""
    city = pl.col("division_code").str.head(DIGITS["city"]).alias("_city")
    stated = parts.filter(~pl.col("outside"), pl.col("road").is_not_null())
    written = stated.group_by(city, "road").agg(pl.len().alias("times")).drop_nulls()
    registered = roads.select(city, "road", times=pl.lit(AGREEING, pl.UInt32)).drop_nulls().unique()
    known = pl.concat([written, registered]).group_by("_city", "road").agg(pl.col("times").sum())
    # a road that the register knows by this very name has no quarter in it
    cut = _cuts(written.join(registered, on=["_city", "road"], how="anti").select("_city", "road"))
    certain = known.filter(pl.col("times") >= AGREEING).select("_city", behind="road")
    quarters = (
        cut.join(certain, on=["_city", "behind"])
        .group_by("_city", "quarter")
        .agg(pl.col("behind").n_unique().alias("roads"))
        .filter(pl.col("roads") >= AGREEING)
    )
    found = cut.join(quarters, on=["_city", "quarter"]).sort(pl.col("quarter").str.len_chars())
    apart = found.unique(["_city", "road"], keep="last", maintain_order=True)
    joined = parts.with_columns(city).join(
        apart.select("_city", "road", "quarter", "behind"),
        on=["_city", "road"],
        how="left",
        maintain_order="left",
    )
    before = pl.concat_str("locality", "quarter", ignore_nulls=True)
    told = pl.col("quarter").is_not_null() & ~pl.col("outside")
    return joined.with_columns(
        pl.when(told).then(before).otherwise("locality").alias("locality"),
        pl.when(told).then("behind").otherwise("road").alias("road"),
    ).drop("_city", "quarter", "behind")


def _cuts(roads: pl.DataFrame) -> pl.DataFrame:
    """Each way to cut a ``road`` into a ``quarter`` and the road ``behind`` it."""
    least, most = _QUARTER
    road = pl.col("road")
    ways = pl.concat(
        [
            roads.filter(road.str.len_chars() >= length + _ROAD).with_columns(
                road.str.head(length).alias("quarter"), road.str.slice(length).alias("behind")
            )
            for length in range(least, most + 1)
        ]
    )
    return ways.filter(~pl.col("quarter").str.contains(_NO_QUARTER), ~pl.col("behind").str.contains(NO_ROAD))
