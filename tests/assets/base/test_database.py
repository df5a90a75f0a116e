"""Building only what was touched, which must give what building all gives; merges, their undoing, contested rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets.base import bands, changes
from assets.base.database import build
from assets.base.decisions import DecisionError
from assets.base.explain import explain
from assets.base.history import record
from assets.base.identity import judge, judge_pair
from assets.base.linkage_residue import decide
from assets.base.states import FROM
from assets.build import Built, Context
from assets.standard import SYSTEM_SCHEMA
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from lake.hashes import ROW_HASH, row_hash
from lake.home import Home
from lake.keys import master_key
from lake.tables import Lake
from quality.plan import content_schema
from tests.assets.small_lake import one, open_lake, put, resident

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
PEOPLE = 4
TABLES = (
    "person",
    "person_crosswalk",
    "person_conflict",
    "person_worklist",
    "person_redirect",
    "person_crosswalk_past",
    "person_history",
    "person_timeline",
)
#: What a department may say of somebody: none or one row in each of these.
NAMES, BIRTHS = ("李雷", "韩梅"), (date(1987, 6, 15), date(1990, 1, 1))
Push = tuple[str, Mapping[int, tuple[str, date] | None]]
"""A resource, and of some people what it says from now on; None: no row any more."""


def person_base(context: Context) -> Base:
    return load_bases(context.catalogue)["person"]


def number(person: int) -> str:
    return resident(person + 1)


def keys(person: int) -> dict[str, object]:
    """What a row about him is known by, in any of the registers."""
    return {"resident_id": number(person), "student_no": f"G{person}", "valid_from": date(2020, 1, 1)}


def push(context: Context, resource: str, said: Mapping[int, tuple[str, date] | None], day: int) -> None:
    """Bring rows into a standard table as a push does, and take away those of whom nothing is said any more."""
    entry = context.catalogue.entry(resource)
    content = content_schema(entry)
    rows = [
        {
            **dict.fromkeys((*content, *SYSTEM_SCHEMA)),
            "name": words[0],
            "birth_date": words[1],
            **{name: value for name, value in keys(person).items() if name in content},
            "_push": f"p{day}",
            "_row": row,
            "_data_date": date(2026, 1, 1) + timedelta(day),
            "_received_at": START + timedelta(day),
            "_warnings": [],
        }
        for row, (person, words) in enumerate(sorted(said.items()), start=1)
        if words
    ]
    schema = pl.Schema({**content, **SYSTEM_SCHEMA})
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    hashed = frame.with_columns(row_hash(list(content), schema).alias(ROW_HASH))
    key = list(entry.delivery.key)
    gone = [keys(person) for person, words in said.items() if not words]
    leaving = pl.DataFrame(gone, schema={name: content[name] for name in keys(0) if name in content}).select(
        key
    )
    context.lake.change("standard", resource, hashed, key=key, delete=leaving, transaction=f"p{day}")


def copied(context: Context, folder: Path) -> Context:
    """The same home somewhere else, keys and all."""
    shutil.copytree(context.home.root, folder)
    home = Home.open(folder)
    return Context(home, Lake(home.lake), context.catalogue)


def rows(context: Context, name: str) -> pl.DataFrame:
    """A base table in an order that its content decides, without when a steward spoke: that is the clock's."""
    table = context.lake.scan("base", name).drop("merged_at", "split_at", strict=False).collect()
    lists = [
        pl.Series(column, map(repr, table[column]), pl.String) for column in table.select(cs.nested()).columns
    ]
    return table.with_columns(lists).sort(table.columns)


def same_tables(one: Context, other: Context, names: Sequence[str] = TABLES) -> None:
    for name in names:
        assert rows(one, name).equals(rows(other, name)), name


words = st.none() | st.tuples(st.sampled_from(NAMES), st.sampled_from(BIRTHS))
pushes = st.tuples(
    st.sampled_from(["household_register", "identity_card", "school_enrolment"]),
    st.dictionaries(st.integers(0, PEOPLE - 1), words, min_size=1, max_size=3),
)
verdicts = st.tuples(
    st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1), st.sampled_from(["same", "different"])
)


