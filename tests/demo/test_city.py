"""The truth of the demo city: the same from the same seed, with valid ids, and consistent with itself."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2, mod_37_36

from demo import city, licences, places
from demo.city import City

TODAY = date(2026, 11, 23)


def test_equal_arguments_give_equal_cities(small_city: City) -> None:
    again = city.build(6_000, seed=7, today=TODAY)
    assert_frame_equal(again.people, small_city.people)
    assert_frame_equal(again.organisations, small_city.organisations)
    assert_frame_equal(again.licences, small_city.licences)
    assert_frame_equal(again.moves, small_city.moves)
    assert_frame_equal(again.successions, small_city.successions)
    assert_frame_equal(again.land.parcels, small_city.land.parcels)


def test_another_seed_gives_another_city(small_city: City) -> None:
    other = city.build(6_000, seed=8, today=TODAY)
    assert not other.people["resident_id"].equals(small_city.people["resident_id"])


@pytest.mark.parametrize("count", [1, 2, 7, 301])
def test_a_city_of_any_size_has_that_many_people(count: int) -> None:
    assert city.build(count, seed=1, today=TODAY).people.height == count


def test_resident_ids_are_valid_and_nobody_elses(small_city: City) -> None:
    people = small_city.people
    assert all(mod_11_2.is_valid(number) for number in people["resident_id"])
    assert people["resident_id"].is_unique().all()


def test_resident_ids_tell_birth_date_and_sex(small_city: City) -> None:
    told = small_city.people.select(
        birth=pl.col("resident_id").str.slice(6, 8).str.to_date("%Y%m%d") == pl.col("birth_date"),
        sex=pl.col("resident_id").str.slice(16, 1).cast(pl.Int64) % 2 == pl.col("sex").cast(pl.Int64) % 2,
    )
    assert told["birth"].all()
    assert told["sex"].all()


def test_older_people_keep_the_codes_of_abolished_counties(small_city: City) -> None:
    born_there = small_city.people.filter(pl.col("resident_id").str.starts_with("441827"))
    assert born_there.height > 50
    assert (born_there["county"] == "441803").all()
    assert (born_there["birth_date"] < date(2012, 12, 31)).all()


def test_families_hold_together(small_city: City) -> None:
    people = small_city.people
    mothers = people.select(mother="person", m_birth="birth_date", m_sex="sex", m_death="death_date")
    children = people.filter(pl.col("mother").is_not_null()).join(mothers, on="mother", how="left")
    assert children.height > 500
    assert (children["m_sex"] == "2").all()
    assert (children["m_birth"].dt.offset_by("16y") < children["birth_date"]).all()
    assert (children["m_death"].is_null() | (children["m_death"] >= children["birth_date"])).all()
    spouses = people.select(spouse="person", back="spouse", s_sex="sex")
    couples = people.filter(pl.col("spouse").is_not_null()).join(spouses, on="spouse", how="left")
    assert (couples["back"] == couples["person"]).all()
    assert (couples["s_sex"] != couples["sex"]).all()


def test_nobody_dies_before_birth_or_after_today(small_city: City) -> None:
    dead = small_city.people.filter(pl.col("death_date").is_not_null())
    assert dead.height > 20
    assert ((dead["death_date"] >= dead["birth_date"]) & (dead["death_date"] <= TODAY)).all()


def test_credit_codes_are_valid_and_nobody_elses(small_city: City) -> None:
    codes = small_city.organisations["credit_code"]
    assert all(uscc.is_valid(code) for code in codes)
    assert codes.is_unique().all()


def test_representatives_are_living_adults(small_city: City) -> None:
    people = small_city.people.select(representative="person", birth="birth_date", death="death_date")
    led = small_city.organisations.join(people, on="representative", how="left")
    assert led["birth"].is_not_null().all()
    assert led["death"].is_null().all()
    assert (led["birth"] < date(TODAY.year - 18, 1, 1)).all()


def test_mergers_and_divisions_begin_and_end_organisations_on_their_day(small_city: City) -> None:
    """Who is dissolved goes, who is founded comes, who absorbs was there before, and all of them are enterprises."""
    bodies, pairs = small_city.organisations, small_city.successions
    assert set(pairs["kind"]) == {"吸收合并", "新设合并", "存续分立", "解散分立"}
    for end in ("predecessor", "successor"):
        named = {name: f"{end}_{name}" for name in ("kind", "established_on", "cancelled_on")}
        pairs = pairs.join(bodies.select(pl.col("organisation").alias(end), *named).rename(named), on=end)
    assert pairs.height == small_city.successions.height
    assert set(pairs["predecessor_kind"]) == set(pairs["successor_kind"]) == {"企业"}
    on = pl.col("registered_on")
    assert pairs.select((pl.col("predecessor_established_on") <= on).all()).item()
    assert (
        pairs.filter(kind="存续分立")["predecessor_cancelled_on"].null_count()
        == pairs.filter(kind="存续分立").height
    )
    dissolved, founded = pl.col("kind") != "存续分立", pl.col("kind") != "吸收合并"
    assert pairs.filter(dissolved).select((pl.col("predecessor_cancelled_on") == on).all()).item()
    assert pairs.filter(founded).select((pl.col("successor_established_on") == on).all()).item()
    assert pairs.filter(~founded).select((pl.col("successor_established_on") < on).all()).item()
    several = pairs.filter(pl.col("kind").is_in(["新设合并", "解散分立"]))
    for kind, one in (("新设合并", "successor"), ("解散分立", "predecessor")):
        assert set(several.filter(kind=kind).group_by(one).len()["len"]) == {2}


def test_who_moves_was_on_the_other_side_before(small_city: City) -> None:
    """In and out by turns, within one's life; and from or to this city."""
    moves = small_city.moves.join(
        small_city.people.select("person", "birth_date", "death_date"), on="person", maintain_order="left"
    )
    assert (moves["moved_on"] > moves["birth_date"]).all()
    assert not (moves["moved_on"] > moves["death_date"].fill_null(TODAY)).any()
    before = moves.select(pl.col("kind").shift().over("person"), now="kind").drop_nulls()
    assert before.height > 5
    assert (before["kind"] != before["now"]).all()
    here = pl.col("to_division").str.starts_with("4418")
    assert moves.select((here == (pl.col("kind") == "迁入")).all()).item()
    assert {"迁入", "迁出"} == set(moves["kind"])


