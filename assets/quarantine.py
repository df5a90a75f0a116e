"""The life of a quarantined row: open until a later push brings its key right, or a steward releases or dismisses it.

Here belong the states, and what a release does to the two tables. What was decided is in ``lake.rulings``; how a row came
into quarantine is ``assets.standard``'s business. A release lets a row into standard as if it had met every rule, with the
rules that it fails among its warnings; it holds for the same content in every later push, too, so that a register that is
sent whole each month need not be ruled on each month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import polars as pl

from assets.build import Context
from assets.ingest.operations import DELETED
from assets.push_evidence import entry_of
from assets.standard import DUPLICATE, SUPERSEDED, landed_rows
from assets.surroundings import content_hash, other_tables
from catalog.errors import MendableError
from catalog.model import Entry, Mode
from lake.answers import reasoned
from lake.hashes import ROW_HASH
from lake.ledger import Ledger, Push, PushState, open_ledger
from lake.locks import writing
from lake.rulings import Ruling, RulingKind, Rulings
from quality.plan import compile_entry, raw_name
from quality.split import UNPARSED

#: Rows that are what they are, whatever a steward thinks of the rules.
UNRELEASABLE = (DUPLICATE[0], SUPERSEDED[0], UNPARSED)
#: A steward waits so long for a run that writes the tables.
PATIENCE_SECONDS = 60.0
_BY_PUSH = "主键已由后续推送更正 · its key came right in a later push"


class RowState(StrEnum):
    """Where a quarantined row stands. Repeated: refused again under the same key by a later push, which is counted."""

    OPEN = "open"
    CLOSED = "closed"
    RELEASED = "released"
    DISMISSED = "dismissed"
    REPEATED = "repeated"

    @property
    def title(self) -> str:  # type: ignore[override] # the word on screens, not str.title
        """The screens' word for it."""
        return {
            "open": "待处理",
            "closed": "已更正",
            "released": "已放行",
            "dismissed": "不予处理",
            "repeated": "再次报送仍不合格",
        }[self.value]


class RulingError(MendableError, ValueError):
    """This row cannot be ruled on so; says why."""


@dataclass(frozen=True)
class Tally:
    """How many of a resource's quarantined rows stand where; since when the oldest open one does, the days that the
    open ones have been there (the median), and the newest push that has some."""

    resource: str
    department: str
    open: int
    closed: int
    released: int
    dismissed: int
    since: datetime | None
    median_days: float | None
    newest: str | None


def states(context: Context, entry: Entry) -> pl.DataFrame:
    """Every row in the resource's quarantine with its ``state``, a hash of its ``content``, ``since`` when its key has
    been refused, and the push that closed it (``closed_by``)."""
    rows = context.lake.scan("quarantine", entry.code).with_columns(content_hash())
    ledger = open_ledger(context.home)
    derived = _derived(context, ledger, entry, rows).collect(engine="streaming")
    return _ruled(ledger, Rulings(context.home).of(entry.code), derived)


def tally(context: Context, entry: Entry, now: datetime | None = None) -> Tally:
    """The resource's rows by state."""
    counts, since, days, newest = dict.fromkeys(RowState, 0), None, None, None
    if context.lake.rows("quarantine", entry.code):
        found = states(context, entry)
        counts |= {RowState(state): rows for state, rows in found["state"].value_counts().iter_rows()}
        waiting = found.filter(state=RowState.OPEN.value)
        if waiting.height:
            age = pl.lit(now or datetime.now(UTC)) - pl.col("since")
            since, days, newest = waiting.select(
                pl.col("since").min(),
                (age.dt.total_seconds() / 86_400).median().alias("days"),
                pl.col("_push").sort_by("_received_at").last().alias("newest"),
            ).row(0)
    # a released row has left quarantine
    released = {r.content for r in Rulings(context.home).of(entry.code) if r.kind is RulingKind.RELEASED}
    return Tally(
        entry.code,
        entry.department,
        counts[RowState.OPEN],
        counts[RowState.CLOSED],
        len(released),
        counts[RowState.DISMISSED],
        since,
        days,
        newest,
    )


def worklist(context: Context, entry: Entry) -> pl.DataFrame:
    """The rows that are to be corrected, the oldest first."""
    if not context.lake.rows("quarantine", entry.code):
        return pl.DataFrame()
    return states(context, entry).filter(state=RowState.OPEN.value).sort("since", "_push", "_row")


def dismiss(context: Context, push_id: str, row: int, *, reason: str, by: str) -> None:
    """A steward says that the row need not be corrected: it stays in quarantine and on no worklist, also where a later
    push brings the same content. Raises :class:`RulingError`."""
    why = reasoned(reason, RulingError)
    push, entry = _push_of(context, push_id)
    found = _ruled_on(context, entry, push, row)
    Rulings(context.home).add([_ruling(push, found, RulingKind.DISMISSED, why, by)])


