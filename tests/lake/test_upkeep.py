"""Upkeep changes files, never rows, and leaves alone what somebody may still read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from lake import upkeep
from lake.tables import Lake
from lake.upkeep import COMMITS_PER_CHECKPOINT, LOG_AGE, shorten_log, tidy

NONE = timedelta(0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    for number in range(6):
        lake.append("standard", "sample", pl.DataFrame({"no": [number]}), transaction=f"p{number}")
    return lake


def rows(lake: Lake) -> list[int]:
    return lake.scan("standard", "sample").collect()["no"].sort().to_list()


def test_small_files_become_one_and_the_rows_stay(lake: Lake) -> None:
    done = tidy(lake, "standard", "sample")
    assert (done.folded, done.into) == (6, 1)
    assert rows(lake) == [0, 1, 2, 3, 4, 5]
    assert tidy(lake, "standard", "sample").folded == 0


def test_superseded_files_stay_until_their_time_is_over(lake: Lake) -> None:
    old = lake.files("standard", "sample")
    assert tidy(lake, "standard", "sample").removed == 0
    assert all(path.exists() for path in old)
    assert tidy(lake, "standard", "sample", NONE).removed == 6
    assert not any(path.exists() for path in old)
    assert rows(lake) == [0, 1, 2, 3, 4, 5]


def test_what_a_killed_run_left_is_removed(lake: Lake) -> None:
    stray = lake.path("standard", "sample") / "part-stray.parquet"
    pl.DataFrame({"no": [99]}).write_parquet(stray)
    tidy(lake, "standard", "sample", NONE)
    assert not stray.exists()
    assert 99 not in rows(lake)


def test_pushes_stay_known_after_a_checkpoint(lake: Lake) -> None:
    for number in range(6, COMMITS_PER_CHECKPOINT + 2):
        lake.append("standard", "sample", pl.DataFrame({"no": [number]}), transaction=f"p{number}")
    assert tidy(lake, "standard", "sample", NONE).checkpointed
    assert lake.applied("standard", "sample", "p0")
    assert not lake.append("standard", "sample", pl.DataFrame({"no": [0]}), transaction="p0").changed


def test_masked_tables_are_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match="statistics"):
        tidy(lake, "shared", "sample")


def test_a_long_log_is_cut_to_its_last_checkpoints(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOG_FILES", 8)
    folder = lake.path("standard", "sample")
    for number in range(6, 15):
        lake.append("standard", "sample", pl.DataFrame({"no": [number]}), transaction=f"p{number}")
        if number in (8, 10, 12):
            lake.table("standard", "sample").create_checkpoint()
    assert shorten_log(folder, LOG_AGE) == 0, "somebody may just be opening it"
    # versions 0 to 10, and the first checkpoint
    assert shorten_log(folder, NONE) == 12
    assert shorten_log(folder, NONE) == 0
    assert rows(lake) == list(range(15))
    assert lake.applied("standard", "sample", "p0")
    assert not lake.append("standard", "sample", pl.DataFrame({"no": [0]}), transaction="p0").changed
    assert lake.append("standard", "sample", pl.DataFrame({"no": [15]}), transaction="p15").version == 16
    assert lake.between("standard", "sample", 3) is None
    assert lake.between("standard", "sample", 14) is not None
