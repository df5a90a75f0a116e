"""What a push is judged against beside itself: other resources' tables, the resource as it was before, stewards' releases.

Here belongs the gathering from lake and ledger, no more of it than the entry's rules ask for. What is made of it is
``quality``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from assets.build import Context
from catalog.model import Entry
from lake.hashes import row_hash
from lake.ledger import Ledger, Push
from lake.rulings import RulingKind, Rulings
from lake.tables import Lake
from quality.changes import CHANGES, Before
from quality.plan import asked_resources


@dataclass(frozen=True)
class Surroundings:
    """The tables that rules between tables ask (those that hold rows), what changes are measured from, and the contents of
    rows that a steward lets in although they fail."""

    tables: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    before: Before = field(default_factory=Before)
    released: frozenset[int] = frozenset()


def content_hash() -> pl.Expr:
    """What a quarantined row says, as a number: the same content of another push has the same."""
    return row_hash(["cells"], pl.Schema({"cells": pl.String()})).alias("content")


def surroundings(context: Context, ledger: Ledger, push: Push, entry: Entry) -> Surroundings:
    """What a push of this entry is judged against now."""
    lake = context.lake
    return Surroundings(
        other_tables(lake, entry),
        _before(lake, ledger, push, entry),
        released_contents(context, ledger, push),
    )


def released_contents(context: Context, ledger: Ledger, push: Push) -> frozenset[int]:
    """Contents that a steward has released in this push or an earlier one: what holds for the row then, holds now."""
    released = [r for r in Rulings(context.home).of(push.resource) if r.kind is RulingKind.RELEASED]
    return frozenset(r.content for r in released if ledger.get(r.push).sequence <= push.sequence)


def other_tables(lake: Lake, entry: Entry) -> dict[str, pl.LazyFrame]:
    """The standard tables that the entry's rules ask. One without rows can tell of nothing that it is not there."""
    held = (code for code in asked_resources(entry) if lake.rows("standard", code))
    return {code: lake.scan("standard", code) for code in held}


def _before(lake: Lake, ledger: Ledger, push: Push, entry: Entry) -> Before:
    if not any(rule.expectation in CHANGES for rule in entry.rules):
        return Before()
    last = ledger.applied_before(push)
    rows = lake.scan("standard", entry.code) if lake.rows("standard", entry.code) else None
    return Before(rows, last.rows if last else None)
