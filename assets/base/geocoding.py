"""Where an address lies: at a door, a named place, on a road, or somewhere in a division, with the radius it may be off.

Here belong the reference points that place names, buildings and divisions give, and the finding of the most exact one. An
address that leaves its county or town out is given it by its road or quarter, where all who state one for that agree. How
text is taken apart is ``address_reading``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl

from assets.base.address_reading import AGREEING, DIGITS, Gazetteer, names_of, read
from assets.base.quarters import with_quarters_apart

#: From the most exact to the least.
PRECISIONS = ("door", "place", "road", "village", "town", "county", "city")
#: References of one name that lie further apart than this, in metres, do not say where it is.
SPREAD = {"door": 300.0, "place": 2_000.0, "road": 8_000.0}
#: How far off a single reference of its kind may be, in metres: a register has one point for a whole house or road.
LEAST = {"door": 50.0, "place": 200.0, "road": 500.0}
_METRES = 111_320.0
#: A quarter of a city without its blocks and directions: 新城东24号小区 and 新城5号区 are of 新城.
_QUARTER = pl.col("locality").str.replace(r"[A-Z]?[0-9].*$", "").str.replace(r"(?:[东西南北中]区?|区)$", "")
_POINT = {"longitude": pl.Float64(), "latitude": pl.Float64(), "radius_m": pl.Float64()}


@dataclass(frozen=True)
class References:
    """Points by what an address may say: ``named`` has ``precision``, ``key`` and a point; ``divisions`` ``code`` and a
    point; ``roads`` the road and division that register and addresses state, one row for each statement."""

    named: pl.DataFrame
    divisions: pl.DataFrame
    roads: pl.DataFrame


def references(places: pl.DataFrame, divisions: pl.DataFrame, gazetteer: Gazetteer) -> References:
    """From registered places (``name``, ``kind``, ``address``, ``division_code``, ``longitude``, ``latitude``) and divisions
    (``code`` and their boxes)."""
    parts = _placed(places, gazetteer)
    own_name = pl.when(pl.col("kind") == "道路").then(pl.coalesce("road", "name")).otherwise("road")
    parts = parts.with_columns(own_name.alias("road"))
    named = pl.concat(
        [
            _keyed(parts.filter(pl.col("number").is_not_null()), "door", "road", "number"),
            _keyed(parts.filter(pl.col("kind") != "道路"), "place", "name"),
            _keyed(parts, "road", "road"),
        ]
    )
    roads = parts.filter(pl.col("road").is_not_null()).select("division_code", "road")
    return References(named, _division_points(parts, divisions), roads)


def _placed(places: pl.DataFrame, gazetteer: Gazetteer) -> pl.DataFrame:
    """The places with the parts of their addresses; a division that the text leaves out is the register's own."""
    texts = pl.coalesce("address", "name")
    distinct = places.select(texts.alias("written")).unique().drop_nulls()
    parts = read(distinct["written"], gazetteer).select(
        "written", "road", "number", pl.col("division_code").alias("stated")
    )
    both = places.with_columns(texts.alias("written")).join(parts, on="written", how="left")
    finer = pl.col("stated").str.len_bytes() > pl.col("division_code").str.len_bytes()
    return both.with_columns(
        pl.when(finer | pl.col("division_code").is_null())
        .then("stated")
        .otherwise("division_code")
        .alias("division_code")
    )


def _keyed(places: pl.DataFrame, precision: str, *names: str) -> pl.DataFrame:
    """One point for each name within its town and within its county, with how far its references lie apart."""
    code = pl.col("division_code")
    rows = [
        places.filter(code.str.len_bytes() >= digits).with_columns(
            pl.concat_str(code.str.head(digits), *names, separator="|").alias("key")
        )
        for digits in (DIGITS["town"], DIGITS["county"])
    ]
    points = _points(pl.concat(rows), "key", LEAST[precision])
    return points.filter(pl.col("radius_m") <= SPREAD[precision]).select(
        pl.lit(precision).alias("precision"), "key", *_POINT
    )


