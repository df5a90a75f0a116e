"""The ``citylake`` command: each command is a few lines that call the package which does the work.

Here belongs the reading of arguments and the printing of results, no more. Errors that a user can mend are
printed in one line with what to do next; anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from catalog.errors import MendableError
from catalog.load import CatalogueError
from lake.home import Home
from pipelines.dashboard.accounts import Role
from pipelines.query import Format, query, render

if TYPE_CHECKING:
    from assets.replay import Replayed

app = typer.Typer(
    name="citylake",
    help="城市公共数据湖仓 · the lakehouse for a city's public data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
catalogue_app = typer.Typer(
    help="公共数据资源目录 · check, list and show the catalogue.", no_args_is_help=True, rich_markup_mode=None
)
token_app = typer.Typer(
    help="推送令牌 · the tokens departments push with.", no_args_is_help=True, rich_markup_mode=None
)
user_app = typer.Typer(
    help="看板账号 · who may log in to the page.", no_args_is_help=True, rich_markup_mode=None
)
hold_app = typer.Typer(
    help="待定推送 · decide on pushes that are held.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(token_app, name="token")
app.add_typer(hold_app, name="hold")
reader_app = typer.Typer(
    help="远程查询 · who may query over the network, and what they asked.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(reader_app, name="reader")
app.add_typer(user_app, name="user")

console = Console()


def say(text: str) -> None:
    """Print a line as it is, without markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command()
def demo(
    people: Annotated[int, typer.Option(min=1000, help="how many people live in the demo city")] = 20_000,
    seed: Annotated[int, typer.Option(help="the same seed makes the same city")] = 2024,
) -> None:
    """Build a synthetic city end to end: pushes by API, table and file, all layers, all checks.

    Example: citylake demo --people 20000
    """
    from pipelines.demonstration import demonstrate

    raise typer.Exit(demonstrate(Home.open(), people, seed, say))


@app.command()
def up(
    gateway_port: Annotated[int, typer.Option(help="where departments push to")] = 8640,
    page_port: Annotated[int, typer.Option(help="where the data bureau's page is")] = 8641,
    dagster_port: Annotated[int, typer.Option(help="where Dagster's pages are")] = 3640,
) -> None:
    """Start the gateway, the data bureau's page, Dagster's webserver and its daemon on loopback; one Ctrl-C stops all.

    Example: citylake up
    """
    from pipelines.services import supervise

    raise typer.Exit(supervise(Home.open(), gateway_port, dagster_port, page_port, say))


@app.command(hidden=True)
def gateway(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8640,
    tls_certificate: Annotated[Path | None, typer.Option()] = None,
    tls_key: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Run the gateway alone; beyond loopback it listens only with TLS.

    Example: citylake gateway --host 0.0.0.0 --tls-certificate cert.pem --tls-key key.pem
    """
    from pipelines.gateway.app import run

    run(Home.open(), host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)


@app.command(hidden=True)
def dashboard(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8641,
    name: Annotated[
        list[str] | None, typer.Option(help="host name it is reached by, besides loopback")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option()] = None,
    tls_key: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Run the data bureau's page alone; beyond loopback it listens only with TLS.

    Example: citylake dashboard --host 0.0.0.0 --name board.city.example --tls-certificate cert.pem --tls-key key.pem
    """
    from pipelines.dashboard.app import run
    from pipelines.definitions import open_context

    run(
        open_context(),
        host=host,
        port=port,
        names=name or [],
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )


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
def collect() -> None:
    """Land what lies in the drop folders and the exchange databases now; `citylake up` does it by itself.

    Example: citylake collect
    """
    from assets.ingest.deliveries import collect as collect_deliveries
    from catalog.load import load

    found = collect_deliveries(Home.open(), load())
    for push in found.pushes:
        say(f"{push.id}: {push.resource} {push.filename}, {push.size:,} 字节 bytes")
    for refusal in found.refusals:
        say(f"拒收 refused {refusal}")
    say(f"{len(found.pushes)} 个新推送 new pushes, {len(found.refusals)} 个拒收 refused")
    if found.pushes:
        say("下一步 next: citylake materialize")


@app.command()
def materialize(
    selection: Annotated[
        list[str] | None, typer.Argument(help="layers or layer/table, + for what follows; default all")
    ] = None,
) -> None:
    """Run assets now, in this process; the run is seen in Dagster's UI like any other.

    Example: citylake materialize standard/marriage+
    """
    from pipelines.definitions import assemble, open_context
    from pipelines.running import run, select

    home = Home.open()
    definitions = assemble(open_context(home))
    summary = run(home, definitions, select(definitions, selection or []), say)
    say(
        f"运行 run {summary.run_id}: {len(summary.made)} 张表 tables, {len(summary.failed)} 步失败 steps failed"
    )
    for step, why in summary.failed.items():
        say(f"失败 failed {step}: {why}")
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    department: Annotated[str | None, typer.Option(help="only this department's resources")] = None,
) -> None:
    """Each resource: last push, next due day, state, rows in standard and quarantine, quality.

    Example: citylake status --json
    """
    from assets.operations import resource_states
    from pipelines.definitions import open_context
    from pipelines.delivering import require_department
    from pipelines.status import as_records, status_table

    context = open_context()
    if department:
        require_department(context.catalogue, department)
    states = resource_states(context, department)
    if as_json:
        sys.stdout.write(json.dumps(as_records(states), ensure_ascii=False, indent=1) + "\n")
    else:
        Console(width=max(console.width, 118)).print(status_table(states))


