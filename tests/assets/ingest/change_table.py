"""A change table, read from its sequence on, each change applied by its operation: what is held is what the changes say.

The same story for each database system that an exchange may run on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from assets.build import Context
from assets.ingest.databases import Database
from assets.ingest.exchange import pull
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue
from catalog.model import Entry
from lake.home import Home
from lake.ledger import open_ledger
from lake.tables import Lake

_CHANGES = {
    "code": "changes",
    "columns": {
        "no": {"title": "编号", "element": "integer", "required": True},
        "word": {"title": "名称", "element": "text", "required": True},
    },
    "rules": [],
    "delivery": {
        "ways": ["table"],
        "mode": "upsert",
        "key": ["no"],
        "table": {"watermark": "seq"},
        "operation": {"column": "op"},
    },
}


@dataclass(frozen=True)
class Follower:
    """A lake of the one resource ``changes``, which a department's change table of that name fills."""

    context: Context
    entry: Entry

    @classmethod
    def of(cls, home: Home, catalogue: Catalogue, entry: Entry) -> Follower:
        """The resource as the department of another entry would have it."""
        mine = Entry.model_validate(entry.model_dump(mode="json") | _CHANGES)
        catalogue = Catalogue(home.root, catalogue.departments, {mine.code: mine}, {})
        context = Context(home, Lake(home.lake), catalogue)
        make_tables(context, mine)
        return cls(context, mine)

    def held(self, database: Database) -> dict[int, str]:
        """What is held once the table has been read again and applied."""
        ledger = open_ledger(self.context.home)
        pull(self.context.home, ledger, self.entry, database, date(2026, 1, 5))
        apply_waiting(self.context, self.entry.code)
        rows = self.context.lake.scan("standard", self.entry.code).select("no", "word").collect()
        return dict(rows.rows())


def follow_to_the_last_word(
    follower: Follower, database: Database, insert: Callable[[Sequence[str]], None]
) -> None:
    """``insert`` adds rows of (number, word, operation) to the change table, in this order."""

    def changed(*rows: str) -> dict[int, str]:
        if rows:
            insert(rows)
        return follower.held(database)

    assert changed("1, '甲', 'I'", "2, '乙', 'I'") == {1: "甲", 2: "乙"}
    assert changed("1, NULL, 'D'", "2, '新', 'U'", "3, '丙', 'I'", "3, '丙', 'D'") == {2: "新"}
    assert changed("1, '又', 'I'") == {1: "又", 2: "新"}
    assert changed() == {1: "又", 2: "新"}
    assert len(open_ledger(follower.context.home).history("changes")) == 3, "nothing new is no push"
