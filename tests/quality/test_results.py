"""Results carry Great Expectations' numbers, and no value that a mask did not let through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl
import pytest
from polars.io.plugins import register_io_source

from catalog.elements import ELEMENTS
from catalog.model import Entry
from masking.methods import METHODS
from quality.compile import REFUSED, UnsupportedExpectationError
from quality.evidence import Evidence, Show, read_evidence
from quality.expectations import META, great_expectations
from quality.plan import compile_entry
from quality.results import results, validate
from quality.split import split
from tests.quality.conftest import MAN, WOMAN, entry, raw

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ROWS = raw(
    {"resident_id": WOMAN, "name": "李雷", "sex": "女", "birth_date": "1949-12-31", "status": "正常"},
    {"resident_id": MAN, "name": "韩3梅", "sex": "男", "birth_date": "不详", "status": "走了"},
    {"resident_id": "44180219900307001X", "name": None, "sex": None, "birth_date": None, "status": None},
)


def default_masks(declared: Entry) -> Show:
    """Each column's element's default mask, where it needs no key: those that only cut or keep."""
    shown: dict[str, Callable[[pl.Expr], pl.Expr]] = {}
    for name, column in declared.columns.items():
        mask = ELEMENTS[column.element].mask
        if mask.method in ("keep", "partial", "redact"):
            shown[name] = partial(METHODS[mask.method].function, **mask.parameters)
    return shown


def result_of(rule: str, suite_result: Any) -> Any:
    return next(r for r in suite_result.results if r.expectation_config.meta[META]["rule"] == rule)


def judged(declared: Entry, rows: pl.LazyFrame, show: Show | None = None) -> Any:
    plan = compile_entry(declared)
    row = split(rows, plan, show).evidence.collect(engine="streaming").row(0, named=True)
    return results(plan, read_evidence(row), NOON)


def test_one_scan_of_a_push_gives_great_expectations_own_numbers(register: Entry) -> None:
    result = judged(register, ROWS)
    core = great_expectations("great_expectations.core")
    assert isinstance(result, core.ExpectationSuiteValidationResult)
    assert result_of("resident_id.check_digit", result).result == {
        "element_count": 3,
        "unexpected_count": 1,
        "unexpected_percent": pytest.approx(100 / 3),
        "missing_count": 0,
        "missing_percent": 0.0,
        "unexpected_percent_total": pytest.approx(100 / 3),
        "unexpected_percent_nonmissing": pytest.approx(100 / 3),
    }
    characters = result_of("name.characters", result).result
    assert (characters["missing_count"], characters["unexpected_percent"]) == (1, 50.0)
    assert result_of("birth_date.unreadable", result).result["unexpected_count"] == 1
    assert not result.success
    assert result.statistics["unsuccessful_expectations"] == sum(not r.success for r in result.results) > 0


def test_failing_values_are_shown_under_the_default_mask_of_their_element(register: Entry) -> None:
    result = judged(register, ROWS, default_masks(register))
    shown = result_of("resident_id.check_digit", result).result
    assert shown["partial_unexpected_list"] == ["4418**********001X"]
    assert shown["partial_unexpected_counts"] == [{"value": "4418**********001X", "count": 1}]
    assert result_of("name.characters", result).result["partial_unexpected_list"] == ["韩*"]
    assert result_of("status.values", result).result["partial_unexpected_list"] == ["走了"]


@pytest.mark.parametrize("masked", [True, False])
def test_no_personal_value_of_a_row_stands_anywhere_in_the_results(register: Entry, masked: bool) -> None:
    result = judged(register, ROWS, default_masks(register) if masked else None)
    text = json.dumps(result.to_json_dict(), ensure_ascii=False)
    for value in (WOMAN, MAN, "44180219900307001X", "李雷", "韩3梅", "1949-12-31", "不详"):
        assert value not in text


def test_counts_kept_from_an_earlier_push_become_results_without_stating_what_was_not_counted(
    register: Entry,
) -> None:
    result = results(compile_entry(register), Evidence(rows=200, failures={"name.required": 3}), NOON)
    required = result_of("name.required", result)
    assert not required.success
    assert (required.result["element_count"], required.result["unexpected_count"]) == (200, 3)
    conforms = result_of("resident_id.check_digit", result)
    assert conforms.success
    assert "missing_count" not in conforms.result


def test_mostly_decides_as_great_expectations_does() -> None:
    rule = {
        "name": "mostly_normal",
        "expectation": "expect_column_values_to_be_in_set",
        "arguments": {"column": "status", "value_set": ["正常"], "mostly": 0.5},
        "severity": "warn",
        "reason": {"zh": "多数应为正常", "en": "most are normal"},
    }
    declared = entry(rules=[rule])
    rows = [{"status": "正常"}, {"status": "注销"}, {"status": None}]
    assert result_of("status.mostly_normal", judged(declared, raw(*rows))).success
    assert not result_of("status.mostly_normal", judged(declared, raw(*rows, {"status": "注销"}))).success


# Any suite over any frame


def a_suite(*expectations: Any) -> Any:
    return great_expectations().ExpectationSuite(name="any", expectations=list(expectations))


def expect(kind: str, **arguments: Any) -> Any:
    return great_expectations("great_expectations.expectations.registry").get_expectation_impl(kind)(
        **arguments
    )


def test_values_leave_the_scan_only_of_columns_that_are_named(register: Entry) -> None:
    frame = pl.LazyFrame({"name": ["李雷", "韩梅"], "level": [1, 9]})
    suite = a_suite(
        expect("expect_column_values_to_be_in_set", column="name", value_set=["王"]),
        expect("expect_column_distinct_values_to_be_in_set", column="name", value_set=["王"]),
        expect("expect_column_most_common_value_to_be_in_set", column="name", value_set=["王"]),
    )
    hidden = json.dumps(validate(frame, suite).to_json_dict(), ensure_ascii=False)
    assert "李雷" not in hidden
    assert "韩梅" not in hidden
    masked = validate(frame, suite, show={"name": lambda v: v.str.slice(0, 1) + "*"})
    assert [
        r.result.get("partial_unexpected_list") or r.result["observed_value"] for r in masked.results
    ] == [
        ["李*", "韩*"],
        ["李*", "韩*"],
        ["李*", "韩*"],
    ]
    numbers = a_suite(expect("expect_column_max_to_be_between", column="level", max_value=2))
    assert "observed_value" not in validate(frame, numbers).results[0].result
    shown = validate(frame, numbers, show={"level": lambda value: value})
    assert shown.results[0].result["observed_value"] == 9


@pytest.mark.parametrize("kind", REFUSED)
def test_what_great_expectations_ships_and_polars_cannot_judge_is_refused_with_what_to_do_instead(
    kind: str,
) -> None:
    refused = great_expectations("great_expectations.expectations.registry").get_expectation_impl(kind)
    given = {"column": "name", "type_": "str", "type_list": ["str"], "description": "x"}
    given |= {"unexpected_rows_query": "select 1 from {batch}", "base_query": "select 1"}
    given |= {"comparison_query": "select 1", "comparison_data_source_name": "city"}
    asked = refused(**{name: value for name, value in given.items() if name in refused.__fields__})
    with pytest.raises(UnsupportedExpectationError, match=kind) as told:
        validate(pl.LazyFrame({"name": ["a"]}), a_suite(asked))
    assert REFUSED[kind] in str(told.value)


def test_what_nobody_knows_is_refused_with_the_list_of_what_is_supported() -> None:
    base = great_expectations("great_expectations.expectations.expectation").ColumnMapExpectation

    class ExpectColumnValuesToBeKind(base):  # type: ignore[misc,valid-type]
        """Somebody's own."""

    with pytest.raises(UnsupportedExpectationError, match="ExpectColumnValuesToBeKind") as told:
        validate(pl.LazyFrame({"name": ["a"]}), a_suite(ExpectColumnValuesToBeKind(column="name")))
    assert "expect_column_values_to_match_regex" in str(told.value)
    assert "expect_column_mean_to_be_between" in str(told.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("expect_column_values_to_match_regex", {"column": "name", "regex": "(?=a)"}, "regex"),
        ("expect_column_values_to_not_be_null", {"column": "nmae"}, "nmae"),
        ("expect_column_values_to_be_in_set", {"column": "name", "value_set": [1, 2]}, "string"),
        ("expect_column_values_to_be_between", {"column": "name", "min_value": 1}, "string"),
    ],
)
def test_what_polars_cannot_compute_is_refused_by_the_expectations_name(
    kind: str, arguments: dict[str, Any], told: str
) -> None:
    fine = expect("expect_column_values_to_not_be_null", column="name")
    with pytest.raises(UnsupportedExpectationError, match=kind) as refused:
        validate(pl.LazyFrame({"name": ["a"]}), a_suite(fine, expect(kind, **arguments)))
    assert told in str(refused.value)


