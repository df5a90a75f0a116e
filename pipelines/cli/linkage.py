"""Commands about who is who: linking files, and a steward's verdicts on rows and on entities.

Here belongs the reading of arguments; linking is ``assets.base``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.output import group, say

app = group()


@app.command()
def link(
    left: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a CSV or Parquet file")],
    right: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="another; without it, LEFT with itself")
    ] = None,
    *,
    model: Annotated[Path, typer.Option(help="the linkage model: see docs/identity.md")],
    out: Annotated[Path, typer.Option(help="where the pairs go: .csv or .parquet")],
) -> None:
    """Find records of the same person or organisation in two files, or within one, and write the pairs.

    Example: citylake link hospital.csv register.csv --model people.yaml --out pairs.csv
    """
    from pipelines.linking import link_files

    found = link_files(left, right, model, out)
    linked = int((found.pairs["decision"] == "link").sum())
    say(
        f"比较 compared {found.compared:,} 对 pairs: 关联 link {linked:,}, "
        f"待人工判断 for a steward {found.pairs.height - linked:,} → {out}"
    )


@app.command()
def steward(
    table: Annotated[str, typer.Argument(help="base.person or base.legal_entity")],
    push: Annotated[str, typer.Argument(help="the row's push: see base.person_worklist")],
    row: Annotated[int, typer.Argument(help="its row number in the push")],
    entity: Annotated[str, typer.Argument(metavar="ID", help="the entity's id")],
    verdict: Annotated[str, typer.Argument(metavar="same|different|unsure")],
    *,
    by: Annotated[str, typer.Option(help="who decides")],
    reason: Annotated[str, typer.Option(help="on what grounds")],
) -> None:
    """Record for ever whether a row without an identifier is this entity's; the next build obeys.

    Example: citylake steward base.person PUSH ROW ID same --by 张三 --reason 核对档案
    """
    from assets.base.linkage_residue import decide
    from pipelines.definitions import open_context

    decide(open_context(), table.removeprefix("base."), push, row, entity, verdict, by, reason)
    say(f"已记录 recorded: {verdict}; `citylake materialize {table.replace('.', '/')}` applies it")


@app.command()
def merge(
    table: Annotated[str, typer.Argument(help="base.person or base.legal_entity")],
    one: Annotated[str, typer.Argument(metavar="ID", help="an entity's id")],
    other: Annotated[str, typer.Argument(metavar="ID", help="another's")],
    verdict: Annotated[str, typer.Argument(metavar="same|different|unsure")] = "same",
    *,
    by: Annotated[str, typer.Option(help="who decides")],
    reason: Annotated[str, typer.Option(help="on what grounds")],
) -> None:
    """Record for ever whether two entities are one: the older id stays, the other leads to it; `different` undoes it.

    Example: citylake merge base.person ID ID same --by 张三 --reason 核对档案
    """
    from assets.base.identity import judge
    from pipelines.definitions import open_context

    judge(open_context(), table.removeprefix("base."), one, other, verdict, by, reason)
    say(f"已记录 recorded: {verdict}; `citylake materialize {table.replace('.', '/')}` applies it")
