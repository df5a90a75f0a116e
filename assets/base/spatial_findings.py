"""What is wrong with places: recorded row by row as warnings, with the reason in both languages (``base.spatial_finding``).

Here belong the checks that need more than one cell: other rows, the divisions' borders, other coordinate systems. No row is
refused for them: the base table keeps the place, repaired where it can be. That a cell is no coordinate or no shape is its
element's business. Every check is a function of :class:`Layer`, listed in :data:`CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely

from assets.base.coordinates import System, ground_area_km2, repaired, to_cgcs2000
from assets.base.inputs import standard
from assets.base.position import NOWHERE, Degrees, Shapes, containing, division_at
from assets.build import Build, Built, Context
from catalog.load import Catalogue
from catalog.model import Entry, Title
from lake.locks import writing

TABLE = "spatial_finding"
#: The resource whose shapes are the borders that others are judged by.
BORDERS = "division_boundary"
#: How far the declared area may be from the geodesic one, and the units it may have been meant in, in square metres.
AREA_TOLERANCE = 0.05
MEANT_UNITS: Mapping[str, tuple[str, float]] = {
    "亩": ("mu", 10_000 / 15),
    "公顷": ("hectares", 10_000.0),
    "平方公里": ("km²", 1e6),
}
#: A shared strip of less than this many square metres, or of this share of the smaller shape, is a matter of drawing.
OVERLAP_M2, OVERLAP_SHARE = 1.0, 0.01
#: Gaps along a border are sought up to this width, in degrees (about 1 km), and from this size on, in km².
GAP_WIDTH, GAP_KM2 = 0.005, 0.001
#: What a resource may be in without saying so, and of how many telling rows this share must tell it.
MISTAKEN: tuple[System, ...] = ("cgcs2000", "gcj02", "bd09")
TELLING_ROWS, TELLING_SHARE = 20, 0.9
#: What a single place may be in besides: its numbers are of another size, or its zone is the neighbouring one.
PLANE: tuple[System, ...] = ("gk114", "gk111")
SYSTEM_NAMES: Mapping[System, str] = {
    "cgcs2000": "CGCS2000",
    "wgs84": "WGS 84",
    "gcj02": "GCJ-02",
    "bd09": "BD-09",
    "gk114": "CGCS2000 / 3° Gauss-Krüger 114°E",
    "gk111": "CGCS2000 / 3° Gauss-Krüger 111°E",
}
#: West, south, east and north of all that a Chinese city can have borders in, in degrees.
CHINA = (73.0, 3.0, 136.0, 54.0)
#: A place so near a border, in degrees (a centimetre), lies in both divisions.
ON_BORDER = 1e-7
#: Digits of a county's code: gaps are sought between these.
COUNTY_DIGITS, CITY_DIGITS = 6, 4
#: Each kind of finding in short, and the resource that says otherwise (None: the resource's own other cells and rows do).
FINDINGS: Mapping[str, tuple[Title, str | None]] = {
    "invalid_geometry": (Title(zh="图形无效", en="invalid shape"), None),
    "swapped_coordinates": (Title(zh="经纬度颠倒", en="longitude and latitude swapped"), "division_boundary"),
    "outside_city": (Title(zh="位置在市外", en="outside the city"), "division_boundary"),
    "wrong_division": (
        Title(zh="所报区划与位置不符", en="another division than claimed"),
        "division_boundary",
    ),
    "area_differs": (Title(zh="申报面积与图形不符", en="declared area differs"), None),
    "overlap": (Title(zh="互相重叠", en="overlap"), None),
    "border_gap": (Title(zh="界线之间有缝隙", en="gap between borders"), None),
    "another_coordinate_system": (
        Title(zh="坐标系疑填报错误", en="another coordinate system"),
        "land_parcel",
    ),
}
_SCHEMA = pl.Schema(
    {
        "resource": pl.String(),
        "department": pl.String(),
        "record": pl.String(),
        "finding": pl.String(),
        "severity": pl.String(),
        "reason_zh": pl.String(),
        "reason_en": pl.String(),
        "measure": pl.Float64(),
        "source_push": pl.String(),
        "source_row": pl.Int64(),
    }
)


@dataclass(frozen=True)
class City:
    """The divisions that have a boundary, as ``base.division`` holds them, the land they cover together, and the counties
    beside them that have none (``name（code）``)."""

    divisions: pl.DataFrame
    land: shapely.Geometry
    unbordered: Sequence[str]

    @classmethod
    def of(cls, table: pl.DataFrame) -> City:
        """The city that the borders in ``base.division`` make; one that lies on another continent makes none of it."""
        divisions = table.filter(pl.col("geometry").is_not_null())
        bare = table.filter(
            pl.col("geometry").is_null() & pl.col("valid_to").is_null(),
            pl.col("level") == "county",
            pl.col("code").str.head(CITY_DIGITS).is_in(divisions["code"].str.head(CITY_DIGITS).implode()),
        ).sort("code")
        shapes = np.asarray(shapely.from_wkb(divisions["geometry"].to_numpy()), dtype=object)
        there = shapely.point_on_surface(shapes)
        land = shapely.unary_union(shapes[_in_china(shapely.get_x(there), shapely.get_y(there))])
        shapely.prepare(land)
        return cls(divisions, land, bare.select(pl.format("{}（{}）", "name", "code")).to_series().to_list())

    def holds(self, x: Degrees, y: Degrees) -> npt.NDArray[np.bool_]:
        """Which points lie in the city; all of them where no boundary is known."""
        if self.land.is_empty:
            return np.ones(len(x), dtype=bool)
        inside: npt.NDArray[np.bool_] = shapely.intersects_xy(self.land, x, y)
        return inside

    def at(self, x: Degrees, y: Degrees) -> pl.Series:
        """The division of each point."""
        return division_at(self.divisions, x, y)

    def near(self, codes: pl.Series, x: Degrees, y: Degrees) -> npt.NDArray[np.bool_]:
        """Which points lie in, or on the border of, the finest division with a border that their code is of."""
        found = np.zeros(len(codes), dtype=bool)
        # the finest last, as it says most: whoever claims a town does not lie in it by lying in its county
        borders = self.divisions.sort(pl.col("code").str.len_bytes(), "code").select("code", "geometry")
        for border, wkb in borders.iter_rows():
            of_it = np.flatnonzero(codes.str.starts_with(border).fill_null(value=False).to_numpy())
            shape = shapely.from_wkb(wkb)
            shapely.prepare(shape)
            found[of_it] = shapely.dwithin(shape, shapely.points(x[of_it], y[of_it]), ON_BORDER)
        return found


@dataclass(frozen=True)
class Layer:
    """One resource's rows: as delivered, their shapes or points in CGCS2000, and a point for each."""

    entry: Entry
    rows: pl.DataFrame
    raw: Shapes
    shapes: Shapes
    city: City
    parcels: pl.DataFrame

    @property
    def points(self) -> tuple[Degrees, Degrees]:
        """A point inside each shape."""
        at = shapely.point_on_surface(self.shapes)
        return shapely.get_x(at), shapely.get_y(at)

    @property
    def system(self) -> System:
        """The coordinate system that the entry states."""
        return self.entry.coordinate_system or "cgcs2000"


