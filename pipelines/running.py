"""Run assets from this process, on the same Dagster instance as the daemon, with readable progress.

Here belongs the selection language of ``citylake materialize`` and the running of it. Runs that sensors start go
through the daemon and never through here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from catalog.errors import MendableError
from lake.home import Home
from pipelines.instance import instance

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
