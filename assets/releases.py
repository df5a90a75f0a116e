"""What of a new release of a masked product may come out, and what waits: see ``masking.differences``.

Here belong reading what was released before, and telling what must not wait. What must go, goes at once: a push that was
withdrawn, and everything where the product's own declaration, its key or its approval changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.build import Context, TableName
from lake.home import Home
from lake.ledger import PushState, open_ledger
from masking.differences import Settled, settled_by_group, settled_by_subject, settled_counts
from masking.keys import RecipientKey, hmac_sm3
from masking.product import COUNT_COLUMN, Product


def settle(
    context: Context,
    product: Product,
    rows: pl.DataFrame,
    quasi: Sequence[str],
    k: int,
    key: RecipientKey,
    token: str | None,
    beside: pl.DataFrame | None,
) -> Settled:
    """The rows that may come out now: all of them where nothing was released before, or where none may wait.

    ``rows`` have their subjects beside them, or are groups; ``token`` is the column that is the subjects' pseudonym, made
    with this ``key``; ``beside`` is what else the recipient holds of each."""
    table = (product.layer, product.code)
    if not product.subject or not context.lake.rows(*table) or _is_urgent(context, product, k, key):
        return Settled(rows, 0)
    held = context.lake.scan(*table).collect()
    if set(held.columns) != {*product.columns, *([COUNT_COLUMN] if product.form == "groups" else ())}:
        return Settled(rows, 0)
    if product.form == "groups":
        return settled_counts(rows, held, k)
    if token:
        return settled_by_subject(rows, held, token, quasi, k, beside)
    return settled_by_group(rows, held, quasi, k)


def record_release(context: Context, product: Product, k: int, key: RecipientKey, begun: datetime) -> None:
    """Remember under which declaration the product was released, and when it ``begun`` to be read: what was taken back
    meanwhile may still be in it."""
    path = _record(context.home, (product.layer, product.code))
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_text(_digest(product, k, key), encoding="ascii")
    os.utime(path, (begun.timestamp(), begun.timestamp()))


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
