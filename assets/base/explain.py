"""Why a golden record says what it says: for one entity, each field, who was asked in which order, and who won.

Here belongs the answer for a person to read; it holds personal values and is for the bureau's eyes only.
"""

from __future__ import annotations

import polars as pl

from assets.base.inputs import standard
from assets.build import Context
from catalog.base_model import Base, load_bases
from catalog.errors import MendableError


class UnknownBaseError(MendableError, LookupError):
    """No base database with golden records has this name."""


def explain(context: Context, name: str, entity: str) -> list[dict[str, str | None]]:
    """One row per field and source that has a value: ``field``, ``value``, ``resource``, ``push``, ``row``, ``verdict``.

    Empty where there is no such entity; raises :class:`UnknownBaseError`."""
    bases = load_bases(context.catalogue)
    if name not in bases:
        msg = f"base.{name} has no golden records to explain; there are {', '.join(bases)}"
        raise UnknownBaseError(msg)
    base = bases[name]
    found = context.lake.scan("base", name).filter(pl.col(base.id_column) == entity).collect()
    if found.is_empty():
        return []
    rows = {source: _latest(context, base, source, found[base.identifier][0]) for source in base.sources}
    return [answer for field in base.fields for answer in _answers(base, field, rows)]


def _latest(context: Context, base: Base, name: str, identifier: str) -> dict[str, object]:
    """The source's newest row of this identifier; empty where it has none."""
    source = base.sources[name]
    rows = standard(context, source.resource).filter(pl.col(source.identifier) == identifier)
    newest = rows.sort("_data_date", "_row", "_push").last().collect()
    return newest.row(0, named=True) if newest.height else {}


def _answers(base: Base, field: str, rows: dict[str, dict[str, object]]) -> list[dict[str, str | None]]:
    answers: list[dict[str, str | None]] = []
    for reference in base.fields[field].sources:
        source, column = base.split(reference)
        value = rows[source].get(column)
        if value is None:
            continue
        won = not answers
        same = bool(answers) and answers[0]["value"] == str(value)
        answers.append(
            {
                "field": field,
                "value": str(value),
                "resource": base.sources[source].resource,
                "push": str(rows[source]["_push"]),
                "row": str(rows[source]["_row"]),
                "verdict": "采用 kept"
                if won
                else "一致 agrees"
                if same
                else "未采用：顺序在后 passed over: comes later",
            }
        )
    return answers
