"""landing → standard and quarantine: apply a push exactly once, and account for every row of it.

Here belongs the order of the steps, and what a push means for the rows already held (snapshot, upsert, append).
How a file is read is in ``ingest``; what makes a row good is in ``quality``; how a table is written is in
``lake.tables``. Each step can be killed at any point and run again: the push id is in the Delta commits, and is
looked for before anything is written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from assets.build import Context
from assets.ingest.decoding import scratch_folder
from assets.ingest.operations import DELETED, prepared
from assets.ingest.readers import Reading, UnreadableError, read
from assets.out_of_order import overtaken
from assets.repetition import Said, remarks, repeated_push
from assets.returned import record_returned, returned_rows
from assets.surroundings import Surroundings, content_hash, surroundings
from catalog.model import Entry, Mode, Severity, Title, Way
from lake.entries import Entries, under
from lake.hashes import ROW_HASH, row_hash
from lake.landing import EMPTY, format_of, landed_file
from lake.ledger import Ledger, Push, PushState, new_push_id, open_ledger
from lake.locks import writing
from lake.parts import LEVEL, describe_part, new_part
from lake.tables import Commit, Lake
from lake.upkeep import shorten_log
from quality.evidence import Finding
from quality.plan import Plan, content_schema
from quality.score import MET
from quality.sets import findings, questions
from quality.split import REASONS, let_in, split, whole_row

DUPLICATE = (
    "row.duplicate",
    "与本次推送中的另一行完全相同，已保留其中一行",
    "identical to another row of this push, one of which was kept",
)
SUPERSEDED = (
    "key.superseded",
    "与本次推送中后面的一行主键相同，已保留后一行",
    "a later row of this push has the same key and was kept",
)
NO_ZERO_REPORT = Title(
    zh="文件只有表头，没有数据行；按目录规定，该资源不接受零报告，请核对导出后重新推送",
    en="a header and no rows, and the entry accepts no zero report: check the export and push again",
)
#: What citylake adds to the entry's columns in a standard table, in this order.
SYSTEM_SCHEMA = pl.Schema(
    {
        "_push": pl.String(),
        "_row": pl.Int64(),
        "_data_date": pl.Date(),
        "_received_at": pl.Datetime("us", "UTC"),
        "_row_hash": pl.Int64(),
        "_warnings": pl.List(pl.String()),
    }
)
QUARANTINE_SCHEMA = pl.Schema(
    {
        "_row": pl.Int64(),
        "key": pl.String(),
        "cells": pl.String(),
        "reasons": REASONS,
        "_push": pl.String(),
        "_data_date": pl.Date(),
        "_received_at": pl.Datetime("us", "UTC"),
    }
)


class ConservationError(RuntimeError):
    """Rows in is not rows out. A bug of ours, never of the push: nothing of it has been committed."""

    def __init__(self, push: Push, total: int, accepted: int, rejected: int) -> None:
        super().__init__(
            f"push {push.id} of {push.resource} has {total} rows, but {accepted} + {rejected} came out; nothing was "
            "written. Keep the landing file and report this."
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one push: its state, row counts, failures by rule, the standard table's commit, and the earlier
    push that said all of it already."""

    push: Push
    state: PushState
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    commit: Commit | None = None
    reason: Title | None = None
    notes: tuple[str, ...] = ()
    same_as: str | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True)
class _Staged:
    """A judged push on disk, not yet visible: one Parquet part for each of the two tables, and the counts."""

    accepted: Path
    rejected: Path
    rows: int
    kept: int
    refused: int
    failures: dict[str, int]
    findings: Mapping[str, Finding]

    def discard(self) -> None:
        self.accepted.unlink(missing_ok=True)
        self.rejected.unlink(missing_ok=True)


def make_tables(context: Context, entry: Entry) -> None:
    """Make the resource's two tables, empty, where they do not exist: one that never pushed can still be asked."""
    title = f"{entry.title.zh} · {entry.title.en}"
    context.lake.create("standard", entry.code, pl.Schema({**content_schema(entry), **SYSTEM_SCHEMA}), title)
    context.lake.create("quarantine", entry.code, QUARANTINE_SCHEMA, title)


def apply_waiting(context: Context, resource: str) -> list[Outcome]:
    """Apply every push of the resource that waits, in the order received; one push's fault never stops the next."""
    ledger = open_ledger(context.home)
    with writing(context.home, f"standard.{resource}"):
        return [apply(context, ledger, push) for push in ledger.waiting(resource)]


