"""Tables published in pieces: the same rows as if written whole, and no file anew in which nothing changed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake import changes
from lake.tables import Lake

ROWS = st.dictionaries(st.integers(0, 30), st.sampled_from(["a", "b", None]), max_size=31)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PIECE_ROWS", 4)


def frame(values: dict[int, str | None]) -> pl.DataFrame:
    schema = {"id": pl.String, "value": pl.String}
    return pl.DataFrame([(f"p1{i:02d}", v) for i, v in sorted(values.items())], schema=schema, orient="row")


def published(lake: Lake, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The table's files after publishing, each with its rows."""
    lake.publish_pieces("shared", "product", rows, by=["id"])
    return {path.name: pl.read_parquet(path) for path in lake.files("shared", "product")}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=2, max_size=4))
def test_following_changes_equals_writing_whole(
    tmp_path_factory: pytest.TempPathFactory, releases: list[dict[int, str | None]]
) -> None:
    followed = Lake(tmp_path_factory.mktemp("followed"))
    for values in releases:
        published(followed, frame(values))
    whole = Lake(tmp_path_factory.mktemp("whole"))
    last = {tuple(rows.rows()) for rows in published(whole, frame(releases[-1])).values()}
    held = {tuple(pl.read_parquet(path).rows()) for path in followed.files("shared", "product")}
    # file for file the same rows in the same order: nothing tells what was there before
    assert held == last
    assert sorted(row for rows in held for row in rows) == frame(releases[-1]).rows()


def test_only_the_file_of_a_changed_row_is_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    values: dict[int, str | None] = dict.fromkeys(range(31), "a")
    before = published(lake, frame(values))
    assert len(before) == 4
    after = published(lake, frame(values | {7: "b"}))
    assert len(set(before) & set(after)) == 3
    (written,) = set(after) - set(before)
    assert ("p107", "b") in after[written].rows()


def test_equal_rows_make_no_new_version(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(dict.fromkeys(range(31), "a"))
    assert lake.publish_pieces("shared", "product", rows, by=["id"]).changed
    again = lake.publish_pieces("shared", "product", rows, by=["id"])
    assert (again.changed, again.rows) == (False, 31)


def test_other_columns_write_the_table_whole(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(dict.fromkeys(range(9), "a"))
    published(lake, rows)
    wider = rows.with_columns(pl.lit(1).alias("more"))
    assert {name for file in published(lake, wider).values() for name in file.columns} == {
        "id",
        "value",
        "more",
    }


def test_a_table_may_become_empty(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    published(lake, frame({1: "a"}))
    assert published(lake, frame({})) == {}
    assert lake.rows("shared", "product") == 0
