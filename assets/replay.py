"""landing → standard and quarantine, all over again: what the tables would be, had they been lost.

Here belongs rebuilding a resource from its landed pushes and the decisions in the ledger (holds let in, pushes
withdrawn), and saying how that differs from what is there. Applying one push is ``standard``'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from assets.build import Context
from assets.ingest.decoding import scratch_folder
from assets.standard import make_tables, reapply
from assets.surroundings import Surroundings, other_tables, released_contents
from catalog.errors import MendableError
from catalog.model import Entry
from lake.entries import Entries, digest_of, under
from lake.hashes import ROW_HASH
from lake.home import Home
from lake.ledger import Decision, Ledger, Push, PushState, open_ledger
from lake.locks import TableBusyError, writing
from lake.tables import Lake

#: The layers that are made of pushes alone.
REBUILT = ("standard", "quarantine")


class WithdrawalError(MendableError, ValueError):
    """This push cannot be taken back; says why."""


@dataclass(frozen=True)
class Difference:
    """How one table differs from what landing makes of it: rows only there, rows only in the rebuilt one."""

    table: str
    held: int
    rebuilt: int
    only_held: int
    only_rebuilt: int

    @property
    def none(self) -> bool:
        """Whether the two are equal."""
        return not (self.only_held or self.only_rebuilt)


@dataclass(frozen=True)
class Replayed:
    """What a replay found: the pushes it applied, those that had been read under another entry than the one of now, and
    both tables' differences; and columns that only the held standard table has, or only the rebuilt one."""

    resource: str
    pushes: int
    other_versions: tuple[str, ...]
    differences: tuple[Difference, ...]
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()

    @property
    def none(self) -> bool:
        """Whether what is there is what landing makes of it."""
        return not (self.lost or self.gained) and all(difference.none for difference in self.differences)


def replay(
    context: Context,
    resource: str,
    *,
    write: bool = False,
    as_current: bool = False,
    on_push: Callable[[Push], None] | None = None,
) -> Replayed:
    """Rebuild a resource's two tables aside from landing, compare, and with ``write`` put them in place.

    Every push is read by the entry under which it was read before; ``as_current``: by the entry as it is now.
    Raises ``UnknownResourceError``, ``EntryGoneError`` and what storage raises."""
    entry = context.catalogue.entry(resource)
    ledger = open_ledger(context.home)
    pushes = applied_pushes(ledger, resource)
    entries = Entries(context.home, context.lake)
    digests = entries.digests(pushes)
    read_by = dict.fromkeys(digests, entry) if as_current else entries.of(pushes, entry)
    places = _places_of_refusals(pushes)
    with writing(context.home, f"standard.{resource}"), scratch_folder(context.home.work) as work:
        anew = replace(context, lake=Lake(work))
        for push in pushes:
            if on_push:
                on_push(push)
            as_read = read_by[push.id]
            make_tables(anew, as_read)
            tables = other_tables(context.lake, as_read)
            around = Surroundings(tables, released=released_contents(context, ledger, push))
            reapply(anew, push, as_read, around, refusals=places[push.id] == push.id)
        if not pushes:
            make_tables(anew, entry)
        if not all(context.lake.exists(layer, resource) for layer in REBUILT):
            make_tables(context, entry)
        if not as_current:
            # columns that an entry declared before anything was read by it are there, and empty
            for layer in REBUILT:
                anew.lake.create(layer, resource, context.lake.scan(layer, resource).collect_schema())
        found = _compared(context, anew, entry, pushes, digests)
        if write:
            _put_in_place(context, anew, found, pushes, read_by)
            for push in pushes:
                if places[push.id] != push.refusals:
                    ledger.point(push.id, None if places[push.id] == push.id else places[push.id])
    return found


def _compared(
    context: Context, anew: Context, entry: Entry, pushes: Sequence[Push], digests: Mapping[str, str | None]
) -> Replayed:
    held, rebuilt = (each.lake.scan("standard", entry.code).collect_schema() for each in (context, anew))
    now = digest_of(entry)
    # what came before digests were kept is known by the version alone
    other = tuple(
        push.id
        for push in pushes
        if (digests[push.id] != now if digests[push.id] else push.entry_version != entry.version)
    )
    return Replayed(
        entry.code,
        len(pushes),
        other,
        tuple(_difference(context, anew, entry, layer) for layer in REBUILT),
        lost=tuple(name for name in held if name not in rebuilt),
        gained=tuple(name for name in rebuilt if name not in held),
    )


def _put_in_place(
    context: Context, anew: Context, found: Replayed, pushes: Sequence[Push], read_by: Mapping[str, Entry]
) -> None:
    """What was rebuilt, and in the same commit under which entry each push stands now, where the table says otherwise."""
    wider = bool(found.lost or found.gained)
    numbers = {push_id: under(entry).number for push_id, entry in read_by.items()}
    for layer, difference in zip(REBUILT, found.differences, strict=True):
        held = context.lake.numbers(layer, found.resource, numbers)
        restated = {push_id: number for push_id, number in numbers.items() if held.get(push_id) != number}
        differs = wider or not difference.none or _names_others(context.lake, layer, found.resource, pushes)
        if differs or restated:
            rows = anew.lake.scan(layer, found.resource)
            context.lake.publish(layer, found.resource, rows, key=["_push", "_row"], restated=restated)


