"""Rows without a valid identifier: linked to whom they are, never part of a golden record, decided by a steward."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from assets import base
from assets.base.erasure import erase
from assets.base.inputs import standard
from assets.base.linkage_residue import STEWARD, DecisionError, decide
from assets.build import Context
from assets.standard import QUARANTINE_SCHEMA
from catalog.load import Catalogue
from tests.assets.small_lake import build_all, open_lake, put, resident
from tests.pushes import a_push

PEOPLE = 120


def person(number: int) -> dict[str, object]:
    """A person of the register; no two share a birth date and a telephone number."""
    born = date(1950 + number % 50, 1 + number % 12, 1 + number % 28)
    return {
        "resident_id": resident(number, f"{born:%Y%m%d}"),
        "name": "王李张刘陈"[number % 5] + "晓建国文"[number % 4] + "东明华芳伟"[number // 5 % 5],
        "sex": "1",
        "birth_date": born,
        "address": f"清远市清城区甲{number}路{number}号",
    }


def refuse(
    context: Context,
    push: str,
    *cells: dict[str, str],
    on: date = date(2026, 3, 1),
    resource: str = "medical_insurance",
    column: str = "resident_id",
) -> None:
    """Rows in quarantine because of their resident id: of the medical insurance, where no other resource is named."""
    reason = {
        "column": column,
        "rule": f"{column}.check_digit",
        "reason_zh": "错",
        "reason_en": "wrong",
    }
    rows = [
        {
            "_row": number,
            "key": None,
            "cells": json.dumps(row, ensure_ascii=False),
            "reasons": [reason],
            "_push": push,
            "_data_date": on,
            "_received_at": datetime(2026, 3, 2, tzinfo=UTC),
        }
        for number, row in enumerate(cells, start=1)
    ]
    context.lake.append("quarantine", resource, pl.DataFrame(rows, schema=QUARANTINE_SCHEMA))


def said(number: int, identifier: str, **changed: str) -> dict[str, str]:
    """What the insurance says of a person."""
    known = {key: str(value) for key, value in person(number).items() if key in ("name", "address")}
    return {"resident_id": identifier, **known, **changed}


def wrong(number: int) -> str:
    """The person's id with another check character."""
    true = str(person(number)["resident_id"])
    return true[:17] + ("1" if true[17] != "1" else "2")


@pytest.fixture
def city(tmp_path: Path, catalogue: Catalogue) -> Context:
    context = open_lake(tmp_path, catalogue)
    put(context, "household_register", *(person(number) for number in range(PEOPLE)))
    refuse(
        context,
        "q1",
        said(7, wrong(7)),
        said(8, wrong(8), name="陌生人", address="外地某处"),
        {"resident_id": "", "name": str(person(9)["name"])},
    )
    build(context)
    return context


def build(context: Context) -> None:
    build_all(context, base.builds(context.catalogue), "person")


def placed(context: Context, table: str) -> dict[int, tuple[str, str]]:
    """Row of quarantine → (resident id it is placed with, method)."""
    ids = context.lake.scan("base", "person").select("person_id", "resident_id")
    rows = context.lake.scan("base", table).filter(resource="medical_insurance").join(ids, on="person_id")
    return {
        row: (known, method)
        for row, known, method in rows.select("_row", "resident_id", "method").collect().rows()
    }


def entity(context: Context, number: int) -> str:
    ids = context.lake.scan("base", "person").filter(resident_id=person(number)["resident_id"]).collect()
    return str(ids["person_id"][0])


def test_a_row_with_a_slip_in_its_id_is_placed_and_changes_nobody(city: Context) -> None:
    assert placed(city, "person_crosswalk") == {1: (person(7)["resident_id"], "linkage")}
    probability = city.lake.scan("base", "person_crosswalk").filter(method="linkage").collect()["probability"]
    assert 0.99 <= probability[0] < 1
    golden = city.lake.scan("base", "person").collect()
    assert golden.height == PEOPLE
    assert set(golden["sources"]) == {1}


def test_what_is_doubtful_waits_and_is_no_link(city: Context) -> None:
    """A namesake without any other evidence, and another's name under one's id, are linked to nobody."""
    linked, waiting = placed(city, "person_crosswalk"), placed(city, "person_worklist")
    assert not linked.keys() & waiting.keys()
    assert not {2, 3} & linked.keys()


def test_a_stewards_word_stands_above_probability_and_outlives_new_pushes(city: Context) -> None:
    decide(city, "person", "q1", 2, entity(city, 8), "same", "张三", "核对档案")
    decide(city, "person", "q1", 1, entity(city, 7), "different", "张三", "同名")
    build(city)
    assert placed(city, "person_crosswalk") == {2: (person(8)["resident_id"], STEWARD)}
    refuse(city, "q2", said(8, wrong(8), name="陌生人", address="外地某处"), on=date(2026, 4, 1))
    build(city)
    again = city.lake.scan("base", "person_crosswalk").filter(_push="q2").collect()
    assert again.select("person_id", "method").rows() == [(entity(city, 8), STEWARD)]


def test_the_last_word_counts_and_none_is_lost(city: Context) -> None:
    for verdict in ("different", "unsure", "same"):
        decide(city, "person", "q1", 1, entity(city, 7), verdict, "张三", "再次核对")
    build(city)
    assert placed(city, "person_crosswalk") == {1: (person(7)["resident_id"], STEWARD)}
    decided = city.lake.scan("base", "person_decisions").sort("decided_at").collect()
    assert decided["verdict"].to_list() == ["different", "unsure", "same"]


