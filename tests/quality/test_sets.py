"""Rules over a push as a whole: drift measured, other tables asked, rows that hold a push, and what is not judged."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import Entry
from quality.changes import DRIFT, RATIO, Before, stability_index, total_variation
from quality.compile import UnsupportedExpectationError
from quality.divergence import DIVERGENCE
from quality.evidence import Evidence, Finding
from quality.expectations import great_expectations
from quality.plan import compile_entry
from quality.references import REFERENCE
from quality.results import results, validate
from quality.sets import findings, questions
from quality.split import split
from tests.quality.conftest import MAN, WOMAN, entry, raw

REASON = {"zh": "测试", "en": "a test"}


def ruled(expectation: str, arguments: dict[str, Any], severity: str = "hold") -> Entry:
    rule = {"name": "tried", "expectation": expectation, "arguments": arguments}
    return entry(rules=[rule | {"severity": severity, "dimension": "consistency", "reason": REASON}])


def found(
    declared: Entry, rows: list[dict[str, str]], tables: Any = None, before: Before | None = None
) -> Finding:
    plan, known = compile_entry(declared), tables or {}
    asked = questions(plan, before or Before())
    parts = split(raw(*rows), plan, tables=known, asked=asked)
    answers = parts.sets.collect().row(0, named=True) if asked else {}
    by_code = findings(plan, asked, answers, known, len(rows))
    (finding,) = [finding for code, finding in by_code.items() if code.endswith(".tried")]
    return finding


SHARES = st.lists(st.integers(0, 100), min_size=2, max_size=12).filter(any)


@given(before=SHARES, now=SHARES)
def test_a_drift_is_nothing_between_equals_and_bounded_between_others(
    before: list[int], now: list[int]
) -> None:
    length = min(len(before), len(now))
    was, is_now = ([max(count, 1) for count in counts[:length]] for counts in (before, now))
    was, is_now = ([count / sum(counts) for count in counts] for counts in (was, is_now))
    assert stability_index(was, was) == total_variation(is_now, is_now) == 0
    assert 0 <= total_variation(was, is_now) <= 1
    assert stability_index(was, is_now) == pytest.approx(stability_index(is_now, was))
    # Pinsker: what moves many rows moves the index
    assert stability_index(was, is_now) >= 4 * total_variation(was, is_now) ** 2 - 1e-9


def test_the_index_is_its_formula() -> None:
    assert stability_index([0.5, 0.5], [0.8, 0.2]) == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))
    assert total_variation([0.5, 0.5], [0.8, 0.2]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("column", "was", "now", "drift"),
    [
        ("status", ["正常"] * 3 + ["注销"], ["正常"] * 2 + ["注销"] * 2, 0.25),
        ("status", ["正常"], ["注销"], 1.0),
        ("birth_date", ["2000-01-01", "2010-01-01"], ["2000-01-01", "2010-01-01"], 0.0),
        ("birth_date", ["2000-01-01", "2010-01-01"], ["2010-01-01", "2011-01-01"], 0.5),
        ("status", ["正常", ""], ["正常"], 0.0),
    ],
)
def test_a_drift_is_measured_against_the_rows_that_are_there(
    column: str, was: list[str], now: list[str], drift: float
) -> None:
    arguments = {"column": column, "measure": "total_variation", "threshold": 0.3, "min_rows": 1}
    declared = ruled(DRIFT, arguments)
    past = split(
        raw(*({"resident_id": WOMAN, "name": "李雷", column: cell} for cell in was)), compile_entry(entry())
    )
    finding = found(declared, [{column: cell} for cell in now], before=Before(past.accepted))
    assert finding == Finding(met=drift < 0.3, metrics={"column.drift": drift})


def test_of_a_change_from_nothing_nothing_is_said() -> None:
    drift, ratio = ruled(DRIFT, {"column": "status", "threshold": 0.1}), ruled(RATIO, {"min_value": 0.5})
    few = Before(pl.LazyFrame({"status": ["正常"] * 999}))
    assert found(drift, [{"status": "注销"}] * 2000).met is None
    assert found(drift, [{"status": "注销"}] * 2000, before=few).met is None
    assert found(ratio, [{"status": "注销"}]).met is None
    assert found(ratio, [{"status": "注销"}], before=Before(last_push=4)) == Finding(
        False, {"table.row_count_ratio": 0.25}
    )


def test_a_rule_over_rows_holds_where_too_few_rows_meet_it_and_rejects_none() -> None:
    declared = ruled(
        "expect_column_values_to_be_in_set", {"column": "status", "value_set": ["正常"], "mostly": 0.5}
    )
    good = {"resident_id": WOMAN, "name": "李雷", "status": "正常"}
    bad = good | {"resident_id": MAN, "status": "注销"}
    assert found(declared, [good, bad]) == Finding(True, {"considered": 2, "failing": 1})
    assert found(declared, [good, bad, bad]).met is False
    assert found(declared, [good | {"status": ""}]) == Finding(True, {"considered": 0, "failing": 0})
    accepted = split(raw(good, bad), compile_entry(declared)).accepted.collect()
    assert accepted["_warnings"].to_list() == [[], ["status.tried"]]


def test_a_value_is_sought_in_other_tables_and_without_them_nothing_is_said() -> None:
    declared = ruled(REFERENCE, {"column": "name", "among": ["one.name", "two.title"]}, "reject")
    tables = {
        "one": pl.LazyFrame({"name": ["李雷", None, "李雷"]}),
        "two": pl.LazyFrame({"title": ["韩梅梅"]}),
    }
    rows = [{"resident_id": WOMAN, "name": name} for name in ("李雷", "韩梅梅", "张三", "")]
    plan = compile_entry(declared)
    parts = split(raw(*rows), plan, tables=tables)
    reasons = parts.rejected.collect()["reasons"].to_list()
    assert [[reason["rule"] for reason in each] for each in reasons] == [["name.tried"], ["name.required"]]
    assert parts.accepted.collect()["_row"].to_list() == [1, 2], "no row is lost or doubled"
    assert split(raw(*rows), plan, tables={"one": tables["one"]}).counts.collect()["name.tried"].item() == 0
    assert found(declared, rows, {"one": tables["one"]}).met is None
    asked = questions(plan, Before())
    assert "name.tried" not in findings(plan, asked, {}, tables, 4), "judged row by row, it has counts"


def test_what_was_found_of_a_push_becomes_great_expectations_results() -> None:
    declared = ruled("expect_column_sum_to_be_between", {"column": "birth_date"})
    plan = compile_entry(
        ruled("expect_column_unique_value_count_to_be_between", {"column": "name", "max_value": 2})
    )
    assert declared.code == plan.entry.code
    met = Evidence(4, {}, findings={"name.tried": Finding(True, {"column.distinct_values.count": 2})})
    missed = Evidence(4, {}, findings={"name.tried": Finding(False, {"column.distinct_values.count": 3})})
    for evidence, success, observed in ((met, True, 2), (missed, False, 3)):
        result = results(plan, evidence).results[-1]
        assert (result.success, result.result["observed_value"]) == (success, observed)
    unjudged = results(plan, Evidence(4, {}, findings={"name.tried": Finding(None)}))
    assert len(unjudged.results) == len(plan.rules)


def test_a_divergence_is_kept_as_counts_and_names_no_value_that_its_rule_does_not() -> None:
    partition = {"values": ["正常"], "weights": [1]}
    arguments = {"column": "status", "partition_object": partition, "threshold": 0.2}
    rows = [{"status": "正常"}, {"status": "正常"}, {"status": "秘"}]
    for held_out, met in ((0.5, True), (0.1, False)):
        declared = ruled(DIVERGENCE, arguments | {"tail_weight_holdout": held_out})
        finding = found(declared, rows)
        assert finding == Finding(met, {"parts": [2], "others": [1]})
        whole = results(compile_entry(declared), Evidence(3, {}, findings={"status.tried": finding}))
        assert whole.results[-1].success is met
        assert "秘" not in str(whole)


@pytest.mark.parametrize(
    ("partition", "further", "told"),
    [
        (None, {}, "compared with itself"),
        ({"values": ["a"], "weights": [0.5]}, {}, "add up to one"),
        ({"values": ["a", "a"], "weights": [0.5, 0.5]}, {}, "named twice"),
        ({"bins": [0, 1], "weights": [0.5, 0.5]}, {}, "between two"),
        ({"bins": [-math.inf, math.inf], "weights": [1]}, {"tail_weight_holdout": 0.1}, "both sides"),
    ],
)
def test_a_partition_that_great_expectations_would_not_take_is_refused(
    partition: Any, further: dict[str, Any], told: str
) -> None:
    stated = {"column": "name", "partition_object": partition, "threshold": 1, **further}
    with pytest.raises(UnsupportedExpectationError, match=told):
        found(ruled(DIVERGENCE, stated), [{"name": "a"}])


def test_no_value_of_a_column_is_kept_of_a_rule_over_a_push() -> None:
    declared = ruled(
        "expect_column_max_to_be_between", {"column": "birth_date", "max_value": date(2000, 1, 1)}
    )
    finding = found(declared, [{"birth_date": "2001-01-01"}])
    assert finding == Finding(met=False)
    result = results(
        compile_entry(declared), Evidence(1, {}, findings={"birth_date.tried": finding})
    ).results[-1]
    assert (result.success, result.result) == (False, {})


def test_any_suite_may_ask_other_tables_and_what_was_before() -> None:
    gx = great_expectations()
    registry = great_expectations("great_expectations.expectations.registry")

    def expect(kind: str, **arguments: Any) -> Any:
        return registry.get_expectation_impl(kind)(**arguments)

    suite = gx.ExpectationSuite(
        name="changes",
        expectations=[
            expect(REFERENCE, column="town", among=["towns.code"], mostly=0.5),
            expect(RATIO, min_value=1),
            expect(DRIFT, column="town", threshold=0.1, min_rows=1),
        ],
    )
    frame, towns = pl.LazyFrame({"town": ["a", "b", None]}), pl.LazyFrame({"code": ["a", "c"]})
    before = Before(pl.LazyFrame({"town": ["a", "b"]}), last_push=2)
    known, ratio, drift = validate(frame, suite, tables={"towns": towns}, before=before).results
    assert (known.success, known.result["unexpected_count"], known.result["missing_count"]) == (True, 1, 1)
    assert (ratio.success, ratio.result["observed_value"]) == (True, 1.5)
    assert (drift.success, drift.result["observed_value"]) == (True, 0)
    with pytest.raises(UnsupportedExpectationError, match="`tables` lacks towns"):
        validate(frame, suite, before=before)
    with pytest.raises(UnsupportedExpectationError, match="too little is known of before"):
        validate(frame, suite, tables={"towns": towns})
