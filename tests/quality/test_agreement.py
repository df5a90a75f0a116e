"""The proof: every supported expectation gives what Great Expectations' own pandas engine gives.

Frames hold nulls, NaN, empty texts, Unicode and extremes; expectations are drawn with ``mostly``, row conditions and every
way to ignore nulls. Where pandas cannot judge at all, nothing is compared; a table of plain cases makes sure that it can
judge each type.
"""

# ruff: noqa: DTZ001 # instants without a zone are what both engines are given
from __future__ import annotations

import json
import math
from datetime import date, datetime
from functools import partial
from typing import Any

import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catalog.model import Dimension, Severity, Title
from quality.aggregates import AGGREGATES
from quality.changes import CHANGES, Before
from quality.compile import COMPILERS, row_condition
from quality.divergence import DIVERGENCE
from quality.expectations import great_expectations
from quality.plan import SetRule
from quality.references import REFERENCE, SAME_ROWS
from quality.results import supported, validate
from quality.sets import set_columns, set_question
from tests.quality.pandas_engine import judged_by_pandas, raised

#: Judged in Polars only: they look at a second column, at other tables or at what was before, which Great Expectations'
#: pandas engine does not hand over. LIKE exists in its SQL engines alone: that is compared with DuckDB's (``test_compile.py``).
OURS = {"expect_column_values_to_be_readable", "expect_column_to_match_resident_id", REFERENCE, *CHANGES}
OURS |= {SAME_ROWS, *(kind for kind in COMPILERS if "like_pattern" in kind)}
SHOWN = {name: (lambda value: value) for name in "stijfgdw"}

Case = tuple[str, dict[str, Any]]


def make(case: Case) -> Any:
    kind, arguments = case
    registry = great_expectations("great_expectations.expectations.registry")
    condition = arguments.get("row_condition")
    given = {**arguments, "row_condition": condition()} if condition else arguments
    return registry.get_expectation_impl(kind)(**given)


def where(column: str, compare: str, *other: Any) -> Any:
    """A row condition, made late: Great Expectations is imported only when the tests run."""

    def condition() -> Any:
        conditions = great_expectations("great_expectations.expectations.row_conditions")
        return getattr(conditions.Column(column), compare)(*other)

    return condition


def disagreements(frame: pl.DataFrame, cases: list[Case]) -> tuple[list[str], set[str]]:
    """What differs between the two engines, and the types that could be compared."""
    expected = judged_by_pandas(frame, [make(case) for case in cases])
    judged = [(case, result) for case, result in zip(cases, expected, strict=True) if raised(result) is None]
    suite = great_expectations().ExpectationSuite(
        name="ours", expectations=[make(case) for case, _ in judged]
    )
    ours = validate(frame.lazy(), suite, show=SHOWN)
    problems = [
        f"{case}: pandas {said}, ours {says}"
        for (case, theirs), mine in zip(judged, ours.results, strict=True)
        if not _same(said := _verdict(theirs), says := _verdict(mine))
    ]
    problems += [
        f"{case}: Great Expectations says {mine.success} of our metrics, and we do not"
        for (case, _), mine in zip(judged, ours.results, strict=True)
        if case[0] in AGGREGATES and _met(frame, case) != mine.success
    ]
    return problems, {case[0] for case, _ in judged}


def _met(frame: pl.DataFrame, case: Case) -> bool:
    """The verdict that a push is held by, which does not ask Great Expectations."""
    kind, arguments = case
    condition = arguments.get("row_condition")
    stated = {**arguments, "row_condition": condition()} if condition else arguments
    words = Title(zh="试", en="tried")
    rule = SetRule("tried", None, kind, stated, Severity.HOLD, Dimension.ACCURACY, words)
    question = set_question(rule, Before())
    assert question is not None
    row = frame.with_columns(cs.float().fill_nan(None)).select(set_columns([question])).row(0, named=True)
    metrics = question.metrics({name: row[f"tried:{name}"] for name in question.asks})
    assert metrics is not None
    return question.met(metrics)


def _verdict(result: Any) -> dict[str, Any]:
    names = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "observed_value")
    known = {
        name: result.result.get(name) for name in (*names, "unexpected_percent_total", "missing_percent")
    }
    listed = result.result.get("partial_unexpected_list")
    return {"success": bool(result.success), **known, "listed": None if listed is None else len(listed)}


