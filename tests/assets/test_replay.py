"""Landing is enough: what the tables hold can be made again from it, also without one push."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.build import Context
from assets.replay import WithdrawalError, replay, withdraw
from catalog.load import Catalogue, load
from catalog.model import Title
from lake.ledger import PushState, UnknownPushError
from tests.assets.office import CODE, DELIVERIES, FIRST, Rows, office


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.mark.parametrize("mode", DELIVERIES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pushes=st.lists(
        st.tuples(
            st.lists(
                st.tuples(st.integers(1, 5), st.sampled_from("abc?")),
                max_size=6,
                unique_by=lambda row: row[0],
            ),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_rebuild_from_landing_equals_what_is_there(
    tmp_path_factory: pytest.TempPathFactory,
    catalogue: Catalogue,
    mode: str,
    pushes: list[tuple[Rows, int]],
) -> None:
    here = office(tmp_path_factory.mktemp("home"), catalogue, mode)
    for rows, day in pushes:
        here.push(rows, day)
    done = replay(here.context, CODE)
    assert done.pushes == len(pushes)
    assert all(difference.none for difference in done.differences), done
    assert not done.other_versions


def test_a_lost_row_is_seen_and_put_back(tmp_path: Path, catalogue: Catalogue) -> None:
    here = office(tmp_path, catalogue, "upsert")
    here.push([(1, "a"), (2, "b"), (3, "?")])
    before = here.words()
    here.context.lake.table("standard", CODE).delete("no = 2")
    standard, quarantine = replay(here.context, CODE).differences
    assert (standard.held, standard.rebuilt, standard.only_held, standard.only_rebuilt) == (1, 2, 0, 1)
    assert quarantine.none
    assert here.words() == [(1, "a")], "a replay only looks"
    replay(here.context, CODE, write=True)
    assert here.words() == before


@pytest.mark.parametrize(
    ("mode", "left"),
    [("upsert", [(1, "a"), (2, "a")]), ("snapshot", [(1, "a"), (2, "a")]), ("append", [(1, "a"), (2, "a")])],
)
def test_a_withdrawn_push_is_undone_as_if_it_had_never_come(
    tmp_path: Path, catalogue: Catalogue, mode: str, left: list[tuple[int, str]]
) -> None:
    here = office(tmp_path, catalogue, mode)
    here.push([(1, "a"), (2, "a")])
    wrong = here.push([(2, "b"), (3, "c"), (4, "?")], day=1)
    withdraw(here.context, wrong.id, reason="wrong month", by="li")
    assert here.words() == left
    assert here.context.lake.rows("quarantine", CODE) == 0
    assert here.ledger.get(wrong.id).state is PushState.WITHDRAWN
    assert (here.context.home.landing / CODE / wrong.id).is_dir(), "its bytes stay"
    again = replay(here.context, CODE)
    assert all(difference.none for difference in again.differences)


def test_a_withdrawal_that_was_interrupted_is_finished_by_saying_it_again(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    here = office(tmp_path, catalogue, "upsert")
    push = here.push([(1, "a")])
    here.ledger.withdraw(push.id, reason="wrong", by="li")
    assert here.words() == [(1, "a")]
    withdraw(here.context, push.id, reason="wrong", by="li")
    assert here.words() == []


def test_refused_rows_of_a_withdrawn_push_pass_to_the_one_that_repeated_it(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    here = office(tmp_path, catalogue, "upsert")
    rows = [(1, "a"), (2, "?")]
    first, second, third = (here.push(rows, day) for day in range(3))
    assert all(difference.none for difference in replay(here.context, CODE).differences)
    withdraw(here.context, first.id, reason="too early", by="li")
    assert here.words() == [(1, "a")]
    held = here.context.lake.scan("quarantine", CODE).collect()
    assert held["_push"].to_list() == [second.id]
    assert [here.ledger.get(push.id).refusals for push in (second, third)] == [second.id] * 2
    assert all(difference.none for difference in replay(here.context, CODE).differences)


def test_readings_that_found_nothing_new_go_with_the_push_they_repeat(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    here = office(tmp_path, catalogue, "snapshot")
    push = here.ledger.get(here.push([(1, "a")]).id)
    reading = replace(push, id="p-reading", size=0, data_date=FIRST + timedelta(days=1), same_as=push.id)
    here.ledger.register(reading)
    assert replay(here.context, CODE).pushes == 1, "it has no bytes to be read again"
    withdraw(here.context, push.id, reason="wrong", by="li")
    assert here.ledger.get(reading.id).state is PushState.WITHDRAWN
    assert here.words() == []


def test_what_never_came_in_cannot_be_withdrawn(tmp_path: Path, catalogue: Catalogue) -> None:
    here = office(tmp_path, catalogue, "upsert")
    push = here.push([(1, "a")])
    here.ledger.settle(push.id, PushState.REFUSED, reason=Title(zh="试", en="a trial"))
    with pytest.raises(WithdrawalError, match="refused"):
        withdraw(here.context, push.id, reason="-", by="li")
    with pytest.raises(UnknownPushError):
        withdraw(here.context, "p0", reason="-", by="li")


def test_pushes_that_came_under_another_version_of_the_entry_are_named(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    here = office(tmp_path, catalogue, "upsert")
    push = here.push([(1, "a")])
    newer = here.entry.model_copy(update={"version": here.entry.version + 1})
    changed = Catalogue(**{**vars(here.context.catalogue), "entries": {CODE: newer}})
    context = Context(here.context.home, here.context.lake, changed)
    assert replay(context, CODE).other_versions == (push.id,)
