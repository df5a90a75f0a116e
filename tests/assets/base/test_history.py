"""The history of base tables: every state once, open until superseded, and any day can be asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets import base
from assets.analyst import builds as analyst_builds
from assets.base.erasure import erase
from assets.base.history import as_of, keyed_tables, record
from assets.base.states import FROM, TO
from assets.build import Context
from catalog.load import Catalogue
from tests.assets.small_lake import open_lake, put, resident
from tests.pushes import a_push

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
WHO = ["a", "b", "c"]


def states(context: Context) -> pl.DataFrame:
    return context.lake.scan("base", "sample_history").sort("id", FROM).collect()


def publish(context: Context, rows: dict[str, str]) -> pl.DataFrame:
    frame = pl.DataFrame(
        {"id": list(rows), "name": list(rows.values())}, schema={"id": pl.String, "name": pl.String}
    )
    context.lake.publish("base", "sample", frame, key=["id"])
    return frame


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(WHO), st.sampled_from("xyz"), max_size=3), min_size=1, max_size=5
    )
)
def test_any_day_can_be_asked_what_the_table_said_then(
    tmp_path_factory: pytest.TempPathFactory, shipped: Catalogue, days: list[dict[str, str]]
) -> None:
    context = open_lake(tmp_path_factory.mktemp("home"), shipped)
    said = []
    for number, rows in enumerate(days):
        said.append(publish(context, rows))
        record(context, "sample", ["id"], START + number * DAY)
    history = context.lake.scan("base", "sample_history")
    for number, rows in enumerate(said):
        then = as_of(history, START + number * DAY + timedelta(hours=1)).sort("id").collect()
        assert then.rows() == rows.sort("id").rows()
    assert as_of(history, START - DAY).collect().is_empty()


def test_what_does_not_change_is_recorded_once(empty_lake: Context) -> None:
    publish(empty_lake, {"a": "x", "b": "y"})
    assert record(empty_lake, "sample", ["id"], START).notes == {"states": 2, "recorded": 2}
    version = empty_lake.lake.version("base", "sample_history")
    again = record(empty_lake, "sample", ["id"], START + DAY)
    assert again.notes == {"states": 2, "recorded": 0}
    assert empty_lake.lake.version("base", "sample_history") == version


def test_a_change_closes_the_state_and_opens_another(empty_lake: Context) -> None:
    publish(empty_lake, {"a": "x", "b": "y"})
    record(empty_lake, "sample", ["id"], START)
    publish(empty_lake, {"a": "z"})
    record(empty_lake, "sample", ["id"], START + DAY)
    assert states(empty_lake).select("id", "name", FROM, TO).rows() == [
        ("a", "x", START, START + DAY),
        ("a", "z", START + DAY, None),
        ("b", "y", START, START + DAY),
    ]


def test_who_comes_back_has_two_states(empty_lake: Context) -> None:
    for number, rows in enumerate(({"a": "x"}, {}, {"a": "x"})):
        publish(empty_lake, rows)
        record(empty_lake, "sample", ["id"], START + number * DAY)
    assert states(empty_lake).select(FROM, TO).rows() == [(START, START + DAY), (START + 2 * DAY, None)]


def test_the_bureau_asks_a_day_in_one_line_and_a_role_knows_days_and_no_instant(empty_lake: Context) -> None:
    catalogue = empty_lake.catalogue
    born = date(1987, 6, 15)
    rows = (
        {"resident_id": resident(1), "name": "试一", "birth_date": born},
        {"resident_id": resident(2), "name": "试二"},
    )
    put(empty_lake, "household_register", *rows, on=date(2026, 1, 1))
    for build in [*base.builds(catalogue), *analyst_builds(catalogue)]:
        build.run(empty_lake)
    with duckdb.connect(str(empty_lake.home.bureau), read_only=True) as connection:
        today = "select name from base.person_as_of(current_date + 1) order by name"
        assert connection.sql(today).fetchall() == [("试一",), ("试二",)]
        columns = connection.sql("from base.person_as_of(current_date)").columns
        assert columns == connection.sql("from base.person").columns
        assert connection.sql("from base.person_as_of('2020-01-01')").fetchall() == []
        for day, there in (("1987-06-14", []), ("1987-06-15", ["试一"]), ("2026-01-01", ["试一", "试二"])):
            held = connection.sql(f"from base.person_on('{day}') order by name")
            assert held.columns == columns
            assert [row[0] for row in held.select("name").fetchall()] == there, (
                "the other's birth is not known"
            )
        whose = connection.sql("from base.person_crosswalk_as_of(current_date + 1)")
        assert [*whose.columns, FROM] == connection.sql("from base.person_crosswalk").columns
        assert len(whose.fetchall()) == 2
        assert connection.sql("from base.person_crosswalk_as_of('2020-01-01')").fetchall() == []
        titled = "select comment from duckdb_columns() where table_name = 'person_timeline' and column_name = 'valid_to'"
        assert connection.sql(titled).fetchall() == [
            ("至该日（不含）为止；空为至今 · held no more from this day on; null: still holds",)
        ]
        for table in keyed_tables(catalogue):
            then = connection.sql(f"from base.{table}_as_of(current_date + 1)")
            assert then.columns == connection.sql(f"from base.{table}").columns, table
    with duckdb.connect(str(empty_lake.home.analyst), read_only=True) as connection:
        for asked in ("as_of(current_date + 1)", "on('2026-01-01')"):
            assert connection.sql(f"select name from base.person_{asked}").fetchall() == [("试*",), ("试*",)]
        columns = connection.sql("from base.person_as_of(current_date)").columns
        assert columns == connection.sql("from base.person").columns
        assert connection.sql("from base.person_as_of('2020-01-01')").fetchall() == []
        own = set(connection.sql("from base.person_history").columns) - set(columns)
        assert own == {"known_since", "known_until"}
        assert connection.sql("from base.person_on(current_date)").columns == columns
        days = connection.sql("select distinct valid_from, valid_to from base.person_timeline").fetchall()
        assert days == [(None, None)], "a role is not told when somebody was born"


def test_a_purged_boundary_leaves_the_history_of_divisions(empty_lake: Context) -> None:
    """A division's row names the push of its code; its boundary came with another."""
    purged = a_push(
        resource="division_boundary",
        format="geojson",
        data_date=START.date(),
        received_at=START + timedelta(hours=1),
    )
    for number, shape in enumerate((None, b"shape", b"shape", None)):
        rows = {"code": ["441802"], "name": ["清城区"], "geometry": [shape], "source_push": ["p0"]}
        frame = pl.DataFrame(rows, schema_overrides={"geometry": pl.Binary})
        empty_lake.lake.publish("base", "division", frame, key=["code"])
        record(empty_lake, "division", ["code"], START + number * DAY)
    assert erase(empty_lake, purged, pl.DataFrame(), pl.Series(dtype=pl.String)) == 1
    kept = empty_lake.lake.scan("base", "division_history").sort(FROM).collect()
    assert kept.select("geometry", FROM, TO).rows() == [
        (None, START, START + 3 * DAY),
        (None, START + 3 * DAY, None),
    ]
