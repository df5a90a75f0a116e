"""``docs/quality.md`` says what is so: its examples run, and its lists are the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from catalog.model import Rule
from quality.aggregates import AGGREGATES, HEADINGS
from quality.changes import CHANGES
from quality.compile import COMPILERS, REFUSED
from quality.expectations import great_expectations
from quality.references import SAME_ROWS
from quality.results import supported

TEXT = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def part(heading: str) -> str:
    return TEXT.split(f"### {heading}\n")[1].split("\n##")[0]


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_its_examples_run(code: str) -> None:
    exec(compile(code, "docs/quality.md", "exec"), {})  # noqa: S102 # our own documentation


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "yaml"])
def test_its_rules_are_rules(code: str) -> None:
    for rule in yaml.safe_load(code)["rules"]:
        assert Rule.model_validate(rule).expectation in supported()


def test_it_lists_what_is_supported_under_its_kind() -> None:
    texts = part("Supported").strip().split("\n\n")
    tables = (COMPILERS, AGGREGATES, CHANGES, {SAME_ROWS}, HEADINGS)
    for text, kinds in zip(texts, tables, strict=True):
        assert sorted(re.findall(r"`(expect_\w+)`", text)) == sorted(kinds)
    assert sorted(re.findall(r"`(expect_\w+)`", part("Supported"))) == list(supported())


def test_it_lists_what_is_refused() -> None:
    registry = great_expectations("great_expectations.expectations.registry")
    shipped = {
        kind
        for kind in registry.list_registered_expectation_implementations()
        if registry.get_expectation_impl(kind).__module__.startswith("great_expectations.expectations.core")
    }
    refused = set(re.findall(r"`(\w+_expectation|expect_\w+)`", part("Refused")))
    assert refused == set(REFUSED) == shipped - set(supported())
    assert f"all {len(shipped)} expectations" in part("Refused")