@dataclass(frozen=True)
class Finding:
    """One kind of fault: the rows that have it, what to tell of each, and a number that says how bad it is.

    Without ``rows`` it is about the resource as a whole."""

    code: str
    reasons: Sequence[Title]
    rows: Sequence[int] | None = None
    measure: Sequence[float] | None = None


Check = Callable[[Layer], Iterator[Finding]]


def builds(catalogue: Catalogue) -> list[Build]:
    """The findings of every resource that states a coordinate system."""
    resources = [entry.code for entry in _spatial(catalogue)]
    return [
        Build(
            makes=(("base", TABLE),),
            reads=(*(("standard", code) for code in resources), ("base", "division"), ("base", "parcel")),
            title=Title(zh="空间数据问题", en="Spatial findings"),
            description="图形、位置、面积、坐标系、压盖和缝隙检查中发现的问题，逐行注明原因；不影响入库。\n\n"
            "What is wrong with shapes and positions, row by row; nothing is refused for it.",
            owner="natural_resources",
            run=build,
            kinds=("polars", "shapely", "deltalake"),
        )
    ]


def build(context: Context) -> Built:
    """Make the table equal what the checks find now."""
    city = City.of(context.lake.scan("base", "division").collect())
    parcels = context.lake.scan("base", "parcel").select("parcel_no", "geometry").collect()
    found = [
        findings(layer)
        for entry in _spatial(context.catalogue)
        if (layer := _layer(context, entry, city, parcels)).rows.height
    ]
    rows = pl.concat([pl.DataFrame(schema=_SCHEMA), *found])
    with writing(context.home, f"base.{TABLE}"):
        commit = context.lake.publish("base", TABLE, rows, key=["resource", "finding", "record"])
    counts = dict(rows.group_by("finding").len().sort("finding").iter_rows())
    return Built({("base", TABLE): commit}, {"rows": commit.rows, **counts})


