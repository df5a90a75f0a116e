"""An analyst's queries through a view, against the same queries on ``read_parquet`` of the same files.

Here belong the table (four Parquet files, in order of payment number), the file of views made by ``assets.analyst``, and
the questions: one that reads few columns of all rows, one that row groups' bounds narrow down to a few rows, one row by
its key. A view must let both kinds of pruning through.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from assets.theme.themes import SETTINGS
from assets.view_file import View, replace_file
from benchmarks.harness import Comparison
from benchmarks.push import blocks
from lake.tables import Lake

ROWS = 2_000_000
TABLE = ("standard", "benefit_payment")
#: Enough rounds that opening the file is not what is measured, though each side does it.
ROUNDS = 15
QUESTIONS = (
    "SELECT division_code, benefit, count(*), sum(amount) FROM {table} GROUP BY ALL ORDER BY ALL",
    "SELECT count(*), avg(amount) FROM {table} WHERE payment_no BETWEEN 'QY2025000900000' AND 'QY2025000930000'",
    "SELECT * FROM {table} WHERE payment_no = 'QY2025001234567'",
)


def prepare(folder: Path) -> None:
    """The table in the lake, and a DuckDB file with one view of it."""
    lake = Lake(folder / "lake")
    for block in blocks(ROWS, 0):
        typed = block.with_columns(
            pl.col("amount").cast(pl.Decimal(18, 2)), pl.col("birth_date", "paid_on").str.to_date()
        )
        lake.append(*TABLE, typed.sort("payment_no"))
    shape = lake.scan(*TABLE).collect_schema()
    view = View(*TABLE, lake.files(*TABLE), shape, "待遇发放信息", {name: name for name in shape})
    replace_file(folder / "analyst.duckdb", [view], folder / "work")


def through_the_view(folder: Path) -> None:
    """As an analyst asks."""
    with duckdb.connect(str(folder / "analyst.duckdb"), read_only=True, config=SETTINGS) as connection:
        _ask(connection, ".".join(TABLE))


def on_the_files(folder: Path) -> None:
    """Without citylake."""
    files = ", ".join(f"'{path}'" for path in Lake(folder / "lake").files(*TABLE))
    with duckdb.connect(config=SETTINGS) as connection:
        _ask(connection, f"read_parquet([{files}])")


def _ask(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    for _ in range(ROUNDS):
        counties, narrowed, one = (
            connection.execute(question.format(table=table)).fetchall() for question in QUESTIONS
        )
        assert len(counties) > 6
        assert narrowed[0][0] == 30_001
        assert len(one) == 1


COMPARISONS = (
    Comparison(
        "analyst", "read_parquet on the same files", 1.1, through_the_view, on_the_files, prepare, runs=5
    ),
)
