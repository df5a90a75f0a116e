"""Great Expectations' own checkpoints over lazy frames: its stores, its actions and its Data Docs sites, on what one scan found.

Here belongs the running of a checkpoint, whoever made it and wherever it was read from. How a frame is judged is in
``results.py``; citylake's own page of results, which needs no Great Expectations project, is made in ``data_docs.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from quality.changes import Before
from quality.evidence import Show
from quality.expectations import great_expectations
from quality.references import Tables
from quality.results import validate

if TYPE_CHECKING:
    from great_expectations import Checkpoint, ValidationDefinition
    from great_expectations.checkpoint.checkpoint import CheckpointResult
    from great_expectations.core import ExpectationSuiteValidationResult

Frame = pl.LazyFrame | pl.DataFrame


def run_checkpoint(
    checkpoint: Checkpoint,
    frames: Frame | Mapping[str, Frame],
    *,
    show: Show | None = None,
    tables: Tables | None = None,
    before: Before | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> CheckpointResult:
    """As ``checkpoint.run()``, with Polars in the place of the checkpoint's data source: judge, keep the results in the
    context's store, and run the checkpoint's actions on them.

    ``frames`` is the frame to judge, or one for each validation definition by its name. The rest is as for
    :func:`quality.results.validate`. Raises Great Expectations' own error where the checkpoint is not saved as it is."""
    checkpoint.is_fresh().raise_for_error()
    gx = great_expectations("great_expectations.checkpoint.checkpoint")
    run = great_expectations("great_expectations.core.run_identifier").RunIdentifier(
        run_time=datetime.now(UTC)
    )
    found = {}
    for definition in checkpoint.validation_definitions:
        result = validate(
            _frame_of(definition.name, frames),
            definition.suite,
            result_format=_word(checkpoint.result_format),
            show=show,
            tables=tables,
            before=before,
            parameters=parameters,
        )
        key = _described(result, definition, checkpoint, run)
        definition._validation_results_store.store_validation_results(
            suite_validation_result=result,
            suite_validation_result_identifier=key,
            expectation_suite_identifier=key.expectation_suite_identifier,
        )
        found[key] = result
    whole: CheckpointResult = gx.CheckpointResult(run_id=run, run_results=found, checkpoint_config=checkpoint)
    checkpoint._run_actions(checkpoint_result=whole)
    return whole


def _described(
    result: ExpectationSuiteValidationResult,
    definition: ValidationDefinition,
    checkpoint: Checkpoint,
    run: Any,
) -> Any:
    """Say in the result what it is of, as Great Expectations' actions ask; returns the key that it is stored under."""
    identifiers = great_expectations("great_expectations.data_context.types.resource_identifiers")
    source, asset = definition.data_source.name, definition.asset.name
    result.batch_id = f"{source}-{asset}"
    result.meta |= {
        "validation_id": definition.id,
        "checkpoint_id": checkpoint.id,
        "run_id": run,
        "validation_time": run.run_time,
        "batch_parameters": None,
        "batch_spec": {"data_asset_name": asset},
        "active_batch_definition": {
            "datasource_name": source,
            "data_connector_name": "fluent",
            "data_asset_name": asset,
            "batch_identifiers": {},
        },
    }
    return identifiers.ValidationResultIdentifier(
        expectation_suite_identifier=identifiers.ExpectationSuiteIdentifier(name=definition.suite.name),
        run_id=run,
        batch_identifier=result.batch_id,
    )


def _frame_of(name: str, frames: Frame | Mapping[str, Frame]) -> pl.LazyFrame:
    if not isinstance(frames, Mapping):
        return frames.lazy()
    if name not in frames:
        msg = (
            f"no frame is given for the validation definition {name!r}; given: {', '.join(frames) or 'none'}"
        )
        raise KeyError(msg)
    return frames[name].lazy()


def _word(asked: Any) -> str:
    """The name of a result format, which Great Expectations holds as a word, an enumeration or a mapping."""
    named = asked.get("result_format", "SUMMARY") if isinstance(asked, dict) else asked
    return str(getattr(named, "value", named))
