"""``citylake link``: any two files, or one with itself, linked by any model file; pairs of keys written to a third.

Here belongs the reading and writing of the files. How records are compared is in ``assets.base.linkage``; what a
model file may say is in ``catalog.linkage_model``.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.base.linkage import Linked, link
from catalog.errors import MendableError
from catalog.linkage_model import load_model

FORMATS = (".csv", ".parquet")


class LinkedFileError(MendableError, ValueError):
    """A file to link, or to write pairs to, is of no format that is known here."""


def link_files(left: Path, right: Path | None, model: Path, out: Path) -> Linked:
    """Link the records of two files, or of one with itself; writes ``left``, ``right``, ``probability`` and
    ``decision``, best first, and returns what was found."""
    declared = load_model(model)
    _known(out)
    found = link(declared, read_records(left), read_records(right) if right else None)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        found.pairs.write_csv(out)
    else:
        found.pairs.write_parquet(out)
    return found


def read_records(path: Path) -> pl.DataFrame:
    """A CSV (UTF-8 or GB18030) with every cell as text, or a Parquet file."""
    if _known(path) == ".parquet":
        return pl.read_parquet(path)
    frame = pl.read_csv(path, infer_schema=False, encoding=_encoding(path))
    frame = frame.rename({name: name.strip().removeprefix("\ufeff") for name in frame.columns})
    return frame.with_columns(pl.all().str.strip_chars())


def _encoding(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError:
        return "gb18030"
    return "utf8"


def _known(path: Path) -> str:
    if path.suffix not in FORMATS:
        msg = f"{path.name}: name a file that ends in {' or '.join(FORMATS)}"
        raise LinkedFileError(msg)
    return path.suffix
