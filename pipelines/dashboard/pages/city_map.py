"""The map of the city by county, coloured by what the base databases count there.

Here belong what may be counted and the geometry from the base database's polygons to SVG. No tile comes from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import shapely
from fastapi import APIRouter
from fastapi.responses import Response

from assets.build import Context
from catalog.model import Title
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visitor

router = APIRouter()
_WIDTH = 720
#: Corners closer than this are drawn as one, in pixels.
_DETAIL = 0.6
_SHADES = 5


@dataclass(frozen=True)
class Measure:
    """What a county can be coloured by: rows of a base table by their division; ``per_km2`` makes it a density."""

    title: Title
    table: str
    column: str
    per_km2: bool = False


MEASURES: Mapping[str, Measure] = {
    "persons": Measure(
        Title(zh="自然人（按居住地）", en="Persons, by residence"), "person", "residence_division"
    ),
    "density": Measure(
        Title(zh="自然人密度（每平方公里）", en="Persons per km²"),
        "person",
        "residence_division",
        per_km2=True,
    ),
    "entities": Measure(Title(zh="法人和非法人组织", en="Organisations"), "legal_entity", "division"),
    "licences": Measure(Title(zh="电子证照", en="Licences"), "licence", "division_code"),
    "buildings": Measure(Title(zh="房屋建筑", en="Buildings"), "building", "division_code"),
    "places": Measure(Title(zh="地名和兴趣点", en="Places"), "place", "division_code"),
}


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
    if measure not in MEASURES:
        raise DeniedError(404, NOT_FOUND)
    board, chosen = visit.site.board, MEASURES[measure]
    drawn = board.worked_out("plan", [("base", "division")], plan)
    counts = board.worked_out(
        f"map {chosen.table}",
        [("base", chosen.table)],
        lambda context: count_by_county(context, chosen.table, chosen.column),
    )
    values = {
        county.code: counts.get(county.code, 0) / (county.area_km2 if chosen.per_km2 else 1)
        for county in drawn.counties
    }
    return page(
        visit,
        "map.html",
        plan=drawn,
        values=values,
        by_value=sorted(drawn.counties, key=lambda county: -values[county.code]),
        shades=shades(values),
        measures=MEASURES,
        chosen=measure,
        elsewhere=sum(count for code, count in counts.items() if code not in values),
    )


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


def count_by_county(context: Context, table: str, column: str) -> dict[str, int]:
    """Rows of a base table by county; those without a division under an empty code."""
    if not context.lake.exists("base", table):
        return {}
    county = pl.col(column).str.slice(0, 6).fill_null("").alias("county")
    return dict(context.lake.scan("base", table).group_by(county).len().collect().iter_rows())


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
