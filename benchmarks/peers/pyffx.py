"""pyffx: FFX over HMAC-SHA-1, one call for each value."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyffx

SAMPLE = 20_000


def encrypt(folder: Path) -> None:
    """The seventeen digits of each id."""
    cipher = pyffx.Integer(bytes(range(32)), length=17)
    for value in pl.read_parquet(folder / "ids.parquet", n_rows=SAMPLE)["id"]:
        cipher.encrypt(int(value[:17]))
