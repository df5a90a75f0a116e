"""Delta tables: changes by key against a plain dictionary, writers that meet, statistics that never hide a row."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lake import changes, parts, tables
from lake.hashes import ROW_HASH, row_hash
from lake.parts import write_part
from lake.tables import Lake, SchemaChangeError, TableMissingError

NAME = ("standard", "sample")
CONTENT = pl.Schema({"k": pl.Int64(), "v": pl.String()})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def rows_of(content: Mapping[int, str | None]) -> pl.DataFrame:
    frame = pl.DataFrame({"k": list(content), "v": list(content.values())}, schema=CONTENT)
    return frame.with_columns(row_hash(CONTENT.names(), CONTENT).alias(ROW_HASH))


def keys_of(*keys: int) -> pl.DataFrame:
    return pl.DataFrame({"k": list(keys)}, schema={"k": pl.Int64})


def content(lake: Lake) -> dict[int, str | None]:
    rows = lake.scan(*NAME).select("k", "v").collect()
    assert rows["k"].is_unique().all()
    return dict(rows.iter_rows())


def log_of(lake: Lake, name: tuple[str, str] = NAME) -> list[dict[str, Any]]:
    """Every action of the table's log, oldest first."""
    files = sorted((lake.path(*name) / "_delta_log").glob("*.json"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_table_that_was_never_written_says_what_writes_it(lake: Lake) -> None:
    with pytest.raises(TableMissingError, match="citylake materialize standard/sample"):
        lake.scan(*NAME)
    assert (lake.rows(*NAME), lake.version(*NAME), lake.names("standard")) == (0, None, [])


def test_a_layer_that_is_none_is_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match="no layer 'secret': one of standard"):
        lake.path("secret", "sample")


values = st.sampled_from(["a", "b", "", None])
steps = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 8), values, max_size=6),
        st.sets(st.integers(0, 10), max_size=4),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(steps=steps, small_files=st.sampled_from([0, 2, 16]))
def test_changes_do_to_a_table_what_they_do_to_a_dictionary(
    steps: list[tuple[dict[int, str | None], set[int]]], small_files: int
) -> None:
    """Rows, counts and versions: a new version exactly where something differs, however files are folded."""
    before = changes.SMALL_FILES
    changes.SMALL_FILES = small_files
    try:
        with tempfile.TemporaryDirectory() as folder:
            lake, model = Lake(Path(folder)), dict[int, str | None]()
            version = lake.create(*NAME, rows_of({}).schema).version()
            for written, leaving in steps:
                deleted = {key for key in leaving if key in model and key not in written}
                inserted = {key for key in written if key not in model}
                updated = {key for key in written if key in model and model[key] != written[key]}
                commit = lake.change(
                    *NAME, rows_of(written), key=["k"], delete=keys_of(*(leaving - set(written)))
                )
                model = {key: value for key, value in model.items() if key not in deleted} | written
                assert content(lake) == model
                assert (commit.inserted, commit.updated, commit.deleted) == (
                    len(inserted),
                    len(updated),
                    len(deleted),
                )
                version += commit.changed
                assert commit.changed == bool(inserted or updated or deleted)
                assert (commit.version, commit.rows) == (version, len(model))
                assert lake.rows(*NAME) == len(model)
    finally:
        changes.SMALL_FILES = before


def test_an_identical_change_writes_nothing_at_all(lake: Lake) -> None:
    lake.change(*NAME, rows_of({1: "a", 2: None}), key=["k"])
    before = {path: path.stat().st_mtime_ns for path in lake.path(*NAME).rglob("*")}
    commit = lake.change(*NAME, rows_of({2: None, 1: "a"}), key=["k"], transaction="p2")
    assert not commit.changed
    assert {path: path.stat().st_mtime_ns for path in lake.path(*NAME).rglob("*")} == before


def test_only_the_files_that_hold_a_changed_row_are_rewritten(lake: Lake) -> None:
    for start in (0, 10, 20):
        lake.change(*NAME, rows_of(dict.fromkeys(range(start, start + 10), "a")), key=["k"])
    first = lake.files(*NAME)
    lake.change(*NAME, rows_of({11: "z"}), key=["k"], delete=keys_of(12))
    second = lake.files(*NAME)
    assert len(set(first) & set(second)) == 2
    assert len(second) == 3
    assert content(lake) == {key: "a" for key in range(30) if key != 12} | {11: "z"}
    assert lake.scan(*NAME, version=3).collect().height == 30, "the version before is still there to read"


