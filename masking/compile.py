"""From declarations to Polars: a product's or a role's columns as expressions, a product's rows as a filter.

Here belongs the translation only. Nothing is read, counted or written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from catalog.elements.base import Mask
from catalog.model import SharingType
from masking.columns import SourceColumn
from masking.keys import RecipientKey
from masking.methods import METHODS, kind
from masking.policy import Policy
from masking.product import Product
from masking.roles import Role

DIVISION = "division_code"
#: The subject of each row, carried beside the masked columns until groups are counted, and never written.
SUBJECT = "_subject"


def masked(column: SourceColumn, mask: Mask, key: RecipientKey) -> pl.Expr:
    """One masked column under its source's name."""
    method = METHODS[mask.method]
    given = {"dtype": column.dtype, "key": key, "domain": column.domain}
    return method.expression(column.name, mask.parameters, **given).alias(column.name)


def keyless(mask: Mask, dtype: pl.DataType) -> Callable[[pl.Expr], pl.Expr] | None:
    """The mask as a function of a column of this type; None where it needs a recipient's key."""
    function = METHODS[mask.method].function
    wanted = inspect.signature(function).parameters
    if "key" in wanted:
        return None
    given = {"dtype": dtype} if "dtype" in wanted else {}
    return partial(function, **given, **mask.parameters)


def product_rows(
    product: Product, sources: Mapping[str, SourceColumn], rows: pl.LazyFrame, key: RecipientKey
) -> pl.LazyFrame:
    """The product's columns, masked, of the chosen rows; with :data:`SUBJECT` where the product names one."""
    chosen = rows.filter(
        *(pl.col(name).cast(pl.String).is_in(list(values)) for name, values in product.rows.items())
    )
    columns = [
        masked(source, product.mask(name, source), key).alias(name)
        for name in product.columns
        for source in [sources[product.source_name(name)]]
    ]
    subject = [pl.col(product.subject).alias(SUBJECT)] if product.subject else []
    return chosen.select(*columns, *subject)


@dataclass(frozen=True)
class RoleColumn:
    """A column as a role sees it: what it is, how it was masked, and its type after that."""

    column: SourceColumn
    mask: Mask
    type: SharingType


def role_columns(
    role: Role, policy: Policy, table: tuple[str, str], columns: Mapping[str, SourceColumn], schema: pl.Schema
) -> list[RoleColumn]:
    """The columns of a stored table that the role may see, masked; all others are left out.

    A system column (a push id, a row hash) is shown only where a declaration names it as an entity's id."""
    seen = []
    for name, dtype in schema.items():
        column = columns.get(name)
        if column is None or name.startswith("_"):
            continue
        column = replace(column, dtype=dtype)
        mask = role.mask(*table, column)
        fits = kind(dtype) in METHODS[mask.method].takes
        after = policy.type_after(column, mask, "sharing")
        if fits and after.rank >= role.sees.rank:
            seen.append(RoleColumn(column, mask, after))
    return seen


def places(seen: Sequence[RoleColumn]) -> list[str]:
    """Those of the columns, as a role sees them, that say in which county a row is."""
    return [
        each.column.name
        for each in seen
        if each.column.element == DIVISION and each.mask.method in ("keep", "generalise_division")
    ]


def in_county(role: Role, seen: Sequence[RoleColumn]) -> pl.Expr:
    """Of its masked rows those that a role may see: all, or where one of the divisions that it sees lies in its county.
    Rows are chosen by what is seen of them alone, so that none tells more by being there."""
    if role.division is None:
        return pl.lit(value=True)
    there = [pl.col(name).str.starts_with(role.division) for name in places(seen)]
    return pl.any_horizontal(pl.lit(value=False), *there).fill_null(value=False)


def order(product: Product, sources: Mapping[str, SourceColumn]) -> Sequence[str]:
    """All columns, pseudonyms first: rows lie in an order that only what is published decides, so it tells
    nothing."""
    tokens = [
        name
        for name in product.columns
        if product.mask(name, sources[product.source_name(name)]).method == "pseudonym"
    ]
    return [*tokens, *(name for name in product.columns if name not in tokens)]
