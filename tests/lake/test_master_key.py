"""The master key's keeping: made once, private, refused where it is not."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lake.home import Home
from lake.keys import VARIABLE, KeyFileError, master_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(VARIABLE, raising=False)
    return Home.open(tmp_path / "home")


def test_it_is_made_once_and_only_the_owner_reads_it(home: Home) -> None:
    key = master_key(home)
    assert len(key) == 32
    assert master_key(home) == key
    assert (home.secrets / "master.key").stat().st_mode & 0o777 == 0o600
    assert home.secrets.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in home.secrets.iterdir()] == ["master.key"]


def test_a_file_that_others_may_read_is_refused(home: Home) -> None:
    master_key(home)
    (home.secrets / "master.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        master_key(home)


@pytest.mark.parametrize("text", ["", "短", "c2hvcnQ=", "not base64!", "A" * 44])
def test_a_malformed_key_is_refused_and_not_repeated(
    home: Home, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(KeyFileError, match=r"32 bytes in base64") as refusal:
        master_key(home)
    assert not text or text not in str(refusal.value)


def test_the_environment_wins_and_writes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(b"k" * 32).decode())
    assert master_key(home) == b"k" * 32
    assert not (home.secrets / "master.key").exists()
