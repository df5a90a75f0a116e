"""One Great Expectations type → one Polars expression that is True where a row is unexpected.

Here belongs the table of expectations that judge rows, with Great Expectations' own handling of nulls, of rows to be
ignored and of row conditions. What judges a whole column or table is in ``aggregates.py``. What cannot be stated in
Polars is refused with the list of what can.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any

import polars as pl

from catalog.elements import ELEMENTS
from catalog.elements.base import Shortcut, clean
from catalog.elements.identifiers import birth_date_of, resident_checks_out, sex_of
from quality.outliers import not_outlier, z_score_below
from quality.parsers import Parses, accepted, fits_json_schema, is_dateutil, is_json, is_time
from quality.patterns import like_pattern, python_pattern
from quality.references import REFERENCE, known_name

Arguments = Mapping[str, Any]
#: Below this every whole number is a float, exactly.
EXACT_FLOATS = 2**53


_TYPES = (
    "its types are pandas' or a database's, and a lazy frame states its own: compare `frame.collect_schema()`"
)
_QUERY = "it is a query to a database: ask with DuckDB, which reads the same files and frames"
#: What Great Expectations ships and Polars cannot judge, and what to do instead.
REFUSED = {
    "expect_column_type_to_be": _TYPES,
    "expect_column_values_to_be_in_type_list": _TYPES,
    "expect_column_values_to_be_of_type": _TYPES,
    "expect_query_results_to_match_comparison": _QUERY,
    "unexpected_rows_expectation": _QUERY,
}


class UnsupportedExpectationError(ValueError):
    """This expectation cannot be judged in Polars; says why, or names those that can."""

    def __init__(self, expectation: str, why: str = "") -> None:
        self.expectation = expectation
        told = why or REFUSED.get(expectation) or f"supported over rows: {', '.join(row_expectations())}"
        super().__init__(f"{expectation} is not supported here: {told}")


class Domain(Enum):
    """What an expectation looks at in a row, which decides what a null means to it."""

    COLUMN = "one column: a null is never unexpected"
    NULLNESS = "one column, nulls included"
    PAIR = "two columns: a null in one of them is unexpected"
    COLUMNS = "several columns: likewise"


@dataclass(frozen=True)
class Judgement:
    """Which rows an expectation looks at (None: all), which of those it considers, which are unexpected. Never null."""

    rows: pl.Expr | None
    considered: pl.Expr | None
    failing: pl.Expr


@dataclass(frozen=True)
class RowCompiler:
    """How one type is judged: the rows that meet it, given its arguments and the rows it considers.

    ``passes`` may be null, which is not met: a null that does not matter has been taken out by ``domain``."""

    domain: Domain
    passes: Callable[[Arguments, pl.Expr | None], pl.Expr]


def row_expectations() -> tuple[str, ...]:
    """The supported types that judge rows, in alphabetical order."""
    return tuple(sorted(COMPILERS))


def failing_expression(expectation: str, arguments: Arguments) -> pl.Expr:
    """True where a row is unexpected, never null; raises :class:`UnsupportedExpectationError`."""
    return judgement(expectation, arguments).failing


def judgement(expectation: str, arguments: Arguments) -> Judgement:
    """How the rows are judged; raises :class:`UnsupportedExpectationError`."""
    if expectation not in COMPILERS:
        raise UnsupportedExpectationError(expectation)
    compiler = COMPILERS[expectation]
    rows = row_condition(expectation, arguments.get("row_condition"))
    considered = _both(rows, _not_ignored(compiler.domain, expectation, arguments))
    fails = ~compiler.passes(arguments, considered).fill_null(value=False)
    return Judgement(rows, considered, fails if considered is None else considered & fails)


def row_condition(expectation: str, condition: Any) -> pl.Expr | None:
    """Great Expectations' row condition, as an object of its own or in its serialised form, as pandas reads it:
    a null is unequal to everything."""
    if condition is None:
        return None
    stated = condition if isinstance(condition, Mapping) else getattr(condition, "dict", dict)()
    kind = stated.get("type")
    if kind in ("and", "or"):
        parts = [row_condition(expectation, part) for part in stated["conditions"]]
        combine = pl.all_horizontal if kind == "and" else pl.any_horizontal
        return combine([part for part in parts if part is not None])
    if kind not in ("nullity", "comparison"):
        why = (
            'its row_condition must be a condition object, as Column("x") > 0, or that in its serialised form'
        )
        raise UnsupportedExpectationError(expectation, why)
    value = pl.col(stated["column"]["name"])
    if kind == "nullity":
        return value.is_null() if stated["is_null"] else value.is_not_null()
    return _CONDITIONS[str(getattr(stated["operator"], "value", stated["operator"]))](
        value, stated["parameter"]
    )


_CONDITIONS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "==": lambda value, other: (value == other).fill_null(value=False),
    "!=": lambda value, other: (value != other).fill_null(value=True),
    "<": lambda value, other: (value < other).fill_null(value=False),
    "<=": lambda value, other: (value <= other).fill_null(value=False),
    ">": lambda value, other: (value > other).fill_null(value=False),
    ">=": lambda value, other: (value >= other).fill_null(value=False),
    "IN": lambda value, other: among(value, other).fill_null(value=False),
    "NOT_IN": lambda value, other: (~among(value, other)).fill_null(value=True),
}


def _both(left: pl.Expr | None, right: pl.Expr | None) -> pl.Expr | None:
    return left if right is None else right if left is None else left & right


def _not_ignored(domain: Domain, expectation: str, arguments: Arguments) -> pl.Expr | None:
    """The rows that are not ignored for their nulls (None: none is)."""
    if domain is Domain.NULLNESS:
        return None
    if domain is Domain.COLUMN:
        return pl.col(arguments["column"]).is_not_null()
    if domain is Domain.PAIR:
        columns = [arguments["column_A"], arguments["column_B"]]
    else:
        columns = list(arguments["column_list"])
    present = [pl.col(name).is_not_null() for name in columns]
    ignored = arguments.get("ignore_row_if") or "both_values_are_missing"
    if ignored not in _IGNORED:
        raise UnsupportedExpectationError(expectation, f"unknown ignore_row_if {ignored!r}")
    return _IGNORED[ignored](present)


_IGNORED: dict[str, Callable[[Sequence[pl.Expr]], pl.Expr | None]] = {
    "both_values_are_missing": pl.any_horizontal,
    "either_value_is_missing": pl.all_horizontal,
    "neither": lambda present: None,
    "all_values_are_missing": pl.any_horizontal,
    "any_value_is_missing": pl.all_horizontal,
    "never": lambda present: None,
}


def _value(arguments: Arguments) -> pl.Expr:
    return pl.col(arguments["column"])


def _pair(arguments: Arguments) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(arguments["column_A"]), pl.col(arguments["column_B"])


def among(value: pl.Expr, values: Sequence[Any]) -> pl.Expr:
    """Whether the value is one of these; a whole number equals its decimal twin, as in Python. None among them is
    nobody's value."""
    present = [item for item in values if item is not None]
    if not present:
        return value.is_null() & value.is_not_null()
    if all(type(item) in (int, float) for item in present):
        exact = [float(item) for item in present if abs(item) < EXACT_FLOATS]
        # compared one by one: those too large for a float, and one more, so that Polars refuses a column of text
        single = [item for item in present if abs(item) >= EXACT_FLOATS] or present[:1]
        return pl.any_horizontal(value.cast(pl.Float64).is_in(exact), *(value == item for item in single))
    return value.is_in(present)


