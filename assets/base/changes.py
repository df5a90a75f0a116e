"""What has changed since a base database was last built: the identifiers whose rows came, went or became others.

Here belong the note of what was read then, and the comparing of the sources' files with it. It is read from the Delta
logs: only files that came or went since are looked at, and in them only identifier, place and hash. Where that is no
longer known (a first build, another declaration, a vacuumed file) everything is built anew, which is always right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from assets.build import Context, TableName
from catalog.base_model import Base
from lake.hashes import ROW_HASH
from lake.tables import Lake

#: Another number where the code makes other tables of the same sources: all are then built anew.
RECIPE = 2
#: Where more than this share of a resource's rows is in question, building all is as fast.
_MOST = 0.25
_PLACE = ("_push", "_row", ROW_HASH)


@dataclass(frozen=True)
class Note:
    """What a build read: a digest of the declaration, and each table's identity and version by its folder's name."""

    declared: str
    tables: Mapping[str, tuple[str, int]]

    def with_made(self, context: Context, made: Sequence[TableName]) -> Note:
        """The note, and the tables that were made."""
        return Note(self.declared, {**self.tables, **taken(context, self.declared, made).tables})

    def stand(self, context: Context, made: Sequence[TableName]) -> bool:
        """Whether the tables that were made then are still there."""
        now = taken(context, self.declared, made).tables
        return all(
            _folder(table) in now and now[_folder(table)][0] == self.tables.get(_folder(table), ("", 0))[0]
            for table in made
        )


def declared_digest(context: Context, base: Base, *more: object) -> str:
    """Changes where the declaration does, or the statutory source of a field, or what else is named."""
    statutory = {name: base.statutory(context.catalogue, name) for name in base.fields}
    text = json.dumps([RECIPE, base.model_dump(mode="json"), statutory, [str(item) for item in more]])
    return hashlib.sha256(text.encode()).hexdigest()


def taken(context: Context, declared: str, tables: Sequence[TableName]) -> Note:
    """The note of what is there now; a table that does not exist is left out."""
    found = {_folder(table): context.lake.identity(*table) for table in tables}
    return Note(declared, {folder: held for folder, held in found.items() if held})


def noted(context: Context, code: str) -> Note | None:
    """The note of the last build; None where there is none."""
    path = _path(context, code)
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Note(fields["declared"], {name: (held[0], held[1]) for name, held in fields["tables"].items()})


def note(context: Context, code: str, made: Note) -> None:
    """Remember a build, once all of its tables are committed: an interrupted one is done again."""
    path = _path(context, code)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(made)), encoding="utf-8")
    draft.replace(path)


def forget(context: Context, code: str) -> None:
    """Forget the last build, so that the next one builds all."""
    _path(context, code).unlink(missing_ok=True)


def same(then: Note, now: Note, table: TableName) -> bool:
    """Whether the table is as it was."""
    return then.tables.get(_folder(table)) == now.tables.get(_folder(table))


def touched(lake: Lake, then: Note, table: TableName, columns: Sequence[str]) -> pl.Series | None:
    """The values of ``columns`` in the rows of a table that came, went or changed since; None where that is not known,
    or is so much that all may as well be built anew."""
    held, current = then.tables.get(_folder(table)), lake.identity(*table)
    if held == current:
        return pl.Series([], dtype=pl.String)
    if held is None or current is None or held[0] != current[0]:
        return None
    between = lake.between(*table, held[1])
    if between is None:
        return None
    rows = [side.select(*dict.fromkeys(columns), _mark(side)).collect(engine="streaming") for side in between]
    changed = pl.concat(
        [rows[0].join(rows[1], on="mark", how="anti"), rows[1].join(rows[0], on="mark", how="anti")]
    )
    if changed.height > _MOST * max(lake.rows(*table), 1000):
        return None
    return pl.concat([changed[name].cast(pl.String) for name in dict.fromkeys(columns)]).drop_nulls().unique()


def _mark(rows: pl.LazyFrame) -> pl.Expr:
    """A row's place and content as one number; of a table without places and hashes its whole content."""
    names = rows.collect_schema().names()
    return pl.struct(_PLACE if set(_PLACE) <= set(names) else names).hash(seed=3).alias("mark")


def _folder(table: TableName) -> str:
    return "/".join(table)


def _path(context: Context, code: str) -> Path:
    return context.home.work / "built" / f"{code}.json"
