"""A file that no entry describes yet: find its header by what headers look like, draft an entry, and try it.

Here belong the telling of headers from data without a catalogue entry, and the trial of the draft on the same file.
What is made of the table is in ``catalog.propose``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.ingest.readers import read, read_table
from catalog.load import Catalogue
from catalog.model import Title
from catalog.propose import Draft, Origin, draft
from quality.plan import compile_entry
from quality.split import PROBLEM, split

_FORMS = {"spreadsheet": "spreadsheet"}
_DATES = re.compile(r"[_-]?\d{8,}|\s*\(\d+\)")
_LONGEST_HEADER = 40
_USUAL_HEADER = 14
_DIGITS = re.compile(r"\d(?!\d*年)")
_DATA = re.compile(r"[-+]?[\d.,:/%\sT-]+|\d{17}[\dXx]|[\d-]+年[\d-]+月([\d-]+日)?")
_LONG_TEXT = re.compile(r"[。；！？]|(:|：).*\d")


class AnyHeader:
    """Looks for whatever does best as a header: many cells that differ, and hold words rather than data."""

    title = Title(zh="待编目", en="a resource to be catalogued")
    coordinate_system = None

    def share(self, headers: Sequence[str | None]) -> float:
        """The number of cells that look like headers, less those that look like data. Long ones and ones with digits
        count half: a row of names and addresses is no better header than one with a blank in it."""
        cells = [cell.strip() for cell in headers if cell and cell.strip()]
        words = {cell for cell in cells if _is_word(cell)}
        doubtful = sum(len(word) > _USUAL_HEADER or bool(_DIGITS.search(word)) for word in words)
        return max(0.0, len(words) - doubtful / 2 - (len(cells) - len(words)))

    def knows(self, header: str) -> bool:
        """No header is known beforehand."""
        return False

    def stacks(self, rows: Sequence[Sequence[str | None]]) -> bool:
        """Only what shows that cells were merged: one that spans the cells right of it, and one those below it."""
        first, *lower = rows
        spans_right = any(not cell and any(row[place] for row in lower) for place, cell in enumerate(first))
        spans_down = any(cell and not any(row[place] for row in lower) for place, cell in enumerate(first))
        return spans_right and spans_down


def _is_word(cell: str) -> bool:
    return len(cell) <= _LONGEST_HEADER and not _DATA.fullmatch(cell) and not _LONG_TEXT.search(cell)


@dataclass(frozen=True)
class Proposal:
    """A draft, and what becomes of its own file under it: rows, those accepted, failures by rule, readers' remarks."""

    draft: Draft
    rows: int
    accepted: int
    failures: Mapping[str, int]
    notes: tuple[str, ...]


def propose(path: Path, catalogue: Catalogue, work: Path, *, code: str, department: str = "") -> Proposal:
    """Draft an entry from a file and read the file through it. Raises
    :class:`~assets.ingest.decoding.UnreadableError`."""
    kind, headers, rows = sample(path, work)
    title = _DATES.sub("", path.name.partition(".")[0]).strip(" _-()（）") or code
    origin = Origin(code, title, "spatial" if "geometry" in headers else _FORMS.get(kind, "file"), department)
    drafted = draft(headers, rows, origin, catalogue)
    return _tried(drafted, path, work)


def code_of(path: Path) -> str:
    """A resource code from a file's name, where that is Latin; else a neutral one."""
    code = re.sub(r"[^a-z0-9]+", "_", path.name.partition(".")[0].lower()).strip("_0123456789")
    return code[:62] if re.fullmatch(r"[a-z][a-z0-9_]+", code) else "new_resource"


def sample(path: Path, work: Path) -> tuple[str, tuple[str, ...], pl.DataFrame]:
    """The file's format, its headers, and its rows as text in as many columns; rows that could not be parsed are left
    out. Raises :class:`~assets.ingest.decoding.UnreadableError`."""
    kind, table = read_table(path, AnyHeader(), work=work)
    frame = table.frame
    if PROBLEM in frame.collect_schema().names():
        frame = frame.filter(pl.col(PROBLEM).is_null())
    columns = [f"c{index}" for index in range(len(table.headers))]
    return kind, table.headers, frame.select(columns).collect(engine="streaming")


def _tried(drafted: Draft, path: Path, work: Path) -> Proposal:
    reading = read(path, drafted.entry, work=work)
    counted = split(reading.frame, compile_entry(drafted.entry)).counts.collect(engine="streaming")
    counts = {name: int(value or 0) for name, value in counted.row(0, named=True).items()}
    rows, accepted, _ = (counts.pop(name) for name in ("total", "accepted", "rejected"))
    failures = {rule: count for rule, count in counts.items() if count}
    return Proposal(drafted, rows, accepted, failures, reading.notes)