def test_a_result_format_that_would_show_all_values_is_refused() -> None:
    with pytest.raises(ValueError, match="COMPLETE"):
        validate(pl.LazyFrame({"name": ["a"]}), a_suite(), result_format="COMPLETE")


def test_an_empty_suite_is_met_by_everything() -> None:
    assert validate(pl.LazyFrame({"name": ["a"]}), a_suite()).success


def counting_scans(frame: pl.DataFrame) -> tuple[pl.LazyFrame, list[None]]:
    """The frame as a lazy one that notes each time it is read."""
    scans: list[None] = []

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        scans.append(None)
        read = frame.select(with_columns) if with_columns is not None else frame
        read = read if predicate is None else read.filter(predicate)
        yield read if n_rows is None else read.head(n_rows)

    return register_io_source(source, schema=frame.schema), scans


@pytest.mark.parametrize(("levels", "scanned"), [([1, 2, 3], 1), ([1, 2, 2], 2)])
def test_all_expectations_are_answered_by_one_scan_and_repeated_values_by_one_more(
    levels: list[int], scanned: int
) -> None:
    frame, scans = counting_scans(pl.DataFrame({"name": ["甲", "乙", None], "level": levels}))
    suite = a_suite(
        expect("expect_column_values_to_not_be_null", column="name"),
        expect("expect_column_values_to_be_unique", column="level"),
        expect("expect_column_values_to_match_regex", column="name", regex="甲"),
        expect("expect_column_mean_to_be_between", column="level", min_value=0),
        expect("expect_column_distinct_values_to_be_in_set", column="level", value_set=[1]),
        expect("expect_table_row_count_to_equal", value=3),
    )
    result = validate(frame, suite, show={"level": lambda value: value})
    assert len(scans) == scanned
    unique = result.results[1]
    assert unique.success is (scanned == 1)
    assert unique.result["partial_unexpected_list"] == ([] if scanned == 1 else [2, 2])


def test_headings_are_judged_without_any_scan() -> None:
    frame, scans = counting_scans(pl.DataFrame({"name": ["甲"]}))
    assert validate(frame, a_suite(expect("expect_column_to_exist", column="name"))).success
    assert scans == []
