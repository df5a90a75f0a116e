"""Queries over the network: the role's tables answer, nothing else can be opened, and every query is on record."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import duckdb
import httpx
import polars as pl
import pytest

from catalog.load import Catalogue
from lake.home import Home
from pipelines.delivering import new_reader
from pipelines.listening import ExposedError
from pipelines.remote import app as remote
from pipelines.remote.app import Limits, create_app
from pipelines.remote.readers import ReaderError, Readers, open_readers
from tests.pipelines.loopback import served

Ask = Callable[..., httpx.Response]
ROWS = 20_000
KEY = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A role's file over one masked table, and beside it what the role must never read."""
    home = Home.open(tmp_path_factory.mktemp("remote"))
    masked, full = home.lake / "role/analyst/base__person", home.lake / "base/person"
    for folder, name in ((masked, "李*"), (full, "李试名")):
        folder.mkdir(parents=True)
        pl.DataFrame({"no": range(ROWS), "name": name}).write_parquet(folder / "part.parquet")
    home.secrets.mkdir(mode=0o700)
    (home.secrets / "master.key").write_text(KEY)
    for file, folder in ((home.analyst, masked), (home.bureau, full)):
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema base")
            connection.execute(
                f"create view base.person as select * from read_parquet('{folder / 'part.parquet'}')"
            )
    return home


@pytest.fixture(scope="module")
def readers(home: Home) -> Readers:
    return open_readers(home)


def serving(home: Home, catalogue: Catalogue, limits: Limits) -> AbstractContextManager[httpx.Client]:
    """A client of the query server, with these limits."""
    return served(create_app(home, catalogue, limits))


@pytest.fixture(scope="module")
def ask(home: Home, catalogue: Catalogue, readers: Readers) -> Iterator[Ask]:
    with serving(home, catalogue, Limits(seconds=20)) as client:
        token = new_reader(home, "chen", "analyst", 1)

        def query(sql: str, **more: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {more.pop('token', token)}"}
            return client.post("/v1/query", json={"sql": sql, **more}, headers=headers)

        yield query


def test_a_select_answers_in_arrow(ask: Ask) -> None:
    answer = ask("select * from base.person order by no")
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    rows = pl.read_ipc_stream(io.BytesIO(answer.content))
    assert rows.height == ROWS
    assert set(rows["name"]) == {"李*"}


def test_lists_and_records_come_as_json_in_csv(ask: Ask) -> None:
    answer = ask(
        "select [1, null] as many, {'名': date '2026-01-02'} as one, null::int[] as none", format="csv"
    )
    assert answer.text.splitlines()[1] == '"[1, null]","{""名"": ""2026-01-02""}",'


def test_and_in_csv_with_parameters(ask: Ask) -> None:
    answer = ask("select no, name from base.person where no < ? order by no", parameters=[2], format="csv")
    assert answer.content.decode() == '"no","name"\n0,"李*"\n1,"李*"\n'


def test_an_empty_result_has_its_columns(ask: Ask) -> None:
    rows = pl.read_ipc_stream(io.BytesIO(ask("select no from base.person where no < 0").content))
    assert rows.columns == ["no"]
    assert rows.is_empty()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{home}/secrets/master.key')",
        "select * from read_blob('{home}/secrets/master.key')",
        "select * from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "select * from glob('{home}/**')",
        "select * from read_parquet('{home}/lake/base/person/part.parquet')",
        "select * from read_parquet('{home}/lake/*/*/*/part.parquet')",
        "select * from read_parquet('{home}/lake/role/analyst/base__person/../../../base/person/part.parquet')",
        "select * from '{home}/bureau.duckdb'",
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "select * from duckdb_secrets()",
        "select * from read_json('http://127.0.0.1:9/')",
        "select * from sqlite_scan('{home}/operations.db', 'readers')",
        "copy base.person to '{home}/out.csv'",
        "copy (select 1) to '/tmp/out.csv'",
        "attach '{home}/bureau.duckdb' as b",
        "install spatial",
        "load spatial",
        "set enable_external_access = true",
        "set allowed_paths = []",
        "reset lock_configuration",
        "pragma enable_profiling",
        "create table t (a int)",
        "create temp table t as select 1",
        "insert into base.person values (1, 'x')",
        "delete from base.person",
        "call pragma_version()",
        "explain analyze select 1",
        "export database '/tmp/out'",
        "select 1; select 2",
        "",
    ],
)
def test_nothing_else_can_be_opened_or_done(ask: Ask, home: Home, sql: str) -> None:
    answer = ask(sql.format(home=home.root))
    assert answer.status_code == 400, answer.text[:500]
    assert KEY not in answer.text
    assert "root:" not in answer.text
    assert "李试名" not in answer.text
    assert not (home.root / "out.csv").exists()
    assert ask("select count(*) from base.person").status_code == 200


