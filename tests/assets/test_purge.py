"""A purge is finished however often it is interrupted, and its push does not come back; all that others said stands."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest

from assets import purge
from assets.base.states import TO
from assets.build import Context
from assets.ingest import deliveries, exchange
from assets.ingest.decoding import scratch_folder, sweep_scratch
from assets.quarantine import dismiss
from assets.recipes import all_builds
from assets.replay import WithdrawalError, replay, withdraw
from assets.standard import apply_waiting
from catalog.load import Catalogue
from catalog.model import Way
from lake.home import Home
from lake.landing import PurgedError, receive
from lake.ledger import Push, PushState, open_ledger
from lake.purges import PurgeError, Purges, Step
from lake.rulings import Rulings
from tests.assets.city_of_canaries import Canary, canaries_of, rows_of
from tests.assets.office import CODE, Office, office
from tests.assets.readable import found, readable_bytes
from tests.assets.small_lake import build_all, open_lake, resident

#: Where a killed purge may have stopped, in order.
STEPS = (
    "set_stone",
    "take_readings_back",
    "replay",
    "erase",
    "_expunge",
    "_remove_delivery",
    "sweep_scratch",
)


class KilledError(Exception):
    """As far as what follows is concerned, the process is no more."""


@pytest.fixture
def here(tmp_path: Path, shipped: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(purge, "all_builds", lambda _: [])
    # a catalogue without base databases: nothing is built from the one resource
    return office(tmp_path, replace(shipped, root=tmp_path), "upsert")


def ordered(here: Office, push: Push) -> purge.Tombstone:
    """The purge of a push, as two persons order it."""
    purge.request(here.context, push.id, reason="court order", by="zhang")
    return purge.confirm(here.context, push.id, by="li")


def pushes_named(home: Home) -> set[str]:
    """Every push that any Parquet file of a full table, superseded or not, has a row of."""
    files = [path for path in home.lake.rglob("*.parquet") if path.parent.name != "_delta_log"]
    return {name for path in files for name in pl.read_parquet(path)["_push"]}


def test_rows_bytes_and_older_versions_go_and_what_another_said_stays(here: Office) -> None:
    stays, goes = here.push([(1, "a"), (2, "a"), (5, "?")]), here.push([(2, "b"), (3, "c"), (4, "?")], day=1)
    for push in (stays, goes):
        dismiss(here.context, push.id, 3, reason="known on paper", by="li")
    here.ledger.sign(goes.id, reason="of Wang alone", by="li")
    stone = ordered(here, goes)
    assert [ruling.push for ruling in Rulings(here.context.home).of(CODE)] == [stays.id]
    assert stone.removed["rulings on its rows"] == 1
    assert [decision.reason for decision in here.ledger.decisions("sign", goes.id)] == ["purged"]
    assert here.words() == [(1, "a"), (2, "a")]
    assert pushes_named(here.context.home) == {stays.id}
    assert not (here.context.home.landing / CODE / goes.id).exists()
    left = here.ledger.get(goes.id)
    assert (left.state, left.filename, left.digest) == (PushState.PURGED, "purged", goes.digest)
    assert (stone.step, stone.rows, stone.removed["files of the delivery"]) == (Step.DONE, 3, 1)
    assert [decision.by for decision in here.ledger.decisions("purge", goes.id)] == ["zhang, li"]
    assert all(difference.none for difference in replay(here.context, CODE).differences)
    assert not here.context.lake.append(
        "standard", CODE, here.context.lake.scan("standard", CODE), transaction=stays.id
    ).changed, "the log was cut, and still knows which pushes it has"


@pytest.mark.parametrize("step", STEPS)
def test_a_purge_that_was_killed_is_finished_by_whoever_comes_next(
    here: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stays, goes = here.push([(1, "a")]), here.push([(2, "b"), (3, "?")], day=1)

    def killed(*_: object, **__: object) -> NoReturn:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(purge, step, killed)
        with pytest.raises(KilledError):
            ordered(here, goes)
        assert [stone.push for stone in Purges(here.context.home).unfinished()] == [goes.id]
    assert [stone.step for stone in purge.finish(here.context)] == [Step.DONE]
    assert pushes_named(here.context.home) == {stays.id}
    assert not (here.context.home.landing / CODE / goes.id).exists()
    assert purge.finish(here.context) == []


def test_the_same_bytes_are_not_taken_again_and_other_bytes_are(here: Office) -> None:
    goes = here.push([(1, "a")])
    ordered(here, goes)
    with pytest.raises(PurgedError):
        here.push([(1, "a")])
    assert not list((here.context.home.landing / CODE).glob("p*"))
    here.push([(1, "a"), (2, "b")])
    assert here.words() == [(1, "a"), (2, "b")]


def test_a_dropped_file_goes_from_its_folder_and_is_not_kept_when_it_comes_again(here: Office) -> None:
    home = here.context.home
    folder = home.drop / here.entry.department / CODE
    folder.mkdir(parents=True)
    for turn in range(2):
        (folder / "a.csv").write_text("no,word\n1,a\n", encoding="utf-8")
        collected = deliveries.collect(home, here.context.catalogue, settle_seconds=0)
        if turn == 0:
            apply_waiting(here.context, CODE)
            stone = ordered(here, collected.pushes[0])
            assert stone.removed["files of the delivery"] == 2, "the one landed, and the one put aside"
    assert [reason.en for _, reason in collected.refusals] == [
        "the bureau had this very content destroyed, and it is not taken again: ask the bureau"
    ]
    assert not [path for path in folder.rglob("*.csv") if path.is_file()]


def test_a_reading_of_an_exchange_table_is_known_by_its_content(here: Office) -> None:
    reading = receive(
        here.context.home,
        here.ledger,
        here.entry,
        [b"no,word\n1,a\n"],
        way=Way.TABLE,
        filename=f"{CODE}-00ff.parquet",
        data_format="parquet",
        data_date=date(2026, 1, 5),
    )
    assert exchange.content_of(reading) == "00ff"
    ordered(here, reading)
    assert sorted(path.name for path in here.context.home.tombstones.iterdir()) == sorted(
        ["00ff", reading.digest]
    )


def test_a_push_said_to_hold_state_secrets_comes_into_no_table_meanwhile(here: Office) -> None:
    push = receive(
        here.context.home,
        here.ledger,
        here.entry,
        [b"no,word\n1,a\n"],
        way=Way.FILE,
        filename="a.csv",
        data_format="csv",
        data_date=date(2026, 1, 5),
    )
    purge.request(here.context, push.id, reason="marked secret", by="zhang", state_secret=True)
    assert here.ledger.get(push.id).state is PushState.REFUSED
    assert apply_waiting(here.context, CODE) == []
    assert purge.confirm(here.context, push.id, by="li").state_secret
    assert not (here.context.home.landing / CODE / push.id).exists()


def test_what_was_withdrawn_or_refused_before_can_be_purged_and_what_was_purged_not_withdrawn(
    here: Office,
) -> None:
    stays, wrong = here.push([(1, "a")]), here.push([(2, "b")], day=1)
    withdraw(here.context, wrong.id, reason="wrong", by="li")
    assert wrong.id in pushes_named(here.context.home), "older versions keep it until it is purged"
    ordered(here, wrong)
    unreadable = here.push([], day=2)
    here.ledger.settle(unreadable.id, PushState.REFUSED)
    ordered(here, unreadable)
    assert pushes_named(here.context.home) == {stays.id}
    with pytest.raises(WithdrawalError, match="purged"):
        withdraw(here.context, wrong.id, reason="-", by="li")


def test_of_a_resource_that_the_catalogue_has_no_more_the_rows_go_all_the_same(here: Office) -> None:
    stays, goes = here.push([(1, "a")]), here.push([(2, "b"), (3, "?")], day=1)
    retired = replace(here.context, catalogue=replace(here.context.catalogue, entries={}))
    ordered(replace(here, context=retired), goes)
    assert here.words() == [(1, "a")]
    assert pushes_named(here.context.home) == {stays.id}
    assert not (here.context.home.landing / CODE / goes.id).exists()


def test_one_person_alone_destroys_nothing(here: Office) -> None:
    push = here.push([(1, "a")])
    with pytest.raises(PurgeError):
        purge.confirm(here.context, push.id, by="li")
    purge.request(here.context, push.id, reason="wrong", by="li")
    with pytest.raises(PurgeError):
        purge.confirm(here.context, push.id, by="li")
    assert here.words() == [(1, "a")]
    assert purge.finish(here.context) == []


def test_scratch_of_a_dead_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "dead"
    left.mkdir(parents=True)
    with scratch_folder(tmp_path) as mine:
        for folder in (left, mine):
            os.utime(folder, (0, 0))
        assert sweep_scratch(tmp_path) == 1
        assert mine.is_dir()
        assert not left.exists()


def deaths(
    context: Context, day: date, number: int, people: list[str], filename: str
) -> tuple[Push, list[Canary]]:
    """Push death certificates in which each value that may differ is a canary, and one row that is refused."""
    entry = context.catalogue.entry("death_certificate")
    rows = rows_of(context.catalogue, entry, number).with_columns(pl.Series("resident_id", people))
    rows = rows.with_columns(
        pl.col(name).str.replace("(暗|编号)", f"第{number}批${{1}}")
        for name in entry.columns
        if rows.schema[name] == pl.String
    )
    table = rows.select(pl.col(name).cast(pl.String) for name in entry.columns)
    spoken = {name: f"错{number}{'号' if name in entry.delivery.key else '值'}" for name in entry.columns}
    bad = table.head(1).with_columns(pl.lit(said).alias(name) for name, said in spoken.items())
    push = receive(
        context.home,
        open_ledger(context.home),
        entry,
        [pl.concat([table, bad]).write_csv().encode()],
        way=Way.FILE,
        filename=filename,
        data_format="csv",
        data_date=day,
    )
    apply_waiting(context, entry.code)
    said = {Path(filename).stem, *spoken.values()}
    return push, [
        *canaries_of(entry, rows),
        *(Canary(entry.code, "-", value, in_role_tables=False) for value in said),
    ]


@pytest.mark.slow
def test_no_byte_of_it_is_left_under_the_home(tmp_path: Path, shipped: Catalogue) -> None:
    """The whole city over it, with six people whom both pushes name and six whom only the purged one names."""
    context = open_lake(tmp_path / "home", shipped)
    shared, mine, theirs = ([resident(n) for n in range(first, first + 6)] for first in (701, 711, 721))
    base, others = purge.concerned(context, "death_certificate")
    stays, kept = deaths(context, date(2026, 1, 5), 1, shared + mine, "先来.csv")
    build_all(context, all_builds(shipped))
    goes, gone = deaths(context, date(2026, 2, 5), 2, shared + theirs, "绝密.csv")
    build_all(context, [*base, *others])
    gone = [canary for canary in gone if canary.value not in shared]
    before = readable_bytes([context.home.root])
    assert found(gone, before) == gone, "the search works"
    purge.request(context, goes.id, reason="wrong city", by="zhang")
    purge.confirm(context, goes.id, by="li")
    after = readable_bytes([context.home.root])
    assert found(gone, after) == []
    assert found(kept, after) == found(kept, before)
    assert found([canary for canary in kept if canary.column == "resident_id"], after)
    people = context.lake.scan("base", "person").collect()
    states = context.lake.scan("base", "person_history").collect()
    assert sorted(people["resident_id"]) == sorted(shared + mine)
    assert states.filter(pl.col(TO).is_null()).height == people.height
    assert stays.id in pushes_named_in(context, "standard")
    assert goes.id not in pushes_named_in(context, "standard")


def pushes_named_in(context: Context, layer: str) -> set[str]:
    return set(context.lake.scan(layer, "death_certificate").collect()["_push"])