def findings(layer: Layer) -> pl.DataFrame:
    """All that the checks find in one resource."""
    found = [_table(layer, finding) for check in CHECKS for finding in check(layer)]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *found])


def _table(layer: Layer, finding: Finding) -> pl.DataFrame:
    entry = layer.entry
    if finding.rows is None:
        about = pl.DataFrame({"record": [None] * len(finding.reasons)}, schema={"record": pl.String})
        nobodys = {"source_push": pl.lit(None, pl.String), "source_row": pl.lit(None, pl.Int64)}
        source = about.with_columns(**nobodys).drop("record")
    else:
        at = layer.rows[list(finding.rows)]
        about = at.select(record=pl.concat_str(entry.delivery.key, separator="/"))
        source = at.select(source_push="_push", source_row="_row")
    told = pl.DataFrame(
        {
            "finding": [finding.code] * len(finding.reasons),
            "reason_zh": [reason.zh for reason in finding.reasons],
            "reason_en": [reason.en for reason in finding.reasons],
            "measure": finding.measure if finding.measure is not None else [None] * len(finding.reasons),
        },
        schema_overrides={"measure": pl.Float64},
    )
    return (
        pl.concat([about, told, source], how="horizontal")
        .with_columns(
            resource=pl.lit(entry.code), department=pl.lit(entry.department), severity=pl.lit("warn")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items())
    )


def _spatial(catalogue: Catalogue) -> list[Entry]:
    return [entry for entry in catalogue.entries.values() if entry.coordinate_system]


def _layer(context: Context, entry: Entry, city: City, parcels: pl.DataFrame) -> Layer:
    """The rows that have a position; that one lacks it is for the entry's own checks to tell."""
    position = ("geometry",) if "geometry" in entry.columns else ("longitude", "latitude")
    rows = standard(context, entry.code).drop_nulls(position).collect(engine="streaming")
    if "geometry" in entry.columns:
        raw = shapely.from_wkb(rows["geometry"].to_numpy())
    else:
        raw = shapely.points(rows["longitude"].to_numpy(), rows["latitude"].to_numpy())
    raw = np.asarray(raw, dtype=object)
    return Layer(entry, rows, raw, repaired(raw, entry.coordinate_system or "cgcs2000"), city, parcels)


def invalid_shapes(layer: Layer) -> Iterator[Finding]:
    """Shapes that cross themselves or do not close, which the base table holds repaired; points and lines among areas."""
    yield from _without_area(layer)
    rows = np.flatnonzero(~shapely.is_valid(layer.raw))
    why = shapely.is_valid_reason(layer.raw[rows])
    reasons = [
        Title(zh=f"图形无效（{text}），已自动修复，请核对", en=f"invalid shape ({text}), repaired")
        for text in why
    ]
    yield Finding("invalid_geometry", reasons, rows.tolist())


def _without_area(layer: Layer) -> Iterator[Finding]:
    """Shapes that cover nothing, in a resource most of whose shapes do."""
    flat = (shapely.area(layer.shapes) == 0) & shapely.is_valid(layer.raw)
    if 2 * flat.sum() < len(flat):
        reason = Title(zh="图形是点或线，没有面积，请核对", en="a point or a line, which covers nothing")
        yield Finding("invalid_geometry", [reason] * int(flat.sum()), np.flatnonzero(flat).tolist())


