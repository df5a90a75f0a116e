"""Departments' exports: each as its catalogue entry says, and consistent with the one truth."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from catalog.load import Catalogue
from catalog.model import Way
from demo import exports, places
from demo.city import City
from demo.exports import Delivery, land, organisations, people


def of(sent: list[Delivery], resource: str) -> Delivery:
    return next(delivery for delivery in sent if delivery.resource == resource)


def header(path: Path) -> list[str]:
    """The column names of a delivered file, as its readers see them."""
    if path.suffix == ".parquet":
        return list(pl.read_parquet_schema(path))
    if path.suffix == ".xlsx":
        cells = pl.read_excel(path, has_header=False, engine="calamine")
        return [str(cell) for cell in cells.row(1)]
    if path.suffix == ".geojson":
        feature = json.loads(path.read_text(encoding="utf-8"))["features"][0]
        return [*feature["properties"], "geometry"]
    if path.suffix == ".ndjson":
        with path.open(encoding="utf-8") as lines:
            return list(json.loads(next(lines)))
    encoding = "gb18030" if "GB18030" in path.name else "utf-8-sig"
    return path.read_bytes().decode(encoding).split("\n", 1)[0].strip().split(",")


def test_all_but_the_missing_resources_are_delivered(sent: list[Delivery], catalogue: Catalogue) -> None:
    assert {delivery.resource for delivery in sent} == set(exports.EXPORTS) - set(exports.MISSING)
    assert set(exports.EXPORTS) <= set(catalogue.entries), (
        "a resource need not be in the demo, but not the reverse"
    )


def test_ways_and_departments_are_the_entries(sent: list[Delivery], catalogue: Catalogue) -> None:
    for delivery in sent:
        entry = catalogue.entry(delivery.resource)
        assert delivery.way in entry.delivery.ways, delivery.resource
        assert delivery.department == entry.department
        assert (delivery.path is None) == (delivery.way is Way.TABLE)
        assert (delivery.table is None) == (delivery.way is not Way.TABLE)


def test_headers_are_of_their_entries(sent: list[Delivery], catalogue: Catalogue) -> None:
    for delivery in sent:
        entry = catalogue.entry(delivery.resource)
        known = {name for column in entry.columns for name in entry.header_names(column)}
        names = header(delivery.path) if delivery.path else delivery.table.columns  # type: ignore[union-attr]
        assert set(names) <= known, delivery.resource
        columns = [c for c in entry.columns if set(names) & set(entry.header_names(c))]
        missing = [c for c, declared in entry.columns.items() if declared.required and c not in columns]
        assert missing == [], delivery.resource


@pytest.mark.parametrize("resource", exports.EXPORTS)
def test_categories_are_in_their_range(resource: str, small_city: City, catalogue: Catalogue) -> None:
    frame = exports.EXPORTS[resource].export(small_city)
    for name, column in catalogue.entry(resource).columns.items():
        if column.values and name in frame.columns:
            assert set(frame[name].drop_nulls().cast(pl.String)) <= set(column.values), name


@pytest.mark.parametrize("resource", exports.EXPORTS)
def test_keys_tell_rows_apart_before_the_dirt(resource: str, small_city: City, catalogue: Catalogue) -> None:
    frame, key = exports.EXPORTS[resource].export(small_city), list(catalogue.entry(resource).delivery.key)
    assert frame.height > 0
    if key:
        assert frame.select(key).is_unique().all()


def test_employers_and_holders_exist(small_city: City) -> None:
    codes = small_city.organisations["credit_code"].implode()
    ids = small_city.people["resident_id"].implode()
    for export in (people.social_insurance, people.housing_fund):
        frame = export(small_city)
        assert frame["employer_code"].is_in(codes).all()
        assert frame["resident_id"].is_in(ids).all()
    holders = small_city.licences["holder_code"]
    assert (holders.is_in(codes) | holders.is_in(ids)).all()
    titles = land.real_estate_title(small_city)
    assert titles["parcel_no"].is_in(small_city.land.parcels["parcel_no"].implode()).all()


def test_departments_disagree(small_city: City) -> None:
    """Addresses and mobiles differ between departments for some people, not for most."""
    police = people.household_register(small_city).select("resident_id", home="address")
    medical = people.medical_insurance(small_city).join(police, on="resident_id")
    differing = medical.filter(pl.col("address") != pl.col("home")).height / medical.height
    assert 0.02 < differing < 0.1
    fund = people.housing_fund(small_city).select("resident_id", fund="mobile")
    social = people.social_insurance(small_city).unique("resident_id").join(fund, on="resident_id")
    assert 0.1 < social.filter(pl.col("mobile") != pl.col("fund")).height / social.height < 0.4


def test_enterprises_move_without_telling(small_city: City) -> None:
    registered = organisations.business_registration(small_city).select("credit_code", registered="address")
    taxed = organisations.tax_registration(small_city).join(registered, on="credit_code")
    assert 0.03 < taxed.filter(pl.col("address") != pl.col("registered")).height / taxed.height < 0.2


def test_pensions_come_in_three_monthly_files(sent: list[Delivery]) -> None:
    files = [d.path.name for d in sent if d.resource == "pension_payment" and d.path]
    assert len(set(files)) == 3


def test_idempotency_keys_differ(sent: list[Delivery]) -> None:
    keys = [delivery.idempotency_key for delivery in sent]
    assert len(set(keys)) == len(keys)


def test_spreadsheets_have_a_title_above_the_header(sent: list[Delivery]) -> None:
    path = of(sent, "school_enrolment").path
    assert path is not None
    assert pl.read_excel(path, has_header=False)[0, 0] == "清远市学籍信息"


def test_boundaries_are_delivered_as_polygons_around_the_centres(sent: list[Delivery]) -> None:
    path = of(sent, "division_boundary").path
    assert path is not None
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    assert {f["properties"]["code"] for f in features} == set(places.COUNTIES)
    assert {f["geometry"]["type"] for f in features} == {"Polygon"}


def test_the_same_city_is_exported_the_same(
    small_city: City, catalogue: Catalogue, sent: list[Delivery], tmp_path: Path
) -> None:
    again = list(exports.deliveries(small_city, catalogue, tmp_path))
    for one, other in zip(sent, again, strict=True):
        assert one.soiled.rows.equals(other.soiled.rows), one.resource
        if one.path and other.path and one.path.suffix != ".xlsx":  # a spreadsheet holds its time of writing
            assert one.path.read_bytes() == other.path.read_bytes(), one.resource
