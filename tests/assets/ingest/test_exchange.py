"""The exchange database, a real PostgreSQL: what a department writes there is what lands, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from assets.ingest import databases, exchange
from assets.ingest.databases import Database, ExchangeError, Mark, connected
from assets.ingest.deliveries import collect
from assets.ingest.exchange import connect, pull, put
from assets.ingest.readers import read
from catalog.load import Catalogue
from catalog.model import Entry
from lake.home import Home
from lake.landing import landed_file
from lake.ledger import PushState, open_ledger
from tests.assets.ingest.change_table import Follower, follow_to_the_last_word

DAY = date(2024, 6, 30)


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
    monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", exchange.embedded(server))
    return Home.open(tmp_path)


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with connected(exchange.urls(home)[0]) as found:
        yield found


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


def test_a_table_lands_as_it_is(home: Home, database: Database, entry: Entry, tmp_path: Path) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲", "乙"))
    assert database.tables({entry.department}) >= {(entry.department, entry.code)}
    assert database.tables({"nobody"}) == set()
    push = pull(home, open_ledger(home), entry, database, DAY)
    assert push is not None
    assert (push.way.value, push.data_date, push.format) == ("table", DAY, "parquet")
    frame = read(landed_file(home, push), entry, work=tmp_path).frame.collect()
    assert frame.select(*entry.columns).equals(rows_of(entry, "甲", "乙"))


def test_an_unchanged_table_is_no_new_push(home: Home, database: Database, entry: Entry) -> None:
    ledger = open_ledger(home)
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲", "乙"))
        assert pull(home, ledger, entry, database, DAY)
        put(connection, entry.department, entry.code, rows_of(entry, "乙", "甲"))
        assert pull(home, ledger, entry, database, DAY) is None, "in another order"
        put(connection, entry.department, entry.code, rows_of(entry, "甲", "丙"))
        assert pull(home, ledger, entry, database, DAY)
    assert len(ledger.waiting()) == 2


@pytest.mark.parametrize("by", ["whole table", "watermark"])
def test_an_unchanged_table_is_recorded_once_for_each_date_and_keeps_the_promise(
    home: Home, database: Database, entry: Entry, by: str
) -> None:
    """No bytes are kept again; the clocks see that the department's table was there, and what it said."""
    ledger, of = open_ledger(home), watched(entry) if by == "watermark" else entry
    rows = rows_of(entry, "甲", "乙").with_columns(seq=pl.Series([1, 2], dtype=pl.Int64))
    days = [DAY + timedelta(days=number) for number in range(5)]
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows)
        push = pull(home, ledger, of, database, days[0])
        assert push
        assert pull(home, ledger, of, database, days[1]) is None
        assert ledger.history(entry.code) == [push], "what is not yet applied keeps no promise"
        ledger.settle(push.id, PushState.APPLIED, rows=2, accepted=1, rejected=1)
        for day in (days[0], days[1], days[1], days[2]):
            assert pull(home, ledger, of, database, day) is None
        changed = rows.with_columns(seq=pl.Series([1, 3], dtype=pl.Int64), note=pl.lit("x"))
        put(connection, entry.department, entry.code, changed)
        assert pull(home, ledger, of, database, days[3]), (
            "it is compared with what was read, not with the record"
        )
    first, *unchanged, last = ledger.history(entry.code)
    assert [reading.data_date for reading in unchanged] == days[1:3]
    for reading in unchanged:
        assert (reading.state, reading.size, reading.same_as) == (PushState.APPLIED, 0, push.id)
        assert (reading.rows, reading.accepted, reading.rejected) == (2, 1, 1)
    assert {folder.name for folder in (home.landing / entry.code).iterdir()} == {first.id, last.id}
    assert ledger.applied_after(first) == [], "it brings no rows, and so overrules none"


def test_every_type_becomes_text(home: Home, database: Database, entry: Entry, tmp_path: Path) -> None:
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
    push = pull(home, open_ledger(home), entry, database, DAY)
    assert push is not None
    row = read(landed_file(home, push), entry, work=tmp_path).frame.collect().row(0, named=True)
    assert row[one[0]] == "1234567890123456.78"
    assert row[one[1]] == "2024-02-29"
    assert row[one[2]].startswith("2024-02-29 00:00:00")
    assert row[one[3]] == "true"