def outside_city(layer: Layer) -> Iterator[Finding]:
    """Places outside the city; where other coordinates would bring them in, that is said."""
    inside = _in_china if layer.entry.code == BORDERS else layer.city.holds
    rows = np.flatnonzero(~inside(*layer.points))
    if not len(rows):
        return
    x, y = _delivered(layer, rows)
    turned = inside(*to_cgcs2000(y, x, layer.system))
    hints = np.where(turned, "swapped", "")
    for system in _others(layer, (*MISTAKEN, *PLANE)):
        fits = inside(*to_cgcs2000(x, y, system))
        hints = np.where((hints == "") & fits, system, hints)
    yield Finding("swapped_coordinates", [_SWAPPED] * int(turned.sum()), rows[turned].tolist())
    reasons = [_outside(hint) for hint in hints[~turned].tolist()]
    yield Finding("outside_city", reasons, rows[~turned].tolist())


def _in_china(x: Degrees, y: Degrees) -> npt.NDArray[np.bool_]:
    """What is known of borders before there are borders."""
    west, south, east, north = CHINA
    return (x >= west) & (x <= east) & (y >= south) & (y <= north)


_SWAPPED = Title(
    zh="经度和纬度颠倒：对调后位于本市范围内，请对调后重报",
    en="longitude and latitude are swapped: exchanged, the place lies in the city",
)


def _outside(system: System | Literal[""]) -> Title:
    if not system:
        return Title(zh="位置在本市范围之外，请核对坐标", en="outside the city: check the coordinates")
    name = SYSTEM_NAMES[system]
    return Title(
        zh=f"位置在本市范围之外；按 {name} 坐标解释则在本市范围内，疑为坐标系填报错误",
        en=f"outside the city; read as {name} it lies inside: is the coordinate system stated wrongly?",
    )


def wrong_division(layer: Layer) -> Iterator[Finding]:
    """Places that claim another division than the one whose border they lie in."""
    if "division_code" not in layer.rows.columns:
        return
    claimed = _claimed(layer)
    x, y = layer.points
    compared = pl.DataFrame({"claimed": claimed, "there": layer.city.at(x, y), "x": x, "y": y})
    digits = pl.min_horizontal(pl.col("claimed").str.len_bytes(), pl.col("there").str.len_bytes())
    differs = pl.col("claimed").str.head(digits) != pl.col("there").str.head(digits)
    wrong = compared.with_row_index("row").filter(differs)
    beside = layer.city.near(wrong["claimed"], wrong["x"].to_numpy(), wrong["y"].to_numpy())
    wrong = wrong.filter(~pl.Series(beside, dtype=pl.Boolean))
    names = dict(layer.city.divisions.select("code", "name").iter_rows())
    reasons = [
        Title(
            zh=f"所报区划 {claimed} 与位置不符：该位置在{names.get(there) or ''}（{there}）",
            en=f"it claims division {claimed}, but lies in {there}",
        )
        for claimed, there in wrong.select("claimed", "there").iter_rows()
    ]
    yield Finding("wrong_division", reasons, wrong["row"].to_list())


def _claimed(layer: Layer) -> pl.Series:
    """The division that each row states; null where it states no finer one than the city."""
    code = pl.col("division_code")
    return layer.rows.select(
        pl.when(~code.str.ends_with("00") | (code.str.len_bytes() > 6)).then(code)
    ).to_series()


def declared_area(layer: Layer) -> Iterator[Finding]:
    """Declared areas that the shape does not have on the ground."""
    if "geometry" not in layer.rows.columns or "area" not in layer.rows.columns:
        return
    declared = layer.rows["area"].to_numpy().astype(float)
    measured = _ground_m2(layer.shapes)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(declared - measured) / measured
    # what covers nothing is told as such
    rows = np.flatnonzero((off > AREA_TOLERANCE) & (measured > 0))
    reasons = [_area_differs(declared[row], measured[row], off[row]) for row in rows]
    yield Finding("area_differs", reasons, rows.tolist(), off[rows].tolist())


