"""Run assets from this process, on the same Dagster instance as the daemon, with readable progress.

Here belongs the selection language of ``citylake materialize`` and the running of it. Runs that sensors start go
through the daemon and never through here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from catalog.errors import MendableError
from lake.home import Home
from pipelines.instance import instance

#: Which process a run is in, of those that no daemon launched.
PROCESS_TAG = "citylake/process"
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
#: What failed this often waits for a person instead of being tried for ever; failed runs tell the webhook.
MAX_FAILURES = 3
LAYER_ORDER = ("standard", "quarantine", "base", "theme", "shared", "open", "role", "ops")


class SelectionError(MendableError, ValueError):
    """The selection names nothing; says what could be named."""


@dataclass(frozen=True)
class RunSummary:
    """What a run did: its id, whether it succeeded, the tables it made, and why which steps failed."""

    run_id: str
    success: bool
    made: Sequence[str]
    failed: Mapping[str, str]


def this_process() -> dict[str, str]:
    """The tag of a run that lives in this process and dies with it."""
    return {PROCESS_TAG: _process(os.getpid()) or ""}


def active_runs(held: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """The runs that are queued or under way. A run whose process is no more (killed, the power gone) would be so for ever,
    and nothing else would start: it is recorded as failed."""
    living = []
    for run_ in held.get_runs(dg.RunsFilter(statuses=_ACTIVE)):
        process = run_.tags.get(PROCESS_TAG)
        if not process or _process(int(process.partition("-")[0])) == process:
            living.append(run_)
        else:
            held.report_run_failed(run_, "进程已不存在 · its process is no more")
    return living


def failed_too_often(held: dg.DagsterInstance, tags: Mapping[str, str]) -> bool:
    """Whether runs with these tags have failed :data:`MAX_FAILURES` times."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=tags)
    return len(held.get_runs(failed, limit=MAX_FAILURES)) >= MAX_FAILURES


def _process(pid: int) -> str | None:
    """A process by its number and when it began, as numbers come again; None where it is no more."""
    if not Path("/proc/self/stat").exists():  # no Linux: then its number alone
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return str(pid)
    try:
        began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return None
    return f"{pid}-{began}"


def select(definitions: dg.Definitions, words: Sequence[str]) -> list[dg.AssetKey]:
    """``base`` (a layer), ``base/person`` (a table), ``standard/marriage+`` (and all that is built from it).

    No words: everything. Raises :class:`SelectionError`."""
    graph = definitions.resolve_asset_graph()
    keys = [key for key in graph.get_all_asset_keys() if graph.get(key).is_materializable]
    if not words:
        return keys
    chosen: set[dg.AssetKey] = set()
    for word in words:
        name, downstream = word.removesuffix("+"), word.endswith("+")
        path = name.split("/")
        found = {key for key in keys if list(key.path[: len(path)]) == path}
        if not found:
            layers = sorted({key.path[0] for key in keys})
            msg = f"{word!r} names no table. Say a layer ({', '.join(layers)}) or layer/table, with + for what follows from it."
            raise SelectionError(msg)
        chosen |= found
        if downstream:
            chosen |= dg.AssetSelection.assets(*found).downstream().resolve(graph) & set(keys)
    return _whole_steps(definitions, chosen)


def _whole_steps(definitions: dg.Definitions, chosen: set[dg.AssetKey]) -> list[dg.AssetKey]:
    """A step that makes several tables makes all of them."""
    graph = definitions.resolve_asset_graph()
    whole = {sibling for key in chosen for sibling in graph.get(key).execution_set_asset_keys}
    return sorted(whole)


def run(
    home: Home, definitions: dg.Definitions, keys: Sequence[dg.AssetKey], on_progress: Callable[[str], None]
) -> RunSummary:
    """Materialise ``keys`` in this process; a failed step stops only what is built from it."""
    quiet = progress_logger(on_progress)
    job = dg.Definitions(
        assets=definitions.assets,
        executor=dg.in_process_executor,
        loggers={"progress": quiet},
    ).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=list(keys),
        instance=instance(home),
        raise_on_error=False,
        run_config={"loggers": {"progress": {}}},
        tags=this_process(),
    )
    made = [
        "/".join(event.asset_key.path)
        for event in result.get_asset_materialization_events()
        if event.asset_key
    ]
    failed = {
        event.step_key: _cause(event)
        for event in result.all_events
        if event.is_step_failure and event.step_key
    }
    return RunSummary(result.run_id, result.success, made, failed)


def _cause(event: dg.DagsterEvent) -> str:
    """The first line of the innermost error: the outer ones only say that a step failed."""
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip().splitlines()[0] if error and error.message.strip() else "no message"


def progress_logger(on_progress: Callable[[str], None]) -> dg.LoggerDefinition:
    """What our own steps say goes to ``on_progress``; Dagster's account of itself goes nowhere."""

    class Handler(logging.Handler):
        """Passes on what our own steps say, and failures; not Dagster's account of itself."""

        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            own = not meta.get("dagster_event")
            if own or record.levelno >= logging.ERROR:
                on_progress(str(meta.get("orig_message") or record.getMessage()))

    @dg.logger
    def progress(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("citylake.progress", logging.INFO)  # noqa: LOG001 - it must not inherit Dagster's handlers
        logger.addHandler(Handler())
        return logger

    return progress
