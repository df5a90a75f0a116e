"""The rows a base database is built from, read once and divided into bands of entities, so that memory is bounded.

Here belong how many bands there are and the dividing: each source's rows are written aside under the band of their entity,
column for column as far as a record needs them. A band is a range of ids, so the tables that are made band by band are in
order of ids. What is made of the rows is ``golden``'s business, what is built at all ``database``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from assets.base.golden import WHOSE, Chosen, needed_columns, telling_seed
from assets.base.identity import known_ids
from assets.build import Context
from assets.ingest.decoding import scratch_folder
from catalog.base_model import Base

#: As many rows of sources make a band: with all that a record needs they take a few hundred MB.
BAND_ROWS = 1_000_000
#: Ids are a letter and hexadecimal digits, evenly spread: the first two digits tell 256 bands apart.
_MOST = 256
_BAND, _NUMBER, _IDS = "band", "number:", "ids:"


def bands(context: Context, base: Base, chosen: Chosen) -> Iterator[Chosen]:
    """The chosen rows, band by band in the order of ids; each band's rows are read from where they lie now, once."""
    number = _number(context, base)
    if chosen.only is not None or number == 1:
        yield chosen
        return
    with scratch_folder(context.home.work) as folder:
        ids = known_ids(context, base).with_columns(_band(base, number)).collect(engine="streaming")
        schemas = _divided(context, base, chosen, ids, folder)
        ids.lazy().sink_parquet(_parted(folder / _IDS), compression="lz4", statistics=False, mkdir=True)
        schemas[_IDS] = ids.drop(_BAND).schema
        del ids
        for band in range(number):
            held = {name: _read(folder / name, schema, band) for name, schema in schemas.items()}
            yield replace(chosen, ids=held.pop(_IDS), held=held)


def _number(context: Context, base: Base) -> int:
    rows = sum(context.lake.rows("standard", source.resource) for source in base.sources.values())
    return min(1 << max(-(-rows // BAND_ROWS) - 1, 0).bit_length(), _MOST)


def _band(base: Base, number: int) -> pl.Expr:
    first = pl.col(base.id_column).str.slice(1, 2).str.to_integer(base=16, dtype=pl.Int32)
    return (first * number // _MOST).alias(_BAND)


def _divided(
    context: Context, base: Base, chosen: Chosen, ids: pl.DataFrame, folder: Path
) -> dict[str, pl.Schema]:
    """Write each source's rows aside, a folder for each band; by source what they have in it."""
    seed = telling_seed(ids[base.identifier])
    band_of = ids.select(pl.col(base.identifier).hash(seed=seed).alias(_NUMBER), _BAND).lazy()
    schemas = {}
    for name in base.sources:
        rows = chosen.rows(context, base, name).select(needed_columns(base, name))
        keyed = rows.with_columns(pl.col(WHOSE).hash(seed=seed).alias(_NUMBER))
        banded = keyed.join(band_of, on=_NUMBER).drop(_NUMBER)
        banded.sink_parquet(_parted(folder / name), compression="lz4", statistics=False, mkdir=True)
        schemas[name] = rows.collect_schema()
    return schemas


def _parted(folder: Path) -> pl.PartitionBy:
    """Files that are read again soon and by nobody else: neither small nor lasting."""
    return pl.PartitionBy(folder, key=_BAND, include_key=False, approximate_bytes_per_file=None)


def _read(folder: Path, schema: pl.Schema, band: int) -> pl.LazyFrame:
    files = sorted((folder / f"{_BAND}={band}").glob("*.parquet"))
    return pl.scan_parquet(files, schema=schema) if files else pl.LazyFrame(schema=schema)
