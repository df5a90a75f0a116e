"""Landing is enough: what the tables hold can be made again from it, also without one push."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets import standard
from assets.quarantine import release
from assets.replay import REBUILT, WithdrawalError, read_as_current, replay, withdraw
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue
from catalog.model import Entry, Title
from lake.entries import Entries, EntryGoneError, digest_of
from lake.ledger import PushState, UnknownPushError
from lake.tables import SchemaChangeError
from tests.assets.office import CODE, DELIVERIES, FIRST, Office, Rows, office


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


def under(here: Office, **changes: object) -> Office:
    """The same home under another entry: what was edited in the catalogue since."""
    document = here.entry.model_dump(mode="json")
    entry = Entry.model_validate(document | {"version": here.entry.version + 1, **changes})
    catalogue = Catalogue(**{**vars(here.context.catalogue), "entries": {CODE: entry}})
    return Office(replace(here.context, catalogue=catalogue), here.ledger, entry)


def columns_of(here: Office, **words: object) -> dict[str, object]:
    columns = here.entry.model_dump(mode="json")["columns"]
    return columns | {"word": columns["word"] | words}


@pytest.fixture
def before(tmp_path: Path, catalogue: Catalogue) -> Office:
    here = office(tmp_path, catalogue, "upsert")
    here.push([(1, "a"), (2, "b"), (3, "c"), (4, "x")])
    return here


def test_a_push_is_replayed_by_the_entry_it_was_read_by_whatever_was_edited_since(before: Office) -> None:
    after = under(before, columns=columns_of(before, values=["a", "x"]))
    second = after.push([(5, "x"), (6, "c")], day=1)
    assert after.words() == [(1, "a"), (2, "b"), (3, "c"), (5, "x")]
    done = replay(after.context, CODE)
    assert done.none
    assert done.other_versions == tuple(
        push.id for push in after.ledger.history(CODE) if push.id != second.id
    )
    withdraw(after.context, second.id, reason="wrong", by="li")
    assert after.words() == [(1, "a"), (2, "b"), (3, "c")], "what else came is not judged anew by the way"


def test_reading_all_by_the_entry_of_now_shows_what_would_change_and_stands_once_it_is_written(
    before: Office,
) -> None:
    after = under(before, columns=columns_of(before, values=["a", "x"]))
    shown = replay(after.context, CODE, as_current=True)
    standard, quarantine = shown.differences
    assert (standard.only_held, standard.only_rebuilt) == (2, 1), "b and c go, x comes"
    assert (quarantine.only_held, quarantine.only_rebuilt) == (1, 2)
    assert after.words() == [(1, "a"), (2, "b"), (3, "c")], "nothing was written"
    read_as_current(after.context, CODE, reason="the list of words was wrong", by="zhang")
    assert after.words() == [(1, "a"), (4, "x")]
    assert replay(after.context, CODE).none
    assert replay(after.context, CODE).other_versions == ()
    assert [decision.by for decision in after.ledger.decisions("reread")] == ["zhang"]


def test_a_column_that_got_another_type_can_be_read_anew(before: Office) -> None:
    typed = {"title": "分类", "element": "integer", "required": False, "values": []}
    after = under(before, columns={**before.entry.model_dump(mode="json")["columns"], "word": typed})
    with pytest.raises(SchemaChangeError, match="rebuild the table from landing"):
        make_tables(after.context, after.entry)
    read_as_current(after.context, CODE, reason="it is a number", by="zhang")
    held = after.context.lake.scan("standard", CODE).collect()
    assert held.schema["word"] == pl.Int64
    assert held.height == 4


def test_columns_that_come_or_go_are_told(before: Office) -> None:
    columns = before.entry.model_dump(mode="json")["columns"]
    more = {"title": "备注", "element": "text", "required": False}
    after = under(before, columns={"no": columns["no"], "remark": more})
    done = replay(after.context, CODE, as_current=True)
    assert (done.lost, done.gained, done.none) == (("word",), ("remark",), False)
    make_tables(after.context, after.entry)
    assert replay(after.context, CODE).none, "a column that nothing was read by yet makes no difference"


def test_an_older_push_meets_newer_ones_as_they_were_read(before: Office) -> None:
    """The key that a newer push brought under a header that is no alias any more is still its."""
    columns = before.entry.model_dump(mode="json")["columns"]
    named = under(before, columns=columns | {"word": columns["word"] | {"aliases": ["旧名"]}})
    named.send("no,旧名\n1,c\n", day=5)
    named.push([(1, "b"), (7, "b")], day=3)
    renamed = under(named)
    renamed = under(renamed, columns=columns)
    renamed.push([(1, "a"), (7, "a"), (8, "a")], day=2)
    assert [row for row in renamed.words() if row[0] in (1, 7, 8)] == [(1, "c"), (7, "b"), (8, "a")]
    assert replay(renamed.context, CODE).none


def test_an_older_push_does_not_overwrite_what_a_steward_let_in(before: Office) -> None:
    newer = before.push([(9, "x"), (8, "a")], day=5)
    release(before.context, newer.id, 1, reason="the word is new", by="zhang")
    before.push([(9, "a"), (7, "a")], day=3)
    assert [row for row in before.words() if row[0] in (7, 8, 9)] == [(7, "a"), (8, "a"), (9, "x")]
    assert replay(before.context, CODE).none


def test_each_commit_names_the_entry_and_a_rebuild_believes_it_rather_than_the_ledger(before: Office) -> None:
    [push] = before.ledger.history(CODE)
    for layer in REBUILT:
        [said] = before.context.lake.table(layer, CODE).history(1)
        assert said["citylake.entry_version"] == str(before.entry.version)
        assert said["citylake.entry_digest"] == digest_of(before.entry)
        # a checkpoint keeps no words of the commits before it
        before.context.lake.expunge(layer, CODE)
    after = under(before, columns=columns_of(before, values=["a", "x"]))
    Entries(after.context.home, after.context.lake).keep(after.entry)
    said_wrongly = {"entry_version": after.entry.version, "entry_digest": digest_of(after.entry)}
    with after.ledger.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE pushes SET entry_version = :entry_version, entry_digest = :entry_digest"),
            said_wrongly,
        )
    done = replay(after.context, CODE)
    assert (done.none, done.other_versions) == (True, (push.id,))


def test_a_push_killed_between_its_two_commits_is_finished_by_the_entry_it_was_begun_by(
    before: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(standard, "_merge", killed)
        with pytest.raises(InterruptedError):
            before.push([(5, "x"), (6, "c")], day=1)
    after = under(before, columns=columns_of(before, values=["a", "b", "x"]))
    apply_waiting(after.context, CODE)
    assert after.words() == [(1, "a"), (2, "b"), (3, "c"), (6, "c")], (
        "x is in quarantine, and so nowhere else"
    )
    assert after.ledger.history(CODE)[-1].entry_version == before.entry.version
    assert replay(after.context, CODE).none


def killed(*_: object) -> None:
    raise InterruptedError


def test_a_table_that_was_lost_is_put_back_with_the_transactions_of_its_pushes(before: Office) -> None:
    [push] = before.ledger.history(CODE)
    for layer in REBUILT:
        shutil.rmtree(before.context.lake.path(layer, CODE))
    replay(before.context, CODE, write=True)
    assert before.words() == [(1, "a"), (2, "b"), (3, "c")]
    assert all(before.context.lake.applied(layer, CODE, push.id) for layer in REBUILT)
    version = before.context.lake.version("standard", CODE)
    replay(before.context, CODE, write=True)
    assert before.context.lake.version("standard", CODE) == version, "there is nothing more to put in place"


def test_an_entry_that_is_understood_no_more_is_named(before: Office) -> None:
    with before.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET content = '{}'")
    after = under(before)
    with pytest.raises(EntryGoneError, match="--as-current"):
        replay(after.context, CODE)
    assert replay(after.context, CODE, as_current=True).none
