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
        ("expect_table_row_count_to_equal", {"value": 3}, "is not supported here"),
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


def test_a_rule_over_rows_cannot_hold_a_push() -> None:
    arguments = {"column": "name", "value_set": ["A"]}
    (fault,) = faults(expectation="expect_column_values_to_be_in_set", arguments=arguments, severity="hold")
    assert "hold" in fault.problem
    assert "max_reject_share" in fault.remedy


def test_the_shipped_rules_have_no_fault_and_great_expectations_takes_their_arguments() -> None:
    catalogue = load(default_root())
    assert rule_faults(catalogue) == []
    with_rules = [declared for declared in catalogue.entries.values() if declared.rules]
    assert len(with_rules) > 15
    for declared in with_rules:
        assert len(suite(declared).expectations) > len(declared.rules)