def apply(context: Context, ledger: Ledger, push: Push) -> Outcome:
    """Apply one push: refused, held, or split into standard and quarantine; settles it in the ledger.

    The caller holds the resource's lock. Raises :class:`ConservationError` and what storage raises, never for
    what is in the file.
    """
    entries = Entries(context.home, context.lake)
    # killed between the commits of the two tables, it is finished by the entry under which it was begun
    entry = entries.begun(push) or context.catalogue.entry(push.resource)
    digest = entries.keep(entry)
    with scratch_folder(context.home.work) as work:
        try:
            reading = read(landed_file(context.home, push), entry, work=work)
        except UnreadableError as refusal:
            outcome = Outcome(push, PushState.REFUSED, reason=refusal.reason)
        else:
            outcome = _apply_reading(context, ledger, push, entry, reading)
            outcome = replace(outcome, notes=(*remarks(outcome.same_as), *reading.notes))
    ledger.settle(
        push.id,
        outcome.state,
        rows=outcome.rows,
        accepted=outcome.accepted,
        rejected=outcome.rejected,
        version=outcome.commit.version if outcome.commit else None,
        reason=outcome.reason,
        failures=outcome.failures,
        notes=outcome.notes,
        same_as=outcome.same_as,
        findings={code: vars(finding) for code, finding in outcome.findings.items()},
        read_under=(entry.version, digest),
    )
    for layer in ("standard", "quarantine"):
        shorten_log(context.lake.path(layer, push.resource))
    return outcome


def _apply_reading(context: Context, ledger: Ledger, push: Push, entry: Entry, reading: Reading) -> Outcome:
    lake = context.lake
    raw, plan = prepared(entry, reading.frame)
    staged = _stage(lake, push, entry, plan, raw, surroundings(context, ledger, push, entry))
    newer = ledger.applied_after(push)
    said = Said(staged.rows, staged.kept, staged.refused, staged.accepted, staged.rejected)
    twin = repeated_push(context, ledger, push, entry, reading.frame, said)
    # what has been let in once, and is what stands, cannot do harm by being sent again
    let_in = twin is not None or ledger.hold_accepted(push.id)
    judged = _judged(lake, push, plan, staged, newer, let_in=let_in)
    if judged.state is not PushState.APPLIED:
        staged.discard()
        return judged
    corrected = returned_rows(raw, staged.accepted)
    commit = _write(context, push, entry, staged, newer, refusals=twin is None)
    record_returned(context, push, corrected)
    return replace(judged, commit=commit, same_as=twin.refusals if twin else None)


def _judged(
    lake: Lake, push: Push, plan: Plan, staged: _Staged, newer: Sequence[Push], *, let_in: bool
) -> Outcome:
    """What is to become of a staged push: nothing has been written yet."""
    counts = (staged.rows, staged.kept, staged.refused, staged.failures)
    judged = Outcome(push, PushState.APPLIED, *counts, findings=staged.findings)
    if not staged.rows and not plan.entry.delivery.empty_ok:
        return replace(judged, state=PushState.REFUSED, reason=NO_ZERO_REPORT)
    reason = None if let_in else _hold_reason(lake, plan, staged, newer)
    return replace(judged, state=PushState.HELD, reason=reason) if reason else judged


@dataclass(frozen=True)
class Rehearsal:
    """What would become of a file were it pushed now: the outcome, the reader's remarks (new columns among them), and
    of the rows that would go to quarantine the first, each with its reasons."""

    outcome: Outcome
    notes: tuple[str, ...] = ()
    refused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE_SCHEMA))


#: So many refused rows are shown of a rehearsal.
SHOWN_ROWS = 1_000


def rehearse(context: Context, entry: Entry, path: Path, data_date: date) -> Rehearsal:
    """Judge a file as if it were pushed now for a date (试推): all checks against what is held, and nothing is kept."""
    push = _unregistered(entry, path, data_date)
    if not path.stat().st_size:
        return Rehearsal(Outcome(push, PushState.REFUSED, reason=EMPTY))
    with scratch_folder(context.home.work) as work:
        try:
            reading = read(path, entry, work=work)
        except UnreadableError as refusal:
            return Rehearsal(Outcome(push, PushState.REFUSED, reason=refusal.reason))
        raw, plan = prepared(entry, reading.frame)
        ledger = open_ledger(context.home)
        around = surroundings(context, ledger, push, entry)
        staged = _stage(Lake(work / "lake"), push, entry, plan, raw, around)
        outcome = _judged(context.lake, push, plan, staged, ledger.applied_after(push), let_in=False)
        refused = pl.scan_parquet(staged.rejected).sort("_row").head(SHOWN_ROWS).collect()
        return Rehearsal(outcome, reading.notes, refused)


