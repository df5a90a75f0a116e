"""The map of the city by county, coloured by what the base databases say of it.

Here belong what may be counted and the geometry from the base database's polygons to SVG. No tile comes from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import shapely
from fastapi import APIRouter
from fastapi.responses import Response

from assets.base.golden import SOURCE_SUFFIX
from assets.build import Context
from catalog.model import Title
from pipelines.dashboard.rendering import number, page, share
from pipelines.dashboard.timeliness import by_month, sum_of
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor
from quality.clock import today

router = APIRouter()
_WIDTH = 720
#: Corners closer than this are drawn as one, in pixels.
_DETAIL = 0.6
_SHADES = 5


def shown_count(value: float) -> str:
    """A number of whole things."""
    return number(round(value))


def shown_rate(value: float) -> str:
    """A number of things for each of something."""
    return f"{value:,.1f}"


@dataclass(frozen=True)
class Measure:
    """What a county can be coloured by: of which base tables, what it is in each county, and how it is read.

    ``per_km2`` makes it a density; ``adds_up`` is false of what has no sum over counties, a share for example. Without
    tables it is worked out anew each time."""

    title: Title
    tables: tuple[str, ...]
    count: Callable[[Context], Mapping[str, float]]
    shown: Callable[[float], str] = shown_count
    per_km2: bool = False
    adds_up: bool = True


def _rows(table: str, column: str) -> Callable[[Context], Mapping[str, float]]:
    return lambda context: count_by_county(context, table, column)


_PERSON, _HOME = "person", "residence_division"
MEASURES: Mapping[str, Measure] = {
    "persons": Measure(
        Title(zh="自然人（按居住地）", en="Persons, by residence"), (_PERSON,), _rows(_PERSON, _HOME)
    ),
    "density": Measure(
        Title(zh="自然人密度（每平方公里）", en="Persons per km²"),
        (_PERSON,),
        _rows(_PERSON, _HOME),
        shown_rate,
        per_km2=True,
    ),
    "entities": Measure(
        Title(zh="法人和非法人组织", en="Organisations"), ("legal_entity",), _rows("legal_entity", "division")
    ),
    "licences": Measure(Title(zh="电子证照", en="Licences"), ("licence",), _rows("licence", "division_code")),
    "buildings": Measure(
        Title(zh="房屋建筑", en="Buildings"), ("building",), _rows("building", "division_code")
    ),
    "places": Measure(Title(zh="地名和兴趣点", en="Places"), ("place",), _rows("place", "division_code")),
    "coverage": Measure(
        Title(zh="自然人字段覆盖率", en="Fields known of persons"),
        (_PERSON,),
        lambda context: coverage_by_county(context, _PERSON, _HOME),
        share,
        adds_up=False,
    ),
    "conflicts": Measure(
        Title(zh="每千人部门间不一致", en="Conflicts per 1,000 persons"),
        (_PERSON, f"{_PERSON}_conflict"),
        lambda context: conflicts_by_county(context, _PERSON, _HOME),
        shown_rate,
        adds_up=False,
    ),
    "growth": Measure(
        Title(zh="近12个月新增自然人", en="Persons first known in 12 months"),
        (_PERSON, f"{_PERSON}_crosswalk"),
        lambda context: growth_by_county(context, _PERSON, _HOME),
    ),
}
#: What is known of a county's departments; offered where the catalogue has such.
TIMELY = Title(zh="县区部门近12个月按时率", en="County departments on time, 12 months")


@dataclass(frozen=True)
class County:
    """A county on the map: its path, where its name stands, its area."""

    code: str
    name: str
    path: str
    x: float
    y: float
    area_km2: float


@dataclass(frozen=True)
class Plan:
    """All counties, and the height of the drawing."""

    counties: Sequence[County]
    height: float
    width: float = _WIDTH


@router.get("/map")
def city_map(visit: Visitor, measure: str = "persons") -> Response:
    """The map, coloured by one measure, with the numbers beside it."""
    visit.require_city()
    board, offered = visit.site.board, measures(visit)
    if measure not in offered:
        raise DeniedError(404, NOT_FOUND)
    chosen = offered[measure]
    drawn = board.worked_out("plan", [("base", "division")], plan)
    counts = (
        board.worked_out(f"map {measure}", [("base", table) for table in chosen.tables], chosen.count)
        if chosen.tables
        else chosen.count(visit.site.context)
    )
    values = {
        county.code: counts.get(county.code, 0) / (county.area_km2 if chosen.per_km2 else 1)
        for county in drawn.counties
    }
    elsewhere = sum(count for code, count in counts.items() if code not in values)
    return page(
        visit,
        "map.html",
        plan=drawn,
        values=values,
        shown=chosen.shown,
        is_share=chosen.shown is share,
        by_value=sorted(drawn.counties, key=lambda county: -values[county.code]),
        shades=shades(values),
        measures=offered,
        chosen=measure,
        elsewhere=round(elsewhere) if chosen.adds_up else 0,
    )


def measures(visit: Visit) -> Mapping[str, Measure]:
    """What the map offers."""
    if not visit.counties:
        return MEASURES
    timely = Measure(TIMELY, (), lambda _: timeliness_by_county(visit), share, adds_up=False)
    return {**MEASURES, "timeliness": timely}


def timeliness_by_county(visit: Visit) -> dict[str, float]:
    """The share of periods that a county's departments kept in twelve months; counties that owed nothing are left out."""
    picture, catalogue = visit.picture(), visit.site.context.catalogue
    resources: dict[str, list[str]] = {county: [] for county in visit.counties}
    for entry in catalogue.entries.values():
        resources.get(catalogue.departments[entry.department].division, []).append(entry.code)
    year = {
        county: sum_of(by_month(picture.record, codes, picture.today).values())
        for county, codes in resources.items()
    }
    return {county: tally.share for county, tally in year.items() if tally.share is not None}


