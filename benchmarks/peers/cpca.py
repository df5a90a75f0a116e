"""cpca: province, city, county and what is left of each address, the way its README does it."""

from __future__ import annotations

import warnings
from pathlib import Path

import polars as pl

with warnings.catch_warnings():
    # it still asks for pkg_resources
    warnings.simplefilter("ignore")
    import cpca


def transform(folder: Path) -> None:
    """The province, city and county of each address."""
    written = pl.read_parquet(folder / "addresses.parquet")["written"].to_list()
    found = cpca.transform(written)
    named = {name: found[column].tolist() for name, column in _COLUMNS.items()}
    pl.DataFrame(named, schema=dict.fromkeys(_COLUMNS, pl.String)).write_parquet(folder / "cpca.parquet")


_COLUMNS = {"province": "省", "city": "市", "county": "区", "rest": "地址"}