def test_what_a_steward_cannot_tell_stays_on_the_worklist(city: Context) -> None:
    decide(city, "person", "q1", 1, entity(city, 7), "unsure", "张三", "档案缺失")
    build(city)
    assert placed(city, "person_crosswalk") == {}
    waiting = city.lake.scan("base", "person_worklist").filter(_row=1).collect()
    assert waiting["verdict"].to_list() == ["unsure"]


def test_the_same_rows_make_no_new_version(city: Context) -> None:
    tables = ("person_crosswalk", "person_worklist")
    before = [city.lake.version("base", name) for name in tables]
    build(city)
    assert [city.lake.version("base", name) for name in tables] == before


def test_decisions_on_rows_of_a_purged_push_go_and_those_on_what_another_says_stay(city: Context) -> None:
    """The ledger knows a row by a hash of it, from which one that is nearly known could be guessed."""
    alone, shared = said(8, wrong(8), name="另一人"), said(7, wrong(7))
    refuse(city, "q2", alone, shared)
    decide(city, "person", "q2", 1, entity(city, 8), "same", "张三", "核对档案")
    decide(city, "person", "q2", 2, entity(city, 7), "same", "张三", "核对档案")
    held = city.lake.scan("quarantine", "medical_insurance").collect()
    cells = held.filter(_push="q2")["cells"]
    city.lake.publish(
        "quarantine", "medical_insurance", held.filter(pl.col("_push") != "q2"), key=["_push", "_row"]
    )
    build(city)
    rows = standard(city, "medical_insurance").collect()
    purged = a_push(id="q2", resource="medical_insurance", data_date=date(2026, 3, 1))
    assert erase(city, purged, rows, cells) == 1
    left = city.lake.scan("base", "person_decisions").collect()
    assert left["person_id"].to_list() == [entity(city, 7)], "q1 says the same of the other"
    assert erase(city, purged, rows, cells) == 0


@pytest.mark.parametrize(
    ("name", "row", "who", "verdict", "told"),
    [
        ("person", 99, 7, "same", "row 99 of push q1 is no row without an identifier"),
        ("person", 1, None, "same", "no entity P0"),
        ("person", 1, 7, "maybe", "'maybe' is no verdict: say same, different, unsure"),
        ("parcel", 1, 7, "same", "base.parcel has no linkage model"),
    ],
)
def test_a_decision_on_nothing_is_refused(
    city: Context, name: str, row: int, who: int | None, verdict: str, told: str
) -> None:
    with pytest.raises(DecisionError, match=told):
        decide(city, name, "q1", row, "P0" if who is None else entity(city, who), verdict, "张三", "无")


def test_a_marriage_without_his_number_is_his_whose_wife_it_names(city: Context) -> None:
    """Two namesakes: whose household the wife named in the row belongs to is likelier meant by far. She herself, who is named
    beside him, is linked to nobody's row by that."""
    first, second = (
        {
            "resident_id": resident(number, f"{1960 + number}0101"),
            "name": "欧阳志强",
            "sex": "1",
            "birth_date": date(1960 + number, 1, 1),
            "household_no": f"H{number}",
            "relation_to_head": "户主",
            "address": f"清远市清城区乙{number}路{number}号",
        }
        for number in (1, 2)
    )
    wife = {
        "resident_id": resident(3, "19630101"),
        "name": "司徒佩珊",
        "sex": "2",
        "birth_date": date(1963, 1, 1),
        "household_no": "H2",
        "relation_to_head": "配偶",
    }
    daughter = {**wife, "resident_id": resident(4, "19900101"), "name": "欧阳婷婷", "relation_to_head": "女"}
    others = [
        {
            **person(number),
            "household_no": f"K{number // 2}",
            "relation_to_head": "户主" if number % 2 else "配偶",
        }
        for number in range(200, 400)
    ]
    put(city, "household_register", first, second, wife, daughter, *others, push="p2", on=date(2026, 2, 1))
    married = {
        "man_id": "",
        "man_name": "欧阳志强",
        "woman_id": str(wife["resident_id"]),
        "woman_name": "司徒佩珊",
    }
    refuse(city, "q3", married, resource="marriage", column="man_id")
    build(city)
    of_row = [
        city.lake.scan("base", table).filter(resource="marriage").collect()
        for table in ("person_crosswalk", "person_worklist")
    ]
    told = pl.concat([rows.select("person_id", "probability") for rows in of_row]).sort("probability")
    known = city.lake.scan("base", "person").select("person_id", "resident_id").collect()
    best = told.join(known, on="person_id", maintain_order="left").tail(1)
    assert best["resident_id"].item() == second["resident_id"]
    assert best["probability"].item() > 0.8, "of two equally likely namesakes neither would have half"
    assert set(told.join(known, on="person_id")["resident_id"]) <= {
        first["resident_id"],
        second["resident_id"],
    }


def test_the_build_reads_what_the_compared_relations_are_made_of(catalogue: Catalogue) -> None:
    person = next(made for made in base.builds(catalogue) if ("base", "person") in made.makes)
    assert {("standard", "birth_certificate"), ("standard", "marriage")} <= set(person.reads)
