"""One row and one id for each address, however it is written, and where it lies with what precision."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from assets.base import address, geospatial
from assets.base.address_reading import Gazetteer
from assets.build import Context
from tests.assets.small_lake import build_all, one, put, resident

TOWN = {"code": "441802006", "name": "凤城街道", "level": "town", "parent_code": "441802"}
COUNTY = {"code": "441802", "name": "清城区", "level": "county", "parent_code": "441800"}
CITY = {"code": "441800", "name": "清远市", "level": "city"}


def place(number: str, name: str, kind: str, longitude: float, text: str | None = None) -> dict[str, Any]:
    return {
        "place_no": number,
        "name": name,
        "kind": kind,
        "division_code": "441802006",
        "address": text,
        "longitude": longitude,
        "latitude": 23.7,
    }


@pytest.fixture
def city(empty_lake: Context) -> Context:
    put(empty_lake, "division", CITY, COUNTY, TOWN)
    put(
        empty_lake,
        "place_name",
        place("1", "人民路", "道路", 113.010),
        place("2", "人民路8号", "门牌", 113.011, "人民路8号"),
        place("3", "北江花园", "小区", 113.030),
    )
    put(
        empty_lake,
        "household_register",
        {"resident_id": resident(1), "address": "广东省清远市清城区凤城街道人民路8号2栋301房"},
        {"resident_id": resident(2), "address": "清城区凤城街办人民路８号2栋301房（出租）"},
        {"resident_id": resident(3), "address": "清远市清城区凤城街道人民路99号"},
        {"resident_id": resident(4), "address": "清城区凤城街道北江花园3栋"},
        {"resident_id": resident(5), "address": "清远市人民路99号"},
        {"resident_id": resident(6), "address": "清城区凤城街道某处"},
        {"resident_id": resident(7), "address": "湖南省长沙市某路1号"},
    )
    builds = [*geospatial.builds(), *address.builds(empty_lake.catalogue)]
    build_all(empty_lake, builds, "division", "place", "building", "address")
    return empty_lake


def of(city: Context, written: str) -> dict[str, Any]:
    spelling = one(city, "base", "address_spelling", written=written)
    return one(city, "base", "address", address_id=spelling["address_id"])


def test_two_spellings_are_one_address_that_says_where_it_is_from(city: Context) -> None:
    first = of(city, "广东省清远市清城区凤城街道人民路8号2栋301房")
    assert first == of(city, "清城区凤城街办人民路８号2栋301房（出租）")
    assert first["address"] == "广东省清远市清城区凤城街道人民路8号2栋301房"
    assert (first["spellings"], first["mentions"]) == (2, 2)
    assert (first["source"], first["source_column"], first["source_push"]) == (
        "household_register",
        "address",
        "p1",
    )


@pytest.mark.parametrize(
    ("written", "precision", "longitude"),
    [
        ("广东省清远市清城区凤城街道人民路8号2栋301房", "door", 113.011),
        ("清城区凤城街道北江花园3栋", "place", 113.030),
        ("清远市清城区凤城街道人民路99号", "road", 113.0105),
        ("清城区凤城街道某处", "town", 113.017),
        ("湖南省长沙市某路1号", None, None),
    ],
)
def test_an_address_lies_at_the_most_exact_place_known(
    city: Context, written: str, precision: str | None, longitude: float | None
) -> None:
    found = of(city, written)
    assert found["precision"] == precision
    assert found["longitude"] == (pytest.approx(longitude, abs=1e-6) if longitude else None)
    assert (found["radius_m"] is None) == (precision is None)


def test_a_county_left_out_is_told_by_the_registered_road(city: Context) -> None:
    found = of(city, "清远市人民路99号")
    assert (found["division_code"], found["division_basis"]) == ("441802006", "road")
    assert found["address"] == of(city, "清远市清城区凤城街道人民路99号")["address"], (
        "and so it is one address"
    )


def test_a_second_build_changes_nothing_and_no_id(city: Context) -> None:
    before = city.lake.scan("base", "address").select("address_id", "address").sort("address").collect()
    built = address.build(city)
    assert not any(commit.changed for commit in built.commits.values())
    assert before.equals(
        city.lake.scan("base", "address").select("address_id", "address").sort("address").collect()
    )
    assert built.notes["addresses"] == before.height == 6
    assert built.notes["share_door"] == pytest.approx(1 / 6, abs=1e-3)
    assert built.notes["share_city"] == pytest.approx(4 / 6, abs=1e-3), (
        "not Changsha's, nor one of a road alone"
    )


def test_an_address_that_is_read_better_keeps_its_id(city: Context) -> None:
    before = of(city, "清城区凤城街道某处")
    assert before["division_code"] == "441802006"
    put(city, "division", {"code": "441802006011", "name": "某处村委会", "level": "village"}, push="p2")
    build_all(city, [*geospatial.builds(), *address.builds(city.catalogue)], "division", "address")
    after = of(city, "清城区凤城街道某处")
    assert after["address"] == "广东省清远市清城区凤城街道某处村委会"
    assert after["address_id"] == before["address_id"]


def test_of_addresses_told_apart_the_most_mentioned_keeps_the_id(
    city: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two spellings that were one address are read as two, then as one again, then the other way round."""
    one_way, other = "广东省清远市清城区凤城街道人民路8号2栋301房", "清城区凤城街办人民路８号2栋301房（出租）"
    given = of(city, one_way)["address_id"]
    right = address.read

    def built_with(*renamed: str) -> tuple[str, str]:
        def read(written: pl.Series, places: Gazetteer) -> pl.DataFrame:
            otherwise = (
                pl.when(pl.col("written").is_in(renamed)).then(pl.col("room") + "室").otherwise("room")
            )
            return right(written, places).with_columns(otherwise.alias("room"))

        monkeypatch.setattr(address, "read", read)
        address.build(city)
        return of(city, one_way)["address_id"], of(city, other)["address_id"]

    kept, new = built_with(other)
    assert (kept, new != given) == (given, True), "the old text still has its id"
    assert built_with() == (given, given), "and both have it when they are one again"
    assert built_with(one_way, other) == (new, new), "a text has the id it had before"
    assert built_with() == (given, given)
    assert built_with(one_way) == (new, given)
    assert (
        city.lake.scan("base", "address").select(pl.col("address_id").is_duplicated().any()).collect().item()
        is False
    )


def test_a_text_whose_id_went_on_to_another_gets_one_of_its_own(city: Context) -> None:
    texts = pl.DataFrame({"address": ["甲"]})
    nobodys = pl.DataFrame(schema=address._IDS)
    first = address._minted(city, texts, nobodys)
    assert first.equals(address._minted(city, texts, nobodys)), "the same key gives the same id"
    passed_on = first.with_columns(address=pl.lit("乙"), given_at=pl.lit(None, address._IDS["given_at"]))
    assert address._minted(city, texts, passed_on)["address_id"].item() != first["address_id"].item()


def test_a_city_without_addresses_has_empty_tables(empty_lake: Context) -> None:
    builds = [*geospatial.builds(), *address.builds(empty_lake.catalogue)]
    build_all(empty_lake, builds, "division", "place", "building", "address")
    assert empty_lake.lake.rows("base", "address") == 0
