"""The analyst's and the bureau's DuckDB files: what they show, and that replacing them disturbs nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from assets import analyst, shared, view_file
from assets.build import Build, Context
from catalog.load import Catalogue
from catalog.model import Title
from lake.home import Home
from lake.tables import Lake
from masking.columns import declared_tables
from quality import clock
from tests.assets.city_of_canaries import SUBJECTS
from tests.assets.published import ask, copied, tighten


@pytest.fixture(scope="module")
def recipes(catalogue: Catalogue) -> list[Build]:
    return analyst.builds(catalogue)


@pytest.fixture(scope="module")
def city(published: Context) -> Context:
    """A small city, published; tests that change it take a copy."""
    return published


@pytest.fixture
def own_city(tmp_path: Path, city: Context) -> Context:
    return copied(city, tmp_path / "home")


def recipe(recipes: list[Build], name: str) -> Build:
    return next(build for build in recipes if ("ops", name) in build.makes)


def test_the_file_holds_views_only_in_the_four_schemas(city: Context) -> None:
    assert ask(city.home.analyst, "SELECT count(*) FROM duckdb_tables()") == [(0,)]
    schemas = ask(
        city.home.analyst, "SELECT DISTINCT schema_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    )
    assert schemas == [("base",), ("ops",), ("shared",), ("theme",)]


def test_every_view_answers_without_an_extension(city: Context) -> None:
    names = ask(city.home.analyst, "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal")
    config = {"autoload_known_extensions": False, "autoinstall_known_extensions": False}
    with duckdb.connect(str(city.home.analyst), read_only=True, config=config) as connection:
        for schema, name in names:
            connection.execute(f'FROM "{schema}"."{name}"').fetchall()
    assert ask(city.home.analyst, "SELECT count(*) FROM base.person") == [(SUBJECTS,)]


def test_the_current_date_is_the_citys(city: Context) -> None:
    """DuckDB's own is UTC's, which is yesterday until eight in the morning."""
    for file in (city.home.analyst, city.home.bureau):
        before = clock.today()
        [(said, also)] = ask(file, "SELECT current_date, today()")
        assert before <= said == also <= clock.today()


def test_views_reach_only_what_the_role_may_read(city: Context) -> None:
    """Whoever opens a view can read the files under it: none of them is a full table's."""
    definitions = ask(city.home.analyst, "SELECT sql FROM duckdb_views() WHERE NOT internal")
    text = " ".join(str(sql) for (sql,) in definitions)
    lake = str(city.lake.root)
    assert f"{lake}/role/analyst/" in text
    for layer in ("standard", "quarantine", "base", "theme", "open"):
        assert f"{lake}/{layer}/" not in text


def test_views_and_columns_are_explained_in_both_languages(city: Context) -> None:
    comments = dict(
        ask(city.home.analyst, "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'base'")
    )
    assert comments["person"] == "自然人基础数据库 · Natural persons"
    columns = dict(
        ask(
            city.home.analyst, "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'person'"
        )
    )
    assert str(columns["name"]).startswith("姓名 · name (person name)（部分遮盖")
    # what a client shows that asks the standard's own tables, as DBeaver's driver does
    silent = ask(
        city.home.analyst,
        """SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema IN ('base', 'theme', 'shared', 'ops') AND coalesce("COLUMN_COMMENT", '') NOT LIKE '% · %'
        UNION ALL SELECT table_name, '' FROM information_schema.tables
        WHERE table_schema IN ('base', 'theme', 'shared', 'ops') AND coalesce("TABLE_COMMENT", '') NOT LIKE '% · %'""",
    )
    assert silent == []


def test_counts_of_fewer_than_k_rows_are_not_told(city: Context) -> None:
    """Also of resources that the role may not see at all it is told how fresh they are."""
    told = "SELECT rows_standard, rows_quarantined, quality FROM ops.freshness WHERE resource = ?"
    with duckdb.connect(str(city.home.analyst), read_only=True) as connection:
        assert connection.execute(told, ["division"]).fetchall() == [("<3", "0", None)]
        assert connection.execute(told, ["death_certificate"]).fetchall() == [(str(SUBJECTS), "0", None)]
    full = ask(city.home.bureau, "SELECT rows_standard FROM ops.freshness ORDER BY 1 LIMIT 1")
    assert full == [(1,)]


def test_ops_catalogue_lists_what_is_not_visible_and_how_to_ask(city: Context, catalogue: Catalogue) -> None:
    (row,) = ask(
        city.home.analyst,
        "SELECT sharing, how_to_ask FROM ops.catalogue WHERE resource = 'pension_payment' AND \"column\" = 'bank_account'",
    )
    assert row[0] == "不予共享"
    assert "核实、比对" in str(row[1])
    (count,) = ask(city.home.analyst, "SELECT count(DISTINCT resource) FROM ops.catalogue")
    assert count == (len(catalogue.entries),)


def test_every_shown_column_is_listed_with_its_mask(city: Context) -> None:
    listed = set(ask(city.home.analyst, 'SELECT "schema", "view", "column" FROM ops.analyst_views'))
    stored = ask(
        city.home.analyst,
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE schema_name IN ('base', 'theme')",
    )
    assert listed == set(stored)


