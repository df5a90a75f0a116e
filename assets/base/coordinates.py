"""Every coordinate system a resource may state, brought to CGCS2000 (EPSG:4490) in degrees.

Here belongs the arithmetic only, over whole arrays. WGS 84 and CGCS2000 differ by centimetres at this scale and count as
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

System = Literal["cgcs2000", "wgs84", "gcj02", "bd09", "gk114", "gk111"]
Degrees = npt.NDArray[np.float64]
Points = tuple[Degrees, Degrees]

_AXIS, _ECCENTRICITY = 6378245.0, 0.00669342162296594323  # Krasovsky 1940, as the approximation uses it
_BD_TURN = np.pi * 3000 / 180
_GK = {"gk114": "EPSG:4547", "gk111": "EPSG:4546"}
#: CGCS2000's own ellipsoid, for lengths and areas on the ground.
GEOD = Geod(a=6378137.0, f=1 / 298.257222101)


def to_cgcs2000(longitude: Degrees, latitude: Degrees, system: System) -> Points:
    """Points of ``system`` in CGCS2000 degrees; Gauss-Krüger takes easting and northing in metres."""
    return _FROM[system](longitude, latitude)


def geometry_to_cgcs2000(shapes: npt.NDArray[np.object_], system: System) -> npt.NDArray[np.object_]:
    """Shapely geometries of ``system`` with every vertex in CGCS2000."""
    if system in ("cgcs2000", "wgs84"):
        return shapes
    moved: npt.NDArray[np.object_] = shapely.transform(
        shapes, lambda xy: np.column_stack(to_cgcs2000(xy[:, 0], xy[:, 1], system))
    )
    return moved


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
    """The geodesic area of a shape in CGCS2000 degrees, in km².

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


def _gauss_krueger(code: str) -> Callable[[Degrees, Degrees], Points]:
    def convert(easting: Degrees, northing: Degrees) -> Points:
        transformer = Transformer.from_crs(code, "EPSG:4490", always_xy=True)
        longitude, latitude = transformer.transform(easting, northing)
        return np.asarray(longitude), np.asarray(latitude)

    return convert


_FROM: dict[str, Callable[[Degrees, Degrees], Points]] = {
    "cgcs2000": _same,
    "wgs84": _same,
    "gcj02": gcj02_to_wgs84,
    "bd09": _bd09,
    "gk114": _gauss_krueger(_GK["gk114"]),
    "gk111": _gauss_krueger(_GK["gk111"]),
}
