"""Great Expectations' own pandas engine, as the reference that citylake's Polars engine must agree with."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from quality.expectations import great_expectations


@cache
def _batch_definition() -> Any:
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("reference").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("all")


def judged_by_pandas(frame: pl.DataFrame, expectations: list[Any]) -> list[Any]:
    """One result for each expectation, in order; one that pandas cannot judge carries its exception."""
    gx = great_expectations()
    for number, expectation in enumerate(expectations):
        expectation.meta = {"number": number}
    batch = _batch_definition().get_batch({"dataframe": frame.to_pandas()})
    suite = gx.ExpectationSuite(name="reference", expectations=expectations)
    return sorted(batch.validate(suite).results, key=lambda result: result.expectation_config.meta["number"])


def raised(result: Any) -> str | None:
    """The exception's message, or None where the expectation was judged."""
    info = result.exception_info or {}
    if info.get("raised_exception"):
        return str(info["exception_message"])
    inner = [entry for entry in info.values() if isinstance(entry, dict) and entry.get("raised_exception")]
    return str(inner[0]["exception_message"]) if inner else None
