"""Why a golden record says what it says: for one entity, each field, who was asked in which order, and who won.

Here belongs the answer for a person to read; it holds personal values and is for the bureau's eyes only.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.base.golden import SOURCE_SUFFIX, latest_last
from assets.base.identity import KEPT_ID, known_ids, redirects
from assets.base.inputs import standard
from assets.base.timeline import held_since
from assets.base.together import whose
from assets.build import Context
from catalog.base_model import Base, Survivorship, load_bases
from catalog.errors import MendableError

KEPT = "采用 kept"
AGREES = "一致 agrees"
PASSED_OVER = {
    Survivorship.PRIORITY: "未采用：顺序在后 passed over: comes later",
    Survivorship.LATEST: "未采用：不是最近的 passed over: not the latest",
    Survivorship.MOST: "未采用：持此值的来源较少，或同样多而顺序在后 passed over: fewer say so, or as many that come later",
}


class UnknownBaseError(MendableError, LookupError):
    """No base database with golden records has this name."""


class UnknownEntityError(MendableError, LookupError):
    """No entity of a base database has this id."""


def explain(context: Context, name: str, entity: str) -> list[dict[str, str | None]]:
    """One row per field and source that has a value: ``field``, ``value``, ``resource``, ``push``, ``row``, ``verdict``,
    and ``since`` where the value kept has been so from a known day on.

    Raises :class:`UnknownBaseError` and :class:`UnknownEntityError`."""
    bases = load_bases(context.catalogue)
    if name not in bases:
        msg = f"base.{name} has no golden records to explain; there are {', '.join(bases)}"
        raise UnknownBaseError(msg)
    base = bases[name]
    found = context.lake.scan("base", name).filter(pl.col(base.id_column) == entity).collect()
    if found.is_empty():
        gone = redirects(context, base).filter(pl.col(base.id_column) == entity)
        if gone.height:
            return explain(context, name, str(gone[KEPT_ID][0]))
        msg = f"no entity {entity} in base.{name}: its ids are in the first column of the table"
        raise UnknownEntityError(msg)
    golden = found.row(0, named=True)
    known = known_ids(context, base).filter(pl.col(base.id_column) == entity).collect()[base.identifier]
    rows = {source: _latest(context, base, source, known) for source in base.sources}
    since = held_since(context, base, entity)
    answers = [answer for field in base.fields for answer in _answers(base, field, golden, rows)]
    for answer in answers:
        day = since.get(str(answer["field"])) if answer["verdict"] == KEPT else None
        answer["since"] = day.isoformat() if day else None
    return answers


def _latest(context: Context, base: Base, name: str, identifiers: pl.Series) -> Mapping[str, object]:
    """The source's row of these identifiers that speaks for the entity; empty where it has none."""
    source = base.sources[name]
    rows = standard(context, source.resource).filter(whose(base, source).is_in(identifiers.implode()))
    newest = rows.sort(*latest_last(base, name)).last().collect()
    return newest.row(0, named=True) if newest.height else {}


def _answers(
    base: Base, field: str, golden: Mapping[str, object], rows: Mapping[str, Mapping[str, object]]
) -> list[dict[str, str | None]]:
    answers: list[dict[str, str | None]] = []
    for reference in base.fields[field].sources:
        source, column = base.split(reference)
        value = rows[source].get(column)
        if value is None:
            continue
        resource = base.resource(reference)
        same = value == golden[field]
        kept = same and resource == golden[field + SOURCE_SUFFIX] and not _has_winner(answers)
        answers.append(
            {
                "field": field,
                "value": str(value),
                "resource": resource,
                "push": str(rows[source]["_push"]),
                "row": str(rows[source]["_row"]),
                "verdict": KEPT if kept else AGREES if same else PASSED_OVER[base.fields[field].rule],
            }
        )
    return answers


def _has_winner(answers: list[dict[str, str | None]]) -> bool:
    """Whether the kept value is among them: a marriage is two references to one resource."""
    return any(answer["verdict"] == KEPT for answer in answers)
