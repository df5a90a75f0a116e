"""The columns by which a history's states say when they were recorded, and for which days their sources spoke.

Here belong their names and a state's hash. What a state is, is recorded by ``history``; the days are found by ``evidence``.
"""

from __future__ import annotations

import polars as pl

from lake.hashes import ROW_HASH, row_hash

SUFFIX = "_history"
#: When a state was recorded, and when another, or the entity's going, was.
FROM, TO = "recorded_from", "recorded_to"
INSTANT = pl.Datetime("us", "UTC")
#: Of the states of entities: by resource the latest data date of its rows about them, and (``event``)
#: the latest day of what these tell, where its source names one; and, once another state is recorded, of
#: those that said nothing any more, from which day on they were silent. Empty where the entity gave way in a merge.
SAID, SILENT = "said_on", "silent_from"
DAYS = pl.List(pl.Struct({"resource": pl.String(), "day": pl.Date(), "event": pl.Date()}))


def record_columns(schema: pl.Schema) -> list[str]:
    """The columns of a history that are the table's own."""
    return [name for name in schema.names() if name not in {FROM, TO, SAID, SILENT, ROW_HASH}]


def hashed(states: pl.LazyFrame) -> pl.LazyFrame:
    """With a hash of the content and of whether the state is over, but not of when it began or what it rests on."""
    schema = states.collect_schema()
    return states.with_columns(row_hash([*record_columns(schema), TO], schema).alias(ROW_HASH))
