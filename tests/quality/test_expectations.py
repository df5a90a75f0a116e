"""Suites are Great Expectations' own objects, made from every shipped entry."""

from __future__ import annotations

import json
import subprocess
import sys

from catalog.load import Catalogue
from catalog.model import Severity
from quality.compile import COMPILERS
from quality.expectations import META, great_expectations, suite
from quality.plan import compile_entry
from tests.quality.conftest import MAN, WOMAN, entry


def test_every_shipped_entry_makes_a_suite_with_one_expectation_for_each_rule(catalogue: Catalogue) -> None:
    gx = great_expectations()
    for declared in catalogue.entries.values():
        made, plan = suite(declared), compile_entry(declared)
        rules = [*plan.rules, *plan.sets]
        assert isinstance(made, gx.ExpectationSuite)
        assert [expectation.meta[META]["rule"] for expectation in made.expectations] == [
            rule.code for rule in rules
        ]
        assert [expectation.expectation_type for expectation in made.expectations] == [
            rule.expectation for rule in rules
        ]


def test_a_suite_survives_being_saved_and_read_by_great_expectations(catalogue: Catalogue) -> None:
    gx = great_expectations()
    made = suite(catalogue.entry("household_register"))
    saved = json.loads(json.dumps(made.to_json_dict(), ensure_ascii=False))
    again = gx.ExpectationSuite(
        **{name: saved[name] for name in ("name", "expectations", "meta", "notes", "id")}
    )
    assert again.to_json_dict()["expectations"] == saved["expectations"]


def test_severity_dimension_and_reason_are_in_the_meta() -> None:
    required, *_ = suite(entry()).expectations
    assert required.severity.value == "critical"
    assert required.meta[META] == {
        "rule": "resident_id.required",
        "severity": "reject",
        "dimension": "completeness",
        "reason": {"zh": "“公民身份号码”为必填项，不能为空", "en": "resident_id is required and empty"},
    }
    warned = [e for e in suite(entry()).expectations if e.meta[META]["severity"] == Severity.WARN.value]
    assert warned
    assert {e.severity.value for e in warned} == {"warning"}


def test_our_expectations_are_registered_with_great_expectations() -> None:
    registry = great_expectations("great_expectations.expectations.registry")
    for kind in COMPILERS:
        assert registry.get_expectation_impl(kind).expectation_type == kind


def test_conformity_is_judged_by_great_expectations_pandas_engine_too() -> None:
    import pandas as pd

    gx = great_expectations()
    batch = (
        gx.get_context(mode="ephemeral")
        .data_sources.add_pandas("people")
        .add_dataframe_asset("people")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": pd.DataFrame({"resident_id": [WOMAN, MAN, "1", None, WOMAN[:-1] + "0"]})})
    )
    check = next(e for e in suite(entry()).expectations if e.meta[META]["rule"] == "resident_id.check_digit")
    result = batch.validate(check)
    assert not result.success
    assert result.result["unexpected_count"] == 2
    assert result.result["missing_count"] == 1


def test_importing_quality_does_not_import_great_expectations() -> None:
    """It takes seconds, which no command that does not need it should pay."""
    modules = "quality.plan, quality.split, quality.evidence, quality.results, quality.expectations"
    program = f"import sys, {modules}; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
