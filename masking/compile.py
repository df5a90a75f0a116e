"""From declarations to Polars: a product's or a role's columns as expressions, its rows as a filter.

Here belongs the translation only. Nothing is read, counted or written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from catalog.elements.base import Mask
from masking.columns import SourceColumn
from masking.keys import RecipientKey
from masking.methods import METHODS
from masking.product import Product

#: The subject of each row, carried beside the masked columns until groups are counted, and never written.
SUBJECT = "_subject"


def masked(column: SourceColumn, mask: Mask, key: RecipientKey) -> pl.Expr:
    """One masked column under its source's name."""
    method = METHODS[mask.method]
    return method.expression(column.name, mask.parameters, dtype=column.dtype, key=key, domain=column.domain)


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


def order(product: Product, sources: Mapping[str, SourceColumn]) -> Sequence[str]:
    """All columns, pseudonyms first: rows lie in an order that only what is published decides, so it tells nothing."""
    tokens = [
        name
        for name in product.columns
        if product.mask(name, sources[product.source_name(name)]).method == "pseudonym"
    ]
    return [*tokens, *(name for name in product.columns if name not in tokens)]