def test_many_small_files_are_folded_into_one(lake: Lake) -> None:
    for key in range(40):
        lake.change(*NAME, rows_of({key: "a"}), key=["k"])
        assert len(lake.files(*NAME)) <= changes.SMALL_FILES + 1
    assert content(lake) == dict.fromkeys(range(40), "a")


def test_a_transaction_is_applied_once(lake: Lake) -> None:
    for _ in range(3):
        lake.append(*NAME, rows_of({1: "a"}), transaction="p1")
    assert content(lake) == {1: "a"}
    assert lake.applied(*NAME, "p1")
    assert not lake.applied(*NAME, "p2")
    commit = lake.change(*NAME, rows_of({1: "b"}), key=["k"], transaction="p1")
    assert not commit.changed
    assert content(lake) == {1: "a"}
    assert len(list(lake.path(*NAME).glob("*.parquet"))) == 1, "nothing lies beside the table"


def test_an_empty_push_leaves_its_mark_and_no_file(lake: Lake) -> None:
    commit = lake.append(*NAME, rows_of({}), transaction="p1")
    assert commit.changed
    assert lake.applied(*NAME, "p1")
    assert not lake.append(*NAME, rows_of({})).changed
    assert list(lake.path(*NAME).glob("*.parquet")) == []


def test_a_transaction_is_remembered_when_the_log_has_been_folded_away(lake: Lake) -> None:
    for number in range(5):
        lake.append(*NAME, rows_of({number: "a"}), transaction=f"p{number}")
    lake.forget(*NAME)
    assert len(list((lake.path(*NAME) / "_delta_log").glob("*.json"))) < 5
    assert all(lake.applied(*NAME, f"p{number}") for number in range(5))
    assert not lake.append(*NAME, rows_of({0: "b"}), transaction="p0").changed


def interrupted(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object], times: int = 1) -> None:
    """Before each of the next ``times`` commits another writer commits ``meanwhile``."""
    original, left = changes.Planned.commit, [times]

    def commit(self: changes.Planned, table: DeltaTable, *said: object) -> None:
        if left[0]:
            left[0] -= 1
            with monkeypatch.context() as patch:
                patch.setattr(changes.Planned, "commit", original)
                meanwhile()
        original(self, table, *said)

    monkeypatch.setattr(changes.Planned, "commit", commit)


WRITES: dict[str, Callable[[Lake], object]] = {
    "insert": lambda lake: lake.change(*NAME, rows_of({5: "mine"}), key=["k"]),
    "update": lambda lake: lake.change(*NAME, rows_of({1: "mine"}), key=["k"]),
    "delete": lambda lake: lake.change(*NAME, rows_of({}), key=["k"], delete=keys_of(1)),
}
AFTER: dict[str, dict[int, str | None]] = {"insert": {1: "a", 5: "mine"}, "update": {1: "mine"}, "delete": {}}


@pytest.mark.parametrize("write", WRITES)
def test_a_writer_that_was_overtaken_plans_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """Also where both only add rows, which Delta itself would let pass: a key would then stand twice."""
    lake.change(*NAME, rows_of({1: "a"}), key=["k"])
    interrupted(monkeypatch, lambda: lake.change(*NAME, rows_of({5: "theirs", 6: "theirs"}), key=["k"]))
    WRITES[write](lake)
    assert content(lake) == {5: "theirs", 6: "theirs"} | AFTER[write]


def test_one_push_applied_by_two_at_once_is_applied_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.create(*NAME, rows_of({}).schema)
    interrupted(monkeypatch, lambda: lake.append(*NAME, rows_of({1: "a"}), transaction="p1"))
    commit = lake.append(*NAME, rows_of({1: "a"}), transaction="p1")
    assert not commit.changed
    assert lake.scan(*NAME).collect().height == 1