def _in_set(arguments: Arguments) -> pl.Expr:
    values = arguments.get("value_set")
    return pl.lit(value=True) if values is None else among(_value(arguments), list(values))


def _not_in_set(arguments: Arguments) -> pl.Expr:
    return pl.lit(value=True) if arguments.get("value_set") is None else ~_in_set(arguments)


def _between(value: pl.Expr, arguments: Arguments) -> pl.Expr:
    """Within ``min_value`` and ``max_value``, either of which may be missing, strictly where asked."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    bounds = []
    if low is not None:
        bounds.append(value > low if arguments.get("strict_min") else value >= low)
    if high is not None:
        bounds.append(value < high if arguments.get("strict_max") else value <= high)
    return reduce(operator.and_, bounds, pl.lit(value=True))


def _length(arguments: Arguments) -> pl.Expr:
    return _value(arguments).cast(pl.String).str.len_chars()


def _matches(arguments: Arguments, pattern: str) -> pl.Expr:
    return _value(arguments).str.contains(python_pattern(pattern))


def _likes(arguments: Arguments) -> list[pl.Expr]:
    patterns = arguments.get("like_pattern_list") or [arguments["like_pattern"]]
    escape = arguments.get("escape")
    return [_value(arguments).str.contains(like_pattern(pattern, escape)) for pattern in patterns]


def _like_list(arguments: Arguments) -> pl.Expr:
    return _combine(arguments)(_likes(arguments))


def _parsed(expectation: str, parser: Callable[[Arguments], Parses]) -> RowCompiler:
    """Texts that a parser takes. What it cannot be asked (no schema) is refused."""

    def passes(arguments: Arguments) -> pl.Expr:
        try:
            return accepted(_value(arguments), parser(arguments))
        except ValueError as error:
            raise UnsupportedExpectationError(expectation, str(error)) from None

    return _column(passes)


def _combine(arguments: Arguments) -> Callable[..., pl.Expr]:
    return pl.all_horizontal if arguments.get("match_on") == "all" else pl.any_horizontal


def _match_each(arguments: Arguments) -> list[pl.Expr]:
    return [_matches(arguments, pattern) for pattern in arguments["regex_list"]]


def _regex_list(arguments: Arguments) -> pl.Expr:
    return _combine(arguments)(_match_each(arguments))


def _unique(arguments: Arguments, considered: pl.Expr | None) -> pl.Expr:
    """Met by values that no other considered row has."""
    if arguments.get("row_condition") is None:
        return ~_value(arguments).is_duplicated()
    return _compound_unique({"column_list": [arguments["column"]]}, considered)


def _compound_unique(arguments: Arguments, considered: pl.Expr | None) -> pl.Expr:
    columns = [pl.col(name) for name in arguments["column_list"]]
    flag = [] if considered is None else [considered.alias("_considered")]
    return ~pl.struct(*columns, *flag).is_duplicated()


def _in_order(compare: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[..., pl.Expr]:
    """Each value against the one before it among the considered rows; the first has none, and passes."""

    def passes(arguments: Arguments, considered: pl.Expr | None) -> pl.Expr:
        value = _value(arguments)
        kept = value if considered is None else pl.when(considered).then(value)
        before = kept.forward_fill().shift(1)
        met = compare(kept, before)
        return (met & (kept != before) if arguments.get("strictly") else met) | before.is_null()

    return passes


def _pair_greater(arguments: Arguments) -> pl.Expr:
    left, right = _pair(arguments)
    return left >= right if arguments.get("or_equal") else left > right


def _pair_in_set(arguments: Arguments) -> pl.Expr:
    pairs = arguments.get("value_pairs_set")
    if pairs is None:
        return pl.lit(value=True)
    left, right = _pair(arguments)
    equal = [left.eq_missing(pl.lit(a)) & right.eq_missing(pl.lit(b)) for a, b in pairs]
    return pl.any_horizontal(pl.lit(value=False), *equal)


def _sum_equals(arguments: Arguments) -> pl.Expr:
    columns = list(arguments["column_list"])
    total: pl.Expr = pl.sum_horizontal(columns, ignore_nulls=False)
    return total == pl.lit(arguments["sum_total"])


def _unique_within(arguments: Arguments) -> pl.Expr:
    columns = list(arguments["column_list"])
    equal = [
        pl.col(left).eq_missing(pl.col(right))
        for index, left in enumerate(columns)
        for right in columns[index + 1 :]
    ]
    return ~pl.any_horizontal(pl.lit(value=False), *equal)


def _equal_within(arguments: Arguments) -> pl.Expr:
    first, *others = arguments["column_list"]
    return pl.all_horizontal(pl.lit(value=True), *(pl.col(first).eq_missing(pl.col(name)) for name in others))


def _conforms(arguments: Arguments) -> pl.Expr:
    element = ELEMENTS[arguments["element"]]
    check = next((check for check in element.checks if check.code == arguments["check"]), None)
    if check is None:
        known = ", ".join(check.code for check in element.checks)
        why = f"{element.code} has no check {arguments['check']!r}; it has: {known}"
        raise UnsupportedExpectationError("expect_column_values_to_conform_to_element", why)
    return check.passes(_value(arguments))


def _readable(arguments: Arguments) -> pl.Expr:
    """Not met where something stands in the raw cell, and no value could be made of it."""
    raw = arguments.get("raw") or f"raw:{arguments['column']}"
    left = _cleaned(pl.when(_value(arguments).is_null()).then(pl.col(raw)))
    nothing = ELEMENTS[arguments["element"]].nothing
    return left.is_null() | left.is_in(nothing) if nothing else left.is_null()


#: Few cells have no value, and cleaning is dear: only those are cleaned.
_cleaned = Shortcut(lambda cell: pl.when(pl.lit(value=False)).then(cell), clean, pl.String())


def _matches_resident_id(arguments: Arguments) -> pl.Expr:
    """Not met where the value disagrees with the birth date or sex inside a valid resident id of the same row."""
    number, value = pl.col(arguments["id_column"]), _value(arguments)
    inside = birth_date_of(number) if arguments["part"] == "birth_date" else sex_of(number)
    stated = value if arguments["part"] == "birth_date" else pl.when(value.is_in(["1", "2"])).then(value)
    # the check digit is asked for only where the answer matters
    return ~resident_checks_out(pl.when(inside != stated).then(number))


def _alone(passes: Callable[[Arguments], pl.Expr]) -> Callable[[Arguments, pl.Expr | None], pl.Expr]:
    """For what is judged within the row: the other rows do not matter."""
    return lambda arguments, considered: passes(arguments)


def _column(passes: Callable[[Arguments], pl.Expr]) -> RowCompiler:
    return RowCompiler(Domain.COLUMN, _alone(passes))


COMPILERS: dict[str, RowCompiler] = {
    "expect_column_values_to_not_be_null": RowCompiler(
        Domain.NULLNESS, _alone(lambda a: _value(a).is_not_null())
    ),
    "expect_column_values_to_be_null": RowCompiler(Domain.NULLNESS, _alone(lambda a: _value(a).is_null())),
    "expect_column_values_to_be_in_set": _column(_in_set),
    "expect_column_values_to_not_be_in_set": _column(_not_in_set),
    "expect_column_values_to_be_between": _column(lambda a: _between(_value(a), a)),
    "expect_column_values_to_match_regex": _column(lambda a: _matches(a, a["regex"])),
    "expect_column_values_to_not_match_regex": _column(lambda a: ~_matches(a, a["regex"])),
    "expect_column_values_to_match_regex_list": _column(_regex_list),
    "expect_column_values_to_not_match_regex_list": _column(lambda a: ~pl.any_horizontal(_match_each(a))),
    "expect_column_values_to_match_like_pattern": _column(_like_list),
    "expect_column_values_to_not_match_like_pattern": _column(lambda a: ~_like_list(a)),
    "expect_column_values_to_match_like_pattern_list": _column(_like_list),
    "expect_column_values_to_not_match_like_pattern_list": _column(lambda a: ~pl.any_horizontal(_likes(a))),
    **{
        kind: _parsed(kind, parser)
        for kind, parser in {
            "expect_column_values_to_match_strftime_format": lambda a: is_time(a["strftime_format"]),
            "expect_column_values_to_be_dateutil_parseable": lambda a: is_dateutil(),
            "expect_column_values_to_be_json_parseable": lambda a: is_json(),
            "expect_column_values_to_match_json_schema": lambda a: fits_json_schema(a["json_schema"]),
        }.items()
    },
    "expect_column_value_lengths_to_be_between": _column(lambda a: _between(_length(a), a)),
    "expect_column_value_lengths_to_equal": _column(lambda a: _length(a) == a["value"]),
    "expect_column_values_to_be_unique": RowCompiler(Domain.COLUMN, _unique),
    "expect_column_values_to_be_increasing": RowCompiler(Domain.COLUMN, _in_order(operator.ge)),
    "expect_column_values_to_be_decreasing": RowCompiler(Domain.COLUMN, _in_order(operator.le)),
    "expect_column_value_z_scores_to_be_less_than": RowCompiler(Domain.COLUMN, z_score_below),
    "expect_column_values_to_not_be_outliers": RowCompiler(Domain.COLUMN, not_outlier),
    "expect_column_pair_values_a_to_be_greater_than_b": RowCompiler(Domain.PAIR, _alone(_pair_greater)),
    "expect_column_pair_values_to_be_equal": RowCompiler(
        Domain.PAIR, _alone(lambda a: operator.eq(*_pair(a)))
    ),
    "expect_column_pair_values_to_be_in_set": RowCompiler(Domain.PAIR, _alone(_pair_in_set)),
    "expect_multicolumn_sum_to_equal": RowCompiler(Domain.COLUMNS, _alone(_sum_equals)),
    "expect_multicolumn_values_to_be_equal": RowCompiler(Domain.COLUMNS, _alone(_equal_within)),
    "expect_select_column_values_to_be_unique_within_record": RowCompiler(
        Domain.COLUMNS, _alone(_unique_within)
    ),
    "expect_compound_columns_to_be_unique": RowCompiler(Domain.COLUMNS, _compound_unique),
    # citylake's own, registered with Great Expectations in ``expectations.py``
    "expect_column_values_to_conform_to_element": _column(_conforms),
    "expect_column_values_to_be_readable": RowCompiler(Domain.NULLNESS, _alone(_readable)),
    "expect_column_to_match_resident_id": _column(_matches_resident_id),
    REFERENCE: _column(lambda a: pl.col(known_name(a)).is_not_null()),
}
