"""Who may push, log in or query: ``citylake token``, ``citylake user``, ``citylake reader``.

Here belongs the printing of what is made once and never shown again; the registers are in ``lake.tokens``,
``pipelines.dashboard.accounts`` and ``pipelines.remote.readers``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from lake.home import Home
from pipelines.cli.output import console, group, say
from pipelines.dashboard.accounts import Role

app = group()
token_app = group("推送令牌 · the tokens departments push with.")
reader_app = group("远程查询 · who may query over the network, and what they asked.")
user_app = group("看板账号 · who may log in to the page.")
app.add_typer(token_app, name="token")
app.add_typer(reader_app, name="reader")
app.add_typer(user_app, name="user")


@token_app.command("create")
def token_create(
    department: Annotated[str, typer.Argument(help="the department's code")],
    days: Annotated[int, typer.Option(min=1, help="valid for so many days")] = 180,
    resource: Annotated[
        list[str] | None, typer.Option(help="only for this resource; more than once for several")
    ] = None,
) -> None:
    """Make a token for a department; it is shown once and stored only as a hash.

    Example: citylake token create police
    Example: citylake token create civil_affairs --resource marriage --resource cremation --days 30
    """
    from pipelines.delivering import new_token

    say(new_token(Home.open(), department, days, resource or ()))


@token_app.command("rotate")
def token_rotate(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="see `citylake token list`")],
    days: Annotated[int, typer.Option(min=1, help="the new one is valid for so many days")] = 180,
) -> None:
    """Make a new token in the place of one, for the same resources; the old one opens for a week more.

    Example: citylake token rotate 1f0c…
    """
    from datetime import timedelta

    from lake import tokens
    from lake.ledger import open_ledger

    say(tokens.rotate(open_ledger(Home.open()), token_id, timedelta(days=days)))


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


@user_app.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="what the person logs in with")],
    role: Annotated[Role, typer.Option(help="bureau, department or auditor")],
    department: Annotated[str | None, typer.Option(help="the department's code, for that role")] = None,
    county: Annotated[
        str | None, typer.Option(help="of a county's bureau: its division code; sees only its departments")
    ] = None,
) -> None:
    """Make an account, or give an existing one a new password: shown once, to be changed at the first login.

    Example: citylake user create zhang --role bureau
    """
    from pipelines.dashboard.accounts import new_account

    password = new_account(Home.open(), name, role, department, county)
    say(f"账号 name {name} · 初始密码 first password: {password}")


@user_app.command("list")
def user_list() -> None:
    """Everybody who may log in.

    Example: citylake user list
    """
    from pipelines.dashboard.accounts import open_accounts

    table = Table("账号 name", "角色 role", "部门 department", "县区 county", header_style="bold")
    for account in open_accounts(Home.open()).names():
        table.add_row(account.name, account.role.value, account.department or "", account.division or "")
    console.print(table)


@user_app.command("disable")
def user_disable(name: Annotated[str, typer.Argument(help="whose account")]) -> None:
    """Let an account in no more; its sessions end.

    Example: citylake user disable zhang
    """
    from pipelines.dashboard.accounts import open_accounts

    open_accounts(Home.open()).disable(name)
    say(f"{name}: 已停用 disabled")


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