def test_who_never_comes_through_says_so_and_changes_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100, 200))
    lake.change(*NAME, rows_of({1: "a"}), key=["k"])
    interrupted(
        monkeypatch,
        lambda: lake.change(*NAME, rows_of({next(numbers): "theirs"}), key=["k"]),
        times=tables.ATTEMPTS,
    )
    with pytest.raises(CommitFailedError):
        lake.change(*NAME, rows_of({1: "mine"}), key=["k"])
    assert content(lake)[1] == "a"
    assert lake.rows(*NAME) == 1 + tables.ATTEMPTS


def test_writers_at_once_lose_nothing_and_double_nothing(lake: Lake) -> None:
    lake.change(*NAME, rows_of({0: "start"}), key=["k"])
    writers, turns = 3, 6
    start = threading.Barrier(writers)
    failures: list[BaseException] = []

    def work(writer: int) -> None:
        start.wait()
        try:
            for turn in range(turns):
                own = 100 * (writer + 1) + turn
                # each adds a row of its own, and all write one row that everybody wants
                lake.change(*NAME, rows_of({own: "own", 0: f"{writer}/{turn}", 1: "same"}), key=["k"])
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    final = content(lake)
    assert set(final) == {0, 1} | {100 * (w + 1) + t for w in range(writers) for t in range(turns)}
    assert final[0] in {f"{writer}/{turns - 1}" for writer in range(writers)}


def test_equal_content_is_not_published_again_in_whatever_order(lake: Lake) -> None:
    frame = rows_of({3: "c", 1: "a", 2: None})
    first = lake.publish("base", "sample", frame, key=["k"])
    second = lake.publish("base", "sample", frame.reverse(), key=["k"])
    assert (first.changed, second.changed, second.version) == (True, False, first.version)
    assert len(list(lake.path("base", "sample").glob("*.parquet"))) == 1
    third = lake.publish("base", "sample", frame.head(2), key=["k"])
    assert (third.changed, third.version) == (True, first.version + 1)
    assert lake.scan("base", "sample").collect()["k"].to_list() == [1, 3]


@pytest.mark.parametrize("after", [{1: "a"}, {1: "a", 2: "c"}, {1: "a", 2: "b", 3: "c"}])
def test_what_is_published_is_there_whether_rows_become_fewer_more_or_others(
    lake: Lake, after: Mapping[int, str]
) -> None:
    lake.publish(*NAME, rows_of({1: "a", 2: "b"}), key=["k"])
    assert lake.publish(*NAME, rows_of(after), key=["k"]).changed
    assert content(lake) == after


def test_readers_that_share_an_open_table_with_a_writer_see_one_version_or_the_next(lake: Lake) -> None:
    """Of a table to which ten rows are added at a time nobody ever sees five, and no reading fails."""
    for start in (0, 10):
        lake.append(*NAME, rows_of(dict.fromkeys(range(start, start + 10), "x")))
    written = threading.Event()

    def read() -> list[tuple[int, int]]:
        seen = []
        while not written.is_set():
            seen.append((lake.rows(*NAME), pl.scan_parquet(lake.files(*NAME)).collect().height))
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for start in range(20, 320, 10):
            lake.append(*NAME, rows_of(dict.fromkeys(range(start, start + 10), "x")))
        written.set()
        seen = [pair for reader in readers for pair in reader.result()]
    assert {count % 10 for pair in seen for count in pair} == {0}
    assert all(before <= after for before, after in seen)
    assert lake.rows(*NAME) == 320


def test_an_empty_result_is_published_and_is_no_news_the_second_time(lake: Lake) -> None:
    lake.publish("base", "sample", rows_of({1: "a"}), key=["k"])
    emptied = lake.publish("base", "sample", rows_of({}), key=["k"])
    assert (emptied.changed, emptied.rows) == (True, 0)
    assert not lake.publish("base", "sample", rows_of({}), key=["k"]).changed
    assert lake.scan("base", "sample").collect().is_empty()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(pl.DataFrame({"k": [1], "more": [True]}), id="a column comes and one goes"),
        pytest.param(pl.DataFrame({"k": ["one"], "v": [1.5]}), id="columns change their type"),
        pytest.param(pl.DataFrame(schema={"other": pl.Date()}), id="all is new and empty"),
    ],
)
def test_a_published_table_takes_another_shape_in_one_commit(lake: Lake, after: pl.DataFrame) -> None:
    """Nobody who reads in between finds it empty."""
    before = lake.publish("base", "sample", rows_of({1: "a"}), key=["k"])
    commit = lake.publish("base", "sample", after, key=[after.columns[0]])
    assert commit.version == before.version + 1
    assert_frame_equal(lake.scan("base", "sample").collect(), after)
    assert not lake.publish("base", "sample", after, key=[after.columns[0]]).changed


