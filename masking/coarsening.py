"""Coarser generalisation where groups are small: a product's columns, step by step, no further than each declares.

Here belongs choosing the steps. How far a column may go (its ``coarsest``) is declared, and with it the loss; whether
groups are large enough then is measured in ``risk``; what is still too small is left out as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import polars as pl

from masking.columns import SourceColumn
from masking.methods import METHODS
from masking.policy import Threshold
from masking.product import Product
from masking.risk import Risk, measure


def coarsened(
    product: Product,
    sources: Mapping[str, SourceColumn],
    threshold: Threshold,
    rows_of: Callable[[Product], pl.LazyFrame],
) -> Product:
    """The product with as few coarser steps as bring its loss within the threshold: at each the one after which fewest rows
    would be left out. As far as it may go where even that is too much. ``rows_of`` masks the rows as a product says."""

    def risk(candidate: Product) -> Risk:
        return measure(rows_of(candidate), candidate.quasi_identifiers(sources), threshold.k)[0]

    now = product
    while (steps := list(_coarser(now))) and risk(now).loss > threshold.max_loss:
        now = min(steps, key=lambda step: risk(step).loss)
    return now


def differences(declared: Product, published: Product) -> dict[str, tuple[str, str]]:
    """Column → how coarse it was declared, and how coarse it is."""
    found = {
        name: (str(column.parameters["to"]), str(published.columns[name].parameters["to"]))
        for name, column in declared.columns.items()
        if column.coarsest
    }
    return {name: (before, after) for name, (before, after) in found.items() if before != after}


def _coarser(product: Product) -> Iterator[Product]:
    """The product with one column one step coarser, for each that may still be."""
    for name, column in product.columns.items():
        if column.coarsest is None or column.parameters["to"] == column.coarsest:
            continue
        order = cast("tuple[str, ...]", METHODS[column.method or ""].strength["to"])
        following = order[order.index(column.parameters["to"]) + 1]
        coarser = column.model_copy(update={"parameters": {**column.parameters, "to": following}})
        yield product.model_copy(update={"columns": {**product.columns, name: coarser}})