def _points(rows: pl.DataFrame, by: str, least: float) -> pl.DataFrame:
    """The middle of the points of each group, and the distance of the furthest from it."""
    middle = rows.filter(pl.col(by).is_not_null(), pl.col("longitude").is_not_null()).with_columns(
        pl.col("longitude").mean().over(by).alias("_x"), pl.col("latitude").mean().over(by).alias("_y")
    )
    east = (pl.col("longitude") - pl.col("_x")) * pl.col("_y").radians().cos()
    off = (east**2 + (pl.col("latitude") - pl.col("_y")) ** 2).sqrt() * _METRES
    return middle.group_by(by).agg(
        pl.first("_x").alias("longitude"),
        pl.first("_y").alias("latitude"),
        off.max().clip(lower_bound=least).alias("radius_m"),
    )


def _division_points(places: pl.DataFrame, divisions: pl.DataFrame) -> pl.DataFrame:
    """A point for each division: the middle of its box, else of the registered places that lie in it."""
    shaped = divisions.filter(pl.col("west").is_not_null())
    east = (pl.col("east") - pl.col("west")) / 2 * ((pl.col("north") + pl.col("south")) / 2).radians().cos()
    north = (pl.col("north") - pl.col("south")) / 2
    boxes = shaped.select(
        pl.col("code"),
        ((pl.col("west") + pl.col("east")) / 2).alias("longitude"),
        ((pl.col("north") + pl.col("south")) / 2).alias("latitude"),
        ((east**2 + north**2).sqrt() * _METRES).alias("radius_m"),
    )
    found = [boxes.with_columns(pl.lit(0).alias("_order"))]
    code = pl.col("division_code")
    for digits in DIGITS.values():
        inside = places.filter(code.str.len_bytes() >= digits).with_columns(
            code.str.head(digits).alias("code")
        )
        found.append(_points(inside, "code", 500.0).with_columns(pl.lit(1).alias("_order")))
    return pl.concat(found).sort("_order").unique("code", keep="first").drop("_order")


def with_inferred_divisions(parts: pl.DataFrame, roads: pl.DataFrame, gazetteer: Gazetteer) -> pl.DataFrame:
    """Addresses with the county, then the town, that they leave out and their road tells, else the county that their
    quarter tells; ``division_basis`` says which.

    ``parts`` is what :func:`read` gives; a road or quarter tells only where all statements of it name one division."""
    frame = with_quarters_apart(parts, roads).with_columns(
        _QUARTER.alias("quarter"),
        pl.when(pl.col("division_code").is_not_null()).then(pl.lit("stated")).alias("division_basis"),
    )
    stated = frame.filter(~pl.col("outside"))
    # whoever states a quarter's town speaks of a quarter of that town: 英德市英城新城 is not the city's 新城
    of_quarters = stated.filter(pl.col("division_code").str.len_bytes() == DIGITS["county"]).select(
        "division_code", "quarter", registered=pl.lit(False)
    )
    of_roads = _of_roads(frame, roads)
    frame = _inferred(frame, of_roads, "road", "city", "county")
    frame = _inferred(frame, of_quarters, "quarter", "city", "county")
    # a road that runs through a known quarter is now known, too
    frame = _inferred(frame, _of_roads(frame, roads), "road", "city", "county")
    frame = _inferred(frame, of_roads, "road", "county", "town")
    return names_of(frame, gazetteer)


def _of_roads(frame: pl.DataFrame, roads: pl.DataFrame) -> pl.DataFrame:
    """What the addresses and the register say of roads."""
    return pl.concat(
        [
            frame.filter(~pl.col("outside")).select("division_code", "road", registered=pl.lit(False)),
            roads.select("division_code", "road", registered=pl.lit(True)),
        ]
    )


def _inferred(frame: pl.DataFrame, said: pl.DataFrame, by: str, known: str, sought: str) -> pl.DataFrame:
    """With divisions of the level ``sought`` for those addresses that state only one of the level ``known``.

    ``by`` is the column that tells: the road, or the quarter. The county of a road is told by the register, and by those who leave out the town as well: in the middle of a city
    people do, and a road of the same name in some town's centre is another one."""
    code = pl.col("division_code")
    counts = (code.str.len_bytes() == DIGITS[sought]) | pl.lit(sought == "town")
    votes = pl.when("registered").then(AGREEING).otherwise(counts.cast(pl.Int32))
    outer, inner = code.str.head(DIGITS[known]), code.str.head(DIGITS[sought])
    told = (
        said.filter(code.str.len_bytes() >= DIGITS[sought], pl.col(by).str.len_chars() > 1)
        .group_by(outer.alias("_outer"), by)
        .agg(inner.n_unique().alias("_different"), votes.sum().alias("_times"), inner.first().alias("_told"))
        .filter(pl.col("_different") == 1, pl.col("_times") >= AGREEING)
        .select("_outer", by, "_told")
    )
    lacks = (code.str.len_bytes() == DIGITS[known]) & ~pl.col("outside")
    joined = frame.with_columns(pl.when(lacks).then(outer).alias("_outer")).join(
        told, on=["_outer", by], how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.coalesce("_told", "division_code").alias("division_code"),
        pl.when(pl.col("_told").is_not_null())
        .then(pl.lit(by))
        .otherwise("division_basis")
        .alias("division_basis"),
    ).drop("_outer", "_told")


