"""A worklist of refused rows that comes back corrected: which row each of its rows corrects.

Here belongs the closing of rows by their number in the worklist. A row whose key itself was wrong cannot be known by its
key when it is right; the number says which it was. All else about a returned worklist is as of any push.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.build import Context
from assets.ingest.readers import RETURNED
from assets.surroundings import content_hash
from lake.ledger import Push
from lake.rulings import Ruling, RulingKind, Rulings

_BY_WORKLIST = "改正后的问题数据清单已入库 · corrected in a worklist that came back"


def returned_rows(raw: pl.LazyFrame, accepted: Path) -> list[str]:
    """The numbers of the refused rows that accepted rows of this push correct; none where it is no worklist."""
    if RETURNED not in raw.collect_schema().names():
        return []
    numbers = raw.select("_row", RETURNED).join(
        pl.scan_parquet(accepted).select("_row"), on="_row", how="semi"
    )
    return numbers.select(RETURNED).drop_nulls().collect().to_series().to_list()


def record_returned(context: Context, push: Push, numbers: Sequence[str]) -> None:
    """Write down that the push corrected these rows of its own resource; recording it again adds nothing."""
    parted = [number.strip().rpartition(":") for number in numbers]
    named = [{"_push": of, "_row": int(row)} for of, _, row in parted if row.isascii() and row.isdigit()]
    if not named or not context.lake.rows("quarantine", push.resource):
        return
    rulings = Rulings(context.home)
    known = {(each.push, each.row) for each in rulings.of(push.resource) if each.by == push.id}
    wanted = pl.LazyFrame(named, schema={"_push": pl.String(), "_row": pl.Int64()}).unique()
    rows = context.lake.scan("quarantine", push.resource).join(wanted, on=["_push", "_row"], how="semi")
    found = rows.select("_push", "_row", content_hash()).collect().rows()
    at = datetime.now(UTC)
    rulings.add(
        [
            Ruling(push.resource, of, row, content, RulingKind.CORRECTED, _BY_WORKLIST, push.id, at)
            for of, row, content in found
            if (of, row) not in known
        ]
    )
