"""Licences: which versions are one chain, which of them is current, and whose they are."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from assets import base
from assets.build import Context
from tests.assets.small_lake import build_all, one, put, resident

TYPE, ISSUER = "11100000000013338W009", "11441800MB2C12345X"
COMPANY = "91441802617971616D"
HOLDER = resident(1)


def licence(serial: str, version: int, check: str, **more: Any) -> dict[str, Any]:
    return {
        "licence_id": f"1.2.156.3005.2.{TYPE}.{ISSUER}.{serial}.{version:03d}.{check}",
        "type_code": TYPE,
        "licence_no": serial,
        "holder_code": HOLDER,
        "version": version,
        "state": "有效",
        "issued_on": date(2020 + version, 1, 1),
        **more,
    }


@pytest.fixture
def city(empty_lake: Context) -> Context:
    put(empty_lake, "household_register", {"resident_id": HOLDER, "name": "甲"})
    put(empty_lake, "business_registration", {"credit_code": COMPANY, "org_name": "某公司"})
    put(
        empty_lake,
        "electronic_licence",
        licence("0001", 1, "A", state="失效"),
        licence("0001", 2, "7"),
        licence("0002", 1, "K", holder_code=COMPANY),
        licence("0003", 1, "C", holder_code=resident(9)),
    )
    build_all(empty_lake, base.builds(empty_lake.catalogue), "person", "legal_entity", "licence")
    return empty_lake


def test_a_renewal_is_a_new_version_of_one_chain(city: Context) -> None:
    first = one(city, "base", "licence", licence_no="0001", version=1)
    second = one(city, "base", "licence", licence_no="0001", version=2)
    other = one(city, "base", "licence", licence_no="0002")
    assert first["chain_id"] == second["chain_id"] == f"1.2.156.3005.2.{TYPE}.{ISSUER}.0001"
    assert other["chain_id"] != first["chain_id"]
    assert [first["is_current"], second["is_current"], other["is_current"]] == [False, True, True]


def test_the_holder_is_who_the_base_databases_know(city: Context) -> None:
    person = one(city, "base", "person", resident_id=HOLDER)
    company = one(city, "base", "legal_entity", credit_code=COMPANY)
    held = one(city, "base", "licence", licence_no="0001", version=2)
    assert (held["person_id"], held["legal_entity_id"]) == (person["person_id"], None)
    held = one(city, "base", "licence", licence_no="0002")
    assert (held["person_id"], held["legal_entity_id"]) == (None, company["legal_entity_id"])
    stranger = one(city, "base", "licence", licence_no="0003")
    assert (stranger["person_id"], stranger["legal_entity_id"]) == (None, None)


def test_every_licence_says_where_it_is_from(city: Context) -> None:
    table = city.lake.scan("base", "licence").collect().sort("source_row")
    assert table["source_row"].to_list() == [1, 2, 3, 4]
    assert table["source_push"].unique().to_list() == ["p1"]