def test_a_new_column_is_null_in_the_rows_before_it(lake: Lake) -> None:
    lake.change(*NAME, rows_of({1: "a", 2: "b"}), key=["k"])
    wider = rows_of({2: "b", 3: "c"}).with_columns(pl.Series("w", [["x"], ["y"]]))
    lake.change(*NAME, wider.with_columns(pl.col(ROW_HASH) + 1), key=["k"])
    found = dict(lake.scan(*NAME).select("k", "w").collect().iter_rows())
    assert found == {1: None, 2: ["x"], 3: ["y"]}
    lake.change(*NAME, rows_of({4: "d"}), key=["k"])
    assert dict(lake.scan(*NAME).select("k", "w").collect().iter_rows()) == found | {4: None}
    plain = pl.concat([pl.read_parquet(path) for path in lake.files(*NAME)], how="vertical")
    assert plain.columns == ["k", "v", ROW_HASH, "w"], "every file has every column"
    assert lake.scan(*NAME, version=1).collect().columns == ["k", "v", ROW_HASH]


def test_a_column_of_another_type_is_refused_with_what_to_do(lake: Lake) -> None:
    lake.change(*NAME, rows_of({1: "a"}), key=["k"])
    other = rows_of({2: "b"}).with_columns(v=pl.lit(1.5))
    with pytest.raises(SchemaChangeError, match=r"standard.sample: column v holds String.*Float64.*rebuild"):
        lake.change(*NAME, other, key=["k"])
    assert content(lake) == {1: "a"}


EVERY_KIND = pl.DataFrame(
    {
        "whole": [3, None, -7],
        "real": [1.5, None, -0.25],
        "exact": pl.Series([Decimal("2.50"), None, Decimal("-1.00")], dtype=pl.Decimal(18, 2)),
        "word": ["清远", None, ""],
        "long": ["z" * 200, None, "a"],
        "yes": [True, None, False],
        "day": [date(2026, 1, 2), None, date(1899, 12, 31)],
        "instant": pl.Series(
            [datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), None, datetime(1950, 1, 1, tzinfo=UTC)],
            dtype=pl.Datetime("us", "UTC"),
        ),
        "nothing": pl.Series([None, None, None], dtype=pl.Int64),
        "bytes": [b"\x00", None, b"\xff"],
        "list": [["a"], None, []],
    }
)


def test_the_log_knows_counts_and_bounds(lake: Lake) -> None:
    lake.append(*NAME, EVERY_KIND)
    (stats,) = [json.loads(action["add"]["stats"]) for action in log_of(lake) if "add" in action]
    assert stats["numRecords"] == 3
    # a long text's bound may be cut, and is then rounded up
    assert "z" * 60 < stats["maxValues"].pop("long") >= EVERY_KIND["long"][0]
    assert stats["minValues"].pop("long") == "a"
    assert stats["minValues"] == {
        "whole": -7,
        "real": -0.25,
        "word": "",
        "day": "1899-12-31",
        "instant": "1950-01-01T00:00:00.000000Z",
    }
    assert stats["maxValues"]["instant"] == "2026-01-02T03:04:05.678901Z"
    assert stats["nullCount"]["word"] == 1
    assert stats["nullCount"]["nothing"] == 3


def readers() -> dict[str, Callable[[Path], pl.DataFrame]]:
    def by_duckdb(path: Path) -> pl.DataFrame:
        # from the package index: governments' networks cannot download it
        extension = next(Path(str(files("duckdb_extension_delta"))).rglob("delta.duckdb_extension"))
        with duckdb.connect() as connection:
            connection.execute(f"LOAD '{extension}'")
            return connection.execute("SELECT * FROM delta_scan(?)", [str(path)]).pl()

    return {
        "polars": lambda path: pl.scan_delta(str(path)).collect(),
        "deltalake": lambda path: pl.DataFrame(DeltaTable(str(path)).to_pyarrow_table()),
        "duckdb": by_duckdb,
    }


