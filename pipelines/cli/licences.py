"""Commands about e-licences: ``citylake licence verify``, and what a city's licences were on a day.

Here belongs the reading of arguments; verification is ``assets.base.licence_verification``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.output import console, group, say

app = group()
licence_app = group("电子证照 · verify e-licences.")
app.add_typer(licence_app, name="licence")


@licence_app.command()
def verify(
    identifier: Annotated[str | None, typer.Argument(help="the licence's identifier (GB/T 36904)")] = None,
    digest: Annotated[str | None, typer.Option(help="the SM3 digest of its file, hexadecimal")] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="its file; the digest is computed")
    ] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="on this day; else today")] = None,
) -> None:
    """Say whether a licence is genuine and in force, by its identifier or by its file. Exit code 1: it is not.

    Example: citylake licence verify --file licence.ofd --on 2026-01-31
    """
    from assets.base.licence_verification import NothingToVerifyError, file_digest
    from assets.base.licence_verification import verify as verify_licence
    from pipelines.definitions import open_context
    from quality.clock import today

    if file and digest:
        raise NothingToVerifyError
    answer = verify_licence(
        open_context(),
        on.date() if on else today(),
        identifier=identifier,
        digest=file_digest(file) if file else digest,
    )
    say(f"{'✓' if answer.good else '✗'} {answer.reason.zh} · {answer.reason.en}")
    if answer.licence:
        shown = Table(show_header=False)
        for name, value in answer.licence.items():
            shown.add_row(name, "" if value is None else str(value))
        console.print(shown)
    if not answer.good:
        raise typer.Exit(1)