@settings(deadline=None, max_examples=5, phases=[Phase.explicit, Phase.generate])
@given(days=st.lists(st.tuples(pushes, st.none() | verdicts), min_size=2, max_size=5))
def test_what_is_built_step_by_step_is_what_is_built_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    shipped: Catalogue,
    days: list[tuple[Push, tuple[int, int, str] | None]],
) -> None:
    """After any sequence of pushes and verdicts every table equals that of a full rebuild, row for row."""
    folder = tmp_path_factory.mktemp("steps")
    steps = open_lake(folder / "steps", shipped)
    base = person_base(steps)
    master_key(steps.home)  # made now, so that each copy has the same
    for day, (delivery, verdict) in enumerate(days):
        before = copied(steps, folder / f"before-{day}")
        for context, whole in ((steps, False), (before, True)):
            push(context, *delivery, day)
            judged(context, verdict)
            # at once, and in many bands
            with patch.object(bands, "BAND_ROWS", 1 if whole else bands.BAND_ROWS):
                build(context, base, whole=whole, at=START + timedelta(day))
            if whole:
                changes.forget(context, "person_history")
            record(context, "person", ["person_id"], START + timedelta(day), base)
        same_tables(steps, before)


def judged(context: Context, verdict: tuple[int, int, str] | None) -> None:
    """A steward's word on two entities, where both are known."""
    if verdict is None or not context.lake.exists("base", "person_ids"):
        return
    given = context.lake.scan("base", "person_ids").collect()
    ids = dict(given.select("identifier", "person_id").iter_rows())
    pair = [ids.get(number(person)) for person in verdict[:2]]
    if None not in pair and pair[0] != pair[1]:
        judge_pair(context, person_base(context), str(pair[0]), str(pair[1]), verdict[2], "张三", "核对档案")


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """Forty people in the register and their cards."""
    everyone = dict.fromkeys(range(40), ("李雷", BIRTHS[0]))
    for day, resource in enumerate(("household_register", "identity_card")):
        push(empty_lake, resource, everyone, day)
    update(empty_lake)
    return empty_lake


def update(context: Context) -> Built:
    return build(context, person_base(context))


def entity(context: Context, person: int) -> str:
    ids = context.lake.scan("base", "person_ids").filter(identifier=number(person)).collect()
    return str(ids["person_id"][0])


def merge(context: Context, one: int, other: int, verdict: str = "same") -> None:
    ids = entity(context, one), entity(context, other)
    judge_pair(context, person_base(context), *ids, verdict, "张三", "核对档案")
    update(context)


def test_only_who_is_touched_is_built_anew(city: Context) -> None:
    push(city, "identity_card", {3: ("李累", BIRTHS[0]), 5: ("李雷", BIRTHS[0])}, 2)
    assert update(city).notes["built anew"] == 1, "who is said the same of as before is not touched"
    assert one(city, "base", "person_conflict", field="name")["value"] == "李累"
    assert update(city).notes["built anew"] == 0
    push(city, "identity_card", {3: None}, 3)
    assert update(city).notes["built anew"] == 1
    assert city.lake.rows("base", "person_conflict") == 0
    assert city.lake.rows("base", "person_crosswalk") == 79


@pytest.mark.parametrize("what", ["note", "table", "declaration"])
def test_where_it_is_not_known_what_changed_all_is_built(city: Context, what: str) -> None:
    base = person_base(city)
    if what == "note":
        changes.forget(city, "person")
    elif what == "table":
        shutil.rmtree(city.lake.path("base", "person_conflict"))
    else:
        fewer = {name: field for name, field in base.fields.items() if name != "school"}
        base = base.model_copy(update={"fields": fewer})
    assert build(city, base).notes["built anew"] == "all"


def test_a_merge_keeps_the_older_id_and_the_other_leads_to_it(city: Context) -> None:
    push(city, "household_register", {77: ("李蕾", BIRTHS[0])}, 2)
    update(city)
    young, old = entity(city, 77), entity(city, 0)
    merge(city, 77, 0)
    assert city.lake.rows("base", "person") == 40
    redirect = one(city, "base", "person_redirect")
    assert (redirect["person_id"], redirect["kept_id"], redirect["split_at"]) == (young, old, None)
    assert one(city, "base", "person", person_id=young) == {"rows": 0}
    his = city.lake.scan("base", "person_crosswalk").filter(person_id=old).collect()
    assert his.height == 3, "the rows of both"
    # of two rows in one register the later speaks, and its identifier is shown
    him = one(city, "base", "person", person_id=old)
    assert (him["name"], him["resident_id"]) == ("李蕾", number(77))
    assert explain(city, "person", young) == explain(city, "person", old)


