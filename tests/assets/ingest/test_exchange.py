"""The exchange database, a real PostgreSQL: what a department writes there is what lands, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.ingest import exchange
from assets.ingest.deliveries import collect
from assets.ingest.exchange import ExchangeError, connect, pull, put, tables
from assets.ingest.readers import read
from catalog.load import Catalogue, load
from catalog.model import Entry
from lake.home import Home
from lake.landing import landed_file
from lake.ledger import open_ledger

DAY = date(2024, 6, 30)
pytestmark = pytest.mark.xdist_group("exchange")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def entry(catalogue: Catalogue) -> Entry:
    return next(entry for entry in catalogue.entries.values() if "table" in entry.delivery.ways)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose embedded server runs for the whole module."""
    home = Home.open(tmp_path_factory.mktemp("exchange"))
    with connect(home):
        yield home


@pytest.fixture
def home(server: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh home over the same server, by URL."""
    with exchange._url(server) as url:
        monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", url)
    return Home.open(tmp_path)


def rows_of(entry: Entry, *cells: str) -> pl.DataFrame:
    return pl.DataFrame(
        {name: [f"{cell}{name}" for cell in cells] for name in entry.columns},
        schema_overrides=dict.fromkeys(entry.columns, pl.String),
    )


def execute(connection: Any, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.commit()


def test_a_table_lands_as_it_is(home: Home, entry: Entry, tmp_path: Path) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲", "乙"))
        assert (entry.department, entry.code) in tables(connection)
        push = pull(home, open_ledger(home), entry, connection, DAY)
    assert push is not None
    assert (push.way.value, push.data_date, push.format) == ("table", DAY, "parquet")
    frame = read(landed_file(home, push), entry, work=tmp_path).frame.collect()
    assert frame.select(*entry.columns).equals(rows_of(entry, "甲", "乙"))


def test_an_unchanged_table_is_no_new_push(home: Home, entry: Entry) -> None:
    ledger = open_ledger(home)
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲"))
        assert pull(home, ledger, entry, connection, DAY)
        put(connection, entry.department, entry.code, rows_of(entry, "甲"))
        assert pull(home, ledger, entry, connection, DAY) is None
        put(connection, entry.department, entry.code, rows_of(entry, "甲", "丙"))
        assert pull(home, ledger, entry, connection, DAY)
    assert len(ledger.waiting()) == 2


def test_every_type_becomes_text(home: Home, entry: Entry, tmp_path: Path) -> None:
    one = list(entry.columns)[:6]
    values = {
        "numeric(18,2)": "1234567890123456.78",
        "date": "date '2024-02-29'",
        "timestamptz": "timestamptz '2024-02-29 08:00+08'",
        "boolean": "true",
        "jsonb": """'{"a": 1}'""",
        "bigint": "null",
    }
    typed = ", ".join(
        f'{value}::{kind} AS "{name}"' for name, (kind, value) in zip(one, values.items(), strict=False)
    )
    rest = ", ".join(f"'x'::text AS \"{name}\"" for name in list(entry.columns)[6:])
    with connect(home) as connection:
        execute(
            connection,
            f'CREATE SCHEMA IF NOT EXISTS "{entry.department}"',
            f'DROP TABLE IF EXISTS "{entry.department}"."{entry.code}"',
            f'CREATE TABLE "{entry.department}"."{entry.code}" AS SELECT {typed}{", " + rest if rest else ""}',
        )
        push = pull(home, open_ledger(home), entry, connection, DAY)
    assert push is not None
    row = read(landed_file(home, push), entry, work=tmp_path).frame.collect().row(0, named=True)
    assert row[one[0]] == "1234567890123456.78"
    assert row[one[1]] == "2024-02-29"
    assert row[one[2]].startswith("2024-02-29 00:00:00")
    assert row[one[3]] == "true"


def test_an_empty_table_is_a_report_of_nothing(home: Home, entry: Entry, tmp_path: Path) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry))
        push = pull(home, open_ledger(home), entry, connection, DAY)
    assert push is not None
    assert read(landed_file(home, push), entry, work=tmp_path).frame.collect().height == 0


def test_reading_can_write_nothing(home: Home, entry: Entry) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲"))
        # a table that would write when it is read: a view over a function with a side effect
        execute(
            connection,
            "CREATE TABLE IF NOT EXISTS side_effect (n int)",
            "CREATE OR REPLACE FUNCTION leak() RETURNS text LANGUAGE sql AS 'INSERT INTO side_effect VALUES (1) RETURNING n::text'",
            f'DROP TABLE "{entry.department}"."{entry.code}"',
            f'CREATE VIEW "{entry.department}"."{entry.code}" AS SELECT leak() AS a',
        )
        try:
            with pytest.raises(ExchangeError):
                pull(home, open_ledger(home), entry, connection, DAY)
        finally:
            connection.rollback()
            execute(connection, f'DROP VIEW "{entry.department}"."{entry.code}"')
    assert open_ledger(home).waiting() == []


def test_a_database_that_goes_in_mid_read_lands_nothing_and_stops_nobody(
    home: Home, catalogue: Catalogue, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, *map(str, range(200))))
    real, killed = exchange._bytes, []

    def kill_backend(batch: Any) -> bytes:
        if not killed:
            killed.append(1)
            raise OSError("server closed the connection unexpectedly")
        return real(batch)

    monkeypatch.setattr(exchange, "_bytes", kill_backend)
    dropped = home.drop / "civil_affairs" / "cremation" / "a.csv"
    dropped.parent.mkdir(parents=True)
    dropped.write_bytes(b"a,b\n")
    collected = collect(home, catalogue, settle_seconds=0)
    assert [push.resource for push in collected.pushes] == ["cremation"]
    assert [name for name, _ in collected.refusals] == [f"{entry.department}.{entry.code}"]
    assert list((home.work / "scratch").iterdir()) == []
    assert [push.resource for push in collect(home, catalogue, settle_seconds=0).pushes] == [entry.code]


def test_no_password_in_the_url_and_none_in_an_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://u@127.0.0.1:1/x?password=hunter2"):
        monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", url)
        with pytest.raises(ExchangeError) as caught, connect(home):
            pass
        assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", "postgresql://u@127.0.0.1:1/x")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(ExchangeError, match="does not answer") as caught, connect(home):
        pass
    assert "hunter2" not in str(caught.value)