def test_an_empty_table_is_a_report_of_nothing(
    home: Home, database: Database, entry: Entry, tmp_path: Path
) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry))
    push = pull(home, open_ledger(home), entry, database, DAY)
    assert push is not None
    assert read(landed_file(home, push), entry, work=tmp_path).frame.collect().height == 0


def test_reading_can_write_nothing(home: Home, database: Database, entry: Entry) -> None:
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
                pull(home, open_ledger(home), entry, database, DAY)
        finally:
            connection.rollback()
            execute(connection, f'DROP VIEW "{entry.department}"."{entry.code}"')
    assert open_ledger(home).waiting() == []


def end_connection(home: Home) -> None:
    """The server ends the reader's connection, as one does that is shut down."""
    with connect(home) as connection:
        execute(
            connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'",
        )


def kill_server(home: Home) -> None:
    """The server dies, and its backends with it."""
    postmaster = psutil.Process(int((home.exchange / "postmaster.pid").read_text().split()[0]))
    for process in (postmaster, *postmaster.children(recursive=True)):
        process.kill()


@pytest.mark.parametrize("go", [end_connection, kill_server])
def test_a_database_that_goes_in_mid_read_lands_nothing_and_stops_nobody(
    tmp_path: Path,
    catalogue: Catalogue,
    entry: Entry,
    monkeypatch: pytest.MonkeyPatch,
    go: Callable[[Home], None],
) -> None:
    """A real server goes after the first of many rows; its table is read by the next round, and only once."""
    home = Home.open(tmp_path)
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, *map(str, range(60_000))))
    real, parts = databases._PostgreSQL.read, 0

    def until_it_goes(*arguments: Any) -> Iterator[Any]:
        nonlocal parts
        for parts, part in enumerate(real(*arguments), start=1):
            if parts == 2:
                go(home)
            yield part

    dropped = home.drop / "civil_affairs" / "cremation" / "a.csv"
    dropped.parent.mkdir(parents=True)
    dropped.write_bytes(b"a,b\n")
    with monkeypatch.context() as patch:
        patch.setattr(databases._PostgreSQL, "read", until_it_goes)
        collected = collect(home, catalogue, settle_seconds=0)
    assert parts >= 2, "it went when some rows had been read"
    assert [push.resource for push in collected.pushes] == ["cremation"]
    assert [name for name, _ in collected.refusals] == [f"{entry.department}.{entry.code}"]
    assert list((home.work / "scratch").iterdir()) == []
    again = collect(home, catalogue, settle_seconds=0)
    assert again.refusals == []
    (push,) = again.pushes
    assert pl.read_parquet(landed_file(home, push)).height == 60_000
    assert not collect(home, catalogue, settle_seconds=0).pushes


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


def watched(entry: Entry, mode: str = "upsert") -> Entry:
    """The entry with its table read by a watermark column that is none of its own."""
    delivery = entry.delivery.model_dump(mode="json") | {"mode": mode, "table": {"watermark": "seq"}}
    return Entry.model_validate(entry.model_dump(mode="json") | {"delivery": delivery})


def landed(home: Home, push: Any) -> list[str]:
    return pl.read_parquet(landed_file(home, push)).to_series(0).to_list()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", ["1", "2", "2", "10"]),
        ("numeric(20,0)", ["1", "2", "2", "10"]),
        ("timestamp", ["2024-01-01 08:00:00.123456", "2024-02-01", "2024-02-01", "2024-10-01"]),
        ("timestamptz", ["2024-01-01 08:00+08", "2024-02-01 00:00Z", "2024-02-01 08:00+08", "2024-10-01"]),
        ("date", ["2024-01-01", "2024-02-01", "2024-02-01", "2024-10-01"]),
        ("text", ["a", "b", "b", "c'"]),
    ],
)
def test_a_watermark_of_any_type_gives_what_came_since(
    home: Home, database: Database, entry: Entry, kind: str, values: list[str]
) -> None:
    """Rows at the mark are read again, since one more may have come with its value; without any there is no push."""
    ledger, of = open_ledger(home), watched(entry)
    names = ", ".join(f'"{name}" text' for name in entry.columns)
    table = f'"{entry.department}"."{entry.code}"'
    first = next(iter(entry.columns))

    def insert(row: str, value: str | None) -> str:
        quoted = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
        return f"INSERT INTO {table} (\"{first}\", seq) VALUES ('{row}', {quoted})"

    with connect(home) as connection:
        execute(
            connection,
            f'CREATE SCHEMA IF NOT EXISTS "{entry.department}"',
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table} ({names}, seq {kind})",
            insert("甲", values[0]),
            insert("乙", values[1]),
            insert("空", None),
        )
        push = pull(home, ledger, of, database, DAY)
        assert sorted(landed(home, push)) == sorted(["甲", "乙", "空"])
        assert pull(home, ledger, of, database, DAY) is None
        execute(connection, insert("丙", values[2]))
        assert sorted(landed(home, pull(home, ledger, of, database, DAY))) == sorted(["乙", "丙"])
        assert pull(home, ledger, of, database, DAY) is None
        execute(connection, insert("丁", values[3]))
        assert landed(home, pull(home, ledger, of, database, DAY))[-1] == "丁"
        assert pull(home, ledger, of, database, DAY) is None
        execute(connection, f"DELETE FROM {table}")
        assert pull(home, ledger, of, database, DAY) is None
    assert len(ledger.history(entry.code)) == 3


