"""Commands about pushes: deliver, decide, rebuild, take back.

Here belongs the reading of arguments and the printing of receipts and verdicts; the work is in ``assets.ingest``,
``assets.standard``, ``assets.replay`` and ``lake.ledger``.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lake.home import Home
from pipelines.cli.output import console, group, say

if TYPE_CHECKING:
    from assets.replay import Replayed
    from lake.ledger import Push

app = group()
hold_app = group("待定推送 · decide on pushes that are held.")
app.add_typer(hold_app, name="hold")


@app.command()
def push(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the file to deliver")],
    resource: Annotated[str, typer.Option(help="the resource's code: see `citylake catalogue list`")],
    data_date: Annotated[
        str | None, typer.Option(help="the date the data speaks for (YYYY-MM-DD); default today")
    ] = None,
    key: Annotated[str | None, typer.Option(help="idempotency key: sending it twice delivers once")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only judge the file; keep nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="with --dry-run: for programs")] = False,
) -> None:
    """Deliver a file: it gets a receipt, and is applied by the next run (or by `citylake materialize`).

    Example: citylake push enterprises.csv --resource business_registration
    Example: citylake push enterprises.csv --resource business_registration --dry-run
    """
    if dry_run:
        _rehearse(path, resource, _day(data_date), as_json=as_json)
        return
    from pipelines.delivering import deliver_file

    receipt = deliver_file(Home.open(), path, resource, _day(data_date), key)
    say(
        f"回执 receipt {receipt.id}: {receipt.size} 字节 bytes, {receipt.resource}, 数据日期 data date {receipt.data_date}"
    )
    say(f"下一步 next: citylake materialize standard/{resource}+")


@app.command()
def nothing(
    resource: Annotated[str, typer.Argument(help="the resource's code: see `citylake catalogue list`")],
    by: Annotated[str, typer.Option(help="who signs; recorded for ever")],
    data_date: Annotated[
        str | None, typer.Option(help="the date there is nothing to report for (YYYY-MM-DD); default today")
    ] = None,
) -> None:
    """Sign that there is nothing to report (零报告): it satisfies the period, and changes no row.

    Example: citylake nothing cremation --by "Li Ming, civil affairs"
    """
    from pipelines.delivering import sign_nothing

    receipt = sign_nothing(Home.open(), resource, _day(data_date), by)
    say(f"回执 receipt {receipt.id}: {receipt.resource}, 数据日期 data date {receipt.data_date}, {by}")


@app.command()
def collect() -> None:
    """Land what lies in the drop folders and the exchange databases now; `citylake up` does it by itself.

    Example: citylake collect
    """
    from assets.ingest.deliveries import collect as collect_deliveries
    from catalog.load import load

    found = collect_deliveries(Home.open(), load())
    for push in found.pushes:
        say(f"{push.id}: {push.resource} {push.filename}, {push.size:,} 字节 bytes")
    for name, reason in found.refusals:
        say(f"拒收 refused {name}: {reason.zh} · {reason.en}")
    say(f"{len(found.pushes)} 个新推送 new pushes, {len(found.refusals)} 个拒收 refused")
    if found.pushes:
        say("下一步 next: citylake materialize")


@hold_app.command("list")
def hold_list() -> None:
    """The pushes that wait for a decision, and why.

    Example: citylake hold list
    """
    from lake.ledger import PushState, open_ledger

    table = Table("推送 push", "资源", "数据日期", "行数", "原因 reason", header_style="bold")
    for item in open_ledger(Home.open()).in_state(PushState.HELD):
        table.add_row(item.id, item.resource, str(item.data_date), str(item.rows), item.reason_zh or "")
    console.print(table)


@hold_app.command("accept")
def hold_accept(
    push_id: Annotated[str, typer.Argument(metavar="PUSH")],
    reason: Annotated[str, typer.Option(help="why it is right after all; recorded for ever")],
    by: Annotated[str, typer.Option(help="who decides")],
) -> None:
    """Let a held push in, with a recorded reason; the next run applies it.

    Example: citylake hold accept p01H… --reason "office closed, two rows are right" --by zhang
    """
    from lake.ledger import open_ledger

    open_ledger(Home.open()).accept_hold(push_id, reason=reason, by=by)
    say(f"{push_id}: 已确认 accepted")


@hold_app.command("refuse")
def hold_refuse(
    push_id: Annotated[str, typer.Argument(metavar="PUSH")],
    reason: Annotated[str, typer.Option(help="what is wrong with it; recorded for ever")],
    by: Annotated[str, typer.Option(help="who decides")],
) -> None:
    """Send a held push back, with a recorded reason; what stood before it stays.

    Example: citylake hold refuse p01H… --reason "two schools are missing" --by zhang
    """
    from lake.ledger import open_ledger

    open_ledger(Home.open()).refuse_hold(push_id, reason=reason, by=by)
    say(f"{push_id}: 已退回 refused")


@app.command()
def replay(
    resource: Annotated[str, typer.Argument(help="the resource's code")],
    write: Annotated[bool, typer.Option("--write", help="put the rebuilt tables in place")] = False,
    as_current: Annotated[
        bool, typer.Option("--as-current", help="read every push by the entry as it is now, not as it was")
    ] = False,
    reason: Annotated[str, typer.Option(help="with --as-current --write: why; recorded for ever")] = "",
    by: Annotated[str, typer.Option(help="with --as-current --write: who decides")] = "",
) -> None:
    """Rebuild a resource from landing alone, and say how that differs from its tables.

    Example: citylake replay marriage
    Example: citylake replay marriage --as-current
    Example: citylake replay marriage --as-current --write --reason "sex is now coded by GB/T 2261.1" --by zhang
    """
    from assets.replay import read_as_current
    from assets.replay import replay as replay_resource
    from pipelines.definitions import open_context

    def tell(push: Push) -> None:
        say(f"    {push.id} {push.data_date}")

    if as_current and write:
        if not (reason and by):
            raise typer.BadParameter(
                "需要 --reason 和 --by · this changes what stands: give --reason and --by"
            )
        done = read_as_current(open_context(), resource, reason=reason, by=by, on_push=tell)
    else:
        done = replay_resource(open_context(), resource, write=write, as_current=as_current, on_push=tell)
    how = (
        "按当前目录 read by the entry as it is now"
        if as_current
        else "按当时的目录 read by the entry as it was"
    )
    for push_id in done.other_versions:
        say(f"{push_id}: {how}")
    _print_replayed(done, written=write)
    if write:
        say(f"下一步 next: citylake materialize standard/{resource}+")
    raise typer.Exit(0 if write or done.none else 1)


@app.command()
def withdraw(
    push_id: Annotated[str | None, typer.Argument(metavar="PUSH", show_default=False)] = None,
    reason: Annotated[str, typer.Option(help="why it is taken back; recorded for ever")] = "",
    by: Annotated[str, typer.Option(help="who takes it back")] = "",
) -> None:
    """Undo a push as if it had never come, in all that is made of it, masked copies too; its bytes stay in landing. Without
    one: the pushes that departments ask to take back.

    Example: citylake withdraw p01H… --reason "wrong month exported" --by li
    """
    from assets.replay import withdraw as withdraw_push
    from assets.replay import withdrawals_asked
    from lake.ledger import open_ledger
    from pipelines.cli.serving import materialize
    from pipelines.definitions import open_context

    if push_id is None:
        for push, asked in withdrawals_asked(open_ledger(Home.open())):
            say(f"{push.id} {push.resource} {push.data_date} {asked.by}: {asked.reason}")
        return
    if not (reason and by):
        raise typer.BadParameter("需要 --reason 和 --by · a withdrawal needs --reason and --by")
    done = withdraw_push(open_context(), push_id, reason=reason, by=by)
    _print_replayed(done, written=True)
    # a copy may not show until the next night what was taken back
    materialize([f"standard/{done.resource}+"])


def _print_replayed(done: Replayed, *, written: bool) -> None:
    for what, columns in (("仅现有的列 only held", done.lost), ("仅重建的列 only rebuilt", done.gained)):
        if columns:
            say(f"standard.{done.resource}: {what}: {', '.join(columns)}")
    for difference in done.differences:
        state = "一致 equal" if difference.none else "已写入 written" if written else "不一致 differs"
        say(
            f"{difference.table}: 现有 held {difference.held:,}, 重建 rebuilt {difference.rebuilt:,}, "
            f"仅现有 only held {difference.only_held:,}, 仅重建 only rebuilt {difference.only_rebuilt:,}: {state}"
        )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date: write YYYY-MM-DD", param_hint="--data-date"
        ) from None


def _rehearse(path: Path, resource: str, day: date | None, *, as_json: bool) -> None:
    from pipelines.delivering import as_report, rehearse_file

    report = as_report(rehearse_file(Home.open(), path, resource, day))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
        return
    say(
        f"试推，未保存任何内容；如正式推送 dry run, nothing was kept; if pushed: {report['state_zh']} {report['state']}, {report['rows']} 行 rows, "
        f"{report['accepted']} 行合格 accepted, {report['quarantined']} 行问题数据 to quarantine"
    )
    for line in filter(None, (report["reason"], report["reason_en"], *report["notes"])):
        say(line)
    for rule, count in report["failures"].items():
        say(f"  {rule}: {count}")
