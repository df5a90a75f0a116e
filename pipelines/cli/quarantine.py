"""Commands about quarantined rows: how many wait, the worklist of a department, and a steward's rulings.

Here belong the reading of arguments and the printing; the work is in ``assets.quarantine`` and ``pipelines.worklists``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.output import group, say, wide_console

app = group()
quarantine_app = group("问题数据 · rows that were refused: worklists and rulings.")
app.add_typer(quarantine_app, name="quarantine")

Reason = Annotated[str, typer.Option(help="why; recorded for ever")]
By = Annotated[str, typer.Option(help="who decides")]
PushId = Annotated[str, typer.Argument(metavar="PUSH")]
RowNumber = Annotated[int, typer.Argument(metavar="ROW", help="its row number in the push")]


@quarantine_app.command("list")
def quarantine_list(
    department: Annotated[str | None, typer.Option(help="only this department's resources")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """How many quarantined rows of each resource are open, closed, released and dismissed, and how old the open ones are.

    Example: citylake quarantine list --department civil_affairs
    """
    from assets.stewardship import tallies_of
    from pipelines.definitions import open_context
    from pipelines.delivering import require_department
    from quality.clock import CITY_TIME

    context = open_context()
    if department:
        require_department(context.catalogue, department)
    tallies = tallies_of(context, department)
    if as_json:
        records = [{**vars(each), "since": each.since and each.since.isoformat()} for each in tallies]
        sys.stdout.write(json.dumps(records, ensure_ascii=False, indent=1) + "\n")
        return
    table = Table(header_style="bold")
    for heading in ("部门 department", "资源 resource"):
        table.add_column(heading, no_wrap=True)
    for heading in ("待处理", "已更正", "放行", "不处理", "天数"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("最早接收", no_wrap=True)
    for each in tallies:
        since = each.since.astimezone(CITY_TIME).strftime("%Y-%m-%d") if each.since else ""
        days = f"{each.median_days:.1f}" if each.median_days is not None else ""
        numbers = (f"{count:,}" for count in (each.open, each.closed, each.released, each.dismissed))
        table.add_row(each.department, each.resource, *numbers, days, since)
    wide_console().print(table)


@quarantine_app.command("worklist")
def quarantine_worklist(
    department: Annotated[str, typer.Argument(help="the department's code")],
    out: Annotated[Path, typer.Option(help="where the workbook goes (.xlsx)")],
    resource: Annotated[str | None, typer.Option(help="only this resource")] = None,
) -> None:
    """Write a department's rows to be corrected as a workbook, which can be corrected and pushed back as it is.

    Example: citylake quarantine worklist civil_affairs --out worklist.xlsx
    """
    from pipelines.definitions import open_context
    from pipelines.delivering import require_department
    from pipelines.worklists import workbook

    context = open_context()
    require_department(context.catalogue, department)
    entries = [
        entry for entry in context.catalogue.of_department(department) if resource in (None, entry.code)
    ]
    content = workbook(context, entries)
    if content is None:
        say("没有待处理的问题数据 · nothing to correct")
        return
    out.write_bytes(content)
    say(f"{out}: 改正后可直接推送 correct it and push it: citylake push {out} --resource CODE")


@quarantine_app.command("release")
def quarantine_release(push: PushId, row: RowNumber, *, reason: Reason, by: By) -> None:
    """Let a quarantined row into standard although it fails its rules; recorded for ever.

    Example: citylake quarantine release p01H… 17 --reason 已核对纸质档案 --by 张三
    """
    from assets.quarantine import release
    from pipelines.definitions import open_context

    release(open_context(), push, row, reason=reason, by=by)
    say(f"{push}:{row}: 已放行 released")


@quarantine_app.command("dismiss")
def quarantine_dismiss(push: PushId, row: RowNumber, *, reason: Reason, by: By) -> None:
    """Say that a quarantined row need not be corrected; recorded for ever.

    Example: citylake quarantine dismiss p01H… 17 --reason 测试数据 --by 张三
    """
    from assets.quarantine import dismiss
    from pipelines.definitions import open_context

    dismiss(open_context(), push, row, reason=reason, by=by)
    say(f"{push}:{row}: 不予处理 dismissed")