def _unregistered(entry: Entry, path: Path, data_date: date) -> Push:
    """A push that no ledger knows yet: it comes after all that are there."""
    return Push(
        id=new_push_id(),
        resource=entry.code,
        department=entry.department,
        way=Way.FILE,
        filename=path.name,
        format=format_of(path.name),
        size=path.stat().st_size,
        digest="",
        data_date=data_date,
        received_at=datetime.now(UTC),
        entry_version=entry.version,
        sequence=sys.maxsize,
    )


def reapply(context: Context, push: Push, entry: Entry, around: Surroundings, *, refusals: bool) -> Commit:
    """Apply a push once more as it was decided: nothing is held, nothing settled, and its refused rows are left out
    where they stand under an earlier push. For a lake that is built anew from landing, in the order of data dates;
    ``around`` says what of the city its rules ask."""
    with scratch_folder(context.home.work) as work:
        reading = read(landed_file(context.home, push), entry, work=work)
        raw, plan = prepared(entry, reading.frame)
        staged = _stage(context.lake, push, entry, plan, raw, around, whole=False)
        return _write(context, push, entry, staged, newer=(), refusals=refusals)


def landed_rows(
    context: Context,
    push: Push,
    entry: Entry,
    rows: Sequence[int] | None,
    tables: Mapping[str, pl.LazyFrame],
) -> pl.DataFrame:
    """Some rows of a push (None: all) as the standard table would hold them, whatever rules they fail."""
    with scratch_folder(context.home.work) as work:
        raw, plan = prepared(entry, read(landed_file(context.home, push), entry, work=work).frame)
        asked = raw if rows is None else raw.filter(pl.col("_row").is_in(list(rows)))
        chosen = let_in(asked, plan, tables)
        return _with_provenance(chosen, push, entry).collect()


def landed_cells(context: Context, push: Push, entry: Entry) -> pl.Series:
    """The cells of each row of a push, as quarantine would hold them."""
    with scratch_folder(context.home.work) as work:
        raw, plan = prepared(entry, read(landed_file(context.home, push), entry, work=work).frame)
        return whole_row(raw, plan, *DUPLICATE).select("cells").collect().to_series()


def _write(
    context: Context, push: Push, entry: Entry, staged: _Staged, newer: Sequence[Push], *, refusals: bool
) -> Commit:
    """Quarantine first: a push of which it lacks rows is not yet applied, and is written again after a crash.

    ``refusals`` is false where the refused rows stand there already, under an earlier push."""
    quarantined = describe_part(staged.rejected)
    if quarantined.rows and refusals:
        schema = pl.Schema(pl.read_parquet_schema(staged.rejected))
        context.lake.append_part(
            "quarantine", entry.code, quarantined, schema, transaction=push.id, under=under(entry)
        )
    else:
        staged.rejected.unlink()
    return _merge(context, push, entry, staged.accepted, newer)


def _stage(
    lake: Lake,
    push: Push,
    entry: Entry,
    plan: Plan,
    raw: pl.LazyFrame,
    around: Surroundings,
    *,
    whole: bool = True,
) -> _Staged:
    """One streaming pass writes both parts and counts; a second, on few rows, only where keys repeat. ``whole``: the
    rules over the push as a whole are judged, too."""
    asked = questions(plan, around.before) if whole else []
    parts = split(raw, plan, tables=around.tables, asked=asked)
    good, bad = (new_part(lake.path(layer, entry.code)) for layer in ("standard", "quarantine"))
    _, _, counted, met, *answers = pl.collect_all(
        [
            _sunk(_with_provenance(parts.accepted, push, entry), good),
            _sunk(_stamped(parts.rejected, push), bad),
            parts.counts,
            parts.met,
            *([parts.sets] if asked else []),
        ],
        engine="streaming",
    )
    counts = {name: int(value or 0) for name, value in counted.row(0, named=True).items()}
    rows = counts.pop("total")
    kept, refused = describe_part(good).rows, describe_part(bad).rows
    if rows != kept + refused or (counts.pop("accepted"), counts.pop("rejected")) != (kept, refused):
        good.unlink()
        bad.unlink()
        raise ConservationError(push, rows, kept, refused)
    answered = answers[0].row(0, named=True) if answers else {}
    found = findings(plan, asked, answered, around.tables, rows) if whole else {}
    found |= {MET: Finding(met=True, metrics=met.row(0, named=True) if rows else {})}
    staged = _Staged(good, bad, rows, kept, refused, counts, found)
    staged = _with_released(lake, push, entry, plan, raw, around, staged)
    return _without_repeated_keys(lake, push, entry, plan, raw, staged)


