"""The recorded scores and the comparison of departments, on a few rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from assets.base import database
from assets.build import Context
from assets.push_scores import judged_scores
from assets.scores import (
    AGREEMENT,
    AGREEMENT_SCHEMA,
    DEPARTMENT,
    PUSH,
    RESOURCE,
    SCORES,
    TOTAL,
    latest_scores,
    own_side,
    publish_scores,
    shares_of,
)
from assets.standard import apply_waiting, make_tables
from catalog.base_model import load_bases
from catalog.load import Catalogue
from catalog.model import Dimension, Entry, Way
from lake.landing import receive
from lake.ledger import open_ledger
from quality.plan import compile_entry
from tests.assets.office import CODE, office
from tests.assets.small_lake import open_lake, put, resident

IDS = [resident(serial) for serial in (1, 2, 3)]


@pytest.fixture
def city(tmp_path: Path, catalogue: Catalogue) -> Context:
    """Three people; the register and the social insurance spell one name differently, and two mobiles differ."""
    context = open_lake(tmp_path, catalogue)
    for code in catalogue.entries:
        make_tables(context, catalogue.entry(code))
    born = {"birth_date": date(1987, 6, 15), "sex": "1"}
    put(context, "household_register", *({"resident_id": i, "name": "张三", **born} for i in IDS))
    names = ("张三", "张三", "章三")
    put(
        context,
        "social_insurance",
        *({"resident_id": i, "name": n, "mobile": "13800000001"} for i, n in zip(IDS, names, strict=True)),
    )
    put(
        context,
        "medical_insurance",
        *(
            {"resident_id": i, "name": "张三", "mobile": m}
            for i, m in zip(IDS, ("13800000001", "13800000002", None), strict=True)
        ),
    )
    database.build(context, load_bases(catalogue)["person"])
    return context


def pair(context: Context, field: str, resource: str) -> dict[str, object]:
    found = context.lake.scan(*AGREEMENT).filter(field=field, resource=resource).collect()
    return found.row(0, named=True)


def test_departments_are_compared_where_both_say_something(city: Context) -> None:
    publish_scores(city)
    name = pair(city, "name", "social_insurance")
    assert (name["kept_department"], name["department"]) == ("police", "hrss")
    assert (name["statutory"], name["compared"], name["differing"]) == (True, 3, 1)
    mobile = next(iter(city.lake.scan(*AGREEMENT).filter(field="mobile").collect().iter_rows(named=True)))
    assert (mobile["statutory"], mobile["compared"], mobile["differing"]) == (False, 2, 1)


def test_a_department_sees_what_it_says_itself_and_who_says_otherwise(city: Context) -> None:
    base = load_bases(city.catalogue)["person"]
    listed = own_side(city, base, "hrss").filter(field="name")
    assert listed.select("identifier", "field", "own_value", "other_department").rows() == [
        (IDS[2], "name", "章三", "police")
    ]
    theirs = own_side(city, base, "police").filter(field="name")
    assert theirs.select("own_value", "other_department").rows() == [("张三", "hrss")]
    assert own_side(city, base, "finance").is_empty()


def test_what_was_compared_once_stays_on_record(city: Context, catalogue: Catalogue) -> None:
    publish_scores(city)
    before = shares_of(city.lake.scan(*AGREEMENT).collect())["social_insurance"]
    held = city.lake.scan("standard", "social_insurance").collect()
    silenced = held.filter(pl.col("name") == "章三").with_columns(
        pl.lit(None, pl.String).alias("name"), pl.lit(99, pl.Int64).alias("_row_hash")
    )
    city.lake.change("standard", "social_insurance", silenced, key=["resident_id"], transaction="p2")
    database.build(city, load_bases(catalogue)["person"], whole=True)
    publish_scores(city)
    assert pair(city, "name", "social_insurance")["differing"] == 0
    assert shares_of(city.lake.scan(*AGREEMENT).collect())["social_insurance"] <= before


def test_the_source_that_the_law_names_answers_for_nothing_and_equals_share() -> None:
    said = {"base": "person", "field": "name", "kept_department": "a", "department": "b"}
    rows = [
        said
        | {
            "kept_resource": "register",
            "resource": "x",
            "statutory": True,
            "compared": 10,
            "differing": 4,
            "expected": 10,
        },
        said
        | {
            "kept_resource": "y",
            "resource": "z",
            "statutory": False,
            "compared": 10,
            "differing": 4,
            "expected": 10,
        },
    ]
    assert shares_of(pl.DataFrame(rows, schema=AGREEMENT_SCHEMA)) == {"x": 0.6, "y": 0.8, "z": 0.8}


def test_scores_are_recorded_where_they_changed_and_never_changed(city: Context) -> None:
    entry = city.catalogue.entry("household_register")
    titles = [column.title for column in entry.columns.values()]
    receive(
        city.home,
        open_ledger(city.home),
        entry,
        [(",".join(titles) + "\n" + "x" + "," * (len(titles) - 1) + "\n").encode()],
        way=Way.FILE,
        filename="a.csv",
        data_format="csv",
        data_date=date(2026, 1, 1),
    )
    apply_waiting(city, entry.code)
    publish_scores(city)
    found = latest_scores(city.lake)
    assert set(found["level"]) == {PUSH, RESOURCE, DEPARTMENT}
    completeness = found.filter(level=PUSH, dimension="completeness")["score"].to_list()
    assert 0 < completeness[0] < 1
    assert found.filter(level=DEPARTMENT, department="police", dimension=TOTAL)["score"].null_count() == 0
    publish_scores(city)
    assert city.lake.scan(*SCORES).collect().height == found.height


def test_of_a_register_that_became_smaller_the_entry_says_from_when_it_counts(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    here = office(tmp_path, catalogue, "snapshot")
    here.push([(number, "a") for number in range(4)])
    here.push([(1, "a")], day=1)

    def completeness(**volume: object) -> list[float | None]:
        delivery = here.entry.model_dump(mode="json")["delivery"] | {"volume": volume}
        plan = compile_entry(
            Entry.model_validate(here.entry.model_dump(mode="json") | {"delivery": delivery})
        )
        scored = judged_scores(plan, here.ledger.history(CODE))
        assert judged_scores(plan, here.ledger.history(CODE), last=1) == scored[-1:]
        return [scores[Dimension.COMPLETENESS] for _, scores in scored]

    assert completeness() == [1, 0.25]
    assert completeness(record_since="2026-01-02") == [1, 1]
