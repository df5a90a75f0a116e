"""Look where departments leave things, and land what is there: drop folders and exchange tables.

Here belongs the going round. A file still being written is left alone; one that is taken moves to ``done/``, one that
is refused to ``refused/`` with the reason beside it. One department's trouble never stops another's delivery.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from assets.ingest.databases import Database, ExchangeError, connected
from assets.ingest.exchange import in_use, pull, urls
from catalog.load import Catalogue
from catalog.model import Entry, Title, Way
from lake.home import Home
from lake.landing import PurgedError, PushRefusedError, file_chunks, format_of, receive
from lake.ledger import Ledger, LedgerError, Push, open_ledger
from quality.clock import today

#: A file younger than this may still be on its way in.
SETTLE_SECONDS = 3.0
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", "~")
_DATE = re.compile(r"(?<!\d)(20\d{2})(?:[-_.]?(\d{2})[-_.]?(\d{2}))(?!\d)")
DONE, REFUSED = "done", "refused"
_MISPLACED = Title(
    zh="文件夹名不是目录中的“部门/数据资源”，请放到 drop/<部门代码>/<资源代码>/ 下",
    en="the folder is no department's resource: put the file under drop/<department>/<resource>/",
)
_TWICE = Title(
    zh="这张表在两个前置交换库中都有，只读取了第一个；请删除其中一个",
    en="this table stands in two exchange databases, and only the first was read: remove one of them",
)


@dataclass
class Collected:
    """What one round found: pushes landed, and (file, reason) of what was refused."""

    pushes: list[Push] = field(default_factory=list)
    refusals: list[tuple[str, Title]] = field(default_factory=list)


def collect(home: Home, catalogue: Catalogue, *, settle_seconds: float = SETTLE_SECONDS) -> Collected:
    """Land every finished file of the drop folders, and every exchange table that has changed."""
    ledger, collected = open_ledger(home), Collected()
    _collect_files(home, ledger, catalogue, collected, settle_seconds)
    _collect_tables(home, ledger, catalogue, collected)
    return collected


def _collect_files(
    home: Home, ledger: Ledger, catalogue: Catalogue, collected: Collected, settle_seconds: float
) -> None:
    for folder in sorted(home.drop.glob("*/*/")):
        entry = catalogue.entries.get(folder.name)
        if entry and entry.department != folder.parent.name:
            entry = None
        for path in _finished(folder, settle_seconds):
            if entry:
                _take_file(home, ledger, entry, path, collected)
            else:
                _refuse_file(path, _MISPLACED, collected)


def _collect_tables(home: Home, ledger: Ledger, catalogue: Catalogue, collected: Collected) -> None:
    wanted = {
        (entry.department, entry.code): entry
        for entry in catalogue.entries.values()
        if Way.TABLE in entry.delivery.ways
    }
    if not wanted or not in_use(home):
        return
    departments, seen = {department for department, _ in wanted}, set[tuple[str, str]]()
    for url in urls(home):
        try:
            with connected(url) as database:
                for place in sorted(database.tables(departments) & wanted.keys()):
                    if place in seen:
                        collected.refusals.append((".".join(place), _TWICE))
                        continue
                    seen.add(place)
                    _take_table(home, ledger, wanted[place], database, collected)
        except ExchangeError as error:
            collected.refusals.append(("exchange", error.reason))


def _take_table(home: Home, ledger: Ledger, entry: Entry, database: Database, collected: Collected) -> None:
    try:
        push = pull(home, ledger, entry, database, today())
    except (ExchangeError, PurgedError) as error:
        collected.refusals.append((f"{entry.department}.{entry.code}", error.reason))
    else:
        collected.pushes += [push] if push else []


def _finished(folder: Path, settle_seconds: float) -> Iterator[Path]:
    """Files that nobody has touched for a while. The time of change counts too: a copy may set the time of writing."""
    for path in sorted(folder.iterdir()):
        if (
            path.name.startswith(".")
            or path.name.endswith(_UNFINISHED)
            or path.is_symlink()
            or not path.is_file()
        ):
            continue
        stat = path.stat()
        if time.time() - max(stat.st_mtime, stat.st_ctime) >= settle_seconds:
            yield path


def data_date_of(filename: str) -> date:
    """The date in a file's name (``人口_20240630.csv``, ``marriage-2024-06-30.csv``), else the city's today."""
    for year, month, day in _DATE.findall(filename):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if found <= today():
            return found
    return today()


def _take_file(home: Home, ledger: Ledger, entry: Entry, path: Path, collected: Collected) -> None:
    before = path.stat()
    try:
        push = receive(
            home,
            ledger,
            entry,
            _whole_file(path, before),
            way=Way.FILE,
            filename=path.name,
            data_format=format_of(path.name),
            data_date=data_date_of(path.name),
            # should we be killed before the file is moved away, the next round finds the same file and the same push
            idempotency_key=f"drop-{before.st_ino}-{before.st_ctime_ns}",
        )
    except PurgedError as error:
        _refuse_file(path, error.reason, collected).unlink()
    except (PushRefusedError, LedgerError) as error:
        reason = error.reason if isinstance(error, PushRefusedError) else Title(zh=str(error), en=str(error))
        _refuse_file(path, reason, collected)
    except StillWrittenError:
        return
    else:
        _move(path, DONE, push.id)
        collected.pushes.append(push)


class StillWrittenError(Exception):
    """The file changed while it was read: it is left for the next round."""


def _whole_file(path: Path, before: os.stat_result) -> Iterator[bytes]:
    yield from file_chunks(path)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise StillWrittenError


def _refuse_file(path: Path, reason: Title, collected: Collected) -> Path:
    moved = _move(path, REFUSED)
    moved.with_name(moved.name + ".reason.txt").write_text(f"{reason.zh}\n{reason.en}\n", encoding="utf-8")
    collected.refusals.append((path.name, reason))
    return moved


def delivered_files(home: Home, push: Push) -> list[Path]:
    """What the drop folder keeps of a push that was taken from it."""
    return list((home.drop / push.department / push.resource / DONE).glob(f"{push.id}-*"))


def _move(path: Path, folder: str, prefix: str = "") -> Path:
    target = path.parent / folder / (f"{prefix}-{path.name}" if prefix else f"{time.time_ns()}-{path.name}")
    target.parent.mkdir(exist_ok=True, mode=0o700)
    return path.rename(target)