def test_what_was_refused_is_read_again_and_only_once(home: Home, database: Database, entry: Entry) -> None:
    ledger, of = open_ledger(home), watched(entry)
    rows = rows_of(entry, "甲", "乙").with_columns(seq=pl.Series([1, 2], dtype=pl.Int64))
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows)
        push = pull(home, ledger, of, database, DAY)
        assert push
        ledger.settle(push.id, PushState.REFUSED)
        assert pull(home, ledger, of, database, DAY) is None, "the same bytes would be refused again"
        put(
            connection,
            entry.department,
            entry.code,
            rows.extend(rows.tail(1).with_columns(seq=pl.lit(3, pl.Int64))),
        )
        again = pull(home, ledger, of, database, DAY)
    assert len(landed(home, again)) == 3


def test_a_watermark_gives_no_snapshot(entry: Entry) -> None:
    with pytest.raises(ValueError, match="never a snapshot"):
        watched(entry, "snapshot")


def test_the_digest_knows_content_only(entry: Entry) -> None:
    def digest(*frames: pl.DataFrame) -> str:
        made = exchange._ContentDigest()
        for frame in frames:
            made.add(frame)
        return made.hexdigest()

    rows = pl.DataFrame({"a": ["1", None, "3", "3"], "b": ["x", "", None, None]})
    assert digest(rows) == digest(rows.reverse()) == digest(rows[:1], rows[1:])
    assert digest(rows) != digest(rows[:3])
    assert digest(rows) != digest(rows.rename({"a": "c"}))
    assert digest(rows) != digest(rows.with_columns(pl.col("b").fill_null("")))
    assert digest(rows[:0]) != digest(rows)


def test_a_table_in_two_databases_is_read_once_and_reported(
    home: Home, catalogue: Catalogue, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(home) as connection:
        put(connection, entry.department, entry.code, rows_of(entry, "甲"))
    url = exchange.urls(home)[0]
    monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", f"{url}  postgresql://u@127.0.0.1:1/x\n{url}")
    collected = collect(home, catalogue, settle_seconds=0)
    assert entry.code in [push.resource for push in collected.pushes]
    named = {name: reason.en for name, reason in collected.refusals}
    assert "does not answer" in named["exchange"]
    assert "two exchange databases" in named[f"{entry.department}.{entry.code}"]


@pytest.mark.parametrize(
    "value", [5, "a'b", date(2024, 2, 29), datetime.fromisoformat("2024-02-29T08:00:01"), Decimal("1.50")]
)
def test_a_mark_comes_back_as_it_was(value: Any) -> None:
    assert Mark.of(value).value == value


def test_a_change_table_is_followed_to_its_last_word(
    home: Home, database: Database, catalogue: Catalogue, entry: Entry
) -> None:
    follower = Follower.of(home, catalogue, entry)
    table = f'"{entry.department}".changes'
    with connect(home) as connection:
        execute(
            connection,
            f'CREATE SCHEMA IF NOT EXISTS "{entry.department}"',
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table} (seq bigserial, op char(1), no int, word text)",
        )
        follow_to_the_last_word(
            follower,
            database,
            lambda rows: execute(
                connection, *(f"INSERT INTO {table} (no, word, op) VALUES ({row})" for row in rows)
            ),
        )
