"""Great Expectations' own checkpoint, read from its store, runs on lazy frames: its actions and its Data Docs read our results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from quality.checkpoints import run_checkpoint
from quality.compile import UnsupportedExpectationError
from quality.expectations import great_expectations, suite
from quality.plan import compile_entry
from quality.results import validate
from tests.quality.conftest import MAN, WOMAN, entry, raw

PAYMENTS = pl.LazyFrame({"code": ["P1", "P2", "x"], "amount": [10.0, None, -5.0]})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A project of Great Expectations in files, with two suites and a saved checkpoint over both; and its Data Docs site."""
    gx, gxe = great_expectations(), great_expectations("great_expectations.expectations")
    root = tmp_path_factory.mktemp("project")
    context = gx.get_context(mode="file", project_root_dir=root)
    source = context.data_sources.add_pandas("city")
    payments = gx.ExpectationSuite(
        name="payments",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0),
            gxe.ExpectColumnValuesToMatchRegex(column="code", regex=r"^P\d+$"),
            gxe.ExpectColumnSumToBeBetween(column="amount", max_value={"$PARAMETER": "budget"}),
        ],
    )
    definitions = [_definition(context, source, made) for made in (payments, suite(entry()))]
    context.checkpoints.add(
        gx.Checkpoint(name="nightly", validation_definitions=definitions, actions=[*_actions()])
    )
    return context, root / "gx" / "uncommitted" / "data_docs" / "local_site"


def _definition(context: Any, source: Any, made: Any) -> Any:
    gx = great_expectations()
    data = source.add_dataframe_asset(made.name).add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name=made.name, data=data, suite=context.suites.add(made))
    return context.validation_definitions.add(definition)


def _actions() -> list[Any]:
    checkpoint = great_expectations("great_expectations.checkpoint")

    class Told(checkpoint.ValidationAction):  # type: ignore[misc, name-defined] # imported late
        type: Literal["told"] = "told"

        def run(self, checkpoint_result: Any, action_context: Any = None) -> dict[str, Any]:
            TOLD.append(checkpoint_result)
            return {}

    return [checkpoint.UpdateDataDocsAction(name="docs"), Told(name="told")]


TOLD: list[Any] = []


def test_a_saved_checkpoint_judges_lazy_frames_runs_its_actions_and_builds_its_docs(
    project: tuple[Any, Path],
) -> None:
    context, site = project
    declared = entry()
    plan = compile_entry(declared)
    empty: dict[str, str | None] = dict.fromkeys(declared.columns)
    ids = {"李雷": WOMAN, "韩梅": MAN[:-1] + "0"}
    rows = raw(*(empty | {"resident_id": number, "name": name} for name, number in ids.items()))
    people = rows.rename({name: f"raw:{name}" for name in declared.columns}).with_columns(plan.standardise)
    found = run_checkpoint(
        context.checkpoints.get("nightly"),
        {"payments": PAYMENTS, declared.code: people.collect()},
        show={"code": lambda value: value},
        parameters={"budget": 3},
    )
    assert isinstance(found, great_expectations("great_expectations.checkpoint").CheckpointResult)
    assert len(TOLD) == 1
    assert TOLD[0] is found
    assert not found.success
    payments, register = found.run_results.values()
    assert [result.success for result in payments.results] == [False, False, False]
    assert payments.results[2].result["observed_value"] == 5
    failed = [
        each.expectation_config.meta["citylake"]["rule"] for each in register.results if not each.success
    ]
    assert failed == ["resident_id.check_digit"]
    pages = "".join(path.read_text(encoding="utf-8") for path in site.rglob("validations/**/*.html"))
    assert "66.67" in pages or "33.33" in pages
    assert "values must match this regular expression" in pages
    assert MAN[:-1] not in pages
    kept = context.validation_results_store.list_keys()
    assert len(kept) == 2


def test_citylakes_own_expectations_survive_great_expectations_store(project: tuple[Any, Path]) -> None:
    context, _ = project
    made, declared = suite(entry()), context.suites.get(entry().code)
    ours = [each for each in made.expectations if not type(each).__module__.startswith("great_expectations")]
    assert {each.expectation_type for each in ours} >= {
        "expect_column_values_to_conform_to_element",
        "expect_column_values_to_be_readable",
    }
    for before, after in zip(made.expectations, declared.expectations, strict=True):
        assert type(before) is type(after)
        assert before.configuration.kwargs == after.configuration.kwargs
        assert before.meta == after.meta


def test_what_a_checkpoint_lacks_is_said(project: tuple[Any, Path]) -> None:
    context, _ = project
    with pytest.raises(KeyError, match=r"register.*given: payments"):
        run_checkpoint(context.checkpoints.get("nightly"), {"payments": PAYMENTS}, parameters={"budget": 3})
    with pytest.raises(UnsupportedExpectationError, match=r"max_value.*budget.*parameters"):
        run_checkpoint(context.checkpoints.get("nightly"), PAYMENTS)


def test_row_counts_are_compared_with_another_tables() -> None:
    gx, gxe = great_expectations(), great_expectations("great_expectations.expectations")
    alike = gx.ExpectationSuite(
        name="alike", expectations=[gxe.ExpectTableRowCountToEqualOtherTable(other_table_name="ledger")]
    )
    with pytest.raises(UnsupportedExpectationError, match="lacks ledger"):
        validate(PAYMENTS, alike)
    assert validate(PAYMENTS, alike, tables={"ledger": PAYMENTS}).success
    fewer = validate(PAYMENTS, alike, tables={"ledger": PAYMENTS.head(2)})
    assert not fewer.success
    assert json.dumps(fewer.results[0].result) == '{"observed_value": {"self": 3, "other": 2}}'
