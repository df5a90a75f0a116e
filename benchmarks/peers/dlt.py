"""dlt: the pushed CSV as Arrow tables into a Delta table on disk, the way its guide loads Arrow.

No check is made here, and no cell is standardised or typed: dlt has no quarantine, and the file's bad cells would stop a
conversion. So every column is loaded as text, which is the cheapest that dlt can do, and less than ours does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # before the import: nothing is to go out

import dlt
import pyarrow as pa
from dlt.common.libs.deltalake import get_delta_tables
from dlt.destinations import filesystem
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
    """Extract, normalise and load ``push.csv``; each run with a pipeline and a table of its own."""
    own = Path(tempfile.mkdtemp(dir=folder))
    os.environ |= {"DLT_DATA_DIR": str(own / "data"), "DLT_PROJECT_DIR": str(own)}
    pipeline = dlt.pipeline(
        "push",
        pipelines_dir=str(own / "pipelines"),
        destination=filesystem(bucket_url=(own / "tables").as_uri()),
        dataset_name="bench",
    )
    rows = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal rows
        for batch in _reader(folder / "push.csv"):
            rows += batch.num_rows
            yield pa.Table.from_batches([batch])

    pipeline.run(  # raises where a job failed
        tables(),
        table_name="payments",
        write_disposition="append",
        table_format="delta",
        loader_file_format="parquet",
    )
    assert get_delta_tables(pipeline, "payments")["payments"].count() == rows > 0


def _reader(path: Path) -> csv.CSVStreamingReader:
    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, column_names=COLUMNS, skip_rows=1),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )
