"""Real exports of Qingyuan, headers and dirt as they are, from the file to the base databases.

Three files that were not made for citylake: enterprise registrations (in UTF-8, and the same rows in GB18030), the
divisions with their codes, and county boundaries as web maps deliver them, in GCJ-02.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely

from assets import base
from assets.base.coordinates import gcj02_to_wgs84, wgs84_to_gcj02
from assets.build import Context
from assets.standard import Outcome, apply_waiting
from catalog.load import load
from catalog.model import Way
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import PushState, open_ledger
from lake.tables import Lake

REAL = Path(__file__).parents[2] / "shared/data"
ENTERPRISES = 1_111
CITY_AREA_KM2 = 19_036
TEN_THOUSAND = Decimal(10_000)


@dataclass(frozen=True)
class City:
    """A lake that the real files were pushed to, and what became of each push."""

    context: Context
    outcomes: dict[str, Outcome]

    def table(self, layer: str, name: str) -> pl.DataFrame:
        return self.context.lake.scan(layer, name).collect()


def push(context: Context, resource: str, name: str, body: Iterator[bytes], day: date) -> Outcome:
    """Land one file and apply it, as the gateway and the sensors do."""
    receive(
        context.home,
        open_ledger(context.home),
        context.catalogue.entry(resource),
        body,
        way=Way.FILE,
        filename=name,
        data_format="",
        data_date=day,
    )
    (outcome,) = apply_waiting(context, resource)
    return outcome


PUSHES = (
    ("business_registration", "enterprises_qingyuan.csv"),
    ("business_registration", "enterprises_qingyuan_gb18030.csv"),
    ("division", "divisions_qingyuan.csv"),
    ("division_boundary", "boundaries_qingyuan_gcj02.geojson"),
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    if not REAL.is_dir():
        pytest.skip("the folder of real data is not beside the project")
    home = Home.open(tmp_path_factory.mktemp("real") / "home")
    context = Context(home, Lake(home.lake), load())
    outcomes = {
        name: push(context, resource, name, iter(file_chunks(REAL / name)), date(2026, 1, 1) + timedelta(day))
        for day, (resource, name) in enumerate(PUSHES)
    }
    for build in base.builds(context.catalogue):
        build.run(context)
    return City(context, outcomes)


@pytest.fixture(scope="module")
def raw(city: City) -> pl.DataFrame:
    """The enterprises as the file has them, every cell as text, with the row's number."""
    return pl.read_csv(REAL / "enterprises_qingyuan.csv", infer_schema=False).with_row_index("_row", 1)


pytestmark = pytest.mark.real


def test_every_row_of_every_file_is_accounted_for(city: City) -> None:
    for (resource, name), rows in zip(PUSHES, (ENTERPRISES, ENTERPRISES, 1_335, 8), strict=True):
        outcome = city.outcomes[name]
        assert (outcome.state, outcome.rows) == (PushState.APPLIED, rows)
        assert outcome.accepted + outcome.rejected == rows
        assert city.context.lake.rows("standard", resource) == outcome.accepted
        assert city.context.lake.rows("quarantine", resource) == outcome.rejected


def test_the_same_rows_in_another_encoding_change_nothing(city: City) -> None:
    first, second = (city.outcomes[name] for _, name in PUSHES[:2])
    assert first.commit
    assert first.commit.changed
    assert second.commit
    assert not second.commit.changed
    assert second.commit.version == first.commit.version
    assert city.context.lake.version("standard", "business_registration") == first.commit.version
    assert city.table("standard", "business_registration")["_push"].unique().to_list() == [first.push.id]


def test_every_enterprise_is_a_legal_entity_whose_row_can_be_found(city: City, raw: pl.DataFrame) -> None:
    entities = city.table("base", "legal_entity")
    crosswalk = city.table("base", "legal_entity_crosswalk")
    assert entities.height == entities["legal_entity_id"].n_unique() == ENTERPRISES
    traced = crosswalk.join(entities, on="legal_entity_id").join(raw, on="_row", validate="1:1")
    assert traced.height == ENTERPRISES
    assert traced["credit_code"].equals(traced["统一社会信用代码"], check_names=False)
    assert traced["established_on"].cast(pl.String).equals(traced["注册日期"], check_names=False)
    assert traced["name_source"].unique().to_list() == ["business_registration"]


def test_words_for_nothing_are_nothing(city: City, raw: pl.DataFrame) -> None:
    entities = city.table("base", "legal_entity")
    for title, field in {"企业类型": "kind", "注册资金": "capital"}.items():
        said = raw.filter(pl.col(title) != "N/A").height
        assert 0 < said < ENTERPRISES
        assert entities[field].count() == said


def test_every_capital_is_an_amount_with_its_currency(city: City, raw: pl.DataFrame) -> None:
    """Against a reading of our own: all of the file's capitals are in units of ten thousand."""
    stated = raw.filter(pl.col("注册资金") != "N/A").select(
        pl.col("统一社会信用代码").alias("credit_code"), pl.col("注册资金").alias("text")
    )
    found = stated.join(city.table("base", "legal_entity"), on="credit_code", validate="1:1")
    assert found.height == stated.height
    assert found["text"].str.contains("万", literal=True).all()
    for text, amount, currency in found.select("text", "capital", "capital_currency").iter_rows():
        figure = Decimal("".join(character for character in text if character in "0123456789."))
        assert amount == figure * TEN_THOUSAND, text
        assert currency == ("USD" if "美" in text else "HKD" if "港" in text else "CNY"), text


def test_the_divisions_file_becomes_the_division_table(city: City) -> None:
    table = city.table("base", "division")
    file = pl.read_csv(REAL / "divisions_qingyuan.csv", infer_schema=False)
    assert table.select(file.columns).sort("code").equals(file.sort("code"))
    assert dict(table.group_by("level").len().iter_rows()) == {"county": 8, "town": 92, "village": 1_235}
    shaped = table.filter(pl.col("geometry").is_not_null())
    assert shaped["level"].unique().to_list() == ["county"]
    assert shaped.height == 8


def boundaries() -> list[dict[str, Any]]:
    text = (REAL / "boundaries_qingyuan_gcj02.geojson").read_text(encoding="utf-8")
    features: list[dict[str, Any]] = json.loads(text)["features"]
    return features


def counties(city: City) -> dict[str, Any]:
    rows = city.table("base", "division").filter(level="county")
    return dict(zip(rows["code"], shapely.from_wkb(rows["geometry"].to_numpy()), strict=True))


def test_each_countys_centre_lies_in_its_polygon_and_in_no_other(city: City) -> None:
    shapes = counties(city)
    for feature in boundaries():
        said = feature["properties"]
        east, north = (np.array([degrees]) for degrees in said["center"])
        centre = gcj02_to_wgs84(east, north)
        within = [code for code, shape in shapes.items() if shapely.contains_xy(shape, *centre)[0]]
        assert within == [str(said["adcode"])]


def test_every_vertex_is_the_files_own_once_offset_again(city: City) -> None:
    """The published offset turns our vertices back into the file's, to a centimetre (10⁻⁷ degrees)."""
    shapes = counties(city)
    for feature in boundaries():
        ours = shapely.get_coordinates(shapes[str(feature["properties"]["adcode"])])
        theirs = shapely.get_coordinates(shapely.from_geojson(json.dumps(feature["geometry"])))
        back = np.column_stack(wgs84_to_gcj02(ours[:, 0], ours[:, 1]))
        assert np.abs(back - theirs).max() < 1e-7
        moved = np.abs(ours - theirs)
        assert moved.min() > 0.002, "some vertex was not moved"


def test_the_citys_area_is_the_published_one(city: City) -> None:
    table = city.table("base", "division").filter(level="county")
    assert table["area_km2"].sum() == pytest.approx(CITY_AREA_KM2, rel=0.01)
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    assert shapely.is_valid(shapes).all()
    assert shapely.union_all(shapes).geom_type == "Polygon", "the counties leave no gap between them"


def test_towns_lie_in_the_polygons_of_their_counties(city: City) -> None:
    """Against another source: positions of GeoNames, in WGS 84, of towns whose county their code says."""
    towns = city.table("base", "division").filter(level="town").unique("name", keep="none")
    named = pl.read_csv(REAL / "geo/qingyuan_geonames_wgs84.csv").with_columns(
        pl.col("names_zh").str.split(";").alias("name")
    )
    placed = named.explode("name").join(
        towns.select("name", county=pl.col("code").str.head(6)), on="name", validate="m:1"
    )
    shapes = counties(city)
    inside = [
        bool(shapely.contains_xy(shapes[county], east, north))
        for county, east, north in placed.select("county", "lon_wgs84", "lat_wgs84").iter_rows()
    ]
    assert len(inside) > 70
    # one town of the list bears the name of a town elsewhere
    assert inside.count(False) <= 1


def test_boundaries_without_codes_are_refused_with_what_to_do(city: City) -> None:
    """Another set of the same boundaries has names only: nothing is guessed from them."""
    name = "geo/qingyuan_counties_gcj02.geojson"
    outcome = push(
        city.context, "division_boundary", Path(name).name, iter(file_chunks(REAL / name)), date(2026, 2, 1)
    )
    assert outcome.state is PushState.REFUSED
    assert outcome.reason
    assert "行政区划代码" in outcome.reason.zh
    assert "code" in outcome.reason.en
    assert city.context.lake.rows("standard", "division_boundary") == 8
