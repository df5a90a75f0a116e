"""People known by a passport or a permit, by several identifiers, and by one that is somebody else's too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets.base import bands
from assets.base.database import build
from assets.base.decisions import Verdict
from assets.base.explain import explain
from assets.base.identity import judge_pair
from assets.base.linkage_residue import decide
from assets.base.together import SHARED
from assets.build import Context
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from lake.hashes import ROW_HASH, row_hash
from lake.keys import master_key
from quality.plan import content_schema
from tests.assets.base.test_database import TABLES, copied, push, same_tables
from tests.assets.small_lake import one, open_lake, resident

LODGING = "overseas_resident"
ANNE, JOHN = ("ANNE MARTIN", date(1990, 1, 1)), ("JOHN SMITH", date(1980, 5, 5))
HERS, OTHER = resident(1), resident(3)
Stay = tuple[str | None, str | None, str | None, tuple[str, date]]
"""Resident id, travel permit, passport; name and birth date."""


def person(context: Context) -> Base:
    return load_bases(context.catalogue)["person"]


def lodge(context: Context, stays: dict[int, Stay | None], day: int) -> None:
    """Registrations by their number, as one push brings them; None takes one away."""
    entry = context.catalogue.entry(LODGING)
    rows = [
        {
            "lodging_no": f"L{number}",
            "resident_id": stay[0],
            "travel_permit_no": stay[1],
            "passport_no": stay[2],
        }
        | {"name": stay[3][0], "birth_date": stay[3][1], "_push": f"l{day}", "_row": number}
        | {"_data_date": date(2026, 1, 1), "_received_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(day)}
        for number, stay in stays.items()
        if stay
    ]
    types = {
        "_push": pl.String(),
        "_row": pl.Int64(),
        "_data_date": pl.Date(),
        "_received_at": pl.Datetime("us", "UTC"),
    }
    schema = pl.Schema({**content_schema(entry), **types})
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    hashed = frame.with_columns(row_hash(list(content_schema(entry)), schema).alias(ROW_HASH))
    gone = [f"L{number}" for number, stay in stays.items() if not stay]
    leaving = pl.DataFrame({"lodging_no": gone}, schema={"lodging_no": pl.String})
    context.lake.change("standard", LODGING, hashed, key=["lodging_no"], delete=leaving)


def update(context: Context, *lodgings: dict[int, Stay | None]) -> pl.DataFrame:
    """The persons after each of these pushes was built."""
    for day, stays in enumerate(lodgings):
        lodge(context, stays, day)
        build(context, person(context))
    return context.lake.scan("base", "person").sort("person_id").collect()


def test_who_has_a_passport_only_is_one_person_wherever_he_lodges(empty_lake: Context) -> None:
    stays: dict[int, Stay | None] = {1: (None, None, "E1234567", ANNE), 2: (None, None, "E1234567", ANNE)}
    people = update(empty_lake, {**stays, 3: (None, None, "K7654321", JOHN)})
    assert people["resident_id"].to_list() == [None, None]
    assert sorted(people["passport_no"]) == ["E1234567", "K7654321"]
    ledger = empty_lake.lake.scan("base", "person_ids").collect()
    assert ledger["identifier_kind"].to_list() == ["passport", "passport"]
    assert empty_lake.lake.rows("base", "person_crosswalk") == 3
    told = explain(empty_lake, "person", people.filter(name=ANNE[0])["person_id"][0])
    assert ("passport_no", "E1234567") in {(line["field"], line["value"]) for line in told}


def test_an_entity_keeps_its_id_when_a_better_identifier_appears(empty_lake: Context) -> None:
    before = update(empty_lake, {1: (None, None, "E1234567", ANNE)})
    after = update(empty_lake, {2: (HERS, None, "E1234567", ANNE)})
    assert after["person_id"].to_list() == before["person_id"].to_list()
    assert after["resident_id"].to_list() == [HERS]
    push(empty_lake, "household_register", {0: ANNE}, 9)
    again = update(empty_lake, {})
    assert again["person_id"].to_list() == before["person_id"].to_list(), (
        "the register knows her by her number"
    )
    assert one(empty_lake, "base", "person_redirect")["kept_id"] == before["person_id"][0]


def test_two_known_apart_are_one_once_a_row_names_both_and_two_again_without_it(empty_lake: Context) -> None:
    push(empty_lake, "household_register", {0: ANNE}, 0)
    build(empty_lake, person(empty_lake))
    old = one(empty_lake, "base", "person")["person_id"]
    assert update(empty_lake, {1: (None, None, "E1", ANNE)}).height == 2
    joined = update(empty_lake, {2: (HERS, None, "E1", ANNE)})
    assert joined["person_id"].to_list() == [old], "the older id stays"
    assert update(empty_lake, {2: None}).height == 2


def test_a_steward_stands_above_what_a_row_says(empty_lake: Context) -> None:
    update(
        empty_lake,
        {1: (None, None, "E1", ANNE)},
        {2: (HERS, None, None, ANNE)},
        {3: (HERS, None, "E1", ANNE)},
    )
    ids = empty_lake.lake.scan("base", "person_ids").collect()["person_id"]
    judge_pair(empty_lake, person(empty_lake), *ids, Verdict.DIFFERENT, "张三", "核对证件")
    assert update(empty_lake, {}).height == 2
    assert one(empty_lake, "base", "person_redirect")["split_at"] is not None


def test_a_passport_beside_two_people_joins_nobody_and_is_raised(empty_lake: Context) -> None:
    assert update(empty_lake, {1: (HERS, None, "E1", ANNE), 2: (OTHER, None, "E1", ANNE)}).height == 2, (
        "two numbers are two people, though all else agree"
    )
    people = update(empty_lake, {2: (OTHER, None, "E1", JOHN)})
    assert set(people["resident_id"]) == {HERS, OTHER}
    waiting = empty_lake.lake.scan("base", "person_worklist").sort("_row").collect()
    assert waiting["method"].to_list() == [SHARED, SHARED]
    row = waiting.row(0, named=True)
    decide(
        empty_lake,
        "person",
        row["_push"],
        row["_row"],
        row["person_id"],
        Verdict.DIFFERENT,
        "张三",
        "录入有误",
    )
    update(empty_lake, {})
    assert one(empty_lake, "base", "person_worklist")["_row"] == 2
    mended = update(empty_lake, {2: (OTHER, None, "E2", JOHN)})
    assert set(mended["passport_no"]) == {"E1", "E2"}
    assert empty_lake.lake.rows("base", "person_worklist") == 0


def test_a_renewed_passport_is_the_same_persons(empty_lake: Context) -> None:
    people = update(
        empty_lake,
        {1: (None, "H01", "E1", ANNE)},
        {2: (None, "H01", "E2", ANNE), 3: (None, None, "E1", ANNE)},
    )
    assert people.height == 1


some = st.tuples(
    st.sampled_from([None, HERS, OTHER]),
    st.sampled_from([None, "H01"]),
    st.sampled_from([None, "E1", "E2"]),
    st.sampled_from([ANNE, JOHN]),
)


@settings(deadline=None, max_examples=3, phases=[Phase.explicit, Phase.generate])
@given(
    days=st.lists(
        st.dictionaries(st.integers(1, 4), st.none() | some, min_size=1, max_size=3), min_size=2, max_size=3
    )
)
def test_step_by_step_gives_what_at_once_gives(
    tmp_path_factory: pytest.TempPathFactory, shipped: Catalogue, days: Sequence[dict[int, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    steps = open_lake(folder / "steps", shipped)
    master_key(steps.home)
    for day, stays in enumerate(days):
        whole = copied(steps, folder / f"whole-{day}")
        for context in (steps, whole):
            lodge(context, stays, day)
        at = datetime(2026, 3, 1 + day, tzinfo=UTC)
        build(steps, person(steps), at=at)
        with patch.object(bands, "BAND_ROWS", 1):
            build(whole, person(whole), whole=True, at=at)
        same_tables(steps, whole, TABLES[:6])
