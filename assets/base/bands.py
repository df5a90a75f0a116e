"""The rows a base database is built from, read once and divided into bands of entities, so that memory is bounded.

Here belong how many bands there are and the dividing: each source's rows are written aside under the band of their entity,
column for column as far as a record needs them. A band is a range of ids, so the tables that are made band by band are in
order of ids. What is made of the rows is ``golden``'s business, what is built at all ``database``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from assets.base.golden import WHOSE, Chosen, needed_columns
from assets.base.identity import known_ids
from assets.build import Context
from assets.ingest.decoding import scratch_folder
from catalog.base_model import Base

#: As many rows of sources make a band: with all that a record needs they take a few hundred MB.
BAND_ROWS = 1_000_000
#: Ids are a letter and hexadecimal digits, evenly spread: the first two digits tell 256 bands apart.
_MOST = 256
_BAND = "band"


def bands(context: Context, base: Base, chosen: Chosen) -> Iterator[Chosen]:
    """The chosen rows, band by band in the order of ids; each band's rows are read from where they lie now, once."""
    if chosen.only is not None:
        yield replace(chosen, held={name: _needed(context, base, chosen, name) for name in base.sources})
        return
    number = _number(context, base)
    if number == 1:
        yield chosen
        return
    with scratch_folder(context.home.work) as folder:
        ids = known_ids(context, base).with_columns(_band(base, number))
        schemas = {name: _divide(context, base, chosen, name, ids, folder / name) for name in base.sources}
        for band in range(number):
            yield replace(chosen, held=_read(folder, schemas, band))


def _number(context: Context, base: Base) -> int:
    rows = sum(context.lake.rows("standard", source.resource) for source in base.sources.values())
    return min(1 << max(-(-rows // BAND_ROWS) - 1, 0).bit_length(), _MOST)


def _band(base: Base, number: int) -> pl.Expr:
    first = pl.col(base.id_column).str.slice(1, 2).str.to_integer(base=16, dtype=pl.Int32)
    return (first * number // _MOST).alias(_BAND)


def _needed(context: Context, base: Base, chosen: Chosen, name: str) -> pl.LazyFrame:
    """A source's rows of a few entities, in memory: they are asked for several times."""
    rows = chosen.rows(context, base, name).select(needed_columns(base, name))
    return rows.collect(engine="streaming").lazy()


def _divide(
    context: Context, base: Base, chosen: Chosen, name: str, ids: pl.LazyFrame, folder: Path
) -> pl.Schema:
    """Write a source's rows aside, a folder for each band; what they have in it."""
    rows = chosen.rows(context, base, name).select(needed_columns(base, name))
    banded = rows.join(ids.select(pl.col(base.identifier).alias(WHOSE), _BAND), on=WHOSE)
    # whole rows are read again soon and by nobody else: neither small nor lasting
    target = pl.PartitionBy(folder, key=_BAND, include_key=False, approximate_bytes_per_file=None)
    banded.sink_parquet(target, compression="lz4", statistics=False, mkdir=True)
    return rows.collect_schema()


def _read(folder: Path, schemas: Mapping[str, pl.Schema], band: int) -> dict[str, pl.LazyFrame]:
    found = {}
    for name, schema in schemas.items():
        files = sorted((folder / name / f"{_BAND}={band}").glob("*.parquet"))
        found[name] = pl.scan_parquet(files, schema=schema) if files else pl.LazyFrame(schema=schema)
    return found
