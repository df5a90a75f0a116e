"""A sensor that was stopped, fails or says nothing is told of once, and again only after it has moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from pipelines import watch
from pipelines.watch import SILENT_SECONDS, Watch, standing_still

NOW = 1_800_000_000.0
ERROR = SerializableErrorInfo("it failed", [], "Error")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []

    def take(event: str, sensor: str) -> bool:
        messages.append((event, sensor))
        return True

    monkeypatch.setattr(watch, "alert", take)
    return messages


def sensor(
    instance: dg.DagsterInstance,
    name: str,
    status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
    last_tick: float = NOW,
) -> InstigatorState:
    """Put a sensor's state into the instance."""
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("citylake"), "__repository__"), name
    )
    data = SensorInstigatorData(last_tick_timestamp=last_tick, min_interval=15)
    return instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, status, data))


def ticks(instance: dg.DagsterInstance, state: InstigatorState, *statuses: TickStatus) -> None:
    for number, status in enumerate(statuses):
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                state.instigator_name,
                InstigatorType.SENSOR,
                status,
                NOW - 100 + number,
                error=ERROR if status is TickStatus.FAILURE else None,
                selector_id=state.selector_id,
            )
        )


def test_what_runs_is_not_told(instance: dg.DagsterInstance) -> None:
    ticks(instance, sensor(instance, "fine"), TickStatus.FAILURE, TickStatus.FAILURE, TickStatus.SKIPPED)
    assert standing_still(instance, NOW) == {}


def test_stopped_failing_and_silent_are_told_apart(instance: dg.DagsterInstance) -> None:
    sensor(instance, "by_hand", InstigatorStatus.STOPPED)
    ticks(instance, sensor(instance, "broken"), *[TickStatus.FAILURE] * 3)
    sensor(instance, "asleep", last_tick=NOW - SILENT_SECONDS - 1)
    assert standing_still(instance, NOW) == {"by_hand": "stopped", "broken": "failing", "asleep": "silent"}


def test_each_is_told_once_until_it_has_moved(
    instance: dg.DagsterInstance, told: list[tuple[str, str]]
) -> None:
    state = sensor(instance, "by_hand", InstigatorStatus.STOPPED)
    watcher = Watch(instance, started=NOW)
    watcher.look(NOW)
    watcher.look(NOW + 1)
    watcher.look(NOW + 61)
    assert told == [("sensor stopped", "by_hand")]
    instance.update_instigator_state(state.with_status(InstigatorStatus.RUNNING))
    watcher.look(NOW + 122)
    instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    watcher.look(NOW + 183)
    assert told == [("sensor stopped", "by_hand")] * 2


def test_the_silence_of_a_city_that_was_off_is_not_told(
    instance: dg.DagsterInstance, told: list[tuple[str, str]]
) -> None:
    sensor(instance, "asleep", last_tick=NOW - 86_400)
    watcher = Watch(instance, started=NOW)
    watcher.look(NOW)
    assert told == []
    watcher.look(NOW + SILENT_SECONDS + 1)
    assert told == [("sensor silent", "asleep")]
