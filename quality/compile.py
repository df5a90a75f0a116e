"""One Great Expectations type → one Polars expression that is True where a row is unexpected.

Here belongs the table of supported expectations, with their null handling exactly as Great Expectations': a null is
never unexpected, save where nullness is the question. What cannot be stated over one row in Polars is refused with
the list of what can.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import polars as pl

from catalog.elements import ELEMENTS
from catalog.elements.base import clean
from catalog.elements.identifiers import birth_date_of, resident_checks_out, sex_of

Arguments = Mapping[str, Any]


class UnsupportedExpectationError(ValueError):
    """This expectation cannot be judged row by row in Polars; names those that can."""

    def __init__(self, expectation: str) -> None:
        super().__init__(f"{expectation} is not supported here; supported: {', '.join(sorted(COMPILERS))}")


def failing_expression(expectation: str, arguments: Arguments) -> pl.Expr:
    """True where a row fails; False elsewhere, also for nulls.

    Raises :class:`UnsupportedExpectationError`."""
    if expectation not in COMPILERS:
        raise UnsupportedExpectationError(expectation)
    return COMPILERS[expectation](arguments).fill_null(value=False)


def _value(arguments: Arguments) -> pl.Expr:
    return pl.col(arguments["column"])


def _pair(arguments: Arguments) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(arguments["column_A"]), pl.col(arguments["column_B"])


def _between(value: pl.Expr, arguments: Arguments) -> pl.Expr:
    """Unexpected where below ``min_value`` or above ``max_value``; ``strict_min`` and ``strict_max`` as in GX."""
    out: list[pl.Expr] = []
    if arguments.get("min_value") is not None:
        low = pl.lit(arguments["min_value"])
        out.append(value <= low if arguments.get("strict_min") else value < low)
    if arguments.get("max_value") is not None:
        high = pl.lit(arguments["max_value"])
        out.append(value >= high if arguments.get("strict_max") else value > high)
    return reduce(operator.or_, out)


def _matches(arguments: Arguments) -> pl.Expr:
    """Whether the pattern occurs at the start of the text, as GX's pandas engine matches."""
    return _value(arguments).str.contains(_anchored(arguments["regex"]))


def _anchored(pattern: str) -> str:
    return f"^(?:{pattern})"


def _any_pattern(arguments: Arguments) -> list[pl.Expr]:
    return [_value(arguments).str.contains(pattern) for pattern in arguments["regex_list"]]


def _regex_list(arguments: Arguments) -> pl.Expr:
    found = _any_pattern(arguments)
    combine = operator.and_ if arguments.get("match_on", "any") == "all" else operator.or_
    return ~reduce(combine, found)


def _lengths(arguments: Arguments) -> pl.Expr:
    return _between(_value(arguments).str.len_chars(), arguments)


def _pair_greater(arguments: Arguments) -> pl.Expr:
    left, right = _pair(arguments)
    return left < right if arguments.get("or_equal") else left <= right


def _pair_equal(arguments: Arguments) -> pl.Expr:
    left, right = _pair(arguments)
    return left != right


def _pair_in_set(arguments: Arguments) -> pl.Expr:
    left, right = _pair(arguments)
    pairs = [(left == a) & (right == b) for a, b in arguments["value_pairs_set"]]
    return ~pl.any_horizontal(pairs)


def _multicolumn_sum(arguments: Arguments) -> pl.Expr:
    total = pl.lit(arguments["sum_total"])
    return pl.sum_horizontal(arguments["column_list"], ignore_nulls=False) != total


def _unique_within(arguments: Arguments) -> pl.Expr:
    columns = arguments["column_list"]
    return reduce(
        operator.or_,
        (pl.col(a) == pl.col(b) for index, a in enumerate(columns) for b in columns[index + 1 :]),
    )


def _conforms(arguments: Arguments) -> pl.Expr:
    value = _value(arguments)
    check = next(c for c in ELEMENTS[arguments["element"]].checks if c.code == arguments["check"])
    return value.is_not_null() & ~check.passes(value).fill_null(value=False)


def _readable(arguments: Arguments) -> pl.Expr:
    """Something stands in the raw cell, and no value could be made of it. Only the cells without a value are cleaned:
    cleaning is dear."""
    cell = pl.when(_value(arguments).is_null()).then(pl.col(f"raw:{arguments['column']}"))
    return clean(cell).is_not_null()


def _matches_resident_id(arguments: Arguments) -> pl.Expr:
    """The column disagrees with the birth date or sex inside a valid resident id of the same row."""
    number, value = pl.col(arguments["id_column"]), _value(arguments)
    inside = birth_date_of(number) if arguments["part"] == "birth_date" else sex_of(number)
    stated = value if arguments["part"] == "birth_date" else pl.when(value.is_in(["1", "2"])).then(value)
    # the check digit is asked for only where the answer matters
    return resident_checks_out(pl.when(inside != stated).then(number))


COMPILERS: dict[str, Callable[[Arguments], pl.Expr]] = {
    "expect_column_values_to_not_be_null": lambda a: _value(a).is_null(),
    "expect_column_values_to_be_null": lambda a: _value(a).is_not_null(),
    "expect_column_values_to_be_in_set": lambda a: ~_value(a).is_in(list(a["value_set"])),
    "expect_column_values_to_not_be_in_set": lambda a: _value(a).is_in(list(a["value_set"])),
    "expect_column_values_to_be_between": lambda a: _between(_value(a), a),
    "expect_column_values_to_match_regex": lambda a: ~_matches(a),
    "expect_column_values_to_not_match_regex": _matches,
    "expect_column_values_to_match_regex_list": _regex_list,
    "expect_column_values_to_not_match_regex_list": lambda a: reduce(operator.or_, _any_pattern(a)),
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": lambda a: _value(a).str.len_chars() != a["value"],
    "expect_column_values_to_be_unique": lambda a: _value(a).is_not_null() & _value(a).is_duplicated(),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair_greater,
    "expect_column_pair_values_to_be_equal": _pair_equal,
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
    "expect_multicolumn_sum_to_equal": _multicolumn_sum,
    "expect_select_column_values_to_be_unique_within_record": _unique_within,
    "expect_compound_columns_to_be_unique": lambda a: pl.struct(a["column_list"]).is_duplicated(),
    # citylake's own, registered with Great Expectations in ``expectations.py``
    "expect_column_values_to_conform_to_element": _conforms,
    "expect_column_values_to_be_readable": _readable,
    "expect_column_to_match_resident_id": _matches_resident_id,
}