def read_as_current(
    context: Context,
    resource: str,
    *,
    reason: str,
    by: str,
    on_push: Callable[[Push], None] | None = None,
) -> Replayed:
    """Read every push of a resource anew by the entry as it is now, and let that stand: recorded for ever of each push
    that had been read under another. Raises what :func:`replay` raises."""
    entry, ledger = context.catalogue.entry(resource), open_ledger(context.home)
    Entries(context.home, context.lake).keep(entry)
    done = replay(context, resource, write=True, as_current=True, on_push=on_push)
    others = [ledger.get(push_id) for push_id in done.other_versions]
    ledger.reread(others, entry.version, digest_of(entry), reason=reason, by=by)
    return done


def withdraw(context: Context, push_id: str, *, reason: str, by: str) -> Replayed:
    """Undo a push as if it had never come (撤回): recorded for ever, and the tables rebuilt without it.

    Its bytes stay in landing. Killed after the record, it is finished by calling it again (or by a replay). Raises
    :class:`WithdrawalError` for a push that was refused, and ``UnknownPushError``."""
    ledger = open_ledger(context.home)
    push = ledger.get(push_id)
    if push.state in (PushState.REFUSED, PushState.PURGED):
        raise _nothing_to_withdraw(push)
    take_readings_back(ledger, push, reason=reason, by=by)
    if push.state is not PushState.WITHDRAWN:
        ledger.withdraw(push.id, reason=reason, by=by)
    return replay(context, push.resource, write=True)


def take_readings_back(ledger: Ledger, push: Push, *, reason: str, by: str) -> None:
    """Withdraw the readings that found the table as this push had it.

    They say what is now taken back, and nothing else."""
    for repeat in ledger.repeats_of(push.id):
        if repeat.unchanged and repeat.state is not PushState.WITHDRAWN:
            ledger.withdraw(repeat.id, reason=reason, by=by)


def take_back(home: Home, push: Push, *, reason: str, by: str) -> bool:
    """A department takes its own push back: at once where its rows are in no table (True), else the bureau is asked,
    since other tables are made from them (False; see :func:`withdraw`). Said twice, it is as if said once.

    Raises :class:`WithdrawalError` for a push that was refused."""
    ledger = open_ledger(home)
    try:
        # nobody applies it while we look
        with writing(home, f"standard.{push.resource}", patience=0):
            state = ledger.get(push.id).state
            if state in (PushState.RECEIVED, PushState.HELD):
                ledger.withdraw(push.id, reason=reason, by=by)
                return True
    except TableBusyError:
        state = PushState.APPLIED  # it may be by the time the run that holds the table is over
    if state in (PushState.REFUSED, PushState.PURGED):
        raise _nothing_to_withdraw(push)
    if state is PushState.APPLIED:
        ledger.ask_withdrawal(push.id, reason=reason, by=by)
    return state is PushState.WITHDRAWN


def withdrawals_asked(ledger: Ledger) -> list[tuple[Push, Decision]]:
    """The pushes that departments ask to take back, and whose rows still stand, with what they said."""
    asked = [(ledger.get(decision.push), decision) for decision in ledger.decisions("ask_withdrawal")]
    over = (PushState.WITHDRAWN, PushState.REFUSED, PushState.PURGED)
    return [(push, decision) for push, decision in asked if push.state not in over]


def _nothing_to_withdraw(push: Push) -> WithdrawalError:
    how = "was refused" if push.state is PushState.REFUSED else "has been purged"
    msg = f"推送 {push.id} {push.state.title}，没有入库，无需撤回 · push {push.id} {how}: there is nothing to withdraw"
    return WithdrawalError(msg)


def applied_pushes(ledger: Ledger, resource: str) -> list[Push]:
    """The pushes whose rows make up the resource, in the order in which they speak."""
    applied = [
        push for push in ledger.history(resource) if push.state is PushState.APPLIED and not push.unchanged
    ]
    return sorted(applied, key=lambda push: (push.data_date, push.sequence))


def _names_others(lake: Lake, layer: str, resource: str, pushes: Sequence[Push]) -> bool:
    """Whether a table says of a row that it came with a push that no longer counts, though another says the same."""
    elsewhere = lake.scan(layer, resource).filter(~pl.col("_push").is_in([push.id for push in pushes]))
    return not elsewhere.select("_push").head(1).collect().is_empty()


def _places_of_refusals(pushes: Sequence[Push]) -> dict[str, str]:
    """For each push the one under whose id its refused rows stand: the earlier one that said the same, or, where that
    was taken back, the first of those that repeated it."""
    standing, heirs = {push.id for push in pushes}, dict[str, str]()
    return {
        push.id: push.refusals if push.refusals in standing else heirs.setdefault(push.refusals, push.id)
        for push in pushes
    }


def _difference(context: Context, anew: Context, entry: Entry, layer: str) -> Difference:
    held, rebuilt = (_contents(each.lake.scan(layer, entry.code), layer) for each in (context, anew))
    return Difference(
        f"{layer}.{entry.code}",
        held=int(held["n"].sum()),
        rebuilt=int(rebuilt["n"].sum()),
        only_held=_surplus(held, rebuilt),
        only_rebuilt=_surplus(rebuilt, held),
    )


def _contents(rows: pl.LazyFrame, layer: str) -> pl.DataFrame:
    """How often each content occurs, by a hash of it. A standard row has one; a quarantined one is its push and row."""
    if layer == "standard":
        content = pl.col(ROW_HASH)
    else:
        content = pl.struct("_push", "_row", "cells", "reasons").hash(seed=1)
    return rows.group_by(content.alias("content")).len("n").collect(engine="streaming")


def _surplus(left: pl.DataFrame, right: pl.DataFrame) -> int:
    joined = left.join(right, on="content", how="left", suffix="_right")
    surplus = pl.col("n").cast(pl.Int64) - pl.col("n_right").fill_null(0).cast(pl.Int64)
    return int(joined.select(surplus.clip(lower_bound=0).sum()).item())
