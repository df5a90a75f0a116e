"""Single expectations on literal rows: what is ours, and what differs from plain Polars."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quality.compile import UnsupportedExpectationError, failing_expression, judgement
from quality.patterns import like_pattern, python_pattern
from tests.quality.conftest import MAN, WOMAN


def failing(kind: str, arguments: dict[str, Any], columns: dict[str, Any], **schema: Any) -> list[bool]:
    """Which rows fail, of a frame given by its columns."""
    frame = pl.DataFrame(columns, schema_overrides=schema, strict=False)
    return frame.select(failing_expression(kind, arguments)).to_series().to_list()


@pytest.mark.parametrize(
    ("number", "birth_date", "fails"),
    [
        (WOMAN, date(1949, 12, 31), False),
        (WOMAN, date(1949, 12, 30), True),
        (WOMAN, None, False),
        (None, date(1949, 12, 31), False),
        (WOMAN[:-1] + "0", date(1949, 12, 30), False),  # an invalid id proves nothing
        ("", date(1949, 12, 30), False),
        ("李", date(1949, 12, 30), False),
    ],
)
def test_a_birth_date_disagrees_only_with_a_valid_id(
    number: str | None, birth_date: date | None, fails: bool
) -> None:
    arguments = {"column": "birth_date", "id_column": "id", "part": "birth_date"}
    columns = {"id": [number], "birth_date": [birth_date]}
    found = failing(
        "expect_column_to_match_resident_id", arguments, columns, id=pl.String, birth_date=pl.Date
    )
    assert found == [fails]


@pytest.mark.parametrize(
    ("number", "sex", "fails"),
    [(WOMAN, "2", False), (WOMAN, "1", True), (MAN, "1", False), (MAN, "2", True), (WOMAN, "0", False), (WOMAN, None, False)],
)  # fmt: skip
def test_sex_disagrees_only_where_it_is_stated(number: str, sex: str | None, fails: bool) -> None:
    arguments = {"column": "sex", "id_column": "id", "part": "sex"}
    columns = {"id": [number], "sex": [sex]}
    assert failing("expect_column_to_match_resident_id", arguments, columns, sex=pl.String) == [fails]


@pytest.mark.parametrize("raw", ["", " ", "无", "NULL", "\u3000", " 长期 ", None])
def test_a_cell_that_says_nothing_is_not_unreadable(raw: str | None) -> None:
    columns = {"day": [None], "raw:day": [raw]}
    arguments = {"column": "day", "element": "date"}
    found = failing(
        "expect_column_values_to_be_readable", arguments, columns, **{"day": pl.Date, "raw:day": pl.String}
    )
    assert found == [False]


def test_a_cell_that_says_something_no_value_was_made_of_is_unreadable() -> None:
    columns = {"day": [None, date(2020, 1, 1)], "text": ["不详", "2020-01-01"]}
    arguments = {"column": "day", "element": "date", "raw": "text"}
    assert failing("expect_column_values_to_be_readable", arguments, columns) == [True, False]


def test_a_check_that_cannot_decide_about_a_value_fails_it_and_a_null_passes() -> None:
    arguments = {"column": "id", "element": "resident_id", "check": "birth_date"}
    columns = {"id": ["1", None, WOMAN]}
    assert failing("expect_column_values_to_conform_to_element", arguments, columns) == [True, False, False]


def test_an_elements_unknown_check_is_refused_with_the_known_ones() -> None:
    arguments = {"column": "id", "element": "resident_id", "check": "chekc_digit"}
    with pytest.raises(UnsupportedExpectationError, match="check_digit"):
        judgement("expect_column_values_to_conform_to_element", arguments)


def test_an_unknown_expectation_is_refused_with_the_supported_ones() -> None:
    with pytest.raises(UnsupportedExpectationError, match="expect_column_values_to_be_between"):
        judgement("expect_column_values_to_be_betwen", {"column": "x"})


@pytest.mark.parametrize(
    ("ignored", "fails"),
    [
        ("both_values_are_missing", [False, True, True, False, True]),
        ("either_value_is_missing", [False, False, False, False, True]),
        ("neither", [False, True, True, True, True]),
    ],
)
def test_a_pair_with_a_null_fails_unless_such_rows_are_ignored(ignored: str, fails: list[bool]) -> None:
    arguments = {"column_A": "end", "column_B": "start", "or_equal": True, "ignore_row_if": ignored}
    columns = {"start": [1, None, 1, None, 2], "end": [1, 1, None, None, 1]}
    assert failing("expect_column_pair_values_a_to_be_greater_than_b", arguments, columns) == fails


def test_a_misspelt_way_to_ignore_rows_is_refused() -> None:
    arguments = {"column_A": "a", "column_B": "b", "ignore_row_if": "any"}
    with pytest.raises(UnsupportedExpectationError, match="ignore_row_if"):
        judgement("expect_column_pair_values_to_be_equal", arguments)


def test_a_row_condition_is_read_in_its_serialised_form_too() -> None:
    condition = {"type": "comparison", "column": {"name": "status"}, "operator": "==", "parameter": "注销"}
    arguments = {"column": "ended", "row_condition": condition}
    columns = {"status": ["注销", "注销", "存续", None], "ended": [None, 1, None, None]}
    found = failing("expect_column_values_to_not_be_null", arguments, columns)
    assert found == [True, False, False, False]


def test_a_row_condition_in_pandas_own_words_is_refused() -> None:
    condition = {"type": "pass_through", "pass_through_filter": "status == '注销'"}
    with pytest.raises(UnsupportedExpectationError, match="condition object"):
        judgement("expect_column_values_to_not_be_null", {"column": "x", "row_condition": condition})


def test_numbers_are_never_looked_for_in_text() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        failing("expect_column_values_to_be_in_set", {"column": "x", "value_set": [1]}, {"x": ["1"]})


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a$", "a\n", True),
        (r"a\Z", "a\n", False),
        (r"\$", "$", True),
        (r"[$]x", "$x", True),
        (r"^\w$", "\u0301", False),
        (r"^[\w-]$", "\u0301", False),
        (r"^[^\w]$", "\u0301", True),
        (r"^\W$", "李", False),
        (r"\s", "\x1c", True),
        (r"(?m)^a$", "b\na\nc", True),
        (r"[]$]", "]", True),
    ],
)
def test_patterns_mean_what_they_mean_in_python(pattern: str, text: str, matches: bool) -> None:
    assert pl.select(pl.lit(text).str.contains(python_pattern(pattern))).item() is matches


LIKE = st.text(st.sampled_from("%_aA李.\\!\n"), max_size=5)


@settings(deadline=None, max_examples=200)
@given(pattern=LIKE, texts=st.lists(LIKE, min_size=1, max_size=6), escape=st.sampled_from([None, "!"]))
def test_like_means_what_it_means_in_duckdb(pattern: str, texts: list[str], escape: str | None) -> None:
    assume(not (escape and pattern.replace("!!", "").endswith("!")))  # an escape of nothing is an error there
    clause = "" if escape is None else f" ESCAPE '{escape}'"
    asked = f"SELECT text LIKE $pattern{clause} FROM unnest($texts::VARCHAR[]) AS t(text)"
    expected = [row for (row,) in duckdb.execute(asked, {"pattern": pattern, "texts": texts}).fetchall()]
    found = pl.Series(texts).str.contains(like_pattern(pattern, escape))
    assert found.to_list() == expected


def test_lists_of_like_patterns_ask_for_any_all_or_none() -> None:
    columns = {"x": ["ab", "a", "b", None]}
    both = {"column": "x", "like_pattern_list": ["a%", "%b"]}
    kind = "expect_column_values_to_match_like_pattern_list"
    assert failing(kind, both, columns) == [False, False, False, False]
    assert failing(kind, {**both, "match_on": "all"}, columns) == [False, True, True, False]
    none_of = "expect_column_values_to_not_match_like_pattern_list"
    assert failing(none_of, {**both, "like_pattern_list": ["a%"]}, columns) == [True, True, False, False]
    alone = {"column": "x", "like_pattern": "_"}
    assert failing("expect_column_values_to_match_like_pattern", alone, columns) == [
        True,
        False,
        False,
        False,
    ]
    assert failing("expect_column_values_to_not_match_like_pattern", alone, columns) == [
        False,
        True,
        True,
        False,
    ]
