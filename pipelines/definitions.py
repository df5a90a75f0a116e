"""What Dagster loads. It assembles: catalogue → assets → automation. It computes nothing.

Nothing is read at import: :func:`definitions` is called by Dagster when the code location loads, and refuses to
load a catalogue that the law forbids or a product that would leak.
"""

from __future__ import annotations

import dagster as dg

from assets.build import Context
from assets.recipes import all_builds
from catalog.load import Catalogue, load
from lake.home import Home
from lake.tables import Lake
from pipelines.automation import (
    delivery_sensor,
    failure_sensor,
    publication_schedule,
    push_sensor,
    reminder_sensor,
)
from pipelines.checks import refuse_faults
from pipelines.graph import build_asset, landing_spec, standard_asset
from pipelines.purging import purge_sensor
from pipelines.upkeep import upkeep_schedule


def open_context(home: Home | None = None, catalogue: Catalogue | None = None) -> Context:
    """The home, lake and catalogue that a process works with; refuses an unlawful catalogue."""
    home = home or Home.open()
    catalogue = catalogue or load()
    refuse_faults(catalogue)
    return Context(home, Lake(home.lake), catalogue)


def assemble(context: Context) -> dg.Definitions:
    """All assets, sensors and schedules over one context."""
    standard = [standard_asset(context, entry) for entry in context.catalogue.entries.values()]
    built = [build_asset(context, build) for build in all_builds(context.catalogue)]
    steps = [
        {spec.key: {dep.asset_key for dep in spec.deps} for spec in asset.specs}
        for asset in (*standard, *built)
    ]
    return dg.Definitions(
        assets=[
            *(landing_spec(context, entry) for entry in context.catalogue.entries.values()),
            *standard,
            *built,
        ],
        jobs=[dg.define_asset_job("everything", selection=dg.AssetSelection.all())],
        sensors=[
            push_sensor(context, steps),
            delivery_sensor(context),
            reminder_sensor(context),
            failure_sensor(),
            purge_sensor(context),
        ],
        schedules=[publication_schedule(), upkeep_schedule(context)],
        # a step in a process of its own costs seconds before it does anything; ours take less than that
        executor=dg.in_process_executor,
    )


@dg.definitions
def definitions() -> dg.Definitions:
    """Dagster's entry point (see ``workspace.yaml``)."""
    return assemble(open_context())