def plan(context: Context) -> Plan:
    """The counties of the base database, drawn north up, with a degree of longitude as long as it is at their latitude."""
    if not context.lake.exists("base", "division"):
        return Plan([], 0)
    rows = (
        context.lake.scan("base", "division")
        .filter(pl.col("geometry").is_not_null())
        .select("code", "name", "geometry", "west", "south", "east", "north", "area_km2")
        .sort("code")
        .collect()
    )
    if rows.is_empty():
        return Plan([], 0)
    west, south, east, north = (
        float(rows[side].min() if side in ("west", "south") else rows[side].max())  # type: ignore[arg-type] # bounds are floats
        for side in ("west", "south", "east", "north")
    )
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = _WIDTH / ((east - west) * squeeze)
    shapes = shapely.transform(
        shapely.from_wkb(rows["geometry"].to_numpy()),
        lambda points: (points - [west, north]) * [scale * squeeze, -scale],
    )
    counties = [
        _county(shape, *rest)
        for shape, *rest in zip(shapes, rows["code"], rows["name"], rows["area_km2"], strict=True)
    ]
    return Plan(counties, (north - south) * scale)


def count_by_county(context: Context, table: str, column: str) -> dict[str, float]:
    """Rows of a base table by county; those without a division under an empty code."""
    if not context.lake.exists("base", table):
        return {}
    return dict(context.lake.scan("base", table).group_by(_county_of(column)).len().collect().iter_rows())


def coverage_by_county(context: Context, table: str, column: str) -> dict[str, float]:
    """The share of a golden record's fields that are known, over the entities of each county."""
    if not context.lake.exists("base", table):
        return {}
    rows = context.lake.scan("base", table)
    fields = [name for name in rows.collect_schema() if f"{name}{SOURCE_SUFFIX}" in rows.collect_schema()]
    known = pl.mean_horizontal(pl.col(name).is_not_null().cast(pl.Float64) for name in fields)
    return dict(rows.group_by(_county_of(column)).agg(known.mean()).collect().iter_rows())


def conflicts_by_county(context: Context, table: str, column: str) -> dict[str, float]:
    """Fields in which departments disagree, for each thousand entities of a county."""
    if not context.lake.exists("base", f"{table}_conflict"):
        return {}
    homes = context.lake.scan("base", table).select(f"{table}_id", _county_of(column))
    conflicts = context.lake.scan("base", f"{table}_conflict").group_by(f"{table}_id").len("conflicts")
    joined = homes.join(conflicts, on=f"{table}_id", how="left").group_by("county")
    return dict(joined.agg(pl.col("conflicts").sum() * 1000 / pl.len()).collect().iter_rows())


def growth_by_county(context: Context, table: str, column: str) -> dict[str, float]:
    """Entities of each county of which the first data date lies within twelve months."""
    if not context.lake.exists("base", f"{table}_crosswalk"):
        return {}
    first = (
        context.lake.scan("base", f"{table}_crosswalk")
        .group_by(f"{table}_id")
        .agg(pl.col("_data_date").min())
    )
    new = first.filter(pl.col("_data_date") > pl.lit(today()).dt.offset_by("-12mo"))
    homes = context.lake.scan("base", table).select(f"{table}_id", _county_of(column))
    return dict(homes.join(new, on=f"{table}_id").group_by("county").len().collect().iter_rows())


def _county_of(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 6).fill_null("").alias("county")


def shades(values: Mapping[str, float]) -> dict[str, int]:
    """A shade from 1 to 5 for each county, by its rank; equal values have equal shades."""
    distinct = sorted(set(values.values()))
    step = {value: 1 + place * _SHADES // len(distinct) for place, value in enumerate(distinct)}
    return {code: step[value] for code, value in values.items()}


def _county(shape: shapely.Geometry, code: str, name: str, area: float) -> County:
    simple = shapely.simplify(shape, _DETAIL)
    rings = [ring for part in shapely.get_parts(simple) for ring in (part.exterior, *part.interiors)]
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring.coords[:-1]) + "Z" for ring in rings)
    spot = shapely.point_on_surface(simple)
    return County(code, name, path, spot.x, spot.y, area)