@pytest.mark.parametrize("reader", readers())
def test_any_delta_reader_opens_a_table_that_was_changed(lake: Lake, reader: str) -> None:
    for start in (0, 10):
        lake.change(*NAME, rows_of(dict.fromkeys(range(start, start + 10), "a")), key=["k"])
    lake.change(*NAME, rows_of({3: "甲", 30: None}), key=["k"], delete=keys_of(4), transaction="p1")
    expected = lake.scan(*NAME).collect().sort("k")
    assert_frame_equal(readers()[reader](lake.path(*NAME)).sort("k"), expected)


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [
        (pl.Datetime("us", "UTC"), "0999-12-31T23:59:59.000000Z"),
        (pl.Datetime("ms", "UTC"), "0999-12-31T23:59:59.000000Z"),
        (pl.Datetime("us"), None),
    ],
)
def test_moments_have_bounds_where_they_have_a_zone(
    tmp_path: Path, dtype: pl.Datetime, bound: str | None
) -> None:
    at = pl.Series("at", [datetime(999, 12, 31, 23, 59, 59)], pl.Datetime("us")).cast(dtype)  # noqa: DTZ001
    stats = json.loads(parts.write_part(at.to_frame().lazy(), tmp_path).stats)
    assert stats["minValues"].get("at") == stats["maxValues"].get("at") == bound


class Footer:
    """A Parquet footer of one column, whose row groups have these bounds: (minimum, maximum, values, nulls)."""

    def __init__(self, *groups: tuple[str | None, str | None, int, int]) -> None:
        self.num_rows = sum(values + nulls for _, _, values, nulls in groups)
        self.num_row_groups, self.num_columns = len(groups), 1
        self.schema = SimpleNamespace(column=lambda _: SimpleNamespace(path="word"))
        self._groups = groups

    def row_group(self, index: int) -> SimpleNamespace:
        low, high, values, nulls = self._groups[index]
        bounds = SimpleNamespace(
            min=low,
            max=high,
            has_min_max=low is not None,
            num_values=values,
            null_count=nulls,
            logical_type=SimpleNamespace(type="STRING"),
        )
        return SimpleNamespace(column=lambda _: SimpleNamespace(statistics=bounds))


def test_bounds_of_some_row_groups_only_are_no_bounds() -> None:
    """A reader that trusts them would skip the file though the row is in it."""
    known, empty, unknown = ("b", "c", 2, 0), (None, None, 0, 2), (None, None, 1, 1)
    stats = parts._stats(Footer(known, empty, ("a", "b", 2, 0)))
    assert (stats["minValues"], stats["maxValues"]) == ({"word": "a"}, {"word": "c"})
    stats = parts._stats(Footer(known, unknown))
    assert (stats["minValues"], stats["maxValues"]) == ({}, {})
    assert (stats["nullCount"], stats["numRecords"]) == ({"word": 1}, 4)


def test_a_reader_that_skips_files_by_their_bounds_finds_every_row(lake: Lake) -> None:
    for value in (EVERY_KIND, EVERY_KIND.head(1), EVERY_KIND.tail(1)):
        lake.append(*NAME, value)
    scanned = pl.scan_delta(str(lake.path(*NAME)))
    for column in ("whole", "real", "exact", "word", "long", "day", "instant"):
        value = EVERY_KIND[column][0]
        assert scanned.filter(pl.col(column) == value).collect().height == 2
        assert scanned.filter(pl.col(column) <= EVERY_KIND[column][2]).collect().height == 2
        assert scanned.filter(pl.col(column).is_null()).collect().height == 1


@pytest.mark.parametrize("allowed", [[], ["k"]])
def test_where_not_all_bounds_may_be_seen_there_are_none(lake: Lake, allowed: list[str]) -> None:
    name = ("shared", "sample")
    lake.publish(*name, rows_of({1: "secret"}), key=["k"], statistics=allowed)
    (added,) = [action["add"] for action in log_of(lake, name) if "add" in action]
    stats = json.loads(added["stats"])
    assert (stats["numRecords"], stats["minValues"], stats["maxValues"]) == (1, {}, {})
    footer = pq.ParquetFile(lake.files(*name)[0]).metadata.row_group(0)
    bounds = [footer.column(index).statistics for index in range(footer.num_columns)]
    assert not any(statistics and statistics.has_min_max for statistics in bounds)


