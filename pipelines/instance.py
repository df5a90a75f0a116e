"""Dagster's home inside ours: its settings file, and the environment its processes need.

Here belongs only the joint between ``CITYLAKE_HOME`` and ``DAGSTER_HOME``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dagster as dg

import pipelines
from lake.home import Home


def settings_file(name: str) -> Path:
    """``dagster.yaml`` or ``workspace.yaml``: beside the packages in a checkout, inside ``pipelines`` in a wheel."""
    package = Path(pipelines.__file__).parent
    return next(path for path in (package / name, package.parent / name) if path.is_file())


def prepare(home: Home) -> dict[str, str]:
    """Put Dagster's settings in place; returns the environment for its processes."""
    home.dagster.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(settings_file("dagster.yaml"), home.dagster / "dagster.yaml")
    return {
        **os.environ,
        "CITYLAKE_HOME": str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "GX_ANALYTICS_ENABLED": "false",
    }


def instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of this home: runs started by hand are seen in the same UI."""
    os.environ.update(
        {
            key: value
            for key, value in prepare(home).items()
            if key.startswith(("DAGSTER_", "CITYLAKE_", "GX_"))
        }
    )
    return dg.DagsterInstance.get()