def test_provenance_is_not_shown(city: Context) -> None:
    """Push ids, row numbers, row hashes and the tables that hold them are identifiers."""
    names = ask(city.home.analyst, "SELECT column_name FROM duckdb_columns() WHERE NOT internal")
    assert not [
        name for (name,) in names if str(name).startswith("_") or str(name) in ("source_push", "source_row")
    ]
    views = ask(city.home.analyst, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'base'")
    assert not [name for (name,) in views if "crosswalk" in str(name) or "conflict" in str(name)]


def test_the_bureaus_file_shows_full_tables_of_every_layer(city: Context) -> None:
    ids = ask(city.home.bureau, "SELECT resident_id FROM base.person")
    assert len(str(ids[0][0])) == 18
    assert "*" not in str(ids[0][0])
    schemas = {
        schema
        for (schema,) in ask(
            city.home.bureau, "SELECT DISTINCT schema_name FROM duckdb_views() WHERE NOT internal"
        )
    }
    assert {"standard", "base", "theme", "shared", "open", "ops"} <= schemas


def test_the_roles_folder_is_closed_to_others(city: Context) -> None:
    assert (city.lake.root / "role/analyst").stat().st_mode & 0o777 == 0o750
    assert city.home.analyst.stat().st_mode & 0o007 == 0


def test_a_log_beside_the_file_is_not_overwritten(own_city: Context, recipes: list[Build]) -> None:
    log = own_city.home.analyst.with_name("analyst.duckdb.wal")
    log.write_bytes(b"somebody writes")
    before = own_city.home.analyst.read_bytes()
    with pytest.raises(view_file.OpenLogError, match=r"analyst\.duckdb\.wal"):
        recipe(recipes, "analyst_views").run(own_city)
    assert own_city.home.analyst.read_bytes() == before


def test_queries_through_replacements_do_not_fail(own_city: Context) -> None:
    """New connections always find a whole file while it is replaced a hundred times."""
    file, work = own_city.home.root / "many.duckdb", own_city.home.work
    person = ("role/analyst", "base__person")
    view = view_file.View(
        "base",
        "person",
        own_city.lake.files(*person),
        analyst.schema_of(own_city.lake, person),
        "人 · person",
        {},
    )
    view_file.replace_file(file, [view], work)
    counts: list[object] = []
    done = threading.Event()

    def query() -> None:
        while not done.is_set():
            counts.append(ask(file, "SELECT count(*) FROM base.person")[0][0])

    reader = threading.Thread(target=query)
    reader.start()
    for _ in range(100):
        view_file.replace_file(file, [view], work)
    done.set()
    reader.join()
    assert counts
    assert set(counts) == {SUBJECTS}


def test_superseded_files_go_once_the_new_file_is_in_place(own_city: Context, recipes: list[Build]) -> None:
    build = recipe(recipes, "analyst_views")
    folder = own_city.lake.path("role/analyst", "base__person")
    first = {path.name for path in folder.glob("*.parquet")}
    people = own_city.lake.scan("base", "person").collect().head(5)
    own_city.lake.publish("base", "person", people, key=["person_id"])
    build.run(own_city)
    second = {path.name for path in folder.glob("*.parquet")}
    assert len(second) == 1
    assert not first & second
    assert ask(own_city.home.analyst, "SELECT count(*) FROM base.person") == [(5,)]


def test_a_column_whose_type_is_tightened_goes(
    own_city: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    tighten(monkeypatch, "mobile")
    recipe(recipes, "analyst_views").run(own_city)
    columns = {
        name
        for (name,) in ask(
            own_city.home.analyst, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'person'"
        )
    }
    assert "mobile" not in columns
    folder = own_city.lake.path("role/analyst", "base__person")
    assert all("mobile" not in pl.read_parquet_schema(path) for path in folder.glob("*.parquet"))
    assert b"139*" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_after_the_grants_last_day_file_and_tables_are_gone(
    own_city: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyst, "today", lambda: date(2099, 1, 1))
    monkeypatch.setattr(shared, "today", lambda: date(2099, 1, 1))
    recipe(recipes, "analyst_views").run(own_city)
    for build in shared.builds(own_city.catalogue):
        build.run(own_city)
    assert not own_city.home.analyst.exists()
    assert own_city.lake.names("role/analyst") == []
    assert own_city.lake.rows("shared", "pension_account") == 0
    assert own_city.lake.rows("shared", "subsidy_by_county") > 0
    assert own_city.lake.exists("base", "person")


def test_an_empty_lake_gives_an_empty_file(
    tmp_path: Path, catalogue: Catalogue, recipes: list[Build]
) -> None:
    home = Home.open(tmp_path)
    context = Context(home, Lake(home.lake), catalogue)
    for build in [*shared.builds(catalogue), *recipes]:
        build.run(context)
    assert ask(home.analyst, "SELECT count(*) FROM shared.subsidy_by_county") == [(0,)]
    assert ask(home.analyst, "SELECT count(*) FROM ops.catalogue")[0][0]


def test_full_tables_cannot_be_dropped(own_city: Context) -> None:
    with pytest.raises(ValueError, match="is no masked table"):
        own_city.lake.drop("base", "person")
    assert own_city.lake.exists("base", "person")


#: What an analyst's own process tries: its arguments are user, group, the home and the full tables' files. It becomes
#: the user after its imports, since Python itself may lie where that user may not look.
AS_ANALYST = """
import datetime, decimal, os, sys
from pathlib import Path
import duckdb
user, group, home, *full = sys.argv[1:]
duckdb.execute("select 1, 1.0::decimal(9, 2), now(), today()").fetchall()
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
connection = duckdb.connect(f"{home}/analyst.duckdb", read_only=True)
views = connection.execute("select schema_name, view_name from duckdb_views() where not internal").fetchall()
for schema, view in views:
    connection.execute(f'from "{schema}"."{view}"').fetchall()
print(len(views))
for path in full:
    try:
        connection.execute(f"from read_parquet('{path}')").fetchall()
        print("read", path)
    except duckdb.IOException:
        pass
for path in ("bureau.duckdb", "operations.db", "secrets/master.key"):
    try:
        Path(home, path).open("rb")
        print("opened", path)
    except PermissionError:
        pass
for path in ("analyst.duckdb", "analyst.duckdb.wal", "lake/role/analyst/x", "x"):
    try:
        Path(home, path).open("ab")
        print("wrote", path)
    except PermissionError:
        pass
"""
ANALYST_USER, ANALYSTS_GROUP = 65_534, 64_999


@pytest.mark.skipif(os.geteuid() != 0, reason="another operating system user can only be tried by root")
def test_another_user_reads_the_roles_tables_and_no_full_one(city: Context, recipes: list[Build]) -> None:
    """The permissions are those that the README asks for, and no more."""
    with tempfile.TemporaryDirectory(prefix="citylake-analyst-") as folder:
        Path(folder).chmod(0o711)
        own = copied(city, Path(folder, "home"))
        for name in ("analyst_views", "bureau_views"):
            recipe(recipes, name).run(own)
        root, lake = own.home.root, own.lake.root
        for path in (root, lake, lake / "role"):
            path.chmod(path.stat().st_mode | 0o001)
        granted = [lake / "role/analyst", lake / "ops", lake / "shared"]
        for path in (own.home.analyst, *(each for top in granted for each in (top, *top.rglob("*")))):
            os.chown(path, -1, ANALYSTS_GROUP)
            path.chmod(path.stat().st_mode & 0o777 | (0o050 if path.is_dir() else 0o040))
        full = [
            str(path)
            for layer in ("standard", "quarantine", "base", "theme")
            for name in own.lake.names(layer)
            for path in own.lake.files(layer, name)
        ]
        assert len(full) > 10
        done = subprocess.run(
            [sys.executable, "-c", AS_ANALYST, str(ANALYST_USER), str(ANALYSTS_GROUP), str(root), *full],
            cwd="/",
            env={"PATH": "/usr/bin", "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        views, *breaches = done.stdout.splitlines()
        assert int(views) > 10
        assert breaches == []


def test_the_documented_questions_can_be_asked_of_any_city(city: Context) -> None:
    document = Path(__file__).parents[2] / "docs" / "analyst.md"
    questions = re.findall(r"```sql\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert len(questions) == 12
    for question in questions:
        if "st_" not in question:
            ask(city.home.analyst, question)


def test_a_role_of_one_county_sees_its_rows_of_what_says_where_they_are(
    own_city: Context, catalogue: Catalogue
) -> None:
    lawful, declared = shared.load_lawful(catalogue), declared_tables(catalogue)
    titles = {
        ("base", name): Title(zh=name, en=name) for name in ("person", "person_history", "licence_type")
    }
    folder = own_city.lake.root / "role/analyst"

    def built_for(county: str | None) -> list[str]:
        role = lawful.roles["analyst"].model_copy(update={"division": county})
        cut = replace(lawful, roles={"analyst": role})
        analyst.build_role(own_city, "analyst", cut, titles, declared)
        return sorted(path.name for path in folder.glob("base__*"))

    assert "base__licence_type" in built_for(None)
    here = built_for("441802")
    assert here == ["base__person", "base__person_history"], "a licence's type does not say where"
    assert ask(own_city.home.analyst, "SELECT count(*) FROM base.person") == [(SUBJECTS,)]
    assert built_for("441881") == here
    assert ask(own_city.home.analyst, "SELECT count(*) FROM base.person") == [(0,)]
    parts = [part for name in here for part in (folder / name).glob("*.parquet")]
    assert sum(pl.read_parquet(part).height for part in parts) == 0, "no file of the other county is left"
    (told,) = ask(
        own_city.home.analyst,
        "SELECT mask FROM ops.analyst_views WHERE view = 'person' AND \"column\" = 'residence_division'",
    )
    assert "仅 441881" in str(told)