def _same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    return all(_equal(theirs[name], ours[name]) for name in theirs)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return _equal(list(left.values()), list(right.values()))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    if left is None or right is None or left != left:  # noqa: PLR0124 # NaN and NaT are nothing too
        return (left is None or left != left) and (right is None or right != right)  # noqa: PLR0124
    if isinstance(left, float) or isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(left, date):
        return str(left)[:10] == str(right)[:10]
    return bool(left == right)


FRAME = pl.DataFrame(
    {
        "s": ["11", "A", None, "", "李雷", "Ａ１", "a\n", "A"],
        "t": ["11", "b", "c", None, "李雷", "é", "", "A"],
        "i": [1, 2, 2, None, -5, 9_007_199_254_740_991, 0, 3],
        "j": [1, 1, 3, 4, None, 0, 0, 4],
        "f": [0.5, None, math.nan, -1.5, 1e300, 2.0, 2.0, 3.0],
        "g": [0.5, 1.0, 2.0, None, 1.0, 2.0, -2.0, 1.0],
        "d": [date(2020, 2, 29), None, date(1900, 1, 1), date(2199, 12, 31)] * 2,
        "w": [datetime(2020, 2, 29, 23, 59), None, datetime(1970, 1, 1), datetime(2020, 3, 1)] * 2,
    }
)
BOUNDS = {"min_value": 1, "max_value": 3}
LETTERS = {"values": ["A", "", "x"], "weights": [0.5, 0.3, 0.2]}
QUARTERS = {"bins": [-1.0, 0.0, 1.0, 2.0], "weights": [0.5, 0.0, 0.5]}
LIST = {"column_list": ["i", "j"]}
PLAIN: list[Case] = [
    ("expect_column_values_to_not_be_null", {"column": "s", "mostly": 0.8}),
    ("expect_column_values_to_not_be_null", {"column": "s", "mostly": 0.9}),
    ("expect_column_values_to_be_null", {"column": "s", "mostly": 0.1}),
    ("expect_column_values_to_be_in_set", {"column": "s", "value_set": ["A", "", "李雷"]}),
    ("expect_column_values_to_be_in_set", {"column": "i", "value_set": [1, 2, None]}),
    ("expect_column_values_to_be_in_set", {"column": "s", "value_set": []}),
    ("expect_column_values_to_not_be_in_set", {"column": "s", "value_set": ["A", ""]}),
    ("expect_column_values_to_not_be_in_set", {"column": "s", "value_set": []}),
    ("expect_column_values_to_be_between", {"column": "i", **BOUNDS}),
    ("expect_column_values_to_be_between", {"column": "f", "min_value": 0.5, "strict_min": True}),
    ("expect_column_values_to_be_between", {"column": "d", "max_value": datetime(2020, 3, 1)}),
    (
        "expect_column_values_to_be_between",
        {"column": "w", "max_value": datetime(2020, 3, 1), "strict_max": True},
    ),
    ("expect_column_values_to_be_in_set", {"column": "w", "value_set": [datetime(1970, 1, 1)]}),
    ("expect_column_max_to_be_between", {"column": "w", "max_value": datetime(2020, 3, 1)}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": r"^\d+$"}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": "a$"}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": r"a\Z"}),
    ("expect_column_values_to_not_match_regex", {"column": "s", "regex": "[A李$]"}),
    ("expect_column_values_to_match_regex_list", {"column": "s", "regex_list": ["^A", "^1"]}),
    (
        "expect_column_values_to_match_regex_list",
        {"column": "s", "regex_list": ["1", "^1"], "match_on": "all"},
    ),
    ("expect_column_values_to_not_match_regex_list", {"column": "s", "regex_list": ["^A", "^1"]}),
    ("expect_column_values_to_match_strftime_format", {"column": "t", "strftime_format": "%d"}),
    ("expect_column_values_to_be_dateutil_parseable", {"column": "t", "mostly": 0.2}),
    ("expect_column_values_to_be_json_parseable", {"column": "s"}),
    (
        "expect_column_values_to_match_json_schema",
        {
            "column": "s",
            "json_schema": {"type": "integer", "maximum": 9},
            "row_condition": where("s", "__eq__", "11"),
        },
    ),
    ("expect_column_value_lengths_to_be_between", {"column": "s", **BOUNDS, "strict_min": True}),
    ("expect_column_value_lengths_to_equal", {"column": "s", "value": 2}),
    ("expect_column_values_to_be_unique", {"column": "s"}),
    ("expect_column_values_to_be_unique", {"column": "i", "row_condition": where("j", "__ge__", 3)}),
    ("expect_column_values_to_be_increasing", {"column": "g"}),
    ("expect_column_values_to_be_increasing", {"column": "g", "strictly": True}),
    (
        "expect_column_values_to_be_decreasing",
        {"column": "g", "row_condition": where("i", "is_not_null")},
    ),
    ("expect_column_value_z_scores_to_be_less_than", {"column": "g", "threshold": 1.1, "double_sided": True}),
    (
        "expect_column_value_z_scores_to_be_less_than",
        {"column": "g", "threshold": -1.1, "double_sided": False, "row_condition": where("j", "__ge__", 1)},
    ),
    ("expect_column_values_to_not_be_outliers", {"column": "g"}),
    ("expect_column_values_to_not_be_outliers", {"column": "j", "multiplier": 0.3, "mostly": 0.5}),
    ("expect_column_values_to_not_be_outliers", {"column": "g", "method": "std", "multiplier": 1.1}),
    ("expect_column_values_to_not_be_outliers", {"column": "f", "method": "std", "multiplier": 1.1}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "i", "column_B": "j"}),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "i", "column_B": "j", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    ),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "s", "column_B": "t", "ignore_row_if": "neither"},
    ),
    (
        "expect_column_pair_values_to_be_in_set",
        {"column_A": "i", "column_B": "j", "value_pairs_set": [(1, 1), (2, 3), (None, 4)]},
    ),
    ("expect_multicolumn_sum_to_equal", {**LIST, "sum_total": 2}),
    ("expect_multicolumn_sum_to_equal", {**LIST, "sum_total": 2, "ignore_row_if": "any_value_is_missing"}),
    ("expect_multicolumn_values_to_be_equal", {**LIST, "ignore_row_if": "never"}),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": ["s", "t"]}),
    (
        "expect_select_column_values_to_be_unique_within_record",
        {"column_list": ["i", "j"], "ignore_row_if": "any_value_is_missing"},
    ),
    ("expect_compound_columns_to_be_unique", {"column_list": ["s", "j"]}),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["s", "g"], "row_condition": where("j", "is_in", [0, 1, 4])},
    ),
    (
        "expect_column_values_to_conform_to_element",
        {"column": "s", "element": "person_name", "check": "characters"},
    ),
    ("expect_column_max_to_be_between", {"column": "g", **BOUNDS}),
    ("expect_column_min_to_be_between", {"column": "j", "min_value": 0, "strict_min": True}),
    ("expect_column_mean_to_be_between", {"column": "g", **BOUNDS}),
    ("expect_column_median_to_be_between", {"column": "j", **BOUNDS}),
    ("expect_column_sum_to_be_between", {"column": "j", "max_value": 13}),
    ("expect_column_stdev_to_be_between", {"column": "g", **BOUNDS}),
    ("expect_column_unique_value_count_to_be_between", {"column": "s", "min_value": 6, "max_value": 6}),
    (
        "expect_column_proportion_of_unique_values_to_be_between",
        {"column": "s", "min_value": 6 / 7, "max_value": 6 / 7},
    ),
    (
        "expect_column_proportion_of_non_null_values_to_be_between",
        {"column": "f", "min_value": 0.75, "max_value": 0.75},
    ),
    ("expect_column_distinct_values_to_be_in_set", {"column": "j", "value_set": [0, 1, 3]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "s", "value_set": ["A", "x"]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "j", "value_set": [0, 1, 3, 4]}),
    ("expect_column_most_common_value_to_be_in_set", {"column": "s", "value_set": ["A", "b"]}),
    (
        "expect_column_most_common_value_to_be_in_set",
        {"column": "j", "value_set": [0, 1], "ties_okay": True},
    ),
    (
        "expect_column_quantile_values_to_be_between",
        {
            "column": "g",
            "quantile_ranges": {
                "quantiles": [0.25, 0.5, 0.9],
                "value_ranges": [[0, 1], [None, 1], [1, None]],
            },
        },
    ),
    (
        DIVERGENCE,
        {"column": "s", "partition_object": LETTERS, "threshold": 0.7, "tail_weight_holdout": 0.3},
    ),
    (
        DIVERGENCE,
        {"column": "s", "partition_object": LETTERS, "threshold": 9},
    ),
    (
        DIVERGENCE,
        {
            "column": "g",
            "partition_object": QUARTERS,
            "threshold": 0.9,
            "tail_weight_holdout": 0.2,
            "internal_weight_holdout": 0.1,
        },
    ),
    ("expect_table_row_count_to_be_between", BOUNDS),
    ("expect_table_row_count_to_equal", {"value": 2, "row_condition": where("j", "__eq__", 4)}),
    ("expect_column_to_exist", {"column": "s"}),
    ("expect_column_to_exist", {"column": "i", "column_index": 2}),
    ("expect_table_columns_to_match_set", {"column_set": ["s", "t", "x"], "exact_match": False}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": list("stijfgdw")}),
    ("expect_table_column_count_to_equal", {"value": 8}),
    ("expect_table_column_count_to_be_between", {"min_value": 9}),
]


