"""Drop folders: a finished file is landed once, wherever we are killed; an unfinished one is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets.ingest import deliveries
from assets.ingest.deliveries import Collected, collect, data_date_of
from catalog.load import Catalogue
from lake.home import Home
from lake.landing import landed_file
from lake.ledger import open_ledger
from quality.clock import today


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path)


def drop(home: Home, name: str, content: bytes = b"a,b\n", folder: str = "civil_affairs/cremation") -> Path:
    path = home.drop / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def look(home: Home, catalogue: Catalogue, settle_seconds: float = 0) -> Collected:
    return collect(home, catalogue, settle_seconds=settle_seconds)


def test_nothing_anywhere(home: Home, catalogue: Catalogue) -> None:
    assert look(home, catalogue) == Collected()
    assert not home.exchange.exists(), "no database is started for nothing"


def test_a_dropped_file_is_landed_and_moved(home: Home, catalogue: Catalogue) -> None:
    path = drop(home, "火化_20240630.csv")
    (push,) = look(home, catalogue).pushes
    assert landed_file(home, push).read_bytes() == b"a,b\n"
    assert push.data_date.isoformat() == "2024-06-30"
    assert not path.exists()
    assert [file.name for file in (path.parent / "done").iterdir()] == [f"{push.id}-火化_20240630.csv"]
    assert look(home, catalogue) == Collected()


def test_the_same_file_dropped_again_is_another_push(home: Home, catalogue: Catalogue) -> None:
    for _ in range(2):
        drop(home, "a.csv")
        assert len(look(home, catalogue).pushes) == 1


@pytest.mark.parametrize("name", ["a.csv.part", "a.tmp", ".a.csv.swp", "a.csv.filepart", "a.csv~"])
def test_names_of_files_on_their_way_are_left(home: Home, catalogue: Catalogue, name: str) -> None:
    path = drop(home, name)
    assert look(home, catalogue) == Collected()
    assert path.exists()


def test_a_file_touched_just_now_is_left_even_with_an_old_date(home: Home, catalogue: Catalogue) -> None:
    path = drop(home, "a.csv")
    os.utime(path, (0, 0))
    assert look(home, catalogue, settle_seconds=60) == Collected()
    assert len(look(home, catalogue, settle_seconds=0).pushes) == 1


def test_a_file_that_grows_while_it_is_read_is_left(
    home: Home, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(home, "a.csv")
    real = deliveries.file_chunks

    def growing(source: Path) -> object:
        yield from real(source)
        with path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(deliveries, "file_chunks", growing)
    assert look(home, catalogue) == Collected()
    monkeypatch.setattr(deliveries, "file_chunks", real)
    (push,) = look(home, catalogue).pushes
    assert push.size == 8


def test_killed_between_receipt_and_move_lands_once(
    home: Home, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(home, "a.csv")

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    real = deliveries._move
    monkeypatch.setattr(deliveries, "_move", killed)
    with pytest.raises(KilledError):
        look(home, catalogue)
    monkeypatch.setattr(deliveries, "_move", real)
    look(home, catalogue)
    assert len(open_ledger(home).waiting()) == 1
    assert list((home.drop / "civil_affairs/cremation").glob("*.csv")) == []


@pytest.mark.parametrize(
    ("folder", "content"),
    [
        ("civil_affairs/cremation", b""),
        ("civil_affairs/no_such_resource", b"a"),
        ("police/cremation", b"a"),
        ("nobody/cremation", b"a"),
    ],
)
def test_what_is_refused_lies_beside_its_reason_and_stops_nobody(
    home: Home, catalogue: Catalogue, folder: str, content: bytes
) -> None:
    path = drop(home, "bad.csv", content, folder)
    drop(home, "good.csv", folder="civil_affairs/marriage")
    collected = look(home, catalogue)
    assert [push.resource for push in collected.pushes] == ["marriage"]
    assert [name for name, _ in collected.refusals] == ["bad.csv"]
    reason = next((path.parent / "refused").glob("*.reason.txt"))
    assert collected.refusals[0][1].zh in reason.read_text(encoding="utf-8")


def test_links_are_not_followed(home: Home, catalogue: Catalogue, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    drop(home, "a.csv").unlink()
    (home.drop / "civil_affairs/cremation/b.csv").symlink_to(secret)
    assert look(home, catalogue) == Collected()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("人口_20240630.csv", "2024-06-30"),
        ("marriage-2024-06-30-full.csv", "2024-06-30"),
        ("2024_02_29.xlsx", "2024-02-29"),
        ("a.csv", None),
        ("20240230.csv", None),
        ("29990101.csv", None),
        ("441802199001010028.csv", None),
        ("", None),
    ],
)
def test_the_date_in_a_files_name(name: str, expected: str | None) -> None:
    before = today()
    assert data_date_of(name).isoformat() == expected or (expected is None and data_date_of(name) >= before)
