"""Pushes of changes: a deletion needs its key and nothing else, the last word on a key counts, in any order of pushes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.build import Context
from assets.ingest.operations import DELETED
from assets.standard import Outcome, apply_waiting, make_tables
from catalog.load import Catalogue, load
from catalog.model import Entry, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import open_ledger
from lake.tables import Lake

COLUMNS = {
    "no": {"title": "编号", "element": "integer", "required": True},
    "word": {"title": "名称", "element": "text", "required": True},
}
Change = tuple[str, str, str]


def changes_entry(**delivery: object) -> Entry:
    declared = {
        "ways": ["file"], "mode": "upsert", "key": ["no"], "max_reject_share": 1, "operation": {"column": "操作"},
    }  # fmt: skip
    document = load().entry("cremation").model_dump(mode="json")
    return Entry.model_validate(
        document | {"code": "changes", "columns": COLUMNS, "rules": [], "delivery": declared | delivery}
    )


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return fresh(tmp_path)


def fresh(folder: Path) -> Context:
    home, entry = Home.open(folder), changes_entry()
    context = Context(home, Lake(home.lake), Catalogue(folder, load().departments, {"changes": entry}, {}))
    make_tables(context, entry)
    return context


def land(context: Context, rows: Sequence[Change], day: int = 0, header: str = "操 作,编号,名称") -> None:
    receive(
        context.home,
        open_ledger(context.home),
        context.catalogue.entry("changes"),
        ["\n".join([header, *map(",".join, rows)]).encode()],
        way=Way.FILE,
        filename="push.csv",
        data_format="csv",
        data_date=date(2026, 1, 1) + timedelta(day),
    )


def push(context: Context, *rows: Change, day: int = 0) -> Outcome:
    land(context, rows, day)
    (outcome,) = apply_waiting(context, "changes")
    return outcome


def held(context: Context) -> dict[int, str]:
    return dict(context.lake.scan("standard", "changes").select("no", "word").collect().rows())


def test_a_deletion_takes_its_key_away(context: Context) -> None:
    push(context, ("I", "1", "甲"), ("I", "2", "乙"), ("", "3", "丙"))
    outcome = push(context, ("D", "1", ""), ("U", "2", "新"), (" 删除 ", "9", "从来没有"))
    assert held(context) == {2: "新", 3: "丙"}
    assert (outcome.rows, outcome.accepted, outcome.rejected) == (3, 3, 0)
    assert outcome.failures[DELETED] == 2


def test_a_deletion_without_a_key_is_quarantined(context: Context) -> None:
    push(context, ("I", "1", "甲"))
    outcome = push(context, ("D", "", "甲"), ("d", "x", "甲"))
    assert (outcome.accepted, outcome.rejected) == (0, 2)
    assert held(context) == {1: "甲"}


def test_within_a_push_the_last_word_on_a_key_counts(context: Context) -> None:
    push(context, ("I", "1", "甲"))
    outcome = push(context, ("D", "1", "甲"), ("I", "1", "甲"), ("I", "2", "乙"), ("D", "2", "乙"))
    assert held(context) == {1: "甲"}
    assert outcome.rows == outcome.accepted + outcome.rejected == 4


def test_an_older_push_never_brings_back_what_a_newer_one_deleted(context: Context) -> None:
    push(context, ("D", "1", ""), day=2)
    push(context, ("I", "1", "甲"), ("I", "2", "乙"), day=1)
    assert held(context) == {2: "乙"}


def test_without_the_column_every_row_is_there_to_stay(context: Context) -> None:
    land(context, [("1", "D", "D")], header="编号,名称,空")
    (outcome,) = apply_waiting(context, "changes")
    assert outcome.notes[1:] == (
        "没有操作列，全部按新增或更新处理 · no operation column: all rows are inserted or updated",
    )
    assert held(context) == {1: "D"}


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_only_an_upsert_deletes(mode: str) -> None:
    with pytest.raises(ValueError, match="upsert only"):
        changes_entry(mode=mode)


_numbers = itertools.count()


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pushes=st.lists(
        st.lists(
            st.tuples(st.sampled_from("IUD"), st.sampled_from("123"), st.sampled_from(["甲", "乙"])),
            max_size=6,
        ),
        min_size=1,
        max_size=4,
    ),
    order=st.randoms(use_true_random=False),
)
def test_any_changes_in_any_order_of_arrival_end_as_in_their_own(
    tmp_path: Path, pushes: list[list[Change]], order: object
) -> None:
    """Each push speaks for a day of its own: what is held is what their rows say one after another."""
    expected: dict[int, str] = {}
    for operation, number, word in itertools.chain.from_iterable(pushes):
        expected.pop(int(number), None)
        if operation != "D":
            expected[int(number)] = word
    context = fresh(tmp_path / str(next(_numbers)))
    days = list(enumerate(pushes))
    order.shuffle(days)  # type: ignore[attr-defined]
    for day, rows in days:
        land(context, rows, day)
        apply_waiting(context, "changes")
    assert held(context) == expected