def test_superseded_rows_can_be_forgotten(lake: Lake) -> None:
    name = ("open", "sample")
    lake.publish(*name, rows_of({1: "withdrawn", 2: "b"}), key=["k"])
    lake.publish(*name, rows_of({2: "b"}), key=["k"])
    lake.forget(*name)
    assert lake.scan(*name).collect()["k"].to_list() == [2]
    left = b"".join(path.read_bytes() for path in lake.path(*name).rglob("*") if path.is_file())
    assert b"withdrawn" not in left


def test_only_masked_tables_are_dropped(lake: Lake) -> None:
    for layer in ("base", "shared"):
        lake.publish(layer, "sample", rows_of({1: "a"}), key=["k"])
    lake.drop("shared", "sample")
    assert not lake.exists("shared", "sample")
    with pytest.raises(ValueError, match=r"base\.sample is no masked table"):
        lake.drop("base", "sample")
    assert lake.rows("base", "sample") == 1


def test_a_home_may_have_a_chinese_name_with_a_blank(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "清远 数据")
    lake.change(*NAME, rows_of({1: "a"}), key=["k"])
    lake.change(*NAME, rows_of({1: "b", 2: "c"}), key=["k"])
    assert content(lake) == {1: "b", 2: "c"}
    assert pl.read_parquet(lake.files(*NAME)).height == 2
    assert lake.publish("base", "sample", lake.scan(*NAME), key=["k"]).rows == 2


# control characters never come through cleaning, and are what the hash separates values with
words = st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=3)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(words, words, st.none() | st.binary(max_size=2), st.none() | st.dates()),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_rows_that_differ_have_different_hashes(rows: list[tuple[Any, ...]]) -> None:
    schema = pl.Schema({"a": pl.String(), "b": pl.String(), "c": pl.Binary(), "d": pl.Date()})
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    first, second = frame.select(row_hash(frame.columns, schema)).to_series()
    assert first != second


@given(days=st.lists(st.none() | st.integers(-9, 9) | st.integers(-719_162, 2_932_896), max_size=60))
def test_a_date_is_hashed_as_its_text_however_many_share_a_day(days: list[int | None]) -> None:
    frame = pl.DataFrame({"d": pl.Series(days, dtype=pl.Int32).cast(pl.Date)})
    texts = frame.cast(pl.String)
    assert frame.select(row_hash(["d"], frame.schema)).equals(texts.select(row_hash(["d"], texts.schema)))


def test_a_part_is_invisible_until_it_is_committed(lake: Lake) -> None:
    lake.append(*NAME, rows_of({1: "a"}))
    part = write_part(rows_of({2: "b"}).lazy(), lake.path(*NAME))
    assert content(lake) == {1: "a"}
    lake.append_part(*NAME, part, rows_of({}).schema, transaction="p1")
    assert content(lake) == {1: "a", 2: "b"}


def test_an_opened_table_is_followed_wherever_it_goes(lake: Lake) -> None:
    assert lake.current(*NAME) is None
    for number in range(3):
        lake.append(*NAME, rows_of({number: "a"}), transaction=f"p{number}")
        assert lake.numbers(*NAME, ["p0", "p1", "p2"]).keys() == {f"p{seen}" for seen in range(number + 1)}
    lake.expunge(*NAME)
    assert lake.applied(*NAME, "p2"), "its log was cut"
    shutil.rmtree(lake.path(*NAME))
    assert lake.current(*NAME) is None
    for transaction in ("q", "r"):
        lake.append(*NAME, rows_of({1: "a"}), transaction=transaction)
        assert "p0" not in lake.numbers(*NAME, ["p0", transaction]), "it is another table"
    version = lake.version(*NAME)
    shutil.rmtree(lake.path(*NAME))
    for transaction in ("s", "t"):
        lake.append(*NAME, rows_of({1: "a"}), transaction=transaction)
    assert lake.version(*NAME) == version
    assert lake.numbers(*NAME, ["q", "r", "t"]).keys() == {"t"}, "also where it has as many versions"
