"""A push that says what an earlier one said already: the same bytes, or the same rows in other bytes.

Here belongs the finding of that earlier push. What is then left out (its refused rows, which stand there already) and what
the receipt says is ``standard``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.build import Context
from assets.ingest.decoding import UnreadableError, scratch_folder
from assets.ingest.readers import read
from catalog.model import Entry, Mode
from lake.hashes import ROW_HASH, fingerprint
from lake.landing import landed_file
from lake.ledger import Ledger, Push


@dataclass(frozen=True)
class Said:
    """What a staged push says: its rows in all, accepted and refused, and where the two parts lie."""

    rows: int
    kept: int
    refused: int
    accepted: Path
    rejected: Path

    def counted_as(self, push: Push) -> bool:
        """Whether an earlier push was judged to have as many rows of each kind."""
        return (push.rows, push.accepted, push.rejected) == (self.rows, self.kept, self.refused)


def repeated_push(
    context: Context, ledger: Ledger, push: Push, entry: Entry, frame: pl.LazyFrame, said: Said
) -> Push | None:
    """The earlier push that said all of it: the one that spoke just before, with the same bytes or the same rows (``frame``)
    in other bytes (a workbook differs each time it is saved); or any with the same bytes, where nothing would change."""
    before = ledger.applied_before(push)
    if before and said.counted_as(before) and _refused_alike(context, before, said):
        # without refused rows there is nothing that could stand twice, and only of a snapshot is it worth a second reading
        worth = said.refused or entry.delivery.mode is Mode.SNAPSHOT
        if before.digest == push.digest or (worth and _same_rows(context, before, entry, frame)):
            return before
    # parts of one date come again one by one, each after all others
    earlier = ledger.same_bytes(push) if said.refused and not entry.delivery.operation else None
    if earlier and said.counted_as(earlier) and _refused_alike(context, earlier, said):
        return earlier if _changes_nothing(context, entry, said) else None
    return None


def _refused_alike(context: Context, before: Push, said: Said) -> bool:
    """Whether the refused rows of an earlier push stand in quarantine just as these would."""
    if not said.refused:
        return True  # the table of refused rows may not be there yet
    held = context.lake.scan("quarantine", before.resource).filter(pl.col("_push") == before.refusals)
    return _refusals(held) == _refusals(pl.scan_parquet(said.rejected))


def _changes_nothing(context: Context, entry: Entry, said: Said) -> bool:
    """Whether the standard table holds all accepted rows as they are, and a snapshot no others."""
    content = list(dict.fromkeys([*entry.delivery.key, ROW_HASH]))
    held = context.lake.scan("standard", entry.code).select(content)
    new = pl.scan_parquet(said.accepted).select(content).join(held, on=content, how="anti")
    if entry.delivery.mode is Mode.SNAPSHOT and context.lake.rows("standard", entry.code) != said.kept:
        return False
    return new.head(1).collect().is_empty()


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