def _with_released(
    lake: Lake,
    push: Push,
    entry: Entry,
    plan: Plan,
    raw: pl.LazyFrame,
    around: Surroundings,
    staged: _Staged,
) -> _Staged:
    """Of the refused rows those that a steward has released go to the accepted ones: a second pass, over few rows."""
    if not around.released or not staged.refused:
        return staged
    refused = pl.scan_parquet(staged.rejected)
    released = refused.filter(content_hash().is_in(list(around.released))).select("_row").collect()
    if released.is_empty():
        return staged
    out = pl.col("_row").is_in(released["_row"].implode())
    coming = _with_provenance(let_in(raw.filter(out), plan, around.tables), push, entry)
    good, bad = (new_part(lake.path(layer, entry.code)) for layer in ("standard", "quarantine"))
    accepted = pl.concat([pl.scan_parquet(staged.accepted), coming])
    accepted.sink_parquet(good, sync_on_close="all")
    refused.filter(~out).sink_parquet(bad, sync_on_close="all")
    staged.discard()
    kept, left = describe_part(good).rows, describe_part(bad).rows
    if staged.rows != kept + left:
        raise ConservationError(push, staged.rows, kept, left)
    return replace(staged, accepted=good, rejected=bad, kept=kept, refused=left)


def _sunk(rows: pl.LazyFrame, part: Path) -> pl.LazyFrame:
    """The writing of a part."""
    return rows.sink_parquet(part, compression_level=LEVEL, lazy=True, sync_on_close="all")


def _without_repeated_keys(
    lake: Lake, push: Push, entry: Entry, plan: Plan, raw: pl.LazyFrame, staged: _Staged
) -> _Staged:
    """Of rows with one key keep one: the last content, at its first place. The others go to quarantine, whole."""
    key = _key(entry)
    if staged.kept == 0:
        return staged
    keys = pl.scan_parquet(staged.accepted).select(list(dict.fromkeys([*key, "_row", ROW_HASH])))
    repeated = keys.filter(pl.len().over(key) > 1).collect() if _has_repeats(keys, key) else pl.DataFrame()
    if repeated.is_empty():
        return staged
    winner = pl.col(ROW_HASH).sort_by("_row").last().over(key)
    stays = pl.col("_row") == pl.col("_row").filter(pl.col(ROW_HASH) == winner).min().over(key)
    losers = repeated.filter(~stays.fill_null(value=False)).join(
        repeated.select("_row", won=pl.col(ROW_HASH) == winner), on="_row"
    )
    duplicates = losers.filter("won")["_row"]
    superseded = losers.filter(~pl.col("won"))["_row"]
    good, bad = (new_part(lake.path(layer, entry.code)) for layer in ("standard", "quarantine"))
    out = losers["_row"].implode()
    pl.scan_parquet(staged.accepted).filter(~pl.col("_row").is_in(out)).sink_parquet(
        good, sync_on_close="all"
    )
    pl.concat(
        [
            pl.scan_parquet(staged.rejected),
            *(
                _stamped(whole_row(raw.filter(pl.col("_row").is_in(rows.implode())), plan, *why), push)
                for rows, why in ((duplicates, DUPLICATE), (superseded, SUPERSEDED))
                if len(rows)
            ),
        ]
    ).sink_parquet(bad, sync_on_close="all")
    staged.discard()
    kept, refused = describe_part(good).rows, describe_part(bad).rows
    if staged.rows != kept + refused:
        raise ConservationError(push, staged.rows, kept, refused)
    failures = staged.failures | {DUPLICATE[0]: len(duplicates), SUPERSEDED[0]: len(superseded)}
    return _Staged(good, bad, staged.rows, kept, refused, failures, staged.findings)


def _key(entry: Entry) -> list[str]:
    """What tells one row from another: the entry's key; without one (append only) the whole content, by its hash, so
    that what is sent twice is there once."""
    return list(entry.delivery.key) or [ROW_HASH]


def _has_repeats(keys: pl.LazyFrame, key: Sequence[str]) -> bool:
    """Whether keys may repeat: as many hashes as rows are as many keys, and counting them takes a third of the time."""
    whole = pl.struct(key).hash().n_unique()
    seen = keys.select(pl.len().alias("n"), whole.alias("distinct")).collect(engine="streaming")
    return bool(seen["n"][0] != seen["distinct"][0])


def _stamped(rows: pl.LazyFrame, push: Push) -> pl.LazyFrame:
    """The rows with where they came from."""
    return rows.with_columns(
        pl.lit(push.id).alias("_push"),
        pl.lit(push.data_date).alias("_data_date"),
        pl.lit(push.received_at).dt.cast_time_unit("us").alias("_received_at"),
    )


