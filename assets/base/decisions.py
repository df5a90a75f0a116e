"""What stewards decide about who is who: the words they may use, and the reading of what they said.

Here belongs what the two kinds of decision share, on a row and an entity (``linkage_residue``) and on two entities
(``identity``). Decisions are only ever appended to; of several on one matter the last counts.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from assets.build import Context
from catalog.errors import MendableError


class Verdict(StrEnum):
    """What a steward decided."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


class DecisionError(MendableError, ValueError):
    """A decision names nothing that there is, or is none."""


def stated(context: Context, name: str, schema: pl.Schema) -> pl.LazyFrame:
    """A ledger of the base layer, or an empty frame of its shape where nothing was ever written into it."""
    exists = context.lake.exists("base", name)
    return context.lake.scan("base", name) if exists else pl.LazyFrame(schema=schema)