def test_the_answer_to_a_mistake_says_what_is_wrong(ask: Ask) -> None:
    problem = ask("select nothing from base.person").json()
    assert problem["status"] == 400
    assert "nothing" in problem["detail_en"]


def test_what_takes_too_long_is_stopped(home: Home, catalogue: Catalogue, readers: Readers) -> None:
    token = readers.create("chen", "analyst", timedelta(days=1))
    slow = "select sum(sqrt(range)) from range(1000000000000)"
    with serving(home, catalogue, Limits(seconds=2)) as client:
        answer = client.post("/v1/query", json={"sql": slow}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 408


def test_what_needs_too_much_memory_is_refused(home: Home, catalogue: Catalogue, readers: Readers) -> None:
    token = readers.create("chen", "analyst", timedelta(days=1))
    large = "select list(range) from range(50000000)"
    with serving(home, catalogue, Limits(memory_mb=64, seconds=60)) as client:
        answer = client.post("/v1/query", json={"sql": large}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in {400, 507}
    assert "emory" in answer.json()["detail_en"]


@pytest.mark.parametrize("token", ["nonsense", "clq_0000000000000000_x", "clk_1_2"])
def test_without_a_live_token_nobody_is_answered(ask: Ask, token: str) -> None:
    assert ask("select 1", token=token).status_code == 401


def test_expired_and_revoked_tokens_open_nothing(ask: Ask, readers: Readers) -> None:
    old = readers.create("wang", "analyst", timedelta(seconds=-1))
    ended = readers.create("zhao", "analyst", timedelta(days=1))
    assert ask("select 1", token=ended).status_code == 200
    assert readers.revoke("zhao") == 1
    assert ask("select 1", token=ended).status_code == 401
    assert ask("select 1", token=old).status_code == 401
    with pytest.raises(ReaderError):
        readers.revoke("zhao")


def test_a_role_that_is_not_granted_has_no_readers_and_no_answers(
    ask: Ask, home: Home, readers: Readers
) -> None:
    with pytest.raises(ReaderError, match="analyst"):
        new_reader(home, "chen", "bureau", 1)
    token = readers.create("chen", "bureau", timedelta(days=1))
    assert ask("select * from base.person", token=token).status_code == 403


def test_every_query_is_on_record_also_the_refused(ask: Ask, readers: Readers) -> None:
    ask("select 41 + 1 as answer", format="csv")
    ask("select * from read_text('/etc/passwd')")
    refused, answered = readers.audit(2)
    assert (answered["person"], answered["role"], answered["outcome"]) == ("chen", "analyst", "answered")
    assert answered["sql"] == "select 41 + 1 as answer"
    assert answered["bytes"] > 0
    assert (refused["outcome"], refused["bytes"]) == ("refused", 0)


def test_tokens_are_stored_only_as_hashes(home: Home, readers: Readers) -> None:
    token = readers.create("chen", "analyst", timedelta(days=1))
    stored = b"".join(path.read_bytes() for path in home.root.glob("operations.db*"))
    assert token.rsplit("_", 1)[1].encode() not in stored


def test_beyond_loopback_only_with_tls(home: Home) -> None:
    with pytest.raises(ExposedError):
        remote.run(home, host="192.168.1.2")


def test_the_worker_carries_no_secret_of_ours(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        seen.update(options["env"], command=command)
        return real(command, **options)

    monkeypatch.setenv("CITYLAKE_MASTER_KEY", "x" * 64)
    monkeypatch.setattr(remote.subprocess, "Popen", popen)
    assert ask("select 1").status_code == 200
    assert seen.pop("command") == [sys.executable, "-m", "pipelines.remote.worker"]
    assert set(seen) == {"PYTHONPATH", "LC_ALL"}
