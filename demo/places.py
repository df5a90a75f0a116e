"""Where the demo city lies: the real counties and towns of Qingyuan, and invented villages, roads and shapes.

Here belong places only. Codes and names are public facts (GB/T 2260 and the statistical division codes of 2023);
county centres are those of public maps, in GCJ-02. Everything finer than a town is invented.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import shapely
from shapely.geometry import MultiPoint, Polygon

CITY = ("441800", "清远市")
#: county code → name, centre (GCJ-02), share of the people.
COUNTIES: dict[str, tuple[str, tuple[float, float], float]] = {
    "441802": ("清城区", (113.048698, 23.688976), 0.29),
    "441803": ("清新区", (113.015203, 23.736949), 0.17),
    "441821": ("佛冈县", (113.534094, 23.866739), 0.08),
    "441823": ("阳山县", (112.634019, 24.470286), 0.09),
    "441825": ("连山壮族瑶族自治县", (112.086555, 24.567271), 0.03),
    "441826": ("连南瑶族自治县", (112.290808, 24.719097), 0.04),
    "441881": ("英德市", (113.405404, 24.18612), 0.20),
    "441882": ("连州市", (112.379271, 24.783966), 0.10),
}
_TOWNS = {
    "441802": "006凤城街道 007东城街道 008洲心街道 009横荷街道 103源潭镇 105龙塘镇 106石角镇 107飞来峡镇",
    "441803": "102太和镇 104太平镇 105山塘镇 106三坑镇 112龙颈镇 113禾云镇 117浸潭镇 118石潭镇",
    "441821": "100石角镇 101水头镇 102汤塘镇 103龙山镇 104高岗镇 107迳头镇",
    "441823": "100青莲镇 101江英镇 104杜步镇 105七拱镇 107太平镇 108杨梅镇 110大崀镇 111小江镇 113岭背镇 115黄坌镇 116黎埠镇 119阳城镇 201秤架瑶族乡",
    "441825": "100永和镇 104吉田镇 105太保镇 106禾洞镇 108福堂镇 109小三江镇 111上帅镇",
    "441826": "100三江镇 101大麦山镇 102寨岗镇 105三排镇 106涡水镇 108大坪镇 109香坪镇",
    "441881": "001英城街道 101沙口镇 102望埠镇 103横石水镇 105桥头镇 106青塘镇 108白沙镇 109大站镇 110西牛镇 111九龙镇 112浛洸镇 114大湾镇 "
    "115石灰铺镇 116石牯塘镇 120下石太镇 124波罗镇 125横石塘镇 126大洞镇 129连江口镇 130黎溪镇 131水边镇 136英红镇 137东华镇 138黄花镇",
    "441882": "100连州镇 101星子镇 102大路边镇 103龙坪镇 104西岸镇 105保安镇 106丰阳镇 107东陂镇 109九陂镇 118西江镇 200瑶安瑶族乡 201三水瑶族乡",
}
#: The code a county had when its older people were registered, and until when: on their cards for life.
ABOLISHED = {"441803": ("441827", 2012), "441881": ("441822", 1994), "441882": ("441824", 1994)}
ROADS = [
    "北江",
    "先锋",
    "人民",
    "曙光",
    "学宫",
    "凤翔",
    "清远",
    "银泉",
    "静福",
    "锦霞",
    "小市",
    "新城",
    "桥北",
    "半环",
    "环城",
    "松岗",
    "沿江",
    "广清",
]
#: A coarse outline around the centres, in degrees: the demo's counties are cells of it, not the real boundaries.
_OUTLINE = Polygon(
    [
        (111.92, 24.3),
        (112.3, 23.85),
        (112.75, 23.5),
        (113.3, 23.45),
        (113.9, 23.8),
        (113.92, 24.35),
        (113.2, 24.75),
        (112.6, 25.15),
        (112.05, 24.95),
    ]
)


def towns() -> pl.DataFrame:
    """county, county_name, town (9 digits), town_name of every town."""
    rows = [
        (county, COUNTIES[county][0], county + item[:3], item[3:])
        for county, text in _TOWNS.items()
        for item in text.split()
    ]
    return pl.DataFrame(rows, schema=["county", "county_name", "town", "town_name"], orient="row")


def divisions() -> pl.DataFrame:
    """code, name, level, parent_code of city, counties, towns and four invented villages each."""
    town = towns()
    rows: list[tuple[str, str, str, str | None]] = [(*CITY, "city", None)]
    rows += [(code, name, "county", CITY[0]) for code, (name, _, _) in COUNTIES.items()]
    rows += [(r["town"], r["town_name"], "town", r["county"]) for r in town.iter_rows(named=True)]
    rows += [
        (f"{r['town']}2{n:02d}", f"{'东南西北'[n]}{r['town_name'][0]}村委会", "village", r["town"])
        for r in town.iter_rows(named=True)
        for n in range(4)
    ]
    return pl.DataFrame(rows, schema=["code", "name", "level", "parent_code"], orient="row")


def county_shapes() -> dict[str, Polygon]:
    """One polygon for each county, in GCJ-02 as a web map would deliver it: the cell around its centre."""
    centres = {code: centre for code, (_, centre, _) in COUNTIES.items()}
    cells = shapely.voronoi_polygons(MultiPoint(list(centres.values())), extend_to=_OUTLINE)
    shapes = {}
    for code, centre in centres.items():
        cell = next(cell for cell in cells.geoms if cell.contains(shapely.Point(centre)))
        shapes[code] = cell.intersection(_OUTLINE)
    return shapes


def to_gcj02(longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WGS 84 → GCJ-02 by the public approximation: what a Chinese web map would show."""
    x, y = longitude - 105.0, latitude - 35.0
    pi, a, ee = np.pi, 6378245.0, 0.00669342162296594323
    ripple = 20 * np.sin(6 * x * pi) + 20 * np.sin(2 * x * pi)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north += (
        (
            ripple
            + 20 * np.sin(y * pi)
            + 40 * np.sin(y / 3 * pi)
            + 160 * np.sin(y / 12 * pi)
            + 320 * np.sin(y * pi / 30)
        )
        * 2
        / 3
    )
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east += (
        (
            ripple
            + 20 * np.sin(x * pi)
            + 40 * np.sin(x / 3 * pi)
            + 150 * np.sin(x / 12 * pi)
            + 300 * np.sin(x / 30 * pi)
        )
        * 2
        / 3
    )
    rad = latitude / 180 * pi
    magic = 1 - ee * np.sin(rad) ** 2
    north = north * 180 / ((a * (1 - ee)) / (magic * np.sqrt(magic)) * pi)
    east = east * 180 / (a / np.sqrt(magic) * np.cos(rad) * pi)
    return longitude + east, latitude + north
