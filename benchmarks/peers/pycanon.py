"""pycanon: k, l and t of a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from pycanon import anonymity

SAMPLE = 100_000
QUASI = ["county", "decade", "sex"]
SENSITIVE = ["benefit"]


def measure(folder: Path) -> None:
    """k over all four columns, l and t of the benefit given the others."""
    frame = pl.read_parquet(folder / "groups.parquet", n_rows=SAMPLE).to_pandas()
    assert anonymity.k_anonymity(frame, [*QUASI, *SENSITIVE]) >= 1
    anonymity.l_diversity(frame, QUASI, SENSITIVE)
    anonymity.t_closeness(frame, QUASI, SENSITIVE)
