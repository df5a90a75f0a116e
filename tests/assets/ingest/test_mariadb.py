"""The exchange interface over MariaDB, a real one: tables land as text, from a watermark on, and nothing can be written."""

from __future__ import annotations

import gc
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from assets.ingest import databases
from assets.ingest.databases import Database, ExchangeError, connected
from assets.ingest.deliveries import collect
from assets.ingest.exchange import pull
from assets.ingest.readers import read
from catalog.load import Catalogue
from catalog.model import Entry
from lake.home import Home
from lake.landing import landed_file
from lake.ledger import open_ledger
from tests.assets.ingest.change_table import Follower, follow_to_the_last_word

DAY = date(2024, 6, 30)
PASSWORD = "S3cret:word"
SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
pytestmark = [
    pytest.mark.skipif(not SERVER, reason="mariadb-server is not installed: apt-get install mariadb-server"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("mariadb")) as (url, _):
        yield url


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A MariaDB of our own on loopback, whose user has a password; gives its address without it, and its process."""
    subprocess.run(
        [
            "mariadb-install-db",
            f"--datadir={folder}/data",
            "--auth-root-authentication-method=normal",
            "--user=root",
        ],
        check=True,
        stdout=subprocess.DEVNULL,  # what went wrong is on stderr, which pytest shows
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--datadir={folder}/data",
        f"--socket={folder}/s",
        f"--port={port}",
        "--bind-address=127.0.0.1",
    ]
    process = subprocess.Popen(
        [str(SERVER), "--no-defaults", "--user=root", f"--pid-file={folder}/pid", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(folder / "s", process)
        engine = sa.create_engine(
            "mysql+pymysql://root@localhost/mysql", connect_args={"unix_socket": f"{folder}/s"}
        )
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER exchange@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            connection.exec_driver_sql("GRANT ALL ON *.* TO exchange@'127.0.0.1'")
        engine.dispose()
        yield f"mysql://exchange@127.0.0.1:{port}/", process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(socket_file: Path, process: subprocess.Popen[bytes]) -> None:
    ping = ["mariadb-admin", "--no-defaults", "--user=root", f"--socket={socket_file}", "ping"]
    for _ in range(300):
        if subprocess.run(ping, capture_output=True, check=False).returncode == 0:
            return
        assert process.poll() is None, "mariadbd ended"
        time.sleep(0.1)
    pytest.fail("mariadbd did not come up")


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", server)
    return server


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with connected(url) as found:
        yield found


@pytest.fixture(scope="module")
def entry(catalogue: Catalogue) -> Entry:
    return catalogue.entry("social_insurance")


def execute(url: str, *statements: str) -> None:
    """What a department's own job does."""
    address = sa.make_url(url.replace("mysql:", "mysql+pymysql:")).set(password=PASSWORD)
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def table(url: str, columns: str, *rows: str) -> None:
    execute(
        url,
        "CREATE DATABASE IF NOT EXISTS hrss CHARACTER SET utf8mb4",
        "DROP TABLE IF EXISTS hrss.social_insurance",
        f"CREATE TABLE hrss.social_insurance ({columns})",
        *(f"INSERT INTO hrss.social_insurance VALUES ({row})" for row in rows),
    )


def test_every_type_lands_as_text(url: str, database: Database, entry: Entry, tmp_path: Path) -> None:
    columns = (
        "resident_id varchar(18), name varchar(20), insurance_kind varchar(20), joined_on date, "
        "contribution_base decimal(30,2), status varchar(9), mobile bigint, 备注 text, at datetime(6), ok tinyint(1), bits blob, t time"
    )
    table(
        url,
        columns,
        "'11010519491231002X', '张𠮷', '养老保险', '2024-02-29', 1234567890123456789012345678.50, NULL, 13800138000, "
        "'两\n行', '2024-02-29 08:00:00.123456', 1, x'01ff', '08:30:00'",
        "'441802199001010028', '', '医疗保险', NULL, 0.10, '正常参保', NULL, NULL, NULL, NULL, NULL, NULL",
    )
    assert database.tables({"hrss", "police"}) == {("hrss", "social_insurance")}
    home = Home.open(tmp_path)
    push = pull(home, open_ledger(home), entry, database, DAY)
    assert push is not None
    frame = read(landed_file(home, push), entry, work=tmp_path).frame.collect()
    first, second = frame.rows(named=True)
    assert (first["name"], first["_unknown:备注"]) == ("张𠮷", "两\n行")
    assert first["contribution_base"] == "1234567890123456789012345678.50"
    assert (first["joined_on"], first["mobile"]) == ("2024-02-29", "13800138000")
    assert first["_unknown:at"].startswith("2024-02-29 08:00:00.123456")
    assert (first["_unknown:ok"], first["_unknown:bits"], first["_unknown:t"]) == ("1", "01ff", "8:30:00")
    assert (second["name"], second["joined_on"], second["contribution_base"]) == ("", None, "0.10")


def test_batches_whose_types_differ_are_one_table(
    url: str, database: Database, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BATCH_ROWS", 2)
    table(url, "resident_id varchar(18), name varchar(20)", *(f"NULL, '{n}'" for n in range(4)), "'x', NULL")
    home = Home.open(tmp_path)
    ledger = open_ledger(home)
    push = pull(home, ledger, entry, database, DAY)
    assert push is not None
    assert pl.read_parquet(landed_file(home, push)).rows() == [
        *((None, str(n)) for n in range(4)),
        ("x", None),
    ]
    monkeypatch.setattr(databases, "BATCH_ROWS", 3)
    assert pull(home, ledger, entry, database, DAY) is None


def test_an_empty_table_is_a_report_of_nothing(
    url: str, entry: Entry, tmp_path: Path, database: Database
) -> None:
    table(url, "resident_id varchar(18), name varchar(20)")
    home = Home.open(tmp_path)
    push = pull(home, open_ledger(home), entry, database, DAY)
    assert push is not None
    frame = pl.read_parquet(landed_file(home, push))
    assert (frame.columns, frame.height) == (["resident_id", "name"], 0)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", ["9", "10", "10", "11"]),
        (
            "datetime(6)",
            ["'2024-01-01'", "'2024-02-01 08:00:00.5'", "'2024-02-01 08:00:00.5'", "'2024-03-01'"],
        ),
        ("decimal(12,2)", ["9.5", "10.25", "10.25", "11"]),
        ("varchar(9)", ["'a'", "'b'", "'b'", "'c%'"]),
    ],
)
def test_a_watermark_gives_what_came_since(
    url: str, database: Database, entry: Entry, tmp_path: Path, kind: str, values: list[str]
) -> None:
    delivery = entry.delivery.model_dump(mode="json") | {"table": {"watermark": "更新"}}
    of = Entry.model_validate(entry.model_dump(mode="json") | {"delivery": delivery})
    home = Home.open(tmp_path)
    ledger = open_ledger(home)

    def names() -> list[str] | None:
        push = pull(home, ledger, of, database, DAY)
        return sorted(pl.read_parquet(landed_file(home, push))["name"]) if push else None

    def insert(name: str, value: str) -> str:
        return f"INSERT INTO hrss.social_insurance VALUES ('{name}', {value})"

    table(url, f"name varchar(20), 更新 {kind}", f"'b', {values[1]}", f"'a', {values[0]}")
    assert names() == ["a", "b"]
    assert names() is None
    execute(url, insert("c", values[2]))
    assert names() == ["b", "c"]
    assert names() is None
    execute(url, insert("d", values[3]))
    assert names() == ["b", "c", "d"]
    assert names() is None


