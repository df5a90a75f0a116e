"""What a push that comes late may not overwrite: the keys that pushes for later dates speak for.

Here belongs the asking of the newer pushes. That a late push leaves those keys alone is ``standard``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assets.build import Context
from assets.ingest.decoding import scratch_folder
from assets.ingest.operations import prepared
from assets.ingest.readers import read
from assets.surroundings import content_hash, released_contents
from catalog.model import Entry
from lake.entries import Entries
from lake.landing import landed_file
from lake.ledger import Push, open_ledger
from quality.plan import Plan, content_schema
from quality.split import let_in, split


def overtaken(context: Context, newer: Sequence[Push], entry: Entry) -> pl.DataFrame:
    """The keys that newer pushes speak for, read from landing again: an older truth never overwrites a newer one.

    The standard table alone cannot tell, since a newer push with equal content leaves no mark in it. This costs a
    reading of the newer pushes, and only a push that arrives out of order pays it."""
    schema = content_schema(entry)
    key = {name: schema[name] for name in entry.delivery.key}
    with scratch_folder(context.home.work) as work:
        keys, entries = [pl.LazyFrame(schema=key)], Entries(context.home, context.lake).of(newer, entry)
        for push in newer:
            as_read = entries[push.id]
            raw, plan = prepared(as_read, read(landed_file(context.home, push), as_read, work=work).frame)
            parts = split(raw, plan)
            said = [parts.accepted, *_let_in_again(context, push, plan, raw, parts.rejected)]
            # a push whose entry had no such key speaks for none of these rows
            keys += [
                rows.select(pl.col(name).cast(dtype, strict=False) for name, dtype in key.items())
                for rows in said
                if set(key) <= set(rows.collect_schema())
            ]
        return pl.concat(keys).unique().collect(engine="streaming")


def _let_in_again(
    context: Context, push: Push, plan: Plan, raw: pl.LazyFrame, rejected: pl.LazyFrame
) -> list[pl.LazyFrame]:
    """The rows of a push that a steward released: they speak for their keys, too."""
    released = released_contents(context, open_ledger(context.home), push)
    if not released:
        return []
    rows = rejected.filter(content_hash().is_in(list(released))).select("_row").collect()["_row"]
    return [let_in(raw.filter(pl.col("_row").is_in(rows.implode())), plan)]