def _with_provenance(rows: pl.LazyFrame, push: Push, entry: Entry) -> pl.LazyFrame:
    schema = rows.collect_schema()
    content = [name for name in schema.names() if not name.startswith("_")]
    return _stamped(rows, push).select(
        *content,
        "_push",
        "_row",
        "_data_date",
        "_received_at",
        row_hash(content, schema).alias(ROW_HASH),
        "_warnings",
    )


def _hold_reason(lake: Lake, plan: Plan, staged: _Staged, newer: Sequence[Push]) -> Title | None:
    """Why a person must look first: too few rows, too many bad ones, a snapshot that lost too many, or a rule that holds
    the push (or None).

    An old snapshot, overtaken by a newer one, replaces nothing and so can lose nothing."""
    entry = plan.entry
    delivery, volume = entry.delivery, entry.delivery.volume
    if staged.rows < volume.min_rows:
        return Title(
            zh=f"只有 {staged.rows} 行，少于目录规定的 {volume.min_rows} 行，疑似截断；请核实后重新推送，或由数据局确认",
            en=f"{staged.rows} rows, below the entry's minimum of {volume.min_rows}: truncated? Re-push, or have the bureau accept it",
        )
    if staged.rows and staged.refused / staged.rows > delivery.max_reject_share:
        return Title(
            zh=f"{staged.rows} 行中有 {staged.refused} 行不合格，超过 {delivery.max_reject_share:.0%}；请改正后重新推送，或由数据局确认",
            en=f"{staged.refused} of {staged.rows} rows are rejected, over {delivery.max_reject_share:.0%}: correct and re-push",
        )
    replaces = delivery.mode is Mode.SNAPSHOT and not newer
    held = lake.rows("standard", entry.code) if replaces else 0
    if held and staged.kept < held * (1 - volume.max_shrink):
        return Title(
            zh=f"合格行由 {held} 减至 {staged.kept}，减少超过 {volume.max_shrink:.0%}；请核实后重新推送，或由数据局确认",
            en=f"rows fall from {held} to {staged.kept}, more than {volume.max_shrink:.0%}: re-push, or have the bureau accept it",
        )
    return _rule_reason(plan, staged.findings)


def _rule_reason(plan: Plan, found: Mapping[str, Finding]) -> Title | None:
    """What the rules that hold a push and are not met say."""
    holding = [rule for rule in (*plan.rules, *plan.sets) if rule.severity is Severity.HOLD]
    broken = [rule.reason for rule in holding if rule.code in found and found[rule.code].met is False]
    if not broken:
        return None
    return Title(
        zh=f"{'；'.join(reason.zh for reason in broken)}。请核实后重新推送，或由数据局确认",
        en=f"{'; '.join(reason.en for reason in broken)}. Check and re-push, or have the bureau accept it",
    )


def _merge(context: Context, push: Push, entry: Entry, accepted: Path, newer: Sequence[Push]) -> Commit:
    """Bring the accepted rows into the standard table, as the entry's mode says."""
    lake, mode, key = context.lake, entry.delivery.mode, _key(entry)
    table = lake.current("standard", entry.code)
    held, part = int(table.count()) if table else 0, describe_part(accepted)
    # a newer snapshot is already the whole truth: an older one is kept in landing and changes nothing
    replaced = newer and mode is Mode.SNAPSHOT
    if replaced or not (held or part.rows):
        accepted.unlink()
        return Commit(table.version() if table else 0, held, changed=False)
    if not held and not entry.delivery.operation:
        schema = pl.Schema(pl.read_parquet_schema(accepted))
        return lake.append_part(
            "standard", entry.code, part, schema, transaction=push.id, under=under(entry), table=table
        )
    rows = pl.read_parquet(accepted)
    if newer and entry.delivery.key:
        rows = rows.join(overtaken(context, newer, entry), on=key, how="anti")
    gone = (
        lake.scan("standard", entry.code).select(key).collect().join(rows.select(key), on=key, how="anti")
        if mode is Mode.SNAPSHOT
        else None
    )
    if entry.delivery.operation:
        deletes = pl.col("_warnings").list.contains(DELETED)
        gone, rows = rows.filter(deletes).select(key), rows.filter(~deletes)
    commit = lake.change(
        "standard",
        entry.code,
        rows,
        key=key,
        delete=gone,
        transaction=push.id,
        under=under(entry),
        table=table,
    )
    accepted.unlink()
    return commit
