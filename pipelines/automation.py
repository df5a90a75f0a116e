"""When runs start: sensors that look for waiting pushes and new deliveries, schedules, and alerts.

Here belongs only the decision to start something. What counts as waiting is read from the ingest ledger, never
from Dagster's own events (an ``asset_sensor`` sees only the last event of a tick); a push leaves the waiting list
when its run has settled it, so a failed run is tried again and nothing is skipped.
"""

import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import dagster as dg

from assets.build import Context
from assets.ingest.deliveries import collect
from lake.ledger import open_ledger
from pipelines.alerts import alert
from pipelines.graph import asset_key
from pipelines.reminders import overdue_corrections, remind
from pipelines.running import MAX_FAILURES, active_runs, failed_too_often

PUSHES_TAG = "citylake/pushes"
#: Rebuilt as soon as a push is in. Products and role tables are published on a schedule, in batches:
#: a copy that follows every push tells its reader who changed.
PROMPT_LAYERS = ("standard", "quarantine", "base", "theme", "ops")
PUSHED_LAYERS = ("standard", "quarantine")
#: What one step makes, all of it or none: each of its tables, with the tables that one is made from.
Step = Mapping[dg.AssetKey, AbstractSet[dg.AssetKey]]


def push_sensor(context: Context, steps: Sequence[Step]) -> dg.SensorDefinition:
    """Start one run for all pushes that wait, over their resources and what is promptly built from them."""
    prompt = prompt_steps(steps)

    @dg.sensor(
        name="waiting_pushes",
        target=[key for step in prompt for key in step],
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def waiting_pushes(tick: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        waiting = open_ledger(context.home).waiting()
        if not waiting:
            return dg.SkipReason("没有等待处理的推送 · no push is waiting")
        digest = hashlib.sha256(" ".join(push.id for push in waiting).encode()).hexdigest()[:16]
        reason = _reason_to_wait(tick.instance, digest)
        if reason:
            return dg.SkipReason(reason)
        selection = downstream({asset_key(("standard", push.resource)) for push in waiting}, prompt)
        return dg.RunRequest(asset_selection=sorted(selection), tags={PUSHES_TAG: digest})

    return waiting_pushes


def delivery_sensor(context: Context) -> dg.SensorDefinition:
    """Look into the drop folders and the exchange databases, and land what is there."""

    @dg.sensor(name="deliveries", minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
    def deliveries(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        collected = collect(context.home, context.catalogue)
        return dg.SkipReason(
            f"收到 {len(collected.pushes)} 个推送，拒收 {len(collected.refusals)} 个 · "
            f"{len(collected.pushes)} pushes landed, {len(collected.refusals)} deliveries refused"
        )

    return deliveries


def reminder_sensor(context: Context) -> dg.SensorDefinition:
    """Tell departments of the deadlines they have missed, once each, within the hour."""

    @dg.sensor(name="reminders", minimum_interval_seconds=3600, default_status=dg.DefaultSensorStatus.RUNNING)
    def reminders(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        told, overdue = remind(context), overdue_corrections(context)
        return dg.SkipReason(
            f"提醒了 {len(told)} 个部门，{len(overdue)} 个部门整改期已过 · "
            f"{len(told)} departments were told that they are late, {len(overdue)} let a notice pass"
        )

    return reminders


def publication_schedule() -> dg.ScheduleDefinition:
    """Masked products, role tables and analyst files, every night."""
    job = dg.define_asset_job("publish", selection=dg.AssetSelection.groups("shared", "open", "role", "ops"))
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule="30 2 * * *",
        execution_timezone="Asia/Shanghai",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def failure_sensor() -> dg.SensorDefinition:
    """Tell the configured webhook of every failed run."""

    @dg.run_failure_sensor(name="failed_runs", default_status=dg.DefaultSensorStatus.RUNNING)
    def failed_runs(failure: dg.RunFailureSensorContext) -> None:
        alert("run failed", run=failure.dagster_run.run_id, job=failure.dagster_run.job_name)

    return failed_runs


def prompt_steps(steps: Sequence[Step]) -> list[Step]:
    """The steps that run as soon as a push is in: one that also makes a masked copy is none of them."""
    return [step for step in steps if all(key.path[0] in PROMPT_LAYERS for key in step)]


def downstream(keys: AbstractSet[dg.AssetKey], steps: Sequence[Step]) -> set[dg.AssetKey]:
    """The keys and everything that is built from them, in whole steps: half of one cannot be run.

    A resource is judged when it is pushed, not again when a table that its rules ask has changed."""
    reached = set(keys)
    while True:
        touched = (
            step
            for step in steps
            if any(
                key in reached or (key.path[0] not in PUSHED_LAYERS and reads & reached)
                for key, reads in step.items()
            )
        )
        more = {key for step in touched for key in step} - reached
        if not more:
            return reached
        reached |= more


def _reason_to_wait(instance: dg.DagsterInstance, digest: str) -> str | None:
    """Why no run should start now: one is under way, or these very pushes have failed too often."""
    if active_runs(instance):
        return "已有运行在进行 · a run is under way"
    if failed_too_often(instance, {PUSHES_TAG: digest}):
        return f"这些推送已失败 {MAX_FAILURES} 次，请查看运行日志 · failed {MAX_FAILURES} times: see the run's log, then run it by hand"
    return None