def release(context: Context, push_id: str, row: int, *, reason: str, by: str) -> None:
    """A steward lets the row into standard although it fails its rules. Recorded first: killed after that, the next
    replay finishes it, or the same call again. Raises :class:`RulingError`."""
    why = reasoned(reason, RulingError)
    push, entry = _push_of(context, push_id)
    with writing(context.home, f"standard.{entry.code}", PATIENCE_SECONDS):
        found = _ruled_on(context, entry, push, row, again=RowState.RELEASED)
        coming = _released_row(context, entry, push, row)
        if found["state"] != RowState.RELEASED:
            _require_place(context, entry, push, found, coming)
            Rulings(context.home).add([_ruling(push, found, RulingKind.RELEASED, why, by)])
        key = list(entry.delivery.key) or [ROW_HASH]
        context.lake.change("standard", entry.code, coming, key=key)
        same = (pl.col("_push") == push.id) & (pl.col("_row") == row)
        kept = context.lake.scan("quarantine", entry.code).filter(~same)
        context.lake.publish("quarantine", entry.code, kept, key=["_push", "_row"])


def record_corrections(context: Context, entry: Entry) -> int:
    """Write down which rows later pushes have brought right, so that it is known for ever; says how many are new.

    Of a snapshot nothing needs to be written: each push replaces all that was refused before it."""
    if entry.delivery.mode is Mode.SNAPSHOT or not context.lake.rows("quarantine", entry.code):
        return 0
    rulings = Rulings(context.home)
    known = {(ruling.push, ruling.row) for ruling in rulings.of(entry.code)}
    closed = states(context, entry).filter(pl.col("closed_by").is_not_null(), state=RowState.CLOSED.value)
    at = datetime.now(UTC)
    found = [
        Ruling(entry.code, push, row, content, RulingKind.CORRECTED, _BY_PUSH, by, at)
        for push, row, content, by in closed.select("_push", "_row", "content", "closed_by").iter_rows()
        if (push, row) not in known
    ]
    rulings.add(found)
    return len(found)


