"""dlt: the pushed CSV through Arrow into a Delta table on disk.

No check is made here, and no cell is standardised or typed: dlt has no quarantine, and the file's bad cells would stop a
conversion. So every column is loaded as text, which is the cheapest that dlt can do, and less than ours does.

There are two ways to it. ``load`` is what dlt's guide tells a user to write: its own reader of CSV files to Arrow.
``load_fed`` leaves that reader out, and feeds dlt with tables that PyArrow reads, the quickest that was found.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # before the import: nothing is to go out

import dlt
import pyarrow as pa
from dlt.common.libs.deltalake import get_delta_tables
from dlt.destinations import filesystem as to_filesystem
from dlt.sources.filesystem import filesystem, read_csv_duckdb
from pyarrow import csv

BLOCK_BYTES = 16 << 20
#: In the file's order. Its headers are Chinese, and dlt's own naming makes an underscore of each such character.
COLUMNS = (
    "payment_no",
    "resident_id",
    "name",
    "sex",
    "birth_date",
    "ethnicity",
    "mobile",
    "address",
    "division_code",
    "benefit",
    "amount",
    "paid_on",
)


def load(folder: Path) -> None:
    """``push.csv`` by dlt's own reader, with its settings as they come: DuckDB reads, Arrow carries."""
    files = filesystem(bucket_url=folder.as_uri(), file_glob="push.csv")
    reader = read_csv_duckdb(use_pyarrow=True, names=list(COLUMNS), skiprows=1, all_varchar=True)
    _loaded(folder, (files | reader).with_name("payments"))


def load_fed(folder: Path) -> None:
    """``push.csv`` as tables that PyArrow reads from it, 16 MB each."""
    _loaded(folder, _tables(folder / "push.csv"))


def _loaded(folder: Path, source: Any) -> None:
    """Extract, normalise and load ``source``; each run with a pipeline and a table of its own."""
    own = Path(tempfile.mkdtemp(dir=folder))
    os.environ |= {"DLT_DATA_DIR": str(own / "data"), "DLT_PROJECT_DIR": str(own)}
    pipeline = dlt.pipeline(
        "push",
        pipelines_dir=str(own / "pipelines"),
        destination=to_filesystem(bucket_url=(own / "tables").as_uri()),
        dataset_name="bench",
    )
    pipeline.run(  # raises where a job failed
        source,
        table_name="payments",
        write_disposition="append",
        table_format="delta",
        loader_file_format="parquet",
    )
    assert get_delta_tables(pipeline, "payments")["payments"].count() == _rows(folder / "push.csv") > 0


def _rows(path: Path) -> int:
    """How many rows the file has: their payment numbers count from nothing, so that its last line tells, in no time."""
    with path.open("rb") as file:
        file.seek(-1024, os.SEEK_END)
        last = file.read().splitlines()[-1]
    return int(last.split(b",")[0].removeprefix(b"QY2025")) + 1


def _tables(path: Path) -> Iterator[pa.Table]:
    reader = csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, column_names=COLUMNS, skip_rows=1),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )
    for batch in reader:
        yield pa.Table.from_batches([batch])