def _area_differs(declared: float, measured: float, off: float) -> Title:
    for zh, (en, size) in MEANT_UNITS.items():
        if abs(declared * size - measured) <= AREA_TOLERANCE * measured:
            return Title(
                zh=f"申报面积 {declared:.4g}，图形实地面积 {measured:.1f} 平方米：疑以{zh}填报，应为平方米",
                en=f"declared {declared:.4g}, measured {measured:.1f} m²: it seems to be in {en}",
            )
    return Title(
        zh=f"申报面积 {declared:.1f} 平方米，图形实地面积 {measured:.1f} 平方米，相差 {off:.0%}",
        en=f"declared {declared:.1f} m², measured {measured:.1f} m²: off by {off:.0%}",
    )


def overlaps(layer: Layer) -> Iterator[Finding]:
    """Parcels, or divisions of one level, that lie on each other: the later of two in the table's order names the earlier."""
    if layer.entry.code not in ("land_parcel", BORDERS):
        return
    one, other = shapely.STRtree(layer.shapes).query(layer.shapes, predicate="intersects")
    levels = _levels(layer)
    pairs = (one > other) & (levels[one] == levels[other])
    one, other = one[pairs], other[pairs]
    shared = shapely.intersection(layer.shapes[one], layer.shapes[other])
    # nearly all pairs are neighbours that touch: only what has an area is measured on the ground
    lie = np.flatnonzero(shapely.area(shared) > 0)
    one, other = one[lie], other[lie]
    areas = _ground_m2(shared[lie])
    smaller = np.minimum(_ground_m2(layer.shapes[one]), _ground_m2(layer.shapes[other]))
    real = (areas > OVERLAP_M2) & (areas > OVERLAP_SHARE * smaller)
    keys = layer.rows.select(pl.concat_str(layer.entry.delivery.key, separator="/")).to_series()
    reasons = [
        Title(zh=f"与 {keys[int(b)]} 重叠 {area:.1f} 平方米", en=f"overlaps {keys[int(b)]} by {area:.1f} m²")
        for b, area in zip(other[real], areas[real], strict=True)
    ]
    yield Finding("overlap", reasons, one[real].tolist(), areas[real].tolist())


def _levels(layer: Layer) -> npt.NDArray[np.int64]:
    """The level of each row's division, as the digits of its code; parcels are all of one."""
    if layer.entry.code != BORDERS:
        return np.zeros(layer.rows.height, dtype=np.int64)
    code = pl.col("code").str.replace("(?:00){1,2}$", "")
    levels: npt.NDArray[np.int64] = (
        layer.rows.select(code.str.len_bytes().cast(pl.Int64)).to_series().to_numpy()
    )
    return levels


def _ground_m2(shapes: Shapes) -> Degrees:
    return np.array(
        [np.nan if shape is None else ground_area_km2(shape) * 1e6 for shape in shapes], dtype=float
    )


def border_gaps(layer: Layer) -> Iterator[Finding]:
    """Land between counties that belongs to none: holes in the whole, narrow clefts that open to the outside, and counties
    that have no border at all."""
    if layer.entry.code != BORDERS:
        return
    unknown = [
        Title(
            zh=f"{name}没有界线：在其范围内的位置都会被判为市外",
            en=f"{name} has no border: whatever lies in it counts as outside the city",
        )
        for name in layer.city.unbordered
    ]
    yield Finding("border_gap", unknown)
    counties = np.flatnonzero((_levels(layer) == COUNTY_DIGITS) & _in_china(*layer.points))
    names = layer.rows["name"].to_list()
    gaps = [
        (ground_area_km2(gap), gap.centroid, beside)
        for gap in _between(layer.shapes[counties])
        if ground_area_km2(gap) >= GAP_KM2
        and len(beside := counties[shapely.dwithin(layer.shapes[counties], gap, 1e-6)]) > 1
    ]
    reasons = [
        Title(
            zh=f"{'、'.join(str(names[row]) for row in beside)}的界线之间有缝隙，面积 {size:.3f} 平方公里，位于 {at.x:.4f}, {at.y:.4f}",
            en=f"a gap of {size:.3f} km² between borders, at {at.x:.4f}, {at.y:.4f}",
        )
        for size, at, beside in gaps
    ]
    yield Finding(
        "border_gap", reasons, [int(beside[0]) for _, _, beside in gaps], [size for size, _, _ in gaps]
    )