def test_a_change_table_is_followed_to_its_last_word(
    url: str, database: Database, catalogue: Catalogue, entry: Entry, tmp_path: Path
) -> None:
    follower = Follower.of(Home.open(tmp_path), catalogue, entry)
    execute(
        url,
        "CREATE DATABASE IF NOT EXISTS hrss CHARACTER SET utf8mb4",
        "CREATE TABLE hrss.changes (seq bigint AUTO_INCREMENT PRIMARY KEY, op char(1), no int, word text)",
    )

    def insert(rows: Sequence[str]) -> None:
        execute(url, *(f"INSERT INTO hrss.changes (no, word, op) VALUES ({row})" for row in rows))

    try:
        follow_to_the_last_word(follower, database, insert)
    finally:
        execute(url, "DROP TABLE hrss.changes")


def test_a_round_reads_it_and_writes_nothing(
    url: str, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(url, "resident_id varchar(18), name varchar(20)", "'1', 'a'")
    home = Home.open(tmp_path)
    assert [push.resource for push in collect(home, catalogue).pushes] == ["social_insurance"]
    # a table that would write when it is read: a view over a function with a side effect
    execute(
        url,
        "CREATE DATABASE IF NOT EXISTS side",
        "CREATE OR REPLACE TABLE side.effect (n int)",
        "CREATE OR REPLACE FUNCTION side.leak() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO side.effect VALUES (1); RETURN 1; END",
        "DROP TABLE hrss.social_insurance",
        "CREATE VIEW hrss.social_insurance AS SELECT side.leak() AS name",
    )
    try:
        with connected(url) as database, pytest.raises(ExchangeError, match="broke off"):
            list(database.read("hrss", "social_insurance"))
    finally:
        execute(url, "DROP VIEW hrss.social_insurance", "DROP DATABASE side")


def end_reading(url: str) -> None:
    """What an administrator does with a query that goes on for too long."""
    address = sa.make_url(url.replace("mysql:", "mysql+pymysql:")).set(password=PASSWORD)
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.connect() as connection:
        reading = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT * %%'"
        (found,) = connection.exec_driver_sql(reading).all()
        connection.exec_driver_sql(f"KILL CONNECTION {found.id}")


@pytest.fixture
def collected_at_once() -> Iterator[None]:
    """The driver's results complain once more, when they are collected, of a connection that is no more."""
    yield
    gc.collect()


@pytest.mark.parametrize("how", ["its connection is ended", "its server is killed"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected_at_once")
def test_a_database_that_goes_in_mid_read_lands_nothing(
    catalogue: Catalogue, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    home, ledger, parts = Home.open(tmp_path / "home"), open_ledger(Home.open(tmp_path / "home")), 0
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    with running(tmp_path) as (url, process):
        monkeypatch.setenv("CITYLAKE_EXCHANGE_URL", url)
        table(url, "resident_id varchar(18), name varchar(400)")
        execute(
            url, "INSERT INTO hrss.social_insurance SELECT seq, repeat('x', 400) FROM hrss.seq_1_to_150000"
        )
        real = databases._BySqlAlchemy.read

        def until_it_goes(*arguments: Any) -> Iterator[Any]:
            nonlocal parts
            for parts, part in enumerate(real(*arguments), start=1):
                if parts == 2 and how == "its server is killed":
                    process.kill()
                elif parts == 2:
                    end_reading(url)
                yield part

        with monkeypatch.context() as patch:
            patch.setattr(databases._BySqlAlchemy, "read", until_it_goes)
            collected = collect(home, catalogue)
        assert parts >= 2, "it went when some rows had been read"
        assert not collected.pushes
        assert [name for name, _ in collected.refusals] == ["hrss.social_insurance"]
        assert (ledger.history(entry.code), home.landing.exists()) == ([], False)
        assert list((home.work / "scratch").iterdir()) == []
        if how == "its connection is ended":
            (push,) = collect(home, catalogue).pushes
            assert pl.read_parquet(landed_file(home, push)).height == 150_000


def test_the_password_comes_from_the_environment_or_a_closed_file_and_is_never_said(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(url: str) -> str:
        with pytest.raises(ExchangeError) as caught, connected(url):
            pass
        assert PASSWORD not in str(caught.value)
        return str(caught.value)

    monkeypatch.delenv("MYSQL_PWD", raising=False)
    monkeypatch.delenv("PGPASSFILE", raising=False)
    assert "does not answer" in refusal(server)
    assert "must hold no password" in refusal(
        server.replace("exchange@", f"exchange:{PASSWORD.replace(':', '%3A')}@")
    )
    file = tmp_path / "passwords"
    file.write_text(f"other:*:*:*:x\n127.0.0.1:*:*:exchange:{PASSWORD.replace(':', chr(92) + ':')}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    file.chmod(0o644)
    assert "mode 0600" in refusal(server)
    file.chmod(0o600)
    with connected(server) as database:
        assert database.tables({"nobody"}) == set()
    monkeypatch.setenv("MYSQL_PWD", "wrong" + PASSWORD)
    assert "does not answer" in refusal(server)


def test_a_system_without_its_driver_says_so() -> None:
    with pytest.raises(ExchangeError, match="driver package oracledb"), connected("oracle://u@127.0.0.1:1/x"):
        pass
