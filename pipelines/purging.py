"""When a purge runs: by the word of two officers who have shown that they are two, and alone in the lake.

Here belong the proof of who somebody is, the waiting for a run that is under way, and the job that finishes what was
interrupted. What is destroyed, and in which order, is ``assets.purge``'s.
"""

from typing import Any

import dagster as dg

from assets import purge
from assets.build import Context
from lake.home import Home
from lake.purges import PurgeError, Purges, Tombstone
from pipelines.dashboard.accounts import Role, open_accounts
from pipelines.instance import instance
from pipelines.running import MAX_FAILURES, active_runs, failed_too_often, progress_logger, this_process

JOB = "purge"
PURGES_TAG = "citylake/purges"


def officer(home: Home, name: str, password: str) -> str:
    """The name of a bureau officer who has given the right password; raises :class:`PurgeError`.

    A first password is known to whoever made the account, and so proves nobody."""
    account = open_accounts(home).verify(name, password)
    if account is None or account.role is not Role.BUREAU:
        raise PurgeError(
            "账号或密码不正确，或不是数据局人员 · not the name and password of an officer of the bureau"
        )
    if account.must_change:
        msg = "请先登录看板修改初始密码 · log in to the page and change the first password before"
        raise PurgeError(msg)
    return account.name


def confirm(context: Context, push_id: str, *, by: str, say: purge.Say) -> Tombstone:
    """The second officer's word, and the purge itself, as a run of its own: while it lasts, no other run starts."""
    held = instance(context.home)
    if active_runs(held):
        raise PurgeError("已有运行在进行，请在其结束后再确认 · a run is under way: confirm when it is over")
    stone = Purges(context.home).confirm(push_id, by=by)
    if not stone.done_at:
        config: dict[str, Any] = {"loggers": {"progress": {}}}
        job = purge_job(context, say)
        job.execute_in_process(instance=held, run_config=config, tags=this_process())
    return Purges(context.home).of(push_id)


def purge_job(city: Context, say: purge.Say | None = None) -> dg.JobDefinition:
    """Carry out every purge that was agreed to and is not done."""

    @dg.op(name="finish_purges")
    def finish(context: dg.OpExecutionContext) -> None:
        for stone in purge.finish(city, context.log.info):
            context.log.info("%s: purged, %s", stone.push, dict(stone.removed))

    told = {"progress": progress_logger(say)} if say else None

    @dg.job(
        name=JOB,
        executor_def=dg.in_process_executor,
        logger_defs=told,
        description="清除推送 · destroys purged pushes",
    )
    def job() -> None:
        finish()

    return job


def purge_sensor(city: Context) -> dg.SensorDefinition:
    """Finish what was interrupted: a purge that somebody agreed to does not wait for him to say it again."""

    @dg.sensor(
        name="unfinished_purges",
        job=purge_job(city),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def unfinished_purges(tick: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        waiting = Purges(city.home).unfinished()
        if not waiting:
            return dg.SkipReason("没有未完成的清除 · no purge is unfinished")
        if active_runs(tick.instance):
            return dg.SkipReason("已有运行在进行 · a run is under way")
        tags = {PURGES_TAG: " ".join(stone.push[-16:] for stone in waiting)[:255]}
        if failed_too_often(tick.instance, tags):
            return dg.SkipReason(
                f"清除已失败 {MAX_FAILURES} 次，请查看运行日志 · failed {MAX_FAILURES} times: see the run's log"
            )
        return dg.RunRequest(tags=tags)

    return unfinished_purges
