"""When tables are tidied: every full table by hand or every week, and Dagster's own history with them.

Here belongs which tables, the locks, and the schedule. What tidying does to one table is in ``lake.upkeep``.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.build import Context
from assets.ingest.decoding import sweep_scratch
from lake.locks import writing
from lake.tables import LAYERS, MASKED_LAYERS
from lake.upkeep import Tidied, tidy

BATCH = 100


def run_history() -> timedelta:
    """How long finished runs stay in Dagster's database; the ledger keeps every push for ever."""
    return timedelta(days=int(os.environ.get("CITYLAKE_RUN_HISTORY_DAYS") or 90))


def tidy_tables(context: Context, selection: Sequence[str] = ()) -> Iterator[Tidied]:
    """Tidy every full table, or those named (``standard``, ``base/person``); one at a time, under its lock."""
    for layer in LAYERS:
        if layer in MASKED_LAYERS:
            continue
        for name in context.lake.names(layer):
            if not selection or layer in selection or f"{layer}/{name}" in selection:
                with writing(context.home, lock_name(layer, name)):
                    yield tidy(context.lake, layer, name)


def lock_name(layer: str, name: str) -> str:
    """A quarantine table is written under its standard table's lock."""
    return f"{'standard' if layer == 'quarantine' else layer}.{name}"


def prune_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete finished runs created before an instant, with their events; returns how many."""
    finished = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_before=before,
    )
    count = 0
    while runs := instance.get_run_records(finished, limit=BATCH):
        for run in runs:
            instance.delete_run(run.dagster_run.run_id)
        count += len(runs)
    return count


def upkeep_schedule(city: Context) -> dg.ScheduleDefinition:
    """Every Sunday night: tidy the tables, and prune Dagster's run history."""

    @dg.op(name="tidy_tables")
    def tidy_all(context: dg.OpExecutionContext) -> None:
        for done in tidy_tables(city):
            context.log.info(
                "%s: %s files into %s, %s removed", done.table, done.folded, done.into, done.removed
            )
        swept = sweep_scratch(city.home.work)
        context.log.info("%s scratch folders of processes that are no more removed", swept)

    @dg.op(name="prune_runs")
    def prune(context: dg.OpExecutionContext) -> None:
        pruned = prune_runs(context.instance, datetime.now(UTC) - run_history())
        context.log.info("%s finished runs pruned", pruned)

    @dg.job(name="upkeep", executor_def=dg.in_process_executor, description="整理表文件 · tidies the tables")
    def upkeep() -> None:
        tidy_all()
        prune()

    return dg.ScheduleDefinition(
        job=upkeep,
        cron_schedule="15 4 * * 0",
        execution_timezone="Asia/Shanghai",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