def test_a_merge_outlives_a_rebuild_and_can_be_undone(city: Context) -> None:
    before = {name: rows(city, name).drop(FROM, strict=False) for name in TABLES[:4]}
    merge(city, 1, 2)
    merge(city, 2, 3)
    merged = rows(city, "person")
    assert merged.height == 38, "who is one with one of two that are one is one with both"
    for name in TABLES[:4]:
        shutil.rmtree(city.lake.path("base", name))
    update(city)
    assert rows(city, "person").equals(merged)
    merge(city, 1, 2, "different")
    merge(city, 3, 2, "unsure")
    for name, table in before.items():
        assert rows(city, name).drop(FROM, strict=False).equals(table), name
    undone = city.lake.scan("base", "person_redirect").collect()
    assert undone.height == 2
    assert undone["split_at"].null_count() == 0, "the splits are recorded"
    said = city.lake.scan("base", "person_merges").collect()
    assert said.height == 4, "nothing that was said is edited"


@pytest.mark.parametrize(
    ("other", "verdict", "told"),
    [(None, "same", "no entity P0"), (0, "same", "is named twice"), (1, "perhaps", "is no verdict")],
)
def test_a_judgement_on_nobody_is_refused(city: Context, other: int | None, verdict: str, told: str) -> None:
    ids = entity(city, 0), "P0" if other is None else entity(city, other)
    with pytest.raises(DecisionError, match=told):
        judge_pair(city, person_base(city), *ids, verdict, "张三", "无")


def test_only_a_base_database_has_entities_to_merge(city: Context) -> None:
    with pytest.raises(DecisionError, match="there are legal_entity, person"):
        judge(city, "parcel", "P1", "P2", "same", "张三", "无")


def test_two_people_under_one_number_are_not_merged_but_raised(city: Context) -> None:
    """Another name and another birth date is another person; either alone is a conflict of departments."""
    push(
        city,
        "school_enrolment",
        {0: ("韩梅", BIRTHS[1]), 1: ("韩梅", BIRTHS[0]), 2: ("李雷", BIRTHS[1])},
        2,
    )
    update(city)
    waiting = one(city, "base", "person_worklist")
    assert (waiting["person_id"], waiting["resource"], waiting["method"]) == (
        entity(city, 0),
        "school_enrolment",
        "identifier",
    )
    assert one(city, "base", "person", person_id=entity(city, 0))["sources"] == 2
    hers = city.lake.scan("base", "person_crosswalk").filter(person_id=entity(city, 0)).collect()
    assert "school_enrolment" not in hers["resource"]
    assert set(city.lake.scan("base", "person_conflict").collect()["person_id"]) == {
        entity(city, 1),
        entity(city, 2),
    }


@pytest.mark.parametrize(
    ("verdict", "waits", "sources"), [("same", 0, 3), ("different", 0, 2), ("unsure", 1, 2)]
)
def test_a_steward_decides_on_a_contested_row(city: Context, verdict: str, waits: int, sources: int) -> None:
    push(city, "school_enrolment", {0: ("韩梅", BIRTHS[1])}, 2)
    update(city)
    row = one(city, "base", "person_worklist")
    decide(city, "person", row["_push"], row["_row"], row["person_id"], verdict, "张三", "核对档案")
    for whole in (False, True):
        build(city, person_base(city), whole=whole)
        assert city.lake.rows("base", "person_worklist") == waits
        assert one(city, "base", "person", person_id=entity(city, 0))["sources"] == sources


def test_who_is_new_is_added_and_nobody_else_is_written(city: Context) -> None:
    files = city.lake.files("base", "person")
    put(city, "cremation", {"resident_id": number(90), "name": "新人"}, push="p9")
    assert update(city).notes["built anew"] == "all", "a table that was not there before is read whole"
    put(city, "cremation", {"resident_id": number(91), "name": "新人"}, push="p10")
    before = city.lake.files("base", "person")
    assert files != before
    assert update(city).notes["built anew"] == 1
    assert set(before) <= set(city.lake.files("base", "person"))