def test_licence_identifiers_check_out(small_city: City) -> None:
    identifiers = small_city.licences["licence_id"]
    bodies = [identifier.removeprefix(licences.ROOT + ".").replace(".", "") for identifier in identifiers]
    assert all(mod_37_36.is_valid(body) for body in bodies)
    assert identifiers.is_unique().all()


def test_authorities_and_issuers_have_valid_codes() -> None:
    managing = [spec[1] for spec in licences.TYPES.values()]
    issuing = [code for _, code in licences.ISSUERS.values()]
    assert [code for code in managing + issuing if not uscc.is_valid(code)] == []


def test_a_renewed_licence_names_the_one_before(small_city: City) -> None:
    known = small_city.licences
    renewed = known.filter(pl.col("version") > 1).join(
        known.select("chain", previous_licence_id="licence_id", before="version", was="state"),
        on=["chain", "previous_licence_id"],
        how="left",
    )
    assert renewed.height > 50
    assert (renewed["before"] == renewed["version"] - 1).all()
    assert (renewed["was"] == "失效").all()
    stem = pl.col("licence_id").str.replace(r"\.\d{3}\.[0-9A-Z]$", "")
    assert (known.group_by("chain").agg(stem.n_unique())["licence_id"] == 1).all()


def test_some_licences_outlive_their_holder(small_city: City) -> None:
    gone = small_city.organisations.filter(pl.col("cancelled_on").is_not_null())["credit_code"]
    valid = small_city.licences.filter(pl.col("state") == "有效")["holder_code"]
    assert gone.is_in(valid.implode()).sum() > 3


def test_the_identifier_check_agrees_with_stdnum_on_random_texts() -> None:
    rng = np.random.default_rng(3)
    texts = pl.Series(["".join(rng.choice(list("0123456789ABCXYZ"), 40)) for _ in range(200)])
    assert licences.mod_37_36(texts).to_list() == [mod_37_36.calc_check_digit(text) for text in texts]


def test_people_and_organisations_live_in_known_towns(small_city: City) -> None:
    towns = places.towns()["town"].implode()
    assert small_city.people["town"].is_in(towns).all()
    assert small_city.organisations["town"].is_in(towns).all()


def test_children_are_born_on_many_days(small_city: City) -> None:
    """In a city of millions a crowded day would run out of resident ids."""
    born = small_city.people.group_by("birth_date").len()
    assert born.filter(pl.col("birth_date").dt.year() >= TODAY.year - 3)["len"].max() <= 12