def test_the_plain_cases_name_every_supported_type() -> None:
    assert {kind for kind, _ in PLAIN} | OURS == set(supported())


def test_the_two_engines_agree_on_the_plain_cases_and_pandas_judges_them_all() -> None:
    problems, compared = disagreements(FRAME, PLAIN)
    assert not problems, "\n".join(problems)
    assert compared == {kind for kind, _ in PLAIN}


@pytest.mark.parametrize("rows", [0, 1])
def test_the_two_engines_agree_where_there_is_next_to_nothing(rows: int) -> None:
    problems, _ = disagreements(FRAME.head(rows), PLAIN)
    assert not problems, "\n".join(problems)


# Values: few enough to repeat, and the odd ones among them.
TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "A", "ab", "李雷", "Ａ１", "１２", "12", "é", "e\u0301", "a\n", "\u3000", "🀄"]
    ),
    st.text(max_size=6),
)
WHOLE = st.one_of(st.integers(-3, 3), st.sampled_from([2**53 - 1, -(2**53) + 1, 2**31]))
REAL = st.one_of(
    st.integers(-3, 3).map(float), st.sampled_from([0.1, -0.5, math.nan, 1e300, -1e300, 5e-324, math.inf])
)
DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
COLUMNS = {"s": TEXTS, "t": TEXTS, "i": WHOLE, "j": st.integers(-3, 3), "f": REAL}
MINUTES = st.sampled_from([datetime(2020, 2, 29, 23, minute) for minute in range(5)])
COLUMNS |= {"g": st.integers(-8, 8).map(lambda number: number / 4), "d": DAYS, "w": MINUTES}
DTYPES: dict[str, Any] = dict.fromkeys("st", pl.String()) | dict.fromkeys("ij", pl.Int64())
DTYPES |= dict.fromkeys("fg", pl.Float64()) | {"d": pl.Date(), "w": pl.Datetime("us")}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Up to 14 rows; each column with many, few or no nulls."""
    rows = draw(st.integers(0, 14))
    columns = {}
    for name, values in COLUMNS.items():
        cell = draw(st.sampled_from([values, st.none() | values, st.none(), values]))
        held = draw(st.lists(cell, min_size=rows, max_size=rows))
        columns[name] = pl.Series(held, dtype=DTYPES[name])
    return pl.DataFrame(columns)


SMALL = st.integers(-3, 3)
NUMBERS = st.sampled_from(["i", "j", "f", "g"])
CALM = st.sampled_from(["j", "g"])  # no extremes: the order of a sum does not matter
TEXT = st.sampled_from(["s", "t"])
ANY = st.one_of(NUMBERS, TEXT, st.just("w"))
MOSTLY = st.sampled_from([1, 0.9, 0.5, 0.34, 0])
PATTERNS = st.sampled_from(
    [
        "a",
        "^a",
        "a$",
        r"^\d+$",
        "^$",
        "[A-Za-z]",
        "李",
        r"\s",
        "^.{2}$",
        r"^\w+\Z",
        "a|b$",
        r"[$\s]",
        r"[^\w]",
        ".",
    ]
)
CONDITIONS = st.sampled_from(
    [
        where("j", "__gt__", 0),
        where("j", "__ne__", 1),
        where("j", "is_in", [0, 1, 2]),
        where("j", "is_not_in", [0, 1]),
        where("s", "is_null"),
        where("t", "is_not_null"),
        where("s", "__eq__", "a"),
        where("t", "__ne__", "a"),
        lambda: where("j", "__lt__", 2)() & where("t", "is_not_null")(),
        lambda: where("j", "__le__", -1)() | where("s", "is_null")(),
    ]
)
#: What only a parser of Python's can tell: most texts are nothing to them, so they are compared on texts of their own.
PARSED = {kind for kind in COMPILERS if any(word in kind for word in ("parseable", "strftime", "json"))}
#: Great Expectations counts the failing rows of this type without its row condition: it is compared by a test of its own.
PAIR_IN_SET = "expect_column_pair_values_to_be_in_set"
PAIR_IGNORED = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
LIST_IGNORED = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])


@st.composite
def bounds(draw: st.DrawFn, values: st.SearchStrategy[Any] = SMALL) -> dict[str, Any]:
    low, high = sorted([draw(values), draw(values)])
    kept = draw(
        st.sampled_from([{"min_value": low}, {"max_value": high}, {"min_value": low, "max_value": high}])
    )
    strict = draw(st.fixed_dictionaries({"strict_min": st.booleans(), "strict_max": st.booleans()}))
    return kept | strict


def _sets(column: str, least: int = 0) -> st.SearchStrategy[list[Any]]:
    if column == "w":
        return st.lists(MINUTES, min_size=least, max_size=4, unique=True)
    values = TEXTS if column in "st" else st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.0, 2**53]))
    return st.lists(values, min_size=least, max_size=4, unique=True)


@st.composite
def row_cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(sorted(set(COMPILERS) - OURS - PARSED)))
    arguments = _row_arguments(draw, kind) | {"mostly": draw(MOSTLY)}
    if kind != PAIR_IN_SET and draw(st.booleans()):
        arguments["row_condition"] = draw(CONDITIONS)
    return kind, arguments


def _row_arguments(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if "multicolumn" in kind or "select_column" in kind or "compound" in kind:
        return _list_arguments(draw, kind)
    if "pair" in kind:
        return _pair_arguments(draw, kind)
    text = any(word in kind for word in ("regex", "length", "conform"))
    calm = any(word in kind for word in ("increasing", "decreasing", "z_scores", "outliers"))
    column = draw(TEXT if text else CALM if calm else ANY)
    if kind == "expect_column_values_to_be_between" and column in "stw":
        return {"column": "w"} | draw(bounds(MINUTES))
    further: dict[str, st.SearchStrategy[Any]] = {
        "expect_column_values_to_match_regex": st.fixed_dictionaries({"regex": PATTERNS}),
        "expect_column_values_to_not_match_regex": st.fixed_dictionaries({"regex": PATTERNS}),
        "expect_column_values_to_match_regex_list": st.fixed_dictionaries(
            {
                "regex_list": st.lists(PATTERNS, min_size=1, max_size=3),
                "match_on": st.sampled_from(["any", "all"]),
            }
        ),
        "expect_column_values_to_not_match_regex_list": st.fixed_dictionaries(
            {"regex_list": st.lists(PATTERNS, min_size=1, max_size=3)}
        ),
        "expect_column_value_lengths_to_equal": st.fixed_dictionaries({"value": st.integers(0, 3)}),
        "expect_column_value_lengths_to_be_between": bounds(st.integers(0, 4)),
        "expect_column_values_to_be_between": bounds(),
        "expect_column_values_to_conform_to_element": st.sampled_from(
            [
                {"element": "person_name", "check": "characters"},
                {"element": "resident_id", "check": "check_digit"},
            ]
        ),
        # limits that no value of a few quarters reaches exactly: both engines round in their own way
        "expect_column_value_z_scores_to_be_less_than": st.fixed_dictionaries(
            {"threshold": st.sampled_from([-0.61, 0.37, 1.13]), "double_sided": st.booleans()}
        ),
        "expect_column_values_to_not_be_outliers": st.fixed_dictionaries(
            {
                "method": st.sampled_from(["iqr", "std"]),
                "multiplier": st.sampled_from([0.0, 0.37, 1.13, 1.43]),
            }
        ),
        "expect_column_values_to_be_increasing": st.fixed_dictionaries({"strictly": st.booleans()}),
        "expect_column_values_to_be_decreasing": st.fixed_dictionaries({"strictly": st.booleans()}),
    }
    if kind.endswith("_in_set"):
        return {"column": column, "value_set": draw(_sets(column))}
    return {"column": column} | (draw(further[kind]) if kind in further else {})


def _pair_arguments(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    left, right = draw(st.sampled_from([("s", "t"), ("i", "j"), ("f", "g"), ("i", "f"), ("j", "g")]))
    arguments = {"column_A": left, "column_B": right, "ignore_row_if": draw(PAIR_IGNORED)}
    if kind.endswith("in_set"):
        cell = TEXTS if left == "s" else st.integers(-3, 3)
        pair = st.tuples(st.none() | cell, st.none() | cell)
        return arguments | {"value_pairs_set": draw(st.lists(pair, min_size=1, max_size=4))}
    if "greater" in kind:
        arguments["or_equal"] = draw(st.booleans())
    return arguments


def _list_arguments(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    numbers = [["i", "j"], ["j", "g"], ["i", "j", "g"]]
    texts = [["s", "t"]] if "sum" not in kind else []
    mixed = [["s", "j"], ["t", "d", "g"]] if "compound" in kind else []
    arguments = {
        "column_list": draw(st.sampled_from(numbers + texts + mixed)),
        "ignore_row_if": draw(LIST_IGNORED),
    }
    return arguments | ({"sum_total": draw(st.integers(-3, 3))} if "sum" in kind else {})


@st.composite
def aggregate_cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(sorted(AGGREGATES)))
    arguments = (_divergence_arguments if kind == DIVERGENCE else partial(_aggregate_arguments, kind=kind))(
        draw
    )
    if draw(st.booleans()):
        arguments["row_condition"] = draw(CONDITIONS)
    return kind, arguments


def _aggregate_arguments(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if "row_count" in kind:
        return {"value": draw(SMALL)} if "equal" in kind else draw(bounds(st.integers(0, 10)))
    if "_set" in kind:
        column = draw(ANY)
        return {"column": column, "value_set": draw(_sets(column, 1))}
    if "quantile" in kind:
        how = draw(st.sampled_from([False, "linear", "lower", "higher", "midpoint", "nearest"]))
        ranges = {"quantiles": [0.0, 0.25, 0.5, 0.9], "value_ranges": [[-1, 1], [0, 2], [None, 1], [1, None]]}
        return {"column": draw(CALM), "quantile_ranges": ranges, "allow_relative_error": how}
    if "proportion" in kind:
        return {"column": draw(ANY), **draw(bounds(st.sampled_from([0, 0.25, 0.5, 1])))}
    if "unique_value" in kind:
        return {"column": draw(ANY), **draw(bounds(st.integers(0, 6)))}
    return {"column": draw(CALM), **draw(bounds())}


def _divergence_arguments(draw: st.DrawFn) -> dict[str, Any]:
    """A partition of values or of bins, with or without ends, its weights in eighths, with and without tails."""
    # thresholds that no divergence of a few rows reaches exactly
    arguments: dict[str, Any] = {"threshold": draw(st.sampled_from([0.0317, 0.317, 1.317, None]))}
    weights = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4).filter(any))
    if draw(st.booleans()):
        column = draw(st.sampled_from(["s", "t", "j"]))
        values = draw(st.lists(TEXTS if column in "st" else SMALL, min_size=4, max_size=4, unique=True))
        shares = [weight / sum(weights) for weight in weights]
        partition = {"values": values[: len(weights)], "weights": shares}
        return arguments | {"column": column, "partition_object": partition, **draw(_held_out("tail"))}
    inner = draw(
        st.lists(st.integers(-6, 6), min_size=len(weights) + 1, max_size=len(weights) + 1, unique=True)
    )
    bins = [number / 4 for number in sorted(inner)]
    endless = draw(st.sampled_from(["", "low", "high", "low high"]))
    bins[0] = -math.inf if "low" in endless else bins[0]
    bins[-1] = math.inf if "high" in endless else bins[-1]
    tails = draw(st.sampled_from([None, [1, 0], [2, 1]])) if not endless else None
    whole = sum(weights) + sum(tails or ())
    partition = {"bins": bins, "weights": [weight / whole for weight in weights]}
    if tails:
        partition["tail_weights"] = [tail / whole for tail in tails]
    held = draw(_held_out("internal", *(() if tails or endless == "low high" else ("tail",))))
    return arguments | {"column": draw(CALM), "partition_object": partition, **held}


def _held_out(*parts: str) -> st.SearchStrategy[dict[str, Any]]:
    names = [f"{part}_weight_holdout" for part in parts]
    return st.fixed_dictionaries(dict.fromkeys(names, st.sampled_from([0, 0.125, 0.25])))


BROAD = st.lists(st.one_of(row_cases(), row_cases(), aggregate_cases()), min_size=10, max_size=14)
# no shrinking: it takes minutes here, and a frame of a few rows needs none
QUIET = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    print_blob=True,
)


@settings(QUIET, max_examples=30)
@given(frame=frames(), cases=BROAD)
def test_the_two_engines_agree(frame: pl.DataFrame, cases: list[Case]) -> None:
    problems, _ = disagreements(frame, cases)
    assert not problems, "\n".join(problems)


@settings(QUIET, max_examples=30)
@given(frame=frames(), condition=CONDITIONS, data=st.data())
def test_pairs_in_a_set_are_judged_as_if_only_the_rows_of_the_condition_were_there(
    frame: pl.DataFrame, condition: Any, data: st.DataObject
) -> None:
    arguments = _pair_arguments(data.draw, PAIR_IN_SET)
    rows = row_condition(PAIR_IN_SET, condition())
    assert rows is not None
    [alone] = judged_by_pandas(frame.filter(rows), [make((PAIR_IN_SET, arguments))])
    conditional = make((PAIR_IN_SET, arguments | {"row_condition": condition}))
    suite = great_expectations().ExpectationSuite(name="ours", expectations=[conditional])
    [ours] = validate(frame.lazy(), suite, show=SHOWN).results
    assert raised(alone) is not None or _same(_verdict(alone), _verdict(ours))


TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%d %H:%M")),
    st.sampled_from(
        ["2020-02-30 00:00", "2020-2-3 1:2", " 2020-02-03 01:02", "２０２０-02-03 01:02", "20200203", "7"]
    ),
    TEXTS,
)
_LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
DOCUMENTS = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)
)
JSONS = st.builds(json.dumps, DOCUMENTS, ensure_ascii=st.booleans())
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "required": ["a"]},
        {"type": ["integer", "null"], "maximum": 3},
        {
            "anyOf": [{"type": "string", "maxLength": 1}, {"$ref": "#/$defs/list"}],
            "$defs": {"list": {"type": "array"}},
        },
        {},
    ]
)


@st.composite
def parsed_frames(draw: st.DrawFn) -> pl.DataFrame:
    """Texts that parsers are asked of, most of which they take, beside a column for row conditions."""
    rows = draw(st.integers(0, 10))
    columns = {
        "w": TIMES,
        "g": st.one_of(JSONS, JSONS, TEXTS),
        "d": JSONS,
        "s": TEXTS,
        "t": TEXTS,
        "j": SMALL,
    }
    held = {
        name: draw(st.lists(st.none() | cell, min_size=rows, max_size=rows)) for name, cell in columns.items()
    }
    return pl.DataFrame(
        {name: pl.Series(cells, dtype=pl.Int64 if name == "j" else pl.String) for name, cells in held.items()}
    )


@settings(QUIET, max_examples=10)
@given(frame=parsed_frames(), data=st.data())
def test_parsers_say_what_they_say_to_pandas(frame: pl.DataFrame, data: st.DataObject) -> None:
    asked: list[Case] = [
        ("expect_column_values_to_match_strftime_format", {"column": "w", "strftime_format": form})
        for form in ("%Y-%m-%d %H:%M", "%Y%m%d")
    ]
    asked += [("expect_column_values_to_be_dateutil_parseable", {"column": name}) for name in "ws"]
    asked += [("expect_column_values_to_be_json_parseable", {"column": name}) for name in "gs"]
    schema = data.draw(SCHEMAS)
    asked += [("expect_column_values_to_match_json_schema", {"column": "d", "json_schema": schema})]
    for _, arguments in asked:
        arguments["mostly"] = data.draw(MOSTLY)
        if data.draw(st.booleans()):
            arguments["row_condition"] = data.draw(CONDITIONS)
    problems, compared = disagreements(frame, asked)
    assert not problems, "\n".join(problems)
    assert compared == PARSED


@pytest.mark.slow
@settings(QUIET, max_examples=600)
@given(frame=frames(), cases=BROAD)
def test_the_two_engines_agree_at_length(frame: pl.DataFrame, cases: list[Case]) -> None:
    problems, _ = disagreements(frame, cases)
    assert not problems, "\n".join(problems)
