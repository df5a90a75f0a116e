"""Data Docs open without a network, say what failed, and show values to nobody beyond the bureau."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest

from catalog.model import Entry
from quality.data_docs import page, without_values
from quality.divergence import DIVERGENCE
from quality.evidence import Evidence, Finding
from quality.plan import compile_entry
from quality.results import results, validate
from tests.quality.conftest import entry
from tests.quality.test_results import ROWS, a_suite, default_masks, expect, judged

AS_IT_IS = {"status": lambda value: value}
LIKELY = {"values": ["正常"], "weights": [1]}


@pytest.fixture(scope="module")
def result() -> Any:
    declared: Entry = entry()
    return judged(declared, ROWS, default_masks(declared))


def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(result: Any) -> None:
    html = page(result, "登记 · 2026-03-02", values=True)
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(|\son\w+=|\.\./", html)
    assert "数据资源： register" in html
    assert "Data asset: register" in page(result, "登记", values=True, english=True)


def test_a_page_names_every_rule_with_its_reason_and_counts(result: Any) -> None:
    html = page(result, "登记 · 2026-03-02")
    assert "登记 · 2026-03-02" in html
    for each in result.results:
        assert each.expectation_config.description.split(" · ")[0] in html
    assert "共 3 行，其中 1 个值有问题" in html
    assert "出生日期 birth_date" in page(result, "登记", columns={"birth_date": "出生日期"})
    assert "1 unexpected values found" in page(result, "登记", english=True)


def test_a_page_says_nothing_of_its_own_in_english(result: Any) -> None:
    html = page(result, "登记", values=True)
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
    spoken = set(re.findall(r"[A-Za-z]{3,}[A-Za-z ]*", text))
    ours = " ".join(each.expectation_config.description for each in result.results)
    assert {word.strip() for word in spoken if word.strip() not in ours} <= {
        "Great Expectations",
        "register",
        "police",
    }


def test_only_the_bureau_sees_masked_values(result: Any) -> None:
    assert "4418**********001X" in page(result, "登记", values=True)
    assert "4418**********001X" not in page(result, "登记")
    assert "韩*" not in page(result, "登记")


def test_counts_remain_when_values_are_taken_out(result: Any) -> None:
    bare = without_values(result)
    assert [each.success for each in bare.results] == [each.success for each in result.results]
    assert [each.result["unexpected_count"] for each in bare.results] == [
        each.result["unexpected_count"] for each in result.results
    ]
    assert not any("list" in name for each in bare.results for name in each.result)


def test_observed_values_of_a_column_are_taken_out_too() -> None:
    suite = a_suite(
        expect("expect_column_most_common_value_to_be_in_set", column="status", value_set=["正常"]),
        expect("expect_column_distinct_values_to_be_in_set", column="status", value_set=["正常"]),
    )
    shown = validate(pl.LazyFrame({"status": ["绝密"]}), suite, show=AS_IT_IS)
    assert "绝密" in page(shown, "登记", values=True)
    assert "绝密" not in page(shown, "登记")


def test_what_is_listed_of_a_set_is_what_is_not_in_it() -> None:
    suite = a_suite(
        expect("expect_column_distinct_values_to_be_in_set", column="status", value_set=list("abcdefgh"))
    )
    frame = pl.LazyFrame({"status": [*"abcdefgh", "走了", "x"] * 3})
    for _ in range(5):
        [found] = validate(frame, suite, show=AS_IT_IS).results
        assert found.result["partial_unexpected_list"] == ["x", "走了"]


def test_no_part_of_a_page_is_lost_for_want_of_a_number(caplog: pytest.LogCaptureFixture) -> None:
    """Great Expectations logs what it could not render, and leaves it out."""
    suite = a_suite(
        expect("expect_column_distinct_values_to_equal_set", column="status", value_set=["正常", "注销"]),
        expect("expect_column_distinct_values_to_contain_set", column="status", value_set=["注销"]),
        expect("expect_table_row_count_to_equal", value=3),
        expect(DIVERGENCE, column="status", threshold=0.1, partition_object=LIKELY, tail_weight_holdout=0.1),
        expect("expect_column_values_to_be_unique", column="status"),
    )
    result = validate(pl.LazyFrame({"status": ["正常", "走了"]}), suite, show=AS_IT_IS)
    assert "另有 1 个值，缺 1 个值" in page(result, "登记")
    shown = page(result, "登记", values=True)
    assert "另有 1 个值 (走了)，缺 1 个值" in shown
    assert "KL 散度：" in shown
    assert "<script" not in shown, "its chart would be drawn by one"
    assert [record.message for record in caplog.records] == []


def test_what_departments_send_cannot_become_markup() -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    suite = a_suite(
        expect("expect_column_values_to_be_in_set", column="status", value_set=["正常"]),
        expect("expect_column_most_common_value_to_be_in_set", column="status", value_set=["正常"]),
        expect("expect_column_distinct_values_to_be_in_set", column="status", value_set=["正常"]),
    )
    result = validate(pl.LazyFrame({"status": [hostile]}), suite, show=AS_IT_IS)
    html = page(result, hostile, values=True)
    assert "＜img" in html
    assert "<img" not in html
    assert "<script" not in html


def test_a_share_that_was_found_is_told_and_a_sum_is_not() -> None:
    rules = [
        ("expect_column_drift_to_be_less_than", {"column": "status", "threshold": 0.1}, "drift"),
        ("expect_column_sum_to_be_between", {"column": "birth_date"}, "sum"),
    ]
    reason = {"zh": "试", "en": "tried"}
    stated = [
        {"name": name, "expectation": kind, "arguments": given, "severity": "warn", "reason": reason}
        for kind, given, name in rules
    ]
    found = {
        "status.drift": Finding(met=False, metrics={"column.drift": 0.4321}),
        "birth_date.sum": Finding(met=True, metrics={"column.sum": 8765}),
    }
    whole = results(compile_entry(entry(rules=stated)), Evidence(100, {}, findings=found))
    assert "0.4321" in page(whole, "x")
    assert "8765" not in page(whole, "x")
