"""Upkeep over a whole home: every full table under its lock, no masked one, and Dagster's old runs pruned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.build import Context
from catalog.load import load
from lake.home import Home
from lake.locks import TableBusyError, writing
from lake.tables import Lake
from pipelines import upkeep
from pipelines.upkeep import lock_name, prune_runs, tidy_tables, upkeep_schedule


@pytest.fixture
def city(tmp_path: Path) -> Context:
    home = Home.open(tmp_path)
    lake = Lake(home.lake)
    for number in range(3):
        for layer in ("standard", "quarantine", "base", "shared"):
            lake.append(layer, "sample", pl.DataFrame({"no": [number]}))
    return Context(home, lake, load())


def test_every_full_table_is_tidied_and_no_masked_one(city: Context) -> None:
    assert [done.table for done in tidy_tables(city)] == [
        "standard.sample",
        "quarantine.sample",
        "base.sample",
    ]
    assert len(city.lake.files("shared", "sample")) == 3


def test_layers_and_tables_can_be_named(city: Context) -> None:
    assert [done.table for done in tidy_tables(city, ["base", "standard/sample"])] == [
        "standard.sample",
        "base.sample",
    ]


def test_a_table_being_written_is_waited_for(city: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "writing", lambda home, name: writing(home, name, patience=0))
    with (
        writing(city.home, lock_name("quarantine", "sample")),
        pytest.raises(TableBusyError, match="standard"),
    ):
        list(tidy_tables(city, ["quarantine"]))


def test_the_scheduled_job_runs_and_prunes_what_is_old(city: Context) -> None:
    job = upkeep_schedule(city).job
    assert isinstance(job, dg.JobDefinition)
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
        assert instance.get_runs_count() == 1
        assert prune_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
        assert prune_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 1
        assert instance.get_runs_count() == 0