def located(parts: pl.DataFrame, known: References) -> pl.DataFrame:
    """Addresses with ``longitude``, ``latitude``, ``precision`` and ``radius_m`` of the most exact reference; null without."""
    code = pl.col("division_code")
    house = pl.col("building").str.replace(
        r"[0-9A-Z一二三四五六七八九十甲乙丙丁]+(?:[栋幢座]|号楼|#楼|楼)$", ""
    )
    sought = [("door", ("road", "number"), digits) for digits in (DIGITS["town"], DIGITS["county"])]
    tries: list[tuple[str, pl.Expr]] = [
        (precision, pl.concat_str(code.str.head(digits), *names, separator="|"))
        for precision, names, digits in sought
    ]
    tries += [
        ("place", pl.concat_str(code.str.head(digits), name, separator="|"))
        for name in (house, pl.col("locality"), pl.col("detail"))
        for digits in (DIGITS["town"], DIGITS["county"])
    ]
    tries += [
        ("road", pl.concat_str(code.str.head(digits), "road", separator="|"))
        for digits in (DIGITS["town"], DIGITS["county"])
    ]
    empty = parts.with_columns(
        *(pl.lit(None, dtype).alias(name) for name, dtype in _POINT.items()),
        pl.lit(None, pl.String).alias("precision"),
    )
    frame = reduce(lambda frame, sought: _try(frame, known.named, *sought), tries, empty)
    return reduce(lambda frame, level: _in_division(frame, known.divisions, level), reversed(DIGITS), frame)


def _try(frame: pl.DataFrame, named: pl.DataFrame, precision: str, key: pl.Expr) -> pl.DataFrame:
    points = named.filter(pl.col("precision") == precision).select("key", *_POINT)
    wanted = pl.when(pl.col("precision").is_null()).then(key).alias("key")
    return _settled(
        frame.with_columns(wanted).join(points, on="key", how="left", maintain_order="left", suffix=":new"),
        precision,
    ).drop("key")


def _in_division(frame: pl.DataFrame, divisions: pl.DataFrame, level: str) -> pl.DataFrame:
    digits = DIGITS[level]
    code = pl.col("division_code")
    points = divisions.with_columns(pl.col("code").str.head(digits).alias("key")).filter(
        pl.col("code").str.replace("00$", "").str.len_bytes() == digits
        if level == "city"
        else pl.col("code").str.len_bytes() == digits
    )
    wanted = pl.when(pl.col("precision").is_null() & (code.str.len_bytes() >= digits)).then(
        code.str.head(digits)
    )
    joined = frame.with_columns(wanted.alias("key")).join(
        points.select("key", *_POINT).unique("key"),
        on="key",
        how="left",
        maintain_order="left",
        suffix=":new",
    )
    return _settled(joined, level).drop("key")


def _settled(frame: pl.DataFrame, precision: str) -> pl.DataFrame:
    """The new point where there is one and none was found before."""
    new = pl.col("longitude:new").is_not_null()
    return frame.with_columns(
        *(pl.coalesce(name, f"{name}:new").alias(name) for name in _POINT),
        pl.when(new).then(pl.lit(precision)).otherwise("precision").alias("precision"),
    ).drop(*(f"{name}:new" for name in _POINT))


def metres_between(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The distances of points in degrees, flat: exact enough within a city."""
    east = (one[0] - other[0]) * np.cos(np.radians((one[1] + other[1]) / 2))
    metres: np.ndarray = np.hypot(east, one[1] - other[1]) * _METRES
    return metres
