"""The map of the city by county, coloured by what the base databases say of it.

Here belong the address and the geometry from the base database's polygons to SVG; what is counted is in
``pipelines.dashboard.counties``. No tile comes from elsewhere.
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
from pipelines.dashboard.counties import MEASURES, SUBJECTS
from pipelines.dashboard.rendering import page, rows_address, share
from pipelines.dashboard.timeliness import by_month, sum_of
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor
from quality.clock import today

router = APIRouter()
_WIDTH = 720
#: Corners closer than this are drawn as one, in pixels.
_DETAIL = 0.6
_SHADES = 5


#: What is known of a county's departments; offered where the catalogue has such.
TIMELINESS, TIMELY = "timeliness", Title(zh="县区部门近12个月按时率", en="County departments on time")


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


@dataclass(frozen=True)
class Told:
    """What the map says of each county: a value, how it is read, and where its rows are; and the value of a whole bar."""

    values: Mapping[str, float]
    shown: Mapping[str, str]
    addresses: Mapping[str, str]
    title: Title
    most: float = 0
    elsewhere: int = 0
    elsewhere_address: str = ""


@router.get("/map")
def city_map(visit: Visitor, of: str = "person", measure: str = "count") -> Response:
    """The map, coloured by one measure of one subject, with the numbers beside it."""
    visit.require_city()
    offered = {code: each.title for code, each in SUBJECTS.items()}
    if visit.counties:
        offered[TIMELINESS] = TIMELY
    if of not in offered or measure not in MEASURES:
        raise DeniedError(404, NOT_FOUND)
    drawn = visit.site.board.worked_out("plan", [("base", "division")], plan)
    told = _timeliness(visit) if of == TIMELINESS else _told(visit, of, measure, drawn)
    return page(
        visit,
        "map.html",
        plan=drawn,
        told=told,
        heading=visit.title(offered[of]),
        by_value=sorted(drawn.counties, key=lambda county: -told.values.get(county.code, -1)),
        shades=shades(told.values),
        subjects=offered,
        of=of,
        measures={} if of == TIMELINESS else MEASURES,
        chosen=measure,
    )


def _told(visit: Visit, of: str, measure: str, drawn: Plan) -> Told:
    subject, chosen, day = SUBJECTS[of], MEASURES[measure], today()
    if not visit.site.context.lake.exists("base", subject.table):
        return Told({}, {}, {}, chosen.title)
    counts = visit.site.board.worked_out(
        f"map {of} {measure}",
        subject.beside(),
        lambda context: chosen.count(context, visit.site.declared, subject, day),
    )
    values = {
        county.code: counts.get(county.code, 0) / (county.area_km2 if chosen.per_km2 else 1)
        for county in drawn.counties
        # of nothing there is no share: that is told apart from a share of nothing
        if chosen.adds_up or county.code in counts
    }
    table, more = f"base.{subject.table}", chosen.where(day)
    return Told(
        values,
        {code: chosen.shown(value) for code, value in values.items()},
        {code: rows_address(table, (f"{subject.column}:in:{code}", *more)) for code in values}
        if visit.sees_rows(table)
        else {},
        chosen.title,
        most=1 if chosen.shown is share else max(values.values(), default=0),
        elsewhere=round(sum(count for code, count in counts.items() if code not in values))
        if chosen.adds_up
        else 0,
        elsewhere_address=rows_address(table, (f"{subject.column}:outside:{','.join(values)}", *more))
        if visit.sees_rows(table)
        else "",
    )


def _timeliness(visit: Visit) -> Told:
    """The share of periods that a county's departments kept in twelve months; counties that owed nothing are left out."""
    values = timeliness_by_county(visit)
    shown = {code: share(value) for code, value in values.items()}
    return Told(values, shown, {code: f"/periods?county={code}" for code in values}, TIMELY, most=1)


def timeliness_by_county(visit: Visit) -> dict[str, float]:
    """The share of periods kept, for each county of which departments owed any."""
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
