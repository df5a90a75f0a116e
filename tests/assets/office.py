"""One resource in a home of its own, into which a test pushes rows of a number and a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from assets.build import Context
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue
from catalog.model import Entry, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import Ledger, Push, open_ledger
from lake.tables import Lake

CODE = "sample"
FIRST = date(2026, 1, 1)
Rows = Sequence[tuple[int, str]]
DELIVERIES = {
    "snapshot": {"mode": "snapshot", "key": ["no"], "volume": {"max_shrink": 1}},
    "upsert": {"mode": "upsert", "key": ["no"]},
    "append": {"mode": "append"},
}


@dataclass(frozen=True)
class Office:
    """One resource in a home of its own."""

    context: Context
    ledger: Ledger
    entry: Entry

    def push(self, rows: Rows, day: int = 0) -> Push:
        """Land and apply rows of (number, word); ``?`` is a word that is not allowed."""
        return self.send("no,word\n" + "".join(f"{number},{word}\n" for number, word in rows), day)

    def send(self, text: str, day: int = 0) -> Push:
        """Land and apply a file of this text."""
        push = receive(
            self.context.home,
            self.ledger,
            self.entry,
            [text.encode()],
            way=Way.FILE,
            filename="push.csv",
            data_format="csv",
            data_date=FIRST + timedelta(days=day),
        )
        apply_waiting(self.context, CODE)
        return push

    def words(self) -> list[tuple[int, str]]:
        rows = self.context.lake.scan("standard", CODE).select("no", "word").collect()
        return sorted(rows.rows())


def office(root: Path, catalogue: Catalogue, mode: str) -> Office:
    columns = {
        "no": {"title": "编号", "element": "integer", "required": True},
        "word": {"title": "分类", "element": "category", "required": True, "values": ["a", "b", "c"]},
    }
    delivery = {"ways": ["file"], "max_reject_share": 1, "empty_ok": True} | DELIVERIES[mode]
    document = catalogue.entry("cremation").model_dump(mode="json")
    entry = Entry.model_validate(
        document | {"code": CODE, "columns": columns, "rules": [], "delivery": delivery}
    )
    home = Home.open(root)
    context = Context(
        home,
        Lake(home.lake),
        Catalogue(**{**vars(catalogue), "entries": {CODE: entry}}),
    )
    make_tables(context, entry)
    return Office(context, open_ledger(home), entry)
