"""The ``citylake`` command: each command is a few lines that call the package which does the work.

Here belongs the reading of arguments and the printing of results, no more; one module for each kind of user's errand.
Errors that a user can mend are printed in one line with what to do next; anything else is a bug and shows its
traceback.
"""

from __future__ import annotations

import sys

from catalog.errors import MendableError
from pipelines.cli import (
    access,
    answers,
    catalogue,
    licences,
    linkage,
    purges,
    pushes,
    quarantine,
    serving,
    timeliness,
)
from pipelines.cli.output import group, note

app = group("城市公共数据湖仓 · the lakehouse for a city's public data.")
for errand in (
    serving,
    pushes,
    purges,
    quarantine,
    answers,
    timeliness,
    licences,
    linkage,
    catalogue,
    access,
):
    app.add_typer(errand.app)


def main() -> None:
    """Entry point: errors a user can mend are one message, never a traceback."""
    try:
        app(prog_name="citylake")
    except MendableError as error:
        note(str(error))
        sys.exit(1)
