"""The answers beside the demo city: who is who, what is dirty, what the pipeline should find. Never read by it.

Here belongs the writing of truth tables, which only tests and people read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from demo.city import City
from demo.exports import Delivery


def write(city: City, sent: Sequence[Delivery], folder: Path) -> pl.DataFrame:
    """Write ``people``, ``moves``, ``organisations``, ``successions``, ``licences``, ``dirt`` and ``expected`` as Parquet; returns
    ``expected``: for each resource the rows delivered, and how many of them must be quarantined."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = _expected(sent)
    tables = {
        "people": city.people,
        "moves": city.moves,
        "organisations": city.organisations,
        "successions": city.successions,
        "licences": city.licences,
        "dirt": pl.concat(
            delivery.soiled.log.with_columns(pl.lit(delivery.resource).alias("resource")) for delivery in sent
        ),
        "expected": expected,
    }
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return expected


def _expected(sent: Sequence[Delivery]) -> pl.DataFrame:
    rows = [
        (
            delivery.resource,
            len(delivery.soiled.rows),
            delivery.soiled.log.filter("rejected")["row"].n_unique(),
        )
        for delivery in sent
    ]
    frame = pl.DataFrame(rows, schema=["resource", "delivered", "quarantined"], orient="row")
    return frame.group_by("resource", maintain_order=True).sum()
