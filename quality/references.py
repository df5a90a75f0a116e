"""Rules between tables: whether a value is there in other resources' standard tables (the division exists, the holder exists).

Here belongs the looking up, as a join beside the standardised columns; which table is asked follows from the rule's
``among``, and where its rows come from is the caller's business. Without any rows of one of them the rule cannot be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

REFERENCE = "expect_column_values_to_exist_in_other_tables"
#: Compares two numbers of rows. A catalogue entry states no such rule: its own rows against the last push are asked there.
SAME_ROWS = "expect_table_row_count_to_equal_other_table"
#: The other tables that rules may ask, by resource.
Tables = Mapping[str, pl.LazyFrame]


def known_name(arguments: Mapping[str, Any]) -> str:
    """Where it waits, beside a row, whether its value is among those of the other tables (null: it is not)."""
    return f"known:{arguments['column']}:{'|'.join(arguments['among'])}"


def places(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The resources and columns in which the value may be, each written as ``resource.column``."""
    parted = [str(place).partition(".") for place in arguments["among"]]
    return [(resource, column) for resource, _, column in parted]


def resources(arguments: Mapping[str, Any]) -> list[str]:
    """The resources that the rule asks, each once."""
    return list(dict.fromkeys(resource for resource, _ in places(arguments)))


def asked_tables(expectation: str, arguments: Mapping[str, Any]) -> list[str]:
    """The other tables that an expectation asks: none for most."""
    if expectation == REFERENCE:
        return resources(arguments)
    return [str(arguments["other_table_name"])] if expectation == SAME_ROWS else []


def with_known(rows: pl.LazyFrame, asked: Iterable[Mapping[str, Any]], tables: Tables) -> pl.LazyFrame:
    """The rows, and for each rule that asks (its arguments) whether its value is known. Where a table is not given,
    every value counts as known."""
    by_name = {known_name(arguments): arguments for arguments in asked}
    for name, arguments in by_name.items():
        if all(resource in tables for resource in resources(arguments)):
            values = pl.concat(
                [
                    tables[resource].select(pl.col(column).alias(name))
                    for resource, column in places(arguments)
                ]
            )
            known = values.drop_nulls().unique().with_columns(pl.lit(value=True).alias("_known"))
            rows = rows.join(
                known, left_on=arguments["column"], right_on=name, how="left", maintain_order="left"
            ).rename({"_known": name})
        else:
            rows = rows.with_columns(pl.lit(value=True).alias(name))
    return rows
