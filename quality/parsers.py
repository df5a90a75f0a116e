"""What only a parser of Python's can tell: a day by its format, a day by guessing, JSON, JSON by its schema.

Here belongs asking the very parsers that Great Expectations asks, once for each distinct text in a batch of rows: the verdicts
are the same, and come at Python's speed. What Polars can state itself is in ``compile.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

Parses = Callable[[str], bool]
#: Any moment will do to try a format.
_MOMENT = datetime(2000, 2, 29, 13, 45, tzinfo=UTC)


def accepted(value: pl.Expr, parses: Parses) -> pl.Expr:
    """Where a text is one that the parser takes; null stays null. The length makes Polars refuse what is no text."""

    def apply(texts: pl.Series) -> pl.Series:
        distinct = texts.unique().drop_nulls()
        verdicts = [parses(text) for text in distinct]
        return texts.replace_strict(distinct, verdicts, default=None, return_dtype=pl.Boolean)

    texts = pl.when(value.str.len_bytes() >= 0).then(value)
    return texts.map_batches(apply, return_dtype=pl.Boolean, is_elementwise=True)


def is_time(form: str) -> Parses:
    """Whether ``strptime`` reads it by this format; raises ``ValueError`` of what is none, or can only be written (%D)."""
    datetime.strptime(_MOMENT.strftime(form), form)  # noqa: DTZ007 # nothing is made of it

    def parses(text: str) -> bool:
        datetime.strptime(text, form)  # noqa: DTZ007 # likewise
        return True

    return _unless(parses, ValueError)


def is_dateutil() -> Parses:
    """Whether ``dateutil`` makes an instant of it, which it does of much that is none: "7", "may"."""
    from dateutil.parser import parse

    def parses(text: str) -> bool:
        parse(text, ignoretz=True)  # a zone that nobody knows is no fault, and only warned of
        return True

    return _unless(parses, ValueError, OverflowError)


def is_json() -> Parses:
    """Whether ``json`` reads it, as it does NaN."""

    def parses(text: str) -> bool:
        json.loads(text)
        return True

    return _unless(parses, ValueError, RecursionError)


def fits_json_schema(schema: Mapping[str, Any]) -> Parses:
    """Whether it is JSON that the schema describes; raises ``ValueError`` of what is no schema. What a schema refers to is
    not fetched from anywhere."""
    import jsonschema
    from referencing import Registry

    made = jsonschema.validators.validator_for(schema)
    try:
        made.check_schema(schema)
    except jsonschema.SchemaError as error:
        msg = f"`json_schema` is none: {error.message}"
        raise ValueError(msg) from None
    validator = made(schema, registry=Registry())
    return _unless(lambda text: bool(validator.is_valid(json.loads(text))), ValueError, RecursionError)


def _unless(parses: Parses, *errors: type[Exception]) -> Parses:
    def tried(text: str) -> bool:
        try:
            return parses(text)
        except errors:
            return False

    return tried
