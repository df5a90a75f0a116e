"""Whose each source row was, on any day: what the crosswalk said then can be asked, and a purged push leaves no trace in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.crosswalk import Since, as_of, past_name, past_schema
from assets.base.database import build
from assets.base.erasure import erase
from assets.base.explain import explain
from assets.base.history import record
from assets.base.identity import judge_pair
from assets.base.linkage_residue import crosswalk_schema
from assets.base.states import FROM, SAID, TO
from assets.build import Context
from catalog.base_model import load_bases
from catalog.load import Catalogue
from lake.keys import master_key
from lake.ledger import Push
from tests.assets.base.test_database import BIRTHS, START, entity, number, person_base, push
from tests.pushes import a_push

DAY = timedelta(days=1)
WORDS = ("李雷", BIRTHS[0])


def said_then(context: Context, day: int) -> pl.DataFrame:
    rows = context.lake.scan("base", "person_crosswalk")
    past = context.lake.scan("base", past_name(person_base(context)))
    then = as_of(rows, past, START + day * DAY + timedelta(hours=1)).collect()
    return then.sort(then.columns)


def now(context: Context) -> pl.DataFrame:
    rows = context.lake.scan("base", "person_crosswalk").drop(FROM).collect()
    return rows.sort(rows.columns)


def test_any_day_can_be_asked_whose_each_row_was(empty_lake: Context) -> None:
    """Built step by step or all at once: a row keeps since when it is so, and what is no more is kept apart."""
    said = list[pl.DataFrame]()
    for at, (resource, people, whole) in enumerate(
        [
            ("household_register", {0: WORDS, 1: WORDS}, False),
            ("identity_card", {0: WORDS, 1: WORDS, 2: WORDS}, False),
            ("identity_card", {0: ("韩梅", BIRTHS[1]), 1: None}, True),
            ("identity_card", {1: WORDS, 2: None}, False),
        ]
    ):
        push(empty_lake, resource, people, at)
        build(empty_lake, person_base(empty_lake), whole=whole, at=START + at * DAY)
        said.append(now(empty_lake))
    version = empty_lake.lake.version("base", "person_crosswalk")
    build(empty_lake, person_base(empty_lake), whole=True, at=START + 9 * DAY)
    assert empty_lake.lake.version("base", "person_crosswalk") == version, (
        "nothing is another for being built anew"
    )
    for at, rows in enumerate(said):
        assert said_then(empty_lake, at).equals(rows), at
    assert said_then(empty_lake, -1).is_empty()
    assert [rows.height for rows in said] == [2, 5, 3, 3]


rows_of_a_day = st.dictionaries(
    st.integers(1, 4),
    st.tuples(st.sampled_from(["P1", "P2"]), st.sampled_from([0.95, 0.955, 0.99])),
    max_size=4,
)


@settings(deadline=None, max_examples=25)
@given(days=st.lists(rows_of_a_day, max_size=5))
def test_what_was_said_each_day_can_be_put_together_again(
    shipped: Catalogue, days: list[dict[int, tuple[str, float]]]
) -> None:
    """Save for probabilities that hardly moved."""
    base, whose = load_bases(shipped)["person"], ["person_id", "_row"]
    held = past_schema(base).to_frame().drop(TO)
    ended, said = [past_schema(base).to_frame()], list[pl.DataFrame]()
    for at, rows in enumerate(days):
        told = [(who, "x", "p", row, START.date(), "linkage", likely) for row, (who, likely) in rows.items()]
        said.append(pl.DataFrame(told, schema=crosswalk_schema(base), orient="row"))
        since = Since(base, START + at * DAY, [])
        held = since.settle(said[-1], held)
        ended += since.ended
    for at, rows in enumerate(said):
        then = as_of(held.lazy(), pl.concat(ended).lazy(), START + at * DAY).collect()
        both = then.join(rows, on=whose, suffix="_then")
        assert both.height == then.height == rows.height
        assert ((both["probability"] - both["probability_then"]).abs() < 0.02).all()


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """Two people in the register, one of them with a card."""
    master_key(empty_lake.home)
    day(empty_lake, 0, "household_register", {0: WORDS, 1: WORDS})
    day(empty_lake, 1, "identity_card", {0: WORDS})
    return empty_lake


def day(
    context: Context, at: int, resource: str = "", said: Mapping[int, tuple[str, date] | None] | None = None
) -> None:
    """A push, and all that is built of it."""
    if said:
        push(context, resource, said, at)
    base = person_base(context)
    build(context, base, at=START + at * DAY)
    record(context, base.code, [base.id_column], START + at * DAY, base)


def past(context: Context) -> pl.DataFrame:
    return context.lake.scan("base", "person_crosswalk_past").sort("_push", "_row").collect()


def test_a_merge_and_its_undoing_are_told_by_the_rows(city: Context) -> None:
    ids = entity(city, 1), entity(city, 0)
    for at, verdict in ((2, "same"), (3, "different")):
        judge_pair(city, person_base(city), *ids, verdict, "张三", "核对档案")
        day(city, at)
    whose = [said_then(city, at).filter(_push="p0")["person_id"].unique().len() for at in range(4)]
    assert whose == [2, 2, 1, 2]
    assert past(city).filter(_push="p0").height == 2, "once as the one's, and once as the other's"


def test_what_was_written_down_before_a_build_was_killed_is_not_written_twice(city: Context) -> None:
    push(city, "identity_card", {0: None}, 2)
    with (
        patch.object(type(city.lake), "exchange", side_effect=killed_after_settling(city)),
        pytest.raises(KeyError),
    ):
        build(city, person_base(city), at=START + 2 * DAY)
    assert past(city).height == 1
    build(city, person_base(city), at=START + 3 * DAY)
    assert past(city).select("_push", TO).rows() == [("p1", START + 2 * DAY)]
    assert said_then(city, 1).height == 3
    assert said_then(city, 4).height == 2


def killed_after_settling(city: Context):  # type: ignore[no-untyped-def]
    exchange = type(city.lake).exchange

    def killed(layer: str, name: str, rows: pl.DataFrame, **asked):  # type: ignore[no-untyped-def]
        if name == "person_crosswalk":
            held = city.lake.scan(layer, name).filter(pl.col("person_id").is_in(asked["whose"].implode()))
            asked["settle"](rows, held.collect())
            raise KeyError(name)
        return exchange(city.lake, layer, name, rows, **asked)

    return killed


@pytest.mark.parametrize(("probability", "ends"), [(0.985, 0), (0.97, 1)])
def test_a_probability_that_hardly_moves_is_no_other_link(
    city: Context, probability: float, ends: int
) -> None:
    base = person_base(city)
    schema = crosswalk_schema(base)
    link = pl.DataFrame(
        [("P1", "school_enrolment", "p9", 1, START.date(), "linkage", 0.99)], schema=schema, orient="row"
    )
    held = Since(base, START, []).begun(link.lazy()).collect()
    later = Since(base, START + DAY, [])
    settled = later.settle(link.with_columns(pl.lit(probability).alias("probability")), held)
    assert settled["probability"].to_list() == [probability], "what is said is what is reckoned now"
    assert settled[FROM].to_list() == [START + ends * DAY]
    assert sum(rows.height for rows in later.ended) == ends
    assert settled.columns == [*schema.names(), FROM]
    assert past_schema(base).names() == [*settled.columns, TO]


def test_a_purged_push_leaves_nothing_in_what_was_so_once(city: Context) -> None:
    """It said another name of one, and named somebody whom nobody else knows."""
    before = city.lake.scan("standard", "household_register").collect()
    day(city, 2, "household_register", {0: ("韩梅", BIRTHS[0]), 7: ("韩梅", BIRTHS[1])})
    stranger, register = entity(city, 7), city.lake.scan("standard", "household_register")
    said = register.filter(_push="p2").collect()
    assert "韩梅" in city.lake.scan("base", "person_timeline").collect()["name"]
    told = {
        answer["field"]: answer["since"]
        for answer in explain(city, "person", entity(city, 0))
        if answer["since"]
    }
    assert told == {"name": "2026-01-03"}
    key = list(city.catalogue.entry("household_register").delivery.key)
    city.lake.publish("standard", "household_register", before, key=key)
    day(city, 3)
    assert "p2" in past(city)["_push"]
    assert "韩梅" in city.lake.scan("base", "person_history").collect()["name"]
    erase(city, purged(), said, pl.Series(dtype=pl.String))
    for name in (
        "person_history",
        "person_timeline",
        "person_crosswalk",
        "person_crosswalk_past",
        "person_ids",
    ):
        told = city.lake.scan("base", name).collect()
        texts = {repr(value) for row in told.rows() for value in row}
        assert not {repr(gone) for gone in ("韩梅", "p2", stranger, number(7))} & texts, name
    days = city.lake.scan("base", "person_history").select(pl.col(SAID).explode()).unnest(SAID).collect()
    assert (("household_register", purged().data_date)) not in days.rows()
    assert set(city.lake.scan("base", "person_timeline").collect()["name"]) == {"李雷"}


def purged() -> Push:
    return a_push(
        id="p2",
        resource="household_register",
        department="police",
        data_date=date(2026, 1, 3),
        received_at=START + timedelta(hours=1),
    )
