"""``citylake sql``: read-only, told what to do next, and readable however wide the row."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from pipelines.query import MOST_RECORDS, Format, QueryError, query, render


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "analyst.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create view answer as select 42 as number, '四十二' as 数字, null as nothing")
    return file


def test_a_query_answers_with_names_and_rows(file: Path) -> None:
    assert query(file, "from answer") == (["number", "数字", "nothing"], [(42, "四十二", None)])


@pytest.mark.parametrize(
    ("statement", "hint"),
    [("from nowhere", "ops.catalogue"), ("selec 1", "syntax error"), ("create table t (a int)", "read-only")],
)
def test_a_mistake_is_told_with_what_to_do(file: Path, statement: str, hint: str) -> None:
    with pytest.raises(QueryError, match=hint):
        query(file, statement)


def test_a_file_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="citylake demo"):
        query(tmp_path / "analyst.duckdb", "select 1")


def test_json_and_csv_are_for_programs() -> None:
    names, rows = ["a", "b"], [(1, "x,y"), (None, "四")]
    assert json.loads(render(names, rows, Format.JSON)) == [{"a": 1, "b": "x,y"}, {"a": None, "b": "四"}]
    assert render(names, rows, Format.CSV) == 'a,b\n1,"x,y"\n,四'


def test_what_fits_is_a_table_and_what_does_not_is_a_line_for_each_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "┃ a ┃" in render(["a"], [(1,)], Format.TABLE)
    names = [f"column_{number}" for number in range(30)]
    shown = render(["名称", *names], [("值", *range(30))] * 2, Format.TABLE)
    assert shown.splitlines()[:3] == ["── 1 ──", "名称       值", "column_0   0"]
    assert shown.count("──") == 4
    many = render(names, [tuple(range(30))] * (MOST_RECORDS + 1), Format.TABLE)
    assert "──" not in many.splitlines()[0]
