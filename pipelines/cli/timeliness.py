"""What departments promise and since when, and when we could not receive: ``citylake promise``, ``citylake outage``.

Here belongs the reading of arguments; promises are kept in ``lake.promises``, deadlines are judged in ``quality.freshness``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from lake.home import Home
from pipelines.cli.output import group, say

app = group()


@app.command()
def promise(
    resources: Annotated[list[str], typer.Argument(help="the resources' codes")],
    since: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="their updates are owed from here on")
    ],
    reason: Annotated[str, typer.Option(help="the agreement or decision; kept for ever")],
    by: Annotated[str, typer.Option(help="who records it")],
) -> None:
    """Record since when updates of resources are promised; without it, since the city's first push.

    Example: citylake promise marriage cremation --since 2026-01-01 --reason "归集协议 2025-17" --by zhang
    """
    from catalog.load import load
    from lake.promises import open_promises

    catalogue, promises = load(), open_promises(Home.open())
    for entry in [catalogue.entry(code) for code in resources]:
        promises.begin(entry.code, since.date(), reason=reason, by=by)
        say(f"{entry.code}: 自 {since:%Y-%m-%d} 起承诺更新 promised since")


@app.command()
def outage(
    first: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="the first day without reception")],
    last: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="the last one")],
    reason: Annotated[str, typer.Option(help="what happened; kept for ever")],
    by: Annotated[str, typer.Option(help="who records it")],
) -> None:
    """Record days on which we could not receive: they count as no working days, and lateness by them against nobody.

    Example: citylake outage 2026-11-20 2026-11-21 --reason "机房停电" --by zhang
    """
    from assets.build import Context
    from assets.operations import record_periods
    from catalog.load import load
    from lake.promises import open_promises
    from lake.tables import Lake

    home = Home.open()
    open_promises(home).outage(first.date(), last.date(), reason=reason, by=by)
    corrected = record_periods(Context(home, Lake(home.lake), load())).changed
    said = "；周期台账已更正 the record of periods was corrected" if corrected else ""
    say(f"{first:%Y-%m-%d} – {last:%Y-%m-%d}: 不计为工作日 no working days{said}")
