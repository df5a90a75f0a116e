"""What each department would send: its share of the truth, in its own words and file format, with its own dirt.

Here belongs what is delivered and what is not; the exports stand in ``people``, ``organisations`` and ``land``, one function for
each resource. ``deliveries`` soils their frames, gives them headers and formats, and says how they travel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from catalog.load import Catalogue
from catalog.model import Entry, Way
from demo.city import City
from demo.dirt import Soiled, soil
from demo.exports import land, organisations, people
from demo.exports.sending import WRITERS, Sent

#: Never delivered in the demo: the bureau's page must show a department that does not answer.
MISSING = ("credit_record",)
#: Delivered, but with data of long ago.
STALE = {"public_institution": 400, "low_income_household": 75}
#: Promised for so many days already, unlike all others, which promise from their first push on: what was due meanwhile is late
#: or missed in a demo that has just begun.
PROMISED = {"credit_record": 60, "public_institution": 430, "low_income_household": 130}
#: What a department says to that, for the bureau to decide.
EXCUSES = {"low_income_household": "县级低保系统九月起迁移，名册须人工核对，预计下月补报"}

EXPORTS: Mapping[str, Sent] = {
    sent.resource: sent for sent in (*land.SENT, *people.SENT, *organisations.SENT)
}


@dataclass(frozen=True)
class Delivery:
    """One thing a department sends: a file at ``path``, or rows for its exchange table; and the truth about it."""

    resource: str
    department: str
    way: Way
    data_date: date
    path: Path | None
    table: pl.DataFrame | None
    soiled: Soiled

    @property
    def idempotency_key(self) -> str:
        """What a department's own job would use: the resource, the period, and which export of it this is."""
        export = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16] if self.path else "table"
        return f"{self.resource}-{self.data_date.isoformat()}-{export}"


def deliveries(city: City, catalogue: Catalogue, folder: Path) -> Iterator[Delivery]:
    """Every department's deliveries, files written into ``folder``; pension payments come in three monthly files."""
    folder.mkdir(parents=True, exist_ok=True)
    for code, sent in EXPORTS.items():
        if code in MISSING:
            continue
        entry = catalogue.entry(code)
        frame = sent.export(city)
        days = STALE.get(code, 0)
        parts = (
            frame.partition_by("_part", as_dict=True, include_key=False)
            if "_part" in frame.columns
            else {("",): frame}
        )
        for (part,), rows in sorted(parts.items()):
            soiled = soil(entry, _text(rows), city.rng(f"{code}{part}"))
            yield _delivery(entry, sent, soiled, folder, city.today - timedelta(days=days), str(part))


def _delivery(entry: Entry, sent: Sent, soiled: Soiled, folder: Path, day: date, part: str) -> Delivery:
    if sent.way is Way.TABLE:
        return Delivery(entry.code, entry.department, sent.way, day, None, soiled.rows, soiled)
    # the day it speaks for is in its name: a drop folder has nowhere else to say it
    path = folder / f"{entry.title.zh}{part}_{day:%Y%m%d}{sent.suffix}"
    WRITERS[sent.suffix](soiled.rows, entry, path)
    return Delivery(entry.code, entry.department, sent.way, day, path, None, soiled)


def _text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.all().cast(pl.String))