@app.command()
def quality(
    resource: Annotated[str, typer.Argument(help="the resource's code")],
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    gx: Annotated[
        bool, typer.Option("--gx", help="the last push as Great Expectations' own validation result (JSON)")
    ] = False,
    docs: Annotated[
        Path | None, typer.Option(help="write the last push's Great Expectations Data Docs page here (HTML)")
    ] = None,
    pushes: Annotated[int, typer.Option(help="how many of the newest pushes")] = 12,
) -> None:
    """What the last push of a resource met, rule by rule, and the trend of its scores.

    Example: citylake quality household_register
    """
    from catalog.load import load
    from lake.ledger import open_ledger
    from pipelines.verdicts import as_record, evidence_of, tables, verdict

    entry, ledger = load().entry(resource), open_ledger(Home.open())
    evidence = evidence_of(ledger, entry) if gx or docs else None
    if evidence:
        from quality.data_docs import page
        from quality.plan import compile_entry
        from quality.results import results

        found = results(compile_entry(entry), evidence)
        if docs:
            docs.write_text(page(found, f"{entry.title.zh} · {entry.title.en}"), encoding="utf-8")
            say(f"Data Docs: {docs}")
        if gx:
            record = found.to_json_dict()  # type: ignore[no-untyped-call]
            sys.stdout.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        return
    judged = verdict(ledger, entry, pushes)
    if as_json:
        sys.stdout.write(json.dumps(as_record(judged), ensure_ascii=False, indent=1) + "\n")
        return
    say(
        f"{entry.title.zh} · {entry.title.en}: {judged.rules} 条规则 rules, {len(judged.trend)} 次推送 pushes"
    )
    for table in tables(judged) if judged.trend else ():
        Console(width=max(console.width, 118)).print(table)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(metavar="QUERY", help="one SQL query")],
    output: Annotated[Format, typer.Option("--format", help="table, csv or json")] = Format.TABLE,
    bureau: Annotated[
        bool, typer.Option("--bureau", help="the bureau's file, with full tables, instead of the analyst's")
    ] = False,
) -> None:
    """Ask the analyst's DuckDB file.

    Example: citylake sql "select count(*) from base.person"
    """
    home = Home.open()
    names, rows = query(home.bureau if bureau else home.analyst, statement)
    sys.stdout.write(render(names, rows, output) + "\n")


@app.command()
def explain(
    table: Annotated[str, typer.Argument(help="base.person or base.legal_entity")],
    entity: Annotated[str, typer.Argument(metavar="ID", help="the entity's id")],
) -> None:
    """Where each value of one entity came from, what was passed over, and why.

    Example: citylake explain base.person P0000000001
    """
    from assets.base.explain import explain as explain_entity
    from pipelines.definitions import open_context

    context = open_context()
    rows = explain_entity(context, table.removeprefix("base."), entity)
    if not rows:
        _fail(LookupError(f"no entity {entity} in {table}: its ids are in the first column of the table"))
    shown = Table(*rows[0], header_style="bold")
    for row in rows:
        shown.add_row(*(str(cell) if cell is not None else "" for cell in row.values()))
    console.print(shown)


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
def lineage(
    table: Annotated[str, typer.Argument(help="theme.enterprise_360, base.person")],
    column: Annotated[str | None, typer.Option(help="all that is behind this column")] = None,
) -> None:
    """Where each column comes from, and the sharing type, opening type and grade that follow.

    Example: citylake lineage theme.subsidy_check --column finding
    """
    from pipelines.definitions import open_context
    from pipelines.lineage import as_table, as_tree, lineage_of

    layer, _, name = table.partition(".")
    found = lineage_of(open_context(), (layer, name))
    shown = as_tree(found, column) if column else as_table(found)
    Console(width=max(console.width, 118)).print(shown)


