"""In which shape a point lies: a division, a parcel, a hazard zone; over arrays of a million points.

Here belong the looking up and the order in which rows that lie near each other are stored. Large shapes are tried one by
one, each prepared and only on the points in its box; small ones meet their points in the cells of a grid. Points on a
border are in both shapes, and the first is said. What the shapes mean is not known here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely

Shapes = npt.NDArray[np.object_]
Degrees = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NOWHERE = -1
#: So many shapes are tried one by one; of more, those whose box is many times the usual one.
FEW, MUCH_LARGER = 64, 50
#: Cells of the order of storage are a city's box cut into 2¹² by 2¹²; so few places at each end of it, which may lie
#: anywhere on earth, do not make it larger.
_BITS, _STRAYS = 12, 0.005


def containing(shapes: Shapes, x: Degrees, y: Degrees) -> Places:
    """For each point the first of the shapes that it lies in, or on the border of; :data:`NOWHERE` without one."""
    found = np.full(len(x), NOWHERE, dtype=np.int64)
    box = shapely.bounds(shapes).reshape(-1, 4)
    known = np.flatnonzero(~np.isnan(box[:, 0]))
    spans = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    usual = float(np.median(spans[known])) if len(known) else 0.0
    is_large = (spans > MUCH_LARGER * usual) | (len(known) <= FEW) | (usual == 0)
    _merge(found, *_in_large(shapes, box, known[is_large[known]], x, y))
    small = known[~is_large[known]]
    if len(small):
        _merge(found, *_in_small(shapes, box, small, x, y, usual))
    return found


def _merge(found: Places, points: Places, places: Places) -> None:
    """Say the first shape of each point: the one with the smallest index."""
    order = np.argsort(-places, kind="stable")
    points, places = points[order], places[order]
    better = (found[points] == NOWHERE) | (places < found[points])
    found[points[better]] = places[better]


def _in_large(shapes: Shapes, box: Degrees, large: Places, x: Degrees, y: Degrees) -> tuple[Places, Places]:
    order = np.argsort(x, kind="stable")
    along = x[order]
    points: list[Places] = [np.empty(0, dtype=np.int64)]
    places: list[Places] = [np.empty(0, dtype=np.int64)]
    for index in large:
        west, south, east, north = box[index]
        near = order[np.searchsorted(along, west, "left") : np.searchsorted(along, east, "right")]
        near = near[(y[near] >= south) & (y[near] <= north)]
        shapely.prepare(shapes[index])
        inside = near[shapely.intersects_xy(shapes[index], x[near], y[near])]
        points.append(inside)
        places.append(np.full(len(inside), index, dtype=np.int64))
    return np.concatenate(points), np.concatenate(places)


def _in_small(
    shapes: Shapes, box: Degrees, small: Places, x: Degrees, y: Degrees, usual: float
) -> tuple[Places, Places]:
    """Points and shapes that share a cell of a grid, then a box, then truly."""
    side = usual * 2
    edges = np.floor(box[small] / side).astype(np.int64)
    covers = pl.DataFrame(
        {"shape": small, "west": edges[:, 0], "south": edges[:, 1], "east": edges[:, 2], "north": edges[:, 3]}
    )
    cells = (
        covers.with_columns(pl.int_ranges("west", pl.col("east") + 1).alias("column"))
        .explode("column")
        .with_columns(pl.int_ranges("south", pl.col("north") + 1).alias("row"))
        .explode("row")
        .select("shape", "column", "row")
    )
    west, south = box[small, :2].min(axis=0)
    east, north = box[small, 2:].max(axis=0)
    # what is no number, or so large that it has no cell, lies in none of them
    at = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
    points = pl.DataFrame(
        {
            "point": at,
            "column": np.floor(x[at] / side).astype(np.int64),
            "row": np.floor(y[at] / side).astype(np.int64),
        }
    )
    pairs = points.join(cells, on=["column", "row"])
    point, shape = pairs["point"].to_numpy(), pairs["shape"].to_numpy()
    limits = box[shape]
    boxed = (x[point] >= limits[:, 0]) & (x[point] <= limits[:, 2])
    boxed &= (y[point] >= limits[:, 1]) & (y[point] <= limits[:, 3])
    point, shape = point[boxed], shape[boxed]
    inside = shapely.intersects_xy(shapes[shape], x[point], y[point])
    return point[inside], shape[inside]


def division_at(divisions: pl.DataFrame, x: Degrees, y: Degrees) -> pl.Series:
    """The code of the finest division with a boundary that each point lies in; null outside all of them.

    ``divisions`` are rows of ``base.division``."""
    shaped = divisions.filter(pl.col("geometry").is_not_null())
    digits = pl.col("code").str.len_bytes()
    ordered = shaped.filter(~pl.col("code").str.ends_with("00") | (digits > 6)).sort(
        digits, "code", descending=[True, False]
    )
    shapes = shapely.from_wkb(ordered["geometry"].to_numpy()) if ordered.height else np.empty(0, dtype=object)
    places = containing(np.asarray(shapes, dtype=object), x, y)
    codes = pl.Series(ordered["code"], dtype=pl.String)
    return codes.gather(pl.Series(places).replace(NOWHERE, None)).rename("located_division")


def near_order(x: pl.Expr, y: pl.Expr) -> pl.Expr:
    """A number (Morton's order) by which rows that lie near each other are stored together: a reader of a small box
    then skips nearly all row groups by their bounds."""
    limit = 2**_BITS - 1

    def cells(value: pl.Expr) -> pl.Expr:
        known = value.fill_nan(None)
        low, high = known.quantile(_STRAYS), known.quantile(1 - _STRAYS)
        across = (known.clip(low, high) - low) / pl.max_horizontal(high - low, 1e-9)
        numbers: pl.Expr = (across * limit).fill_null(0).fill_nan(0).cast(pl.Int64)
        return numbers

    column, row = cells(x), cells(y)
    bits = [
        ((number // 2**bit) % 2) * 4**bit * (2 if number is row else 1)
        for bit in range(_BITS)
        for number in (column, row)
    ]
    return pl.sum_horizontal(bits)
