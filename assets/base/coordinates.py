"""Every coordinate system a resource may state, brought to CGCS2000 (EPSG:4490) in degrees.

Here belong the arithmetic, over whole arrays, and the repair of shapes, which is done where they have come to lie. WGS 84 and CGCS2000 differ by centimetres at this scale and count as
one; Gauss-Krüger goes through pyproj. GCJ-02 and BD-09 are in no EPSG registry, and the packages that convert them work
point by point in plain Python: the public approximation is written here in NumPy, its inverse by iteration to under a centimetre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod, Transformer

from catalog.elements.values import LARGEST_COORDINATE

System = Literal["cgcs2000", "wgs84", "gcj02", "bd09", "gk114", "gk111"]
Degrees = npt.NDArray[np.float64]
Points = tuple[Degrees, Degrees]
Shapes = npt.NDArray[np.object_]

_AXIS, _ECCENTRICITY = 6378245.0, 0.00669342162296594323  # Krasovsky 1940, as the approximation uses it
_BD_TURN = np.pi * 3000 / 180
#: Three-degree Gauss-Krüger: the registry's code, and the number of the zone that may stand before an easting.
_GK = {"gk114": ("EPSG:4547", 38), "gk111": ("EPSG:4546", 37)}
_ZONE_METRES = 1e6
#: CGCS2000's own ellipsoid, for lengths and areas on the ground.
GEOD = Geod(a=6378137.0, f=1 / 298.257222101)


def to_cgcs2000(longitude: Degrees, latitude: Degrees, system: System) -> Points:
    """Points of ``system`` in CGCS2000 degrees; Gauss-Krüger takes easting (with or without the number of its zone) and
    northing in metres. What is far from every place on earth comes out as no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _FROM[system](longitude, latitude)


def geometry_to_cgcs2000(shapes: Shapes, system: System) -> Shapes:
    """Shapely geometries of ``system`` with every vertex in CGCS2000."""
    if system in ("cgcs2000", "wgs84"):
        return shapes
    moved: Shapes = shapely.transform(
        shapes, lambda xy: np.column_stack(to_cgcs2000(xy[:, 0], xy[:, 1], system))
    )
    return moved


def repaired(shapes: Shapes, system: System) -> Shapes:
    """Geometries of ``system`` in CGCS2000, valid there; None where nothing is left of one.

    Repaired behind the move, which may fold a ring that was valid before. Parts that lie on each other are united (the
    other method of GEOS would make a hole of what they share), and spikes are dropped unless a shape is nothing else."""
    moved = geometry_to_cgcs2000(_with_numbers(shapes), system)
    crooked = np.flatnonzero(~shapely.is_valid(moved) & ~shapely.is_missing(moved))
    united = shapely.make_valid(moved[crooked], method="structure", keep_collapsed=False)
    # what is all spikes keeps its lines, as the place is worth having
    moved[crooked] = np.where(shapely.is_empty(united), shapely.make_valid(moved[crooked]), united)
    moved[shapely.is_empty(moved)] = None
    return moved


def _with_numbers(shapes: Shapes) -> Shapes:
    """The shapes, and None for those with a corner that no conversion can take."""
    ends = np.abs(shapely.bounds(shapes).reshape(-1, 4)).max(axis=1, initial=0)
    kept = shapes.copy()
    kept[~(ends < LARGEST_COORDINATE)] = None
    return kept


def wgs84_to_gcj02(longitude: Degrees, latitude: Degrees) -> Points:
    """The public approximation of the offset that Chinese web maps apply."""
    east, north = _offset(longitude, latitude)
    return longitude + east, latitude + north


def gcj02_to_wgs84(longitude: Degrees, latitude: Degrees) -> Points:
    """The inverse, by iteration: the offset changes so slowly that five steps leave less than a millimetre."""
    x, y = longitude.copy(), latitude.copy()
    for _ in range(5):
        east, north = wgs84_to_gcj02(x, y)
        x, y = x - (east - longitude), y - (north - latitude)
    return x, y


def gcj02_to_bd09(longitude: Degrees, latitude: Degrees) -> Points:
    """Baidu's further offset."""
    radius = np.hypot(longitude, latitude) + 0.00002 * np.sin(latitude * _BD_TURN)
    angle = np.arctan2(latitude, longitude) + 0.000003 * np.cos(longitude * _BD_TURN)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def bd09_to_gcj02(longitude: Degrees, latitude: Degrees) -> Points:
    """The inverse of Baidu's offset, by iteration."""
    x, y = longitude - 0.0065, latitude - 0.006
    for _ in range(5):
        east, north = gcj02_to_bd09(x, y)
        x, y = x - (east - longitude), y - (north - latitude)
    return x, y


def ground_area_km2(shape: shapely.Geometry) -> float:
    """The geodesic area of a shape in CGCS2000 degrees, in km²; no number for one that does not lie on earth.

    The signed area of a ring follows its turn, and files turn theirs either way: every part is turned alike first, or
    the islands of a county would be taken off its mainland."""
    return abs(float(GEOD.geometry_area_perimeter(shapely.orient_polygons(shape))[0])) / 1e6


def _offset(longitude: Degrees, latitude: Degrees) -> Points:
    """How far GCJ-02 lies east and north of WGS 84, in degrees."""
    x, y, pi = longitude - 105.0, latitude - 35.0, np.pi
    ripple = (20 * np.sin(6 * x * pi) + 20 * np.sin(2 * x * pi)) * 2 / 3
    root = np.sqrt(np.abs(x))
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north += (
        (
            20 * np.sin(y * pi)
            + 40 * np.sin(y / 3 * pi)
            + 160 * np.sin(y / 12 * pi)
            + 320 * np.sin(y / 30 * pi)
        )
        * 2
        / 3
    )
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east += (
        (
            20 * np.sin(x * pi)
            + 40 * np.sin(x / 3 * pi)
            + 150 * np.sin(x / 12 * pi)
            + 300 * np.sin(x / 30 * pi)
        )
        * 2
        / 3
    )
    radians = np.radians(latitude)
    bend = 1 - _ECCENTRICITY * np.sin(radians) ** 2
    meridian = _AXIS * (1 - _ECCENTRICITY) / (bend * np.sqrt(bend))
    parallel = _AXIS / np.sqrt(bend) * np.cos(radians)
    return np.degrees(east / parallel), np.degrees(north / meridian)


def _same(longitude: Degrees, latitude: Degrees) -> Points:
    return longitude, latitude


def _bd09(longitude: Degrees, latitude: Degrees) -> Points:
    return gcj02_to_wgs84(*bd09_to_gcj02(longitude, latitude))


def _gauss_krueger(code: str, zone: int) -> Callable[[Degrees, Degrees], Points]:
    def convert(easting: Degrees, northing: Degrees) -> Points:
        transformer = Transformer.from_crs(code, "EPSG:4490", always_xy=True)
        numbered = np.floor(easting / _ZONE_METRES) == zone
        longitude, latitude = transformer.transform(
            np.where(numbered, easting - zone * _ZONE_METRES, easting), northing
        )
        return np.asarray(longitude), np.asarray(latitude)

    return convert


_FROM: dict[str, Callable[[Degrees, Degrees], Points]] = {
    "cgcs2000": _same,
    "wgs84": _same,
    "gcj02": gcj02_to_wgs84,
    "bd09": _bd09,
    "gk114": _gauss_krueger(*_GK["gk114"]),
    "gk111": _gauss_krueger(*_GK["gk111"]),
}