def _between(shapes: Shapes) -> Shapes:
    """The holes in what the shapes cover together, and the clefts in its outline."""
    land = shapely.unary_union(shapes)
    filled = shapely.union_all(
        [shapely.Polygon(part.exterior) for part in shapely.get_parts(land) if part.geom_type == "Polygon"]
    )
    # widened and narrowed again, a cleft closes; mitred, so that the outside's own corners stay as they are
    closed = filled.buffer(GAP_WIDTH / 2, join_style="mitre").buffer(-GAP_WIDTH / 2, join_style="mitre")
    return np.asarray(
        shapely.get_parts(shapely.difference(shapely.union(filled, closed), land)), dtype=object
    )


def another_system(layer: Layer) -> Iterator[Finding]:
    """A resource that fits its parcels or divisions under another coordinate system than the one it states.

    Only rows count that tell the two apart: those that fit under one and not under the other."""
    if layer.system in PLANE:
        return
    stated = _fits(layer, layer.system)
    best: tuple[float, int, System] | None = None
    for system in _others(layer, MISTAKEN):
        other = _fits(layer, system)
        telling = int((stated != other).sum())
        share = float((other & ~stated).sum() / telling) if telling else 0.0
        if (
            telling >= TELLING_ROWS
            and share >= TELLING_SHARE
            and (best is None or int((other & ~stated).sum()) > best[1])
        ):
            best = (share, int((other & ~stated).sum()), system)
    if best:
        share, rows, system = best
        name, said = SYSTEM_NAMES[system], SYSTEM_NAMES[layer.system]
        reason = Title(
            zh=f"坐标系疑为 {name}，而目录登记为 {said}：{rows} 行按 {name} 解释才落入所报宗地或区划（占可判别行的 {share:.0%}），整体偏移数百米",
            en=f"this looks like {name}, not {said} as stated: {rows} rows lie in their parcel or division only when read so",
        )
        yield Finding("another_coordinate_system", [reason], None, [share])


def _others(layer: Layer, among: Sequence[System]) -> tuple[System, ...]:
    stated = "cgcs2000" if layer.system == "wgs84" else layer.system
    return tuple(system for system in among if system != stated)


def _delivered(layer: Layer, rows: npt.NDArray[np.int64] | slice = slice(None)) -> tuple[Degrees, Degrees]:
    at = shapely.point_on_surface(repaired(layer.raw[rows], "cgcs2000"))
    return shapely.get_x(at), shapely.get_y(at)


def _fits(layer: Layer, system: System) -> npt.NDArray[np.bool_]:
    """Whether each row, read in this system, lies in the parcel it names, or else in the division it claims."""
    x, y = to_cgcs2000(*_delivered(layer), system)
    if (
        "parcel_no" in layer.rows.columns
        and layer.entry.delivery.key != ("parcel_no",)
        and layer.parcels.height
    ):
        shapes = np.asarray(shapely.from_wkb(layer.parcels["geometry"].to_numpy()), dtype=object)
        places = containing(shapes, x, y)
        there = layer.parcels["parcel_no"].gather(pl.Series(places).replace(NOWHERE, None))
        claimed = layer.rows["parcel_no"]
    elif "division_code" in layer.rows.columns:
        there, claimed = layer.city.at(x, y), _claimed(layer)
        there = there.str.head(6)
        claimed = claimed.str.head(6)
    else:
        return np.zeros(len(x), dtype=bool)
    return (there == claimed).fill_null(False).to_numpy()


CHECKS: tuple[Check, ...] = (
    invalid_shapes,
    outside_city,
    wrong_division,
    declared_area,
    overlaps,
    border_gaps,
    another_system,
)