def _derived(context: Context, ledger: Ledger, entry: Entry, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with what follows from the pushes alone."""
    lake, key = context.lake, list(entry.delivery.key)
    applied = [push for push in ledger.history(entry.code) if push.state is PushState.APPLIED]
    newest = pl.col("_push") == (applied[-1].refusals if applied else "")
    if not key:
        return rows.with_columns(
            state=pl.lit(RowState.OPEN.value), since="_received_at", closed_by=pl.lit(None, pl.String)
        )
    accepted = lake.scan("standard", entry.code).select(*key, _later="_received_at", _by="_push")
    read = _with_key(entry, rows).join(accepted, on=key, how="left").sort("_received_at", "_row")
    unread = pl.any_horizontal(pl.col(key).is_null())
    corrected = ~unread & (pl.col("_later") > pl.col("_received_at")).fill_null(value=False)
    # an identical row of the same push was kept: there is nothing to correct
    kept = pl.col("reasons").list.first().struct.field("rule") == DUPLICATE[0]
    if entry.delivery.mode is Mode.SNAPSHOT:
        state = (
            pl.when(newest)
            .then(pl.when(kept).then(pl.lit("closed")).otherwise(pl.lit("open")))
            .when(~unread & newest.any().over(key))
            .then(pl.lit("repeated"))
            .otherwise(pl.lit("closed"))
        )
    else:
        state = (
            pl.when(unread)
            .then(pl.when(newest).then(pl.lit("open")).otherwise(pl.lit("closed")))
            .when(corrected | kept)
            .then(pl.lit("closed"))
            .when(~pl.struct(key).is_last_distinct())
            .then(pl.lit("repeated"))
            .otherwise(pl.lit("open"))
        )
    first = pl.col("_received_at").min().over(key)
    return read.with_columns(
        state.alias("state"),
        pl.when(unread).then("_received_at").otherwise(first).alias("since"),
        pl.when(corrected).then("_by").alias("closed_by"),
    ).drop(*key, *(raw_name(name) for name in key), "_later", "_by")


def _with_key(entry: Entry, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The raw key cells of refused rows as the standard table would hold them."""
    key = entry.delivery.key
    raw = pl.col("key").str.json_decode(pl.Struct(dict.fromkeys(key, pl.String())))
    cells = [raw.struct.field(name).alias(raw_name(name)) for name in key]
    standardise = [expr for expr in compile_entry(entry).standardise if expr.meta.output_name() in key]
    return rows.with_columns(cells).with_columns(standardise)


def _ruled(ledger: Ledger, rulings: Sequence[Ruling], rows: pl.DataFrame) -> pl.DataFrame:
    """The rows' states, where somebody ruled on them."""
    standing = {push.id for push in ledger.in_state(PushState.APPLIED)} if rulings else set[str]()
    by_kind: dict[RulingKind, list[Ruling]] = {kind: [] for kind in RulingKind}
    for ruling in rulings:
        # a correction that was taken back corrects nothing
        if ruling.kind is not RulingKind.CORRECTED or ruling.by in standing:
            by_kind[ruling.kind].append(ruling)
    corrected = [{"_push": r.push, "_row": r.row} for r in by_kind[RulingKind.CORRECTED]]
    places = pl.DataFrame(corrected, schema={"_push": pl.String(), "_row": pl.Int64()}).unique()
    marked = rows.join(places.with_columns(_corrected=True), on=["_push", "_row"], how="left")

    def content_of(kind: RulingKind) -> pl.Expr:
        return pl.col("content").is_in([ruling.content for ruling in by_kind[kind]])

    open_now = pl.col("state") == RowState.OPEN.value
    state = (
        pl.when(open_now & content_of(RulingKind.RELEASED))
        .then(pl.lit(RowState.RELEASED.value))
        .when(open_now & content_of(RulingKind.DISMISSED))
        .then(pl.lit(RowState.DISMISSED.value))
        .when(open_now & pl.col("_corrected").fill_null(value=False))
        .then(pl.lit(RowState.CLOSED.value))
        .otherwise("state")
    )
    return marked.with_columns(state.alias("state")).drop("_corrected")


def _push_of(context: Context, push_id: str) -> tuple[Push, Entry]:
    """The push whose refused rows are meant: those of an identical one stand under the first's id."""
    ledger = open_ledger(context.home)
    push = ledger.get(ledger.get(push_id).refusals)
    return push, context.catalogue.entry(push.resource)


def _ruled_on(
    context: Context, entry: Entry, push: Push, row: int, again: RowState | None = None
) -> dict[str, object]:
    """The quarantined row, where it may be ruled on; raises :class:`RulingError`."""
    has = context.lake.rows("quarantine", entry.code)
    found = states(context, entry).filter(_push=push.id, _row=row).to_dicts() if has else []
    if not found:
        msg = f"推送 {push.id} 的第 {row} 行不在问题数据中 · row {row} of push {push.id} is not in quarantine"
        raise RulingError(msg)
    if found[0]["state"] not in (RowState.OPEN, again):
        state = RowState(found[0]["state"])
        msg = f"该行{state.title}，无需处理 · the row is {state.value}: there is nothing to decide"
        raise RulingError(msg)
    return found[0]


def _released_row(context: Context, entry: Entry, push: Push, row: int) -> pl.DataFrame:
    """The row as standard takes it in; one whose key cannot be read, or that asks for a deletion, is refused."""
    tables = other_tables(context.lake, entry)
    coming = landed_rows(context, push, entry_of(context, push), [row], tables)
    unread = [name for name in entry.delivery.key if coming[name].null_count()]
    if unread:
        titles = "、".join(entry.columns[name].title for name in unread)
        msg = f"主键（{titles}）读不出来，无法放行，请改正后重新推送 · its key cannot be read: have it corrected"
        raise RulingError(msg)
    if coming["_warnings"].list.contains(DELETED).any():
        raise RulingError("该行要求删除，无法放行 · the row asks for a deletion, and is not let in")
    return coming


def _require_place(
    context: Context, entry: Entry, push: Push, found: dict[str, object], coming: pl.DataFrame
) -> None:
    """Refuse a row whose place is taken: by another row of its push, or because it is no row of its own."""
    rules = {reason["rule"] for reason in found["reasons"]}  # type: ignore[attr-defined] # a list of structs
    taken = rules & set(UNRELEASABLE)
    key = list(entry.delivery.key)
    if key and not taken:
        held = context.lake.scan("standard", entry.code).filter(_push=push.id).select(key)
        taken = (
            {"key"} if held.join(coming.lazy().select(key), on=key, how="semi").collect().height else set()
        )
    if taken:
        msg = (
            f"本次推送中另有一行占用该主键，或该行无法读出，不能放行 · another row of push {push.id} has its key, or it "
            "could not be read: it cannot be let in"
        )
        raise RulingError(msg)


def _ruling(push: Push, found: dict[str, object], kind: RulingKind, reason: str, by: str) -> Ruling:
    row, content = int(str(found["_row"])), int(str(found["content"]))
    return Ruling(push.resource, push.id, row, content, kind, reason, by, datetime.now(UTC))
