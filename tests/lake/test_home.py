"""The home's permissions: others find nothing to read in it, whoever opened it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.home import Home


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert mode(Home.open(tmp_path / "deep/home").root) == 0o700


def test_what_is_made_in_it_is_closed_to_others(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    home.lake.mkdir()
    (home.lake / "part.parquet").write_bytes(b"rows")
    assert mode(home.lake) & 0o007 == 0
    assert mode(home.lake / "part.parquet") & 0o007 == 0


def test_a_loosened_home_is_closed_again_but_may_be_passed_through(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    home.root.chmod(0o755)
    assert mode(Home.open(home.root).root) == 0o711
    home.root.chmod(0o700)
    assert mode(Home.open(home.root).root) == 0o700


def test_it_is_found_by_the_environment_else_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CITYLAKE_HOME", str(tmp_path / "named"))
    assert Home.open().root == tmp_path / "named"
    monkeypatch.delenv("CITYLAKE_HOME")
    assert Home.open().root == tmp_path / ".citylake"
