"""``citylake purge``: two officers of the bureau have a push destroyed, and see what went.

Here belongs the asking for names and passwords, and the printing of tombstones; the work is in ``pipelines.purging`` and
``assets.purge``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lake.home import Home
from pipelines.cli.output import group, say

if TYPE_CHECKING:
    from datetime import datetime

    from lake.purges import Tombstone

app = group()
purge_app = group("清除推送 · destroy what a push brought, on the word of two officers.")
app.add_typer(purge_app, name="purge")

PushId = Annotated[str, typer.Argument(metavar="PUSH", help="the push's id, as on its receipt")]
By = Annotated[str, typer.Option(help="your account on the bureau's page; its password is asked for")]


@purge_app.command("request")
def purge_request(
    push_id: PushId,
    by: By,
    reason: Annotated[str, typer.Option(help="why; kept for ever, so without any personal value")],
    state_secret: Annotated[
        bool, typer.Option("--state-secret", help="it holds state secrets (Art. 2): not used from now on")
    ] = False,
) -> None:
    """Ask that a push be destroyed; another officer must confirm.

    Example: citylake purge request p01H… --reason "court order 2026-17" --by zhang
    """
    from assets.purge import request
    from pipelines.definitions import open_context
    from pipelines.purging import officer

    name = officer(Home.open(), by, _password(by))
    stone = request(open_context(), push_id, reason=reason, by=name, state_secret=state_secret)
    say(f"{push_id}: {stone.resource}, {stone.size:,} 字节 bytes, SHA-256 {stone.digest}")
    say(f"下一步 next: 另一人 another officer: citylake purge confirm {push_id} --by …")


@purge_app.command("confirm")
def purge_confirm(push_id: PushId, by: By) -> None:
    """Agree that a push be destroyed, and destroy it: bytes, rows, old versions, copies. There is no way back.

    Example: citylake purge confirm p01H… --by li
    """
    from pipelines.definitions import open_context
    from pipelines.purging import confirm, officer

    name = officer(Home.open(), by, _password(by))
    stone = confirm(open_context(), push_id, by=name, say=lambda line: say(f"    {line}"))
    say(f"{push_id}: 已清除 purged")
    for what, number in stone.removed.items():
        say(f"    {what}: {number:,}")
    for other in _same_bytes(Home.open(), stone):
        say(f"  相同内容仍在 the same bytes are still there: {other}")


@purge_app.command("list")
def purge_list() -> None:
    """Every purge: what, why, who asked, who confirmed, and whether it is done.

    Example: citylake purge list
    """
    from lake.purges import Purges

    for stone in Purges(Home.open()).all():
        secret = "〔涉密 state secret〕" if stone.state_secret else ""
        say(f"{stone.push} {stone.resource} {stone.data_date}: {secret}{stone.reason}")
        say(f"    申请 asked {stone.asked_by} {_at(stone.asked_at)} · SHA-256 {stone.digest}")
        if stone.confirmed_by:
            done = _at(stone.done_at) or "尚未完成 not yet"
            say(f"    确认 confirmed {stone.confirmed_by} {_at(stone.confirmed_at)} · 完成 done {done}")


def _password(name: str) -> str:
    return str(typer.prompt(f"{name} 的看板密码 password", hide_input=True))


def _at(at: datetime | None) -> str:
    from quality.clock import CITY_TIME

    return at.astimezone(CITY_TIME).strftime("%Y-%m-%d %H:%M") if at else ""


def _same_bytes(home: Home, stone: Tombstone) -> list[str]:
    """Other pushes of the same bytes: they say the same, and each must be purged by itself."""
    from lake.ledger import PushState, open_ledger

    history = open_ledger(home).history(stone.resource)
    return [
        push.id
        for push in history
        if push.digest == stone.digest and push.state is not PushState.PURGED and not push.unchanged
    ]
