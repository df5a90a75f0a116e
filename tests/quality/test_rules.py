"""A wrong rule in a YAML is told with its file and line, before any data is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalog.load import Catalogue, Fault, Place, default_root, load
from quality.expectations import suite
from quality.rules import rule_faults
from tests.quality.conftest import entry

REASON = {"zh": "测试", "en": "a test"}
APPENDED = {"ways": ["file"], "mode": "append"}


def faults(**rule: Any) -> list[Fault]:
    declared = entry(rules=[{"name": "tried", "reason": REASON, **rule}])
    place = Place("resources/police/register.yaml", {(): 1, ("rules",): 30, ("rules", "0"): 31})
    return rule_faults(Catalogue(Path(), {}, {declared.code: declared}, {declared.code: place}))


def test_a_right_rule_has_no_fault() -> None:
    arguments = {"column": "birth_date", "id_column": "resident_id", "part": "birth_date", "mostly": 0.9}
    assert faults(expectation="expect_column_to_match_resident_id", arguments=arguments) == []


@pytest.mark.parametrize(
    ("expectation", "arguments", "told"),
    [
        ("expect_column_values_to_be_betwen", {"column": "name"}, "expect_column_values_to_be_between"),
        ("expect_table_row_count_to_be_between", {"min_value": 3}, "rejects no row"),
        ("expect_column_kl_divergence_to_be_less_than", {"column": "name"}, "is not supported here"),
        ("expect_column_values_to_match_regex", {"column": "name"}, "lacks the argument 'regex'"),
        ("expect_column_values_to_be_in_set", {"column": "name", "valeu_set": ["A"]}, "makes no use of 'valeu_set'"),
        ("expect_column_values_to_match_regex", {"column": "name", "regex": "(?!a)"}, "cannot be judged"),
        ("expect_column_values_to_be_between", {"column": "name", "min_value": 3}, "cannot be judged"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "name", "column_B": "birth_date"}, "cannot be judged"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_with_its_place(expectation: str, arguments: dict[str, Any], told: str) -> None:
    (fault,) = faults(expectation=expectation, arguments=arguments)
    assert (fault.file, fault.line, fault.field) == ("resources/police/register.yaml", 31, "rules.0")
    assert told in fault.problem
    assert fault.remedy


def test_each_rule_has_a_name_of_its_own() -> None:
    rule = {
        "expectation": "expect_column_values_to_be_in_set",
        "arguments": {"column": "name", "value_set": ["A"]},
    }
    (fault,) = faults(name="required", **rule)
    assert fault.problem == "there is a rule required already"


@pytest.mark.parametrize(
    ("expectation", "arguments", "told"),
    [
        ("expect_column_sum_to_be_between", {"column": "name", "max_value": 3}, "cannot be judged"),
        ("expect_column_mean_to_be_between", {"column": "name", "max_value": 3}, "cannot be judged"),
        ("expect_column_sum_to_be_between", {"colum": "name", "max_value": 3}, "lacks the argument 'column'"),
        ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "name", "min": 3}, "makes no use of 'min'"),
        ("expect_column_drift_to_be_less_than", {"column": "status"}, "lacks the argument 'threshold'"),
        ("expect_column_drift_to_be_less_than", {"column": "status", "threshold": 1, "measure": "kl"}, "no measure 'kl'"),
    ],
)  # fmt: skip
def test_a_wrong_rule_over_a_whole_push_is_told(
    expectation: str, arguments: dict[str, Any], told: str
) -> None:
    (fault,) = faults(expectation=expectation, arguments=arguments, severity="hold")
    assert told in fault.problem


def test_right_rules_over_a_whole_push_have_no_fault() -> None:
    drift = {"column": "status", "threshold": 0.2, "measure": "total_variation", "min_rows": 50}
    share = {"column": "name", "min_value": 0.9, "strict_min": True}
    ratio = {"min_value": 0.5, "max_value": 2}
    assert faults(expectation="expect_column_drift_to_be_less_than", arguments=drift, severity="warn") == []
    assert faults(expectation="expect_table_row_count_ratio_to_last_push_to_be_between", arguments=ratio, severity="hold") == []  # fmt: skip
    kind = "expect_column_proportion_of_non_null_values_to_be_between"
    assert faults(expectation=kind, arguments=share, severity="hold") == []


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("other.code", None),
        ("other.born", "holds values of another kind"),
        ("other.cod", "there is no column other.cod"),
        ("other", "there is no column other."),
        ("register.name", "is itself judged by register"),
        ("back.code", "is itself judged by register"),
    ],
)
def test_a_rule_between_tables_asks_columns_that_are_there_and_not_in_a_circle(
    place: str, told: str | None
) -> None:
    reference = "expect_column_values_to_exist_in_other_tables"

    def asking(column: str, among: str) -> dict[str, Any]:
        arguments = {"column": column, "among": [among]}
        return {
            "name": "known",
            "expectation": reference,
            "arguments": arguments,
            "severity": "warn",
            "reason": REASON,
        }

    code = {"title": "代码", "element": "text", "required": True}
    born = {"title": "日期", "element": "date"}
    declared = [
        entry(rules=[asking("name", place)]),
        *(
            entry(code=name, columns={"code": code, "born": born}, rules=rules, delivery=APPENDED)
            for name, rules in (("other", []), ("back", [asking("code", "register.name")]))
        ),
    ]
    places = {each.code: Place("x.yaml", {(): 1}) for each in declared}
    catalogue = Catalogue(Path(), {}, {each.code: each for each in declared}, places)
    found = [fault.problem for fault in rule_faults(catalogue)]
    assert [told in problem for problem in found if told][:1] == [True][: bool(told)]
    assert found or told is None


def test_the_shipped_rules_have_no_fault_and_great_expectations_takes_their_arguments() -> None:
    catalogue = load(default_root())
    assert rule_faults(catalogue) == []
    with_rules = [declared for declared in catalogue.entries.values() if declared.rules]
    assert len(with_rules) > 15
    for declared in with_rules:
        assert len(suite(declared).expectations) > len(declared.rules)
