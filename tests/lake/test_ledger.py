"""The ledger: each push once, in order, for ever; and a home that is newer than the program is left alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.model import Title, Way
from lake.home import Home
from lake.ledger import (
    SCHEMA_VERSION,
    IdempotencyConflictError,
    Ledger,
    LedgerError,
    NewerStateError,
    Push,
    PushState,
    UnknownPushError,
    _metadata,
    _open,
    migrate,
    new_push_id,
    newest,
    open_ledger,
)
from tests.pushes import a_push


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(Home.open(tmp_path))


def push(resource: str = "marriage", **fields: object) -> Push:
    plain = {
        "id": new_push_id(),
        "resource": resource,
        "filename": "婚姻登记.csv",
        "data_date": date(2024, 1, 31),
        "received_at": datetime(2024, 2, 1, 3, 4, 5, 678, tzinfo=UTC),
    }
    return a_push(**plain | fields)


def test_a_push_comes_back_as_it_was_registered(ledger: Ledger) -> None:
    sent = push(idempotency_key="a")
    stored = ledger.register(sent)
    assert replace(stored, sequence=0) == sent
    assert ledger.get(sent.id) == stored
    with pytest.raises(UnknownPushError):
        ledger.get("p0")


def test_ids_sort_by_time_and_sequences_by_registration(ledger: Ledger) -> None:
    pushes = [ledger.register(push()) for _ in range(5)]
    assert [item.sequence for item in pushes] == sorted({item.sequence for item in pushes})
    assert [item.id[:10] for item in pushes] == sorted(item.id[:10] for item in pushes)
    assert [item.id for item in ledger.waiting("marriage")] == [item.id for item in pushes]
    assert ledger.waiting("birth_certificate") == []


def test_a_key_belongs_to_one_department_and_resource(ledger: Ledger) -> None:
    first = ledger.register(push(idempotency_key="k"))
    assert ledger.register(push(idempotency_key="k")) == first
    assert ledger.register(push("adoption", idempotency_key="k")).id != first.id
    assert ledger.register(push(idempotency_key="k", department="police")).id != first.id
    with pytest.raises(IdempotencyConflictError):
        ledger.register(push(idempotency_key="k", digest="b" * 64))
    assert len(ledger.history("marriage")) == 2


def test_pushes_without_a_key_are_all_kept(ledger: Ledger) -> None:
    assert ledger.register(push()).id != ledger.register(push()).id
    assert len(ledger.waiting()) == 2


def test_settled_pushes_wait_no_more(ledger: Ledger) -> None:
    sent = ledger.register(push())
    reason = Title(zh="少列", en="a column is missing")
    ledger.settle(
        sent.id, PushState.REFUSED, rows=5, accepted=3, rejected=2, reason=reason, failures={"a": 2, "b": 0}
    )
    settled = ledger.get(sent.id)
    assert ledger.waiting() == []
    assert (settled.state, settled.rows, settled.accepted, settled.rejected) == (PushState.REFUSED, 5, 3, 2)
    assert (settled.reason_zh, settled.failures) == ("少列", {"a": 2})
    assert settled.settled_at is not None
    assert datetime.now(UTC) - settled.settled_at < timedelta(minutes=1)


def test_a_held_push_waits_again_once_a_person_accepts_it(ledger: Ledger) -> None:
    sent = ledger.register(push())
    with pytest.raises(LedgerError):
        ledger.accept_hold(sent.id, reason="…", by="zhang")
    ledger.settle(sent.id, PushState.HELD)
    assert ledger.in_state(PushState.HELD) == [ledger.get(sent.id)]
    assert not ledger.hold_accepted(sent.id)
    ledger.accept_hold(sent.id, reason="节假日停办", by="zhang")
    assert ledger.hold_accepted(sent.id)
    assert [item.id for item in ledger.waiting()] == [sent.id]


def test_which_applied_pushes_overtake_an_older_truth(ledger: Ledger) -> None:
    old, new, same = (
        ledger.register(push(data_date=day)) for day in (date(2024, 1, 1), date(2024, 3, 1), date(2024, 1, 1))
    )
    for item in (old, new, same):
        assert ledger.applied_after(item) == []
    for item in (old, new, same):
        ledger.settle(item.id, PushState.APPLIED)
    assert [item.id for item in ledger.applied_after(old)] == [new.id, same.id]
    assert ledger.applied_after(new) == []
    assert newest([old, new, same]) == new
    assert newest([]) is None


def test_latest_by_way(ledger: Ledger) -> None:
    assert ledger.latest("marriage") is None
    table, file = ledger.register(push(way=Way.TABLE)), ledger.register(push())
    assert ledger.latest("marriage") == file
    assert ledger.latest("marriage", Way.TABLE) == table
    assert ledger.latest("marriage", Way.API) is None


def test_ten_identical_pushes_at_once_are_one(ledger: Ledger) -> None:
    together = threading.Barrier(10)

    def send(_: int) -> str:
        together.wait()
        return ledger.register(push(idempotency_key="once")).id

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(send, range(10)))) == 1
    assert len(ledger.history("marriage")) == 1


def test_a_new_home_opened_by_many_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(lambda _: _open.__wrapped__(url), range(8)))
    ledgers[0].register(push())
    assert len(ledgers[-1].waiting()) == 1


def test_a_newer_home_is_refused_and_not_touched(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    with sa.create_engine(f"sqlite:///{home.operations}").begin() as connection:
        connection.execute(sa.text("CREATE TABLE state_version (version INTEGER PRIMARY KEY)"))
        connection.execute(sa.text("INSERT INTO state_version VALUES (99)"))
    with pytest.raises(NewerStateError, match="99"):
        open_ledger(home)
    with sa.create_engine(f"sqlite:///{home.operations}").connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["state_version"]


def test_the_file_survives_a_power_cut(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2


def test_an_older_state_is_brought_to_this_version_with_all_it_holds(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    engine = sa.create_engine(f"sqlite:///{home.operations}")
    with engine.begin() as connection:
        _metadata.create_all(connection)
        for column in ("notes", "same_as", "findings", "entry_digest"):
            connection.execute(sa.text(f"ALTER TABLE pushes DROP COLUMN {column}"))
        connection.execute(sa.text("INSERT INTO state_version VALUES (1)"))
        connection.execute(
            sa.text(
                "INSERT INTO pushes (id, resource, department, way, filename, format, size, digest, data_date, received_at,"
                " entry_version, state) VALUES ('p1', 'r', 'd', 'file', 'f', 'csv', 1, 'x', '2024-06-30',"
                " '2024-06-30T00:00:00+00:00', 1, 'received')"
            )
        )
    assert f"1 → {SCHEMA_VERSION}" in migrate(home)
    assert "nothing to do" in migrate(home)
    ledger = open_ledger(home)
    assert (ledger.get("p1").notes, ledger.get("p1").refusals) == (None, "p1")
    ledger.settle("p1", PushState.APPLIED, notes=("未知列 unknown column: x",))
    assert ledger.get("p1").notes == ["未知列 unknown column: x"]
    with engine.connect() as connection:
        assert (
            connection.execute(sa.text("SELECT max(version) FROM state_version")).scalar() == SCHEMA_VERSION
        )