@app.command()
def upgrade() -> None:
    """Bring the home's state to this version of citylake; refuses a home that is newer.

    Example: citylake upgrade
    """
    from lake.ledger import migrate

    say(migrate(Home.open()))


@app.command()
def remote(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8642,
    tls_certificate: Annotated[Path | None, typer.Option()] = None,
    tls_key: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Answer SQL over the network, read-only, for readers with a token; beyond loopback only with TLS.

    Example: citylake remote --port 8642
    """
    from pipelines.remote.app import run

    say(f"远程查询 remote queries  http{'s' if tls_certificate else ''}://{host}:{port}/v1/query")
    run(Home.open(), host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)


@app.command()
def replay(
    resource: Annotated[str, typer.Argument(help="the resource's code")],
    write: Annotated[bool, typer.Option("--write", help="put the rebuilt tables in place")] = False,
) -> None:
    """Rebuild a resource from landing alone, and say how that differs from its tables.

    Example: citylake replay marriage
    """
    from assets.replay import replay as replay_resource
    from pipelines.definitions import open_context

    done = replay_resource(
        open_context(), resource, write=write, on_push=lambda push: say(f"    {push.id} {push.data_date}")
    )
    _print_replayed(done, written=write)
    raise typer.Exit(0 if write or all(difference.none for difference in done.differences) else 1)


@app.command()
def withdraw(
    push_id: Annotated[str, typer.Argument(metavar="PUSH")],
    reason: Annotated[str, typer.Option(help="why it is taken back; recorded for ever")],
    by: Annotated[str, typer.Option(help="who takes it back")],
) -> None:
    """Undo a push as if it had never come; its bytes stay in landing.

    Example: citylake withdraw p01H… --reason "wrong month exported" --by li
    """
    from assets.replay import withdraw as withdraw_push
    from pipelines.definitions import open_context

    done = withdraw_push(open_context(), push_id, reason=reason, by=by)
    _print_replayed(done, written=True)
    say(f"下一步 next: citylake materialize standard/{done.resource}+")


@app.command()
def tidy(
    selection: Annotated[
        list[str] | None, typer.Argument(help="layers or layer/table; default every full table")
    ] = None,
) -> None:
    """Fold small files, write checkpoints, remove what has been superseded for a week.

    Example: citylake tidy standard
    """
    from pipelines.definitions import open_context
    from pipelines.upkeep import tidy_tables

    for done in tidy_tables(open_context(), selection or []):
        say(
            f"{done.table}: {done.folded} 个文件并为 files into {done.into}, "
            f"删除旧文件 removed {done.removed}{', checkpoint' if done.checkpointed else ''}"
        )


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
) -> None:
    """All resources: code, title, source department, update frequency, sharing type.

    Example: citylake catalogue list
    """
    from catalog.load import load

    catalogue = load()
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
        for entry in catalogue.entries.values()
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
        _fail(FileExistsError(f"{output} 已存在，请另选文件名 · {output} exists: choose another name"))
    proposal = propose_entry(Home.open(), path, code, department)
    if output:
        output.write_text(proposal.draft.text, encoding="utf-8")
    else:
        sys.stdout.write(proposal.draft.text)
    for line in (*proposal.draft.remarks, *proposal.notes):
        _note(line)
    _note(f"试读 tried: {proposal.rows} 行 rows, {proposal.accepted} 行合格 accepted")
    for rule, count in proposal.failures.items():
        _note(f"  {rule}: {count}")


@token_app.command("create")
def token_create(
    department: Annotated[str, typer.Argument(help="the department's code")],
    days: Annotated[int, typer.Option(help="valid for so many days")] = 180,
) -> None:
    """Make a token for a department; it is shown once and stored only as a hash.

    Example: citylake token create police
    """
    from pipelines.delivering import new_token

    say(new_token(Home.open(), department, days))


@user_app.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="what the person logs in with")],
    role: Annotated[Role, typer.Option(help="bureau, department or auditor")],
    department: Annotated[str | None, typer.Option(help="the department's code, for that role")] = None,
) -> None:
    """Make an account, or give an existing one a new password: shown once, to be changed at the first login.

    Example: citylake user create zhang --role bureau
    """
    from pipelines.dashboard.accounts import new_account

    password = new_account(Home.open(), name, role, department)
    say(f"账号 name {name} · 初始密码 first password: {password}")


@user_app.command("list")
def user_list() -> None:
    """Everybody who may log in.

    Example: citylake user list
    """
    from pipelines.dashboard.accounts import open_accounts

    table = Table("账号 name", "角色 role", "部门 department", header_style="bold")
    for account in open_accounts(Home.open()).names():
        table.add_row(account.name, account.role.value, account.department or "")
    console.print(table)


@user_app.command("disable")
def user_disable(name: Annotated[str, typer.Argument(help="whose account")]) -> None:
    """Let an account in no more; its sessions end.

    Example: citylake user disable zhang
    """
    from pipelines.dashboard.accounts import open_accounts

    if not open_accounts(Home.open()).disable(name):
        _fail(LookupError(f"没有账号 {name} · no account {name}: `citylake user list` shows all"))
    say(f"{name}: 已停用 disabled")


@token_app.command("list")
def token_list(department: Annotated[str, typer.Argument(help="the department's code")]) -> None:
    """A department's tokens: id, resources, until when; never the tokens themselves.

    Example: citylake token list police
    """
    from lake.ledger import open_ledger
    from quality.clock import CITY_TIME

    table = Table("令牌 id", "资源 resources", "有效期至 until", "停用 revoked", header_style="bold")
    for row in open_ledger(Home.open()).tokens(department):
        until, ended = (
            at.astimezone(CITY_TIME).strftime("%Y-%m-%d %H:%M") if at else ""
            for at in (row["expires_at"], row["revoked_at"])
        )
        table.add_row(row["id"], ", ".join(row["resources"] or ["全部 all"]), until, ended)
    console.print(table)


@token_app.command("revoke")
def token_revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="see `citylake token list`")],
) -> None:
    """End a token now.

    Example: citylake token revoke 1f0c…
    """
    from lake import tokens
    from lake.ledger import open_ledger

    tokens.revoke(open_ledger(Home.open()), token_id)
    say(f"{token_id}: 已停用 ended")


@reader_app.command("create")
def reader_create(
    person: Annotated[str, typer.Argument(help="the account the queries are recorded under")],
    role: Annotated[str, typer.Option(help="a role of catalog/roles.yaml")] = "analyst",
    days: Annotated[int, typer.Option(help="valid for so many days")] = 30,
) -> None:
    """Let somebody query over the network in a role; the token is shown once.

    Example: citylake reader create chen --role analyst
    """
    from pipelines.delivering import new_reader

    say(new_reader(Home.open(), person, role, days))


@reader_app.command("revoke")
def reader_revoke(person: Annotated[str, typer.Argument(help="the account")]) -> None:
    """End all of somebody's tokens.

    Example: citylake reader revoke chen
    """
    from pipelines.remote.readers import open_readers

    say(f"{open_readers(Home.open()).revoke(person)} 个令牌已停用 tokens ended")


@reader_app.command("audit")
def reader_audit(
    limit: Annotated[int, typer.Option(help="how many, newest first")] = 20,
) -> None:
    """What was asked over the network: when, by whom, how it ended.

    Example: citylake reader audit --limit 50
    """
    from pipelines.remote.readers import open_readers
    from quality.clock import CITY_TIME

    table = Table("时间", "账号", "角色", "结果", "字节", "秒", "查询 SQL", header_style="bold")
    for row in open_readers(Home.open()).audit(limit):
        at = datetime.fromtimestamp(row["at"], UTC).astimezone(CITY_TIME).strftime("%Y-%m-%d %H:%M:%S")
        size, seconds = f"{row['bytes'] or 0:,}", f"{row['seconds'] or 0:.2f}"
        table.add_row(at, row["person"], row["role"], row["outcome"], size, seconds, row["sql"])
    console.print(table)


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


def _print_replayed(done: Replayed, *, written: bool) -> None:
    for push_id in done.other_versions:
        say(f"{push_id}: 按当前目录重放 read by the entry as it is now, not as it was when it came")
    for difference in done.differences:
        state = "一致 equal" if difference.none else "已写入 written" if written else "不一致 differs"
        say(
            f"{difference.table}: 现有 held {difference.held:,}, 重建 rebuilt {difference.rebuilt:,}, "
            f"仅现有 only held {difference.only_held:,}, 仅重建 only rebuilt {difference.only_rebuilt:,}: {state}"
        )


def _print_faults(faults: list) -> None:  # type: ignore[type-arg]
    for fault in faults:
        say(str(fault))


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


def _note(text: str) -> None:
    """A line beside the result, on standard error."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _fail(error: Exception) -> None:
    _note(str(error))
    raise typer.Exit(1) from None


def main() -> None:
    """Entry point: errors a user can mend are one message, never a traceback."""
    try:
        app()
    except MendableError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
