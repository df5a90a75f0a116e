"""Who watches the watchers: a sensor or schedule that has stopped starts nothing, and nothing says so by itself.

Here belongs finding those that stand still, and telling of each once. What they do is in ``automation`` and
``upkeep``; that a whole process dies is noticed by ``services``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from pipelines.alerts import alert

if TYPE_CHECKING:
    # Dagster has no public name for what its public method returns
    from dagster._core.scheduler.instigation import InstigatorState

#: A sensor is silent when its last tick is this many of its own intervals ago, and at least this many seconds.
SILENT_INTERVALS, SILENT_SECONDS = 4, 600
#: One failed tick is tried again; so many in a row are told.
FAILED_TICKS = 3
BETWEEN_LOOKS = 60


def standing_still(instance: dg.DagsterInstance, now: float) -> Mapping[str, str]:
    """Each sensor or schedule that stands still, and why: ``stopped``, ``failing`` or ``silent``.

    ``now`` is in seconds since the epoch. Only those that the daemon has seen once are known.
    """
    found = {}
    for state in instance.all_instigator_state():
        if why := next(_reasons(instance, state, now), None):
            found[state.instigator_name] = why
    return found


def _reasons(instance: dg.DagsterInstance, state: InstigatorState, now: float) -> Iterator[str]:
    if state.status.value == "STOPPED":
        yield "stopped"
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=FAILED_TICKS)
    if len(ticks) == FAILED_TICKS and all(tick.status.value == "FAILURE" for tick in ticks):
        yield "failing"
    # a schedule is due once a night or week: only a sensor's silence says something
    if state.instigator_type.value == "SENSOR" and (sensor := state.sensor_instigator_data):
        patience = max(SILENT_SECONDS, SILENT_INTERVALS * (sensor.min_interval or 0))
        if sensor.last_tick_timestamp and now - sensor.last_tick_timestamp > patience:
            yield "silent"


@dataclass
class Watch:
    """Looks once a minute, and tells the webhook once of each that stands still, until it has moved again.

    Nobody is told in the first ten minutes: after a pause of the whole city every sensor has been silent.
    """

    instance: dg.DagsterInstance
    started: float = field(default_factory=time.time)
    told: dict[str, str] = field(default_factory=dict)
    looked: float = 0

    def look(self, now: float | None = None) -> None:
        """Look, if the last look was a minute ago."""
        now = time.time() if now is None else now
        if now - self.looked < BETWEEN_LOOKS:
            return
        self.looked = now
        still = standing_still(self.instance, now)
        if now - self.started < SILENT_SECONDS:
            still = {name: why for name, why in still.items() if why != "silent"}
        for name, why in still.items():
            if self.told.get(name) != why:
                alert(f"sensor {why}", sensor=name)
        self.told = dict(still)
