"""Running by hand: what a selection names, whole steps, and why a step failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from catalog.load import load
from lake.home import Home
from pipelines.checks import faults_of
from pipelines.definitions import assemble, open_context
from pipelines.running import SelectionError, run, select


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return assemble(open_context(Home.open(tmp_path_factory.mktemp("home"))))


def names(keys: list[dg.AssetKey]) -> set[str]:
    return {key.to_user_string() for key in keys}


def test_a_layer_a_table_and_what_follows(definitions: dg.Definitions) -> None:
    assert {key.path[0] for key in select(definitions, ["theme"])} == {"theme"}
    assert names(select(definitions, ["standard/marriage"])) == {"standard/marriage", "quarantine/marriage"}
    after = names(select(definitions, ["standard/marriage+"]))
    assert {"base/person", "base/person_crosswalk", "ops/bureau_views"} <= after
    assert "standard/cremation" not in after
    everything = names(select(definitions, []))
    assert after < everything


def test_a_word_that_names_nothing_says_what_could_be_named(definitions: dg.Definitions) -> None:
    with pytest.raises(SelectionError, match="standard"):
        select(definitions, ["standrad"])


def test_a_failed_step_says_why_and_stops_only_what_follows(tmp_path: Path) -> None:
    @dg.asset
    def broken() -> None:
        msg = "the disk is full"
        raise OSError(msg)

    @dg.asset(deps=[broken])
    def after() -> None:
        """Never reached."""

    @dg.asset
    def other() -> None:
        """Goes on."""

    told: list[str] = []
    made = dg.Definitions(assets=[broken, after, other])
    keys = [dg.AssetKey(name) for name in ("broken", "after", "other")]
    summary = run(Home.open(tmp_path / "home"), made, keys, told.append)
    assert not summary.success
    assert list(summary.made) == ["other"]
    assert list(summary.failed) == ["broken"]
    assert "the disk is full" in summary.failed["broken"]


def test_an_unknown_element_is_told_and_breaks_no_other_check() -> None:
    catalogue = load()
    entry = catalogue.entry("cremation")
    column = entry.columns["name"].model_copy(update={"element": "person_nam"})
    broken = entry.model_copy(update={"columns": {**entry.columns, "name": column}})
    faults = faults_of(replace(catalogue, entries={**catalogue.entries, "cremation": broken}))
    assert len(faults) == 1
    assert "person_nam" in str(faults[0])
