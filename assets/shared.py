"""Masked products: ``shared.<product>`` for institutions, ``open.<product>`` for the public.

Here belongs the order of the steps: mask, measure, leave small groups out, publish, remove what was
superseded. What may be published at all was decided when the declarations loaded (``masking.product``); a
product whose groups are too small is emptied, and its notes say why. Neither older versions nor their
statistics stay beside a masked table.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.build import Build, Built, Context
from assets.snapshots import read_files
from catalog.load import Catalogue, CatalogueError
from lake.keys import master_key
from lake.locks import writing
from masking.columns import SourceColumn, declared_tables
from masking.compile import SUBJECT, order, product_rows
from masking.keys import RecipientKey, recipient_key
from masking.policy import Threshold
from masking.product import COUNT_COLUMN, Masking, Product, load_masking
from masking.risk import Risk, measure, only_large_groups
from quality.clock import today


def load_lawful(catalogue: Catalogue) -> Masking:
    """The catalogue's policy, roles and products; raises :class:`CatalogueError` where one would leak."""
    masking, faults = load_masking(catalogue)
    if masking is None or faults:
        raise CatalogueError(faults)
    return masking


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each declared product; raises :class:`CatalogueError` where one would leak."""
    masking = load_lawful(catalogue)
    tables = declared_tables(catalogue)
    return [
        _build(product, masking, tables[product.source.layer, product.source.table])
        for product in (declared.product for declared in masking.products.values())
    ]


def _build(product: Product, masking: Masking, sources: Mapping[str, SourceColumn]) -> Build:
    return Build(
        makes=((product.layer, product.code),),
        reads=((product.source.layer, product.source.table),),
        title=product.title,
        description=product.description,
        owner=product.publisher,
        run=lambda context: publish_product(context, product, masking, sources),
    )


def key_of(context: Context, masking: Masking, recipient: str) -> RecipientKey:
    """The recipient's key in its current version."""
    return recipient_key(master_key(context.home), recipient, masking.key_version(recipient))


def threshold_of(product: Product, masking: Masking) -> Threshold:
    """The policy's threshold for the product's target, with the product's own k where it asks for more."""
    threshold = masking.policy.threshold(product.target.kind, product.target.type)
    return threshold.model_copy(update={"k": product.k or threshold.k})


def grant_over(product: Product, masking: Masking) -> str | None:
    """Why nothing is published once the recipient's grant is over; None while it runs."""
    role = masking.roles.get(product.recipient)
    if role is None or role.runs_on(today()):
        return None
    return f"the grant of {product.recipient} ended on {role.ends}"


def publish_product(
    context: Context, product: Product, masking: Masking, sources: Mapping[str, SourceColumn]
) -> Built:
    """Mask the source's rows and make the product's table equal them.

    It is empty where the groups are too small, or once the recipient's grant is over."""
    source = source_rows(context, product, sources)
    rows = product_rows(product, sources, source, key_of(context, masking, product.recipient))
    notes: dict[str, int | float | str] = {}
    if product.subject:
        # the group sizes are needed before the rows can be chosen: masking once is cheaper than twice
        rows = rows.collect(engine="streaming").lazy()
        rows, notes = _only_large(product, sources, rows, threshold_of(product, masking))
    ended = grant_over(product, masking)
    if ended:
        rows, notes = rows.clear(), {"not published": ended}
    keys = list(order(product, sources))
    with writing(context.home, f"{product.layer}.{product.code}"):
        commit = context.lake.publish(
            product.layer,
            product.code,
            rows.sort(keys, nulls_last=True),
            key=keys,
            statistics=_visible_unmasked(product, sources),
            description=f"{product.title.zh} · {product.title.en}",
        )
        # roles' files of views point at what was there before, until they are replaced in their turn
        keep = () if ended else read_files(context.home)
        context.lake.forget(product.layer, product.code, keep)
    return Built({(product.layer, product.code): commit}, {"recipient": product.recipient, **notes})


def source_rows(context: Context, product: Product, sources: Mapping[str, SourceColumn]) -> pl.LazyFrame:
    """The source table; an empty one with its declared columns while it has not been built."""
    layer, table = product.source.layer, product.source.table
    if context.lake.exists(layer, table):
        return context.lake.scan(layer, table)
    return pl.LazyFrame(schema={name: column.dtype for name, column in sources.items()})


def _only_large(
    product: Product, sources: Mapping[str, SourceColumn], rows: pl.LazyFrame, threshold: Threshold
) -> tuple[pl.LazyFrame, dict[str, int | float | str]]:
    """The rows (or groups) that may be seen, and the measures: none where too many would have to be left
    out."""
    quasi = product.quasi_identifiers(sources)
    risk, large = measure(rows, quasi, threshold.k)
    refusal = risk.refusal(threshold)
    if product.form == "groups":
        shown = large.lazy().select(*quasi, pl.col("_subjects").cast(pl.Int64).alias(COUNT_COLUMN))
    else:
        shown = only_large_groups(rows, quasi, large).drop(SUBJECT)
    return (shown.clear() if refusal else shown), _notes(risk, refusal)


def _notes(risk: Risk, refusal: str | None) -> dict[str, int | float | str]:
    notes: dict[str, int | float | str] = {
        "k": risk.k,
        "subjects": risk.subjects,
        "smallest group before suppression": risk.smallest,
        "unique subjects before suppression": risk.unique_subjects,
        "rows left out": risk.suppressed_rows,
        "loss": round(risk.loss, 4),
        "prosecutor risk at most": round(risk.prosecutor_risk, 4),
    }
    return notes | ({"not published": refusal} if refusal else {})


def _visible_unmasked(product: Product, sources: Mapping[str, SourceColumn]) -> list[str]:
    """Columns that may be seen as they are: the only ones whose bounds may stand in a log."""
    target = product.target
    return [
        name
        for name in product.columns
        if sources[product.source_name(name)].type_towards(target.kind).rank >= target.type.rank
        and product.mask(name, sources[product.source_name(name)]).method == "keep"
    ]
