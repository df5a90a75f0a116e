"""ff3: FF3-1 over AES, one call for each value."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from ff3 import FF3Cipher

SAMPLE = 20_000


def encrypt(folder: Path) -> None:
    """The seventeen digits of each id."""
    cipher = FF3Cipher(bytes(range(32)).hex(), bytes(range(7)).hex())
    for value in pl.read_parquet(folder / "ids.parquet", n_rows=SAMPLE)["id"]:
        cipher.encrypt(value[:17])
