"""Look where departments leave things, and land what is there: drop folders and exchange tables.

Here belongs the going round. A file still being written is left alone; one that is taken moves to ``done/``, one that
is refused to ``refused/`` with the reason beside it. One department's trouble never stops another's delivery.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from assets.ingest.exchange import connect, pull, tables
from catalog.load import Catalogue
from catalog.model import Entry, Title, Way
from lake.home import Home
from lake.landing import CITY_TIME, PushRefusedError, file_chunks, receive
from lake.ledger import Ledger, LedgerError, Push, open_ledger

#: A file younger than this may still be on its way in.
SETTLE_SECONDS = 3.0
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", "~")
DONE, REFUSED = "done", "refused"


@dataclass
class Collected:
    """What one round found: pushes landed, and (file, reason) of what was refused."""

    pushes: list[Push] = field(default_factory=list)
    refusals: list[tuple[str, Title]] = field(default_factory=list)


def today() -> date:
    """The city's date."""
    return datetime.now(CITY_TIME).date()


def collect(home: Home, catalogue: Catalogue, *, settle_seconds: float = SETTLE_SECONDS) -> Collected:
    """Land every finished file of the drop folders, and every exchange table that has changed."""
    ledger, collected = open_ledger(home), Collected()
    for entry in catalogue.entries.values():
        for path in _finished(home.drop / entry.department / entry.code, settle_seconds):
            _take_file(home, ledger, entry, path, collected)
    by_table = [entry for entry in catalogue.entries.values() if Way.TABLE in entry.delivery.ways]
    if by_table and _exchange_in_use(home):
        with connect(home) as connection:
            present = tables(connection)
            for entry in by_table:
                if (entry.department, entry.code) in present:
                    push = pull(home, ledger, entry, connection, today())
                    collected.pushes += [push] if push else []
    return collected


def _exchange_in_use(home: Home) -> bool:
    """The embedded database is started only where someone has written to it, or another one is named."""
    import os

    return bool(os.environ.get("CITYLAKE_EXCHANGE_URL")) or home.exchange.is_dir()


def _finished(folder: Path, settle_seconds: float) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if (
            not path.is_file()
            or path.is_symlink()
            or path.name.startswith(".")
            or path.name.endswith(_UNFINISHED)
        ):
            continue
        if time.time() - path.stat().st_mtime >= settle_seconds:
            yield path


def _take_file(home: Home, ledger: Ledger, entry: Entry, path: Path, collected: Collected) -> None:
    try:
        push = receive(
            home,
            ledger,
            entry,
            file_chunks(path),
            way=Way.FILE,
            filename=path.name,
            data_format=path.suffix.lstrip(".").lower()[:16] or "unknown",
            data_date=today(),
        )
    except (PushRefusedError, LedgerError) as error:
        reason = error.reason if isinstance(error, PushRefusedError) else Title(zh=str(error), en=str(error))
        moved = _move(path, REFUSED)
        moved.with_name(moved.name + ".reason.txt").write_text(
            f"{reason.zh}\n{reason.en}\n", encoding="utf-8"
        )
        collected.refusals.append((path.name, reason))
    else:
        _move(path, DONE, push.id)
        collected.pushes.append(push)


def _move(path: Path, folder: str, prefix: str = "") -> Path:
    target = path.parent / folder / (f"{prefix}-{path.name}" if prefix else f"{time.time_ns()}-{path.name}")
    target.parent.mkdir(exist_ok=True, mode=0o700)
    return path.rename(target)
