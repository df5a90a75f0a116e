"""The ids of entities, for ever: minted once for each identifier, written in a ledger, and read back from it.

Here belong the ledger ``base.<database>_ids`` and the minting. The ledger is only ever appended to: a rebuild, a
new master key or a later merge changes no id that was given. An id tells nothing of the identifier to whoever lacks
the key. Which rows are one entity is ``golden``'s business.
"""

from __future__ import annotations

import polars as pl

from assets.build import Context
from catalog.base_model import Base
from lake.keys import master_key
from lake.locks import writing
from lake.tables import Commit
from masking.keys import recipient_key
from masking.methods import pseudonym

KIND, IDENTIFIER = "identifier_kind", "identifier"


def ledger_name(base: Base) -> str:
    """The name of the database's ledger of ids."""
    return f"{base.code}_ids"


def ledger_schema(base: Base) -> pl.Schema:
    """Id, the kind of identifier it was given to, and the identifier."""
    return pl.Schema(dict.fromkeys((base.id_column, KIND, IDENTIFIER), pl.String()))


def known_ids(context: Context, base: Base) -> pl.LazyFrame:
    """Every id ever given: the database's identifier and the id, under their own names."""
    name = ledger_name(base)
    exists = context.lake.exists("base", name)
    ledger = context.lake.scan("base", name) if exists else pl.LazyFrame(schema=ledger_schema(base))
    return ledger.filter(pl.col(KIND) == base.identifier).select(
        pl.col(IDENTIFIER).alias(base.identifier), base.id_column
    )


def give_ids(context: Context, base: Base, identifiers: pl.LazyFrame) -> Commit:
    """Write ids into the ledger for those of ``identifiers`` (one column, the database's) that have none."""
    with writing(context.home, f"base.{ledger_name(base)}"):
        new = identifiers.join(known_ids(context, base), on=base.identifier, how="anti").select(
            mint(context, base).alias(base.id_column),
            pl.lit(base.identifier).alias(KIND),
            pl.col(base.identifier).alias(IDENTIFIER),
        )
        return context.lake.append("base", ledger_name(base), new.sort(base.id_column))


def mint(context: Context, base: Base) -> pl.Expr:
    """A new id from the database's identifier: the prefix and 96 bits of a MAC under the home's key.

    Two people among ten million share one with a probability below 10⁻¹⁴, and the ledger would show it."""
    key = recipient_key(master_key(context.home), f"base.{base.code}")
    token = pseudonym(pl.col(base.identifier), key, base.identifier)
    return pl.lit(base.prefix) + token.str.slice(2, 24)
