"""A purge (清除): destroy what a push brought, wherever it is, on the word of two persons; a tombstone stays.

Here belongs the order in which everything goes. Each step may be killed and run again: what was agreed to is written
down first, the push's bytes in landing go last of all, since they tell what else must go. Who asked and who agreed is
``lake.purges``'; a push that is only taken back (撤回) keeps its bytes, and is ``replay``'s business.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from graphlib import TopologicalSorter

import polars as pl

from assets import snapshots
from assets.base.erasure import erase
from assets.build import Build, Context, TableName
from assets.ingest.decoding import UnreadableError, sweep_scratch
from assets.ingest.deliveries import delivered_files
from assets.ingest.exchange import content_of
from assets.push_evidence import entry_of
from assets.recipes import all_builds
from assets.replay import REBUILT, replay, take_readings_back
from assets.standard import landed_cells, landed_rows
from assets.surroundings import other_tables
from catalog.model import Title
from lake.entries import EntryGoneError
from lake.ledger import Push, PushState, open_ledger
from lake.locks import writing
from lake.purges import PurgeError, Purges, Step, Tombstone, set_stone
from lake.rulings import Rulings
from lake.tables import LAYERS

SECRET = Title(
    zh="疑涉国家秘密，已停止使用，等待清除（清远市公共数据管理办法第二条）",
    en="said to hold state secrets: not used, and to be purged (Art. 2)",
)
#: The layer that has a folder of tables for each role.
ROLES = "role"
Say = Callable[[str], None]


def request(context: Context, push_id: str, *, reason: str, by: str, state_secret: bool = False) -> Tombstone:
    """One officer asks that a push be destroyed. A push said to hold state secrets (Art. 2) that is in no table yet is
    refused at once, so that it never comes into one. Raises ``PurgeError`` and ``UnknownPushError``."""
    ledger = open_ledger(context.home)
    push = ledger.get(push_id)
    stone = Purges(context.home).ask(push, reason=reason, by=by, state_secret=state_secret)
    if state_secret:
        with writing(context.home, f"standard.{push.resource}"):
            if ledger.get(push_id).state in (PushState.RECEIVED, PushState.HELD):
                ledger.settle(push_id, PushState.REFUSED, reason=SECRET)
    return stone


def confirm(context: Context, push_id: str, *, by: str, say: Say = lambda _: None) -> Tombstone:
    """Another officer agrees, and all of it is destroyed. Interrupted, it is finished by saying it again, by
    :func:`finish`, or by whatever calls that. Raises ``PurgeError``."""
    stone = Purges(context.home).confirm(push_id, by=by)
    return stone if stone.step is Step.DONE else _carry_out(context, stone, say)


def finish(context: Context, say: Say = lambda _: None) -> list[Tombstone]:
    """Carry out to the end what was agreed to and interrupted."""
    return [_carry_out(context, stone, say) for stone in Purges(context.home).unfinished()]


def _carry_out(context: Context, stone: Tombstone, say: Say) -> Tombstone:
    ledger = open_ledger(context.home)
    push = ledger.get(stone.push)
    if push.unchanged:
        raise PurgeError(f"推送 {push.id} 没有内容，请清除它所重复的 {push.same_as} · purge what it repeats")
    if push.rows != 0:  # a header alone has the same bytes each time, and says nothing
        set_stone(context.home, stone)
    if content := content_of(push):
        set_stone(context.home, replace(stone, digest=content))
    with writing(context.home, f"standard.{push.resource}"):
        take_readings_back(ledger, push, reason=stone.reason, by=stone.asked_by)
        ledger.purge(push.id, reason=stone.reason, by=f"{stone.asked_by}, {stone.confirmed_by}")
    said = _said_by(context, push)
    # a ruling knows its row by a hash, from which a row that is nearly known could be guessed
    struck = Rulings(context.home).strike(push.id)
    say(f"{push.resource}: 从落地区重建，不含该推送 rebuilding without the push")
    gone = _rebuild(context, push)
    base, others = concerned(context, push.resource)
    _run(context, base, say)
    erased = erase(context, push, *said) if said else 0
    _run(context, others, say)
    removed = {
        "rows of standard and quarantine": gone,
        "rows of histories and ledgers": erased,
        "rulings on its rows": struck,
        "superseded files": sum(_expunge(context, push.resource)),
        "files of the delivery": _remove_delivery(context, push),
        "scratch folders": sweep_scratch(context.home.work),
    }
    ledger.scrub(push.id)
    return Purges(context.home).done(push.id, removed)


def _rebuild(context: Context, push: Push) -> int:
    """Standard and quarantine as if the push had never come; how many rows are there no more. Of a resource that the
    catalogue has no more only its rows go: there is no entry to read the others by again."""
    if push.resource in context.catalogue.entries:
        replayed = replay(context, push.resource, write=True)
        return sum(each.only_held for each in replayed.differences)
    gone = 0
    with writing(context.home, f"standard.{push.resource}"):
        for layer in REBUILT:
            before = context.lake.rows(layer, push.resource)
            if before:
                kept = context.lake.scan(layer, push.resource).filter(pl.col("_push") != push.id)
                commit = context.lake.publish(layer, push.resource, kept, key=["_push", "_row"])
                gone += before - commit.rows
    return gone


def _said_by(context: Context, push: Push) -> tuple[pl.DataFrame, pl.Series] | None:
    """What the push said, as standard and as quarantine would hold it, while its bytes are there; None where they cannot be
    read, and so never were."""
    if not (context.home.landing / push.resource / push.id).exists():
        return None
    try:
        entry = entry_of(context, push)
        rows = landed_rows(context, push, entry, None, other_tables(context.lake, entry))
        return rows, landed_cells(context, push, entry)
    except (UnreadableError, EntryGoneError):
        return None


def concerned(context: Context, resource: str) -> tuple[list[Build], list[Build]]:
    """The recipes that are made of a resource, however far away, in order: those of base tables, and the rest."""
    builds = all_builds(context.catalogue)
    maker = {table: number for number, build in enumerate(builds) for table in build.makes}
    graph = {
        number: {maker[table] for table in build.reads if table in maker}
        for number, build in enumerate(builds)
    }
    reached: set[TableName] = {(layer, resource) for layer in REBUILT}
    ordered: list[Build] = []
    for number in TopologicalSorter(graph).static_order():
        if _reads(builds[number], reached):
            reached |= set(builds[number].makes)
            ordered.append(builds[number])
    base = [build for build in ordered if build.makes[0][0] == "base"]
    return base, [build for build in ordered if build not in base]


def _reads(build: Build, reached: AbstractSet[TableName]) -> bool:
    return any(table in reached for table in build.reads)


def _run(context: Context, builds: Sequence[Build], say: Say) -> None:
    for build in builds:
        say(f"{'/'.join(build.makes[0])}: {build.title.zh} {build.title.en}")
        build.run(context)


def _expunge(context: Context, resource: str) -> Iterator[int]:
    """Old versions of every table that may have held rows of the push, at once: what is purged has no readers to wait
    for. Replaced DuckDB files go, too: what they lead to is no more."""
    layers = [layer for layer in LAYERS if layer != ROLES]
    for layer in (*layers, *_role_layers(context)):
        for name in context.lake.names(layer):
            if layer not in REBUILT or name == resource:
                lock = "standard" if layer == "quarantine" else layer.replace("/", ".")
                with writing(context.home, f"{lock}.{name}"):
                    yield context.lake.expunge(layer, name)
    snapshots.let_go(context.home)


def _role_layers(context: Context) -> list[str]:
    folder = context.lake.root / ROLES
    return [f"{ROLES}/{role.name}" for role in sorted(folder.glob("*"))] if folder.is_dir() else []


def _remove_delivery(context: Context, push: Push) -> int:
    """The bytes as they came, and what the drop folder kept of them."""
    kept = delivered_files(context.home, push)
    for path in kept:
        path.unlink()
    landed = context.home.landing / push.resource / push.id
    number = len(kept) + len(list(landed.glob("*")))
    # out of sight by one rename: killed while it is removed, the rest is found and removed again
    doomed = context.home.work / "scratch" / push.id
    if landed.exists():
        doomed.parent.mkdir(parents=True, exist_ok=True)
        landed.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
    return number
