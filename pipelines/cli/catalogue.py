"""``citylake catalogue``: check, list, show and draft entries of the public data resource catalogue.

Here belongs the printing; what is a fault is in ``catalog.check``, ``quality.rules`` and ``masking.product``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from catalog.load import CatalogueError
from lake.home import Home
from pipelines.cli.output import console, group, note, say

if TYPE_CHECKING:
    from catalog.load import Fault

app = group()
catalogue_app = group("公共数据资源目录 · check, list and show the catalogue.")
app.add_typer(catalogue_app, name="catalogue")


@catalogue_app.command("check")
def catalogue_check(
    root: Annotated[Path | None, typer.Option(help="another catalogue folder than the shipped one")] = None,
) -> None:
    """Find what the law or the contract forbids: file, line, field, article and remedy.

    Example: citylake catalogue check
    """
    from catalog.load import load
    from pipelines.checks import faults_of

    try:
        catalogue = load(root)
    except CatalogueError as error:
        _print_faults(error.faults)
        raise typer.Exit(1) from None
    faults = faults_of(catalogue)
    _print_faults(faults)
    if faults:
        raise typer.Exit(1)
    say(f"{len(catalogue.entries)} 个数据资源，{len(catalogue.departments)} 个部门，没有发现问题 · no faults")


@catalogue_app.command("list")
def catalogue_list(
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    division: Annotated[
        str | None, typer.Option(help="only resources of departments of this county (its division code)")
    ] = None,
) -> None:
    """All resources: code, title, source department, update frequency, sharing type.

    Example: citylake catalogue list
    """
    from catalog.load import load
    from pipelines.delivering import require_division

    catalogue = load()
    if division:
        require_division(catalogue, division)
    rows = [
        {
            "resource": entry.code,
            "title": entry.title.zh,
            "department": catalogue.departments[entry.department].title.zh,
            "frequency": entry.frequency.title,
            "sharing": entry.sharing.type.title,
            "ways": " ".join(way.value for way in entry.delivery.ways),
            "columns": len(entry.columns),
        }
        for entry in (catalogue.of_division(division) if division else catalogue.entries.values())
    ]
    if as_json:
        say(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    table = Table(header_style="bold")
    table.add_column("资源 resource", no_wrap=True, min_width=max(map(len, load().entries)))
    for heading in ("名称", "数源部门", "更新频率", "共享类型", "方式 ways", "列"):
        table.add_column(heading)
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)


@catalogue_app.command("show")
def catalogue_show(code: Annotated[str, typer.Argument(help="the resource's code")]) -> None:
    """One entry, with its columns.

    Example: citylake catalogue show marriage
    """
    from catalog.load import load

    entry = load().entry(code)
    say(f"{entry.title.zh} · {entry.title.en} ({entry.code}, {entry.catalogue_code})\n{entry.abstract}")
    say(f"数源部门 {entry.department} · 更新频率 {entry.frequency.title} · {entry.sharing.type.title}")
    say(
        f"推送 {entry.delivery.mode.value} by {', '.join(way.value for way in entry.delivery.ways)}; key {', '.join(entry.delivery.key)}"
    )
    table = Table("列 column", "名称", "数据元 element", "必填", "分级", "共享类型", header_style="bold")
    for name, column in entry.columns.items():
        required = "是" if column.required else ""
        table.add_row(
            name,
            column.title,
            column.element,
            required,
            str(column.grade.value),
            entry.sharing_of(name).title,
        )
    console.print(table)


@catalogue_app.command("propose")
def catalogue_propose(
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="a file as the department has it")
    ],
    code: Annotated[
        str | None, typer.Option(help="the new resource's code; default from the file's name")
    ] = None,
    department: Annotated[str, typer.Option(help="the source department's code")] = "",
    output: Annotated[Path | None, typer.Option(help="write the draft there instead of showing it")] = None,
) -> None:
    """Draft a catalogue entry from a file, and try the file on it; lines that a person must decide are marked.

    Example: citylake catalogue propose enterprises.csv --department market_regulation
    """
    from pipelines.delivering import propose_entry

    if output and output.exists():
        raise typer.BadParameter(
            f"{output} 已存在，请另选文件名 · exists: choose another name", param_hint="--output"
        )
    proposal = propose_entry(Home.open(), path, code, department)
    if output:
        output.write_text(proposal.draft.text, encoding="utf-8")
    else:
        sys.stdout.write(proposal.draft.text)
    for line in (*proposal.draft.remarks, *proposal.notes):
        note(line)
    note(f"试读 tried: {proposal.rows} 行 rows, {proposal.accepted} 行合格 accepted")
    for rule, count in proposal.failures.items():
        note(f"  {rule}: {count}")


def _print_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        say(str(fault))
