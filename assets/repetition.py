"""A push that says what an earlier one said already: the same bytes, or the same rows in other bytes.

Here belongs the finding of that earlier push. What is then left out (its refused rows, which stand there already) and what
the receipt says is ``standard``'s business.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.build import Context
from assets.ingest.decoding import UnreadableError, scratch_folder
from assets.ingest.readers import read
from catalog.model import Entry, Mode
from lake.hashes import fingerprint
from lake.landing import landed_file
from lake.ledger import Ledger, Push


def repeated_push(
    context: Context,
    ledger: Ledger,
    push: Push,
    entry: Entry,
    frame: pl.LazyFrame,
    counts: tuple[int, int, int],
    rejected: Path,
) -> Push | None:
    """The push that spoke just before this one, where it brought the same bytes, or the same rows in other bytes (a
    workbook differs each time it is saved), and they were judged alike.

    ``frame`` is what was read, ``counts`` are its rows in all, accepted and refused; the refused ones lie at ``rejected``."""
    before = ledger.applied_before(push)
    if before is None or (before.rows, before.accepted, before.rejected) != counts:
        return None
    refused = counts[2]
    held = context.lake.scan("quarantine", push.resource).filter(pl.col("_push") == before.refusals)
    if refused and _refusals(held) != _refusals(pl.scan_parquet(rejected)):
        return None
    if before.digest == push.digest:
        return before
    # without refused rows there is nothing that could stand twice, and only of a snapshot is it worth a second reading
    worth = refused or entry.delivery.mode is Mode.SNAPSHOT
    return before if worth and _same_rows(context, before, entry, frame) else None


def remarks(twin: str | None) -> tuple[str, ...]:
    """The remark on the receipt of a push that says what an earlier one said."""
    return (f"与推送 {twin} 内容相同 · identical to push {twin}",) if twin else ()


def _same_rows(context: Context, before: Push, entry: Entry, frame: pl.LazyFrame) -> bool:
    """Whether an earlier push, read again, has the same cells in the same rows."""
    with scratch_folder(context.home.work) as work:
        try:
            earlier = read(landed_file(context.home, before), entry, work=work).frame
        except UnreadableError:
            return False
        same_columns = earlier.collect_schema() == frame.collect_schema()
        return same_columns and fingerprint(earlier) == fingerprint(frame)


def _refusals(rows: pl.LazyFrame) -> tuple[int, int, int]:
    """What quarantined rows say, whichever push they came with."""
    return fingerprint(rows.select("_row", "key", "cells", "reasons"))
