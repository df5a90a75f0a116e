"""When a new release of a masked product may come out: not while it tells of fewer than k subjects what changed.

Here belong comparing the rows that would be published with those that are, and telling what must not wait. Whoever has two
releases sees their difference: of one person's change it would tell all. What must go, goes at once: a push that was
withdrawn, and everything where the product's own declaration, its key or its approval changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.build import Context, TableName
from lake.home import Home
from lake.ledger import PushState, open_ledger
from masking.compile import SUBJECT
from masking.keys import RecipientKey, hmac_sm3
from masking.product import COUNT_COLUMN, Product

_NTH = "_nth"


def changed_subjects(new: pl.DataFrame, held: pl.DataFrame, token: str | None = None) -> int:
    """How many subjects' rows differ between two releases: by the ``token`` that names them in both; else those whose rows
    came, and where none came, the rows that went, of which nobody knows any more whose they were."""
    columns = held.columns
    nth = pl.int_range(pl.len()).over(columns).alias(_NTH)
    now, before = new.with_columns(nth), held.with_columns(nth)
    came = now.join(before, on=[*columns, _NTH], how="anti", nulls_equal=True)
    went = before.join(now, on=[*columns, _NTH], how="anti", nulls_equal=True)
    if token:
        return pl.concat([came[token], went[token]]).n_unique()
    return came[SUBJECT].drop_nulls().n_unique() if came.height else went.height


def changed_counts(new: pl.DataFrame, held: pl.DataFrame) -> int:
    """By how much the counts of all groups together went up or down."""
    groups = [name for name in held.columns if name != COUNT_COLUMN]
    both = new.join(held, on=groups, how="full", nulls_equal=True, suffix="_held")
    difference = pl.col(COUNT_COLUMN).fill_null(0) - pl.col(f"{COUNT_COLUMN}_held").fill_null(0)
    return int(both.select(difference.abs().sum()).item())


def reason_to_wait(
    context: Context, product: Product, rows: pl.DataFrame, k: int, token: str | None, key: RecipientKey
) -> str | None:
    """Why the product stays as it was released (None where the new rows may come out): too few would be seen to change.

    ``rows`` have their subjects beside them, or are groups; ``token`` is the column that is the subjects' pseudonym, made
    with this ``key``."""
    table = (product.layer, product.code)
    if not product.subject or not context.lake.rows(*table) or _is_urgent(context, product, k, key):
        return None
    held = context.lake.scan(*table).collect()
    if set(held.columns) != {*product.columns, *([COUNT_COLUMN] if product.form == "groups" else ())}:
        return None
    changed = changed_counts(rows, held) if product.form == "groups" else changed_subjects(rows, held, token)
    if not 0 < changed < k:
        return None
    return f"{changed} subjects changed since the last release: it waits until {k} have"


def record_release(context: Context, product: Product, k: int, key: RecipientKey) -> None:
    """Remember under which declaration the product was released."""
    path = _record(context.home, (product.layer, product.code))
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_text(_digest(product, k, key), encoding="ascii")


def _is_urgent(context: Context, product: Product, k: int, key: RecipientKey) -> bool:
    """Whether the new rows must not wait: what is declared changed since the last release, or a push was taken back."""
    record = _record(context.home, (product.layer, product.code))
    if not record.exists() or record.read_text(encoding="ascii") != _digest(product, k, key):
        return True
    return _withdrawn_since(context, product, datetime.fromtimestamp(record.stat().st_mtime, UTC))


def _withdrawn_since(context: Context, product: Product, released: datetime) -> bool:
    """Whether a push that the product may be made of was taken back, or purged, after its release."""
    ledger = open_ledger(context.home)
    withdrawn = [
        push.settled_at
        for resource in _resources(context, product)
        for push in ledger.history(resource)
        if push.state in (PushState.WITHDRAWN, PushState.PURGED)
    ]
    return any(settled and settled >= released for settled in withdrawn)


def _resources(context: Context, product: Product) -> Sequence[str]:
    """Whose pushes the product is made of; of a base database it may be anybody's."""
    return [product.source.table] if product.source.layer == "standard" else list(context.catalogue.entries)


def _digest(product: Product, k: int, key: RecipientKey) -> str:
    """Of what was declared; of the key only that it is the same, which nobody can tell without it."""
    declared = f"{k}\n{product.model_dump_json()}"
    return hmac_sm3(key.secret, b"release" + declared.encode()).hex()


def _record(home: Home, table: TableName) -> Path:
    return home.root / "releases" / ".".join(table)
