"""Whoever has a file of views open keeps what it reads, while everything under it is built anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assets import analyst, shared, snapshots
from assets.build import Context
from assets.snapshots import hold, is_open, read_files
from tests.assets.city_of_canaries import SUBJECTS
from tests.assets.published import ask, copied, tighten

#: Another process's connection: it answers the same question as often as it is asked to.
READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
for sql in sys.stdin:
    print(connection.execute(sql).fetchone()[0], flush=True)
"""
PERSONS = "SELECT count(DISTINCT name) + count(*) FROM base.person"


class Reader:
    """A process that holds one connection open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, sql: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def reading(file: Path) -> Iterator[Reader]:
    command = [sys.executable, "-c", READER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield Reader(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


@pytest.fixture
def city(published: Context, tmp_path: Path) -> Context:
    """A city of one's own, whose files of views point at its own tables."""
    city = copied(published, tmp_path / "home")
    rebuild(city, "analyst_views", "bureau_views")
    return city


def parquet(city: Context) -> set[Path]:
    return set(city.lake.path("role/analyst", "base__person").glob("*.parquet"))


def fewer_people(city: Context, count: int) -> None:
    people = city.lake.scan("base", "person").collect().head(count)
    city.lake.publish("base", "person", people, key=["person_id"])


def rebuild(city: Context, *files: str) -> None:
    """Build the analyst's file again, or these."""
    made = {table: build for build in analyst.builds(city.catalogue) for table in build.makes}
    for name in files or ("analyst_views",):
        made["ops", name].run(city)


def test_an_open_connection_reads_its_snapshot_through_rebuilds(city: Context) -> None:
    """The files under it were superseded twice; it still sees all of its people, a new connection the new ones."""
    with reading(city.home.analyst) as reader:
        before = reader.ask(PERSONS)
        for count in (SUBJECTS - 1, SUBJECTS - 2):
            fewer_people(city, count)
            rebuild(city)
            assert ask(city.home.analyst, "SELECT count(*) FROM base.person") == [(count,)]
        assert reader.ask(PERSONS) == before
        # the first version, and the current one: nobody reads what was between
        assert len(parquet(city)) == 2
    rebuild(city)
    assert len(parquet(city)) == 1
    assert not list((city.home.root / "snapshots").iterdir())


def test_what_the_role_may_no_longer_see_goes_at_once(city: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also under an open connection: its next query fails, since what it would show is not shown any more."""
    with reading(city.home.analyst):
        tighten(monkeypatch, "mobile")
        rebuild(city)
        assert len(parquet(city)) == 1


def test_a_product_built_anew_stays_readable_until_the_files_of_views_follow(city: Context) -> None:
    columns = "SELECT count(*) FROM (FROM shared.subsidy_by_county)"
    before = ask(city.home.analyst, columns)
    city.lake.publish(
        "standard",
        "subsidy_payment",
        city.lake.scan("standard", "subsidy_payment").collect().head(1),
        key=["payment_no"],
    )
    build = next(b for b in shared.builds(city.catalogue) if ("shared", "subsidy_by_county") in b.makes)
    build.run(city)
    assert ask(city.home.analyst, columns) == before
    # the bureau's file shows products, too: the last to be replaced lets them go
    rebuild(city, "analyst_views", "bureau_views")
    folder = city.lake.path("shared", "subsidy_by_county")
    current = {path.name for path in city.lake.files("shared", "subsidy_by_county")}
    assert {path.name for path in folder.glob("*.parquet")} == current


def test_a_connection_left_open_protects_its_files_for_a_day(
    city: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading(city.home.analyst):
        hold(city.home, city.home.analyst)
        (held,) = (city.home.root / "snapshots").iterdir()
        assert is_open(held)
        assert parquet(city) <= read_files(city.home, replaced_only=True)
        monkeypatch.setattr(snapshots, "HELD_SECONDS", 0)
        assert read_files(city.home, replaced_only=True) == set()
        assert not held.exists()
