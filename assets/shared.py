"""Masked products: ``shared.<product>`` for institutions, ``open.<product>`` for the public.

Here belongs the order of the steps: mask, measure, leave small groups out, wait while too few have changed, publish,
remove what was superseded. What may be published at all was decided when the declarations loaded (``masking.product``); a
product whose groups are too small is emptied, and its notes say why. Neither older versions nor their
statistics stay beside a masked table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce

import polars as pl

from assets.build import Build, Built, Context, TableName
from assets.releases import record_release, settle
from assets.snapshots import read_files
from assets.theme.types import grouped_columns
from catalog.load import Catalogue, CatalogueError
from lake.keys import master_key
from lake.locks import writing
from masking.coarsening import coarsened, differences
from masking.columns import SourceColumn
from masking.compile import SUBJECT, order, product_rows
from masking.differences import patterns
from masking.keys import RecipientKey, recipient_key
from masking.policy import Threshold
from masking.product import COUNT_COLUMN, Masking, Product, load_masking
from masking.risk import Held, Risk, measure, only_large_groups, told_apart, without
from quality.clock import today

Tables = Mapping[TableName, Mapping[str, SourceColumn]]
"""(layer, table) → its declared columns, by name."""

#: Methods that give each value a code of its own.
_TOKENS = ("pseudonym", "format_preserving")


def load_lawful(catalogue: Catalogue) -> Masking:
    """The catalogue's policy, roles and products; raises :class:`CatalogueError` where one would leak."""
    masking, faults = load_masking(catalogue, grouped_columns)
    if masking is None or faults:
        raise CatalogueError(faults)
    return masking


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each declared product; raises :class:`CatalogueError` where one would leak."""
    masking = load_lawful(catalogue)
    return [_build(declared.product, masking, masking.tables) for declared in masking.products.values()]


def _build(product: Product, masking: Masking, tables: Tables) -> Build:
    others = held_together(product, masking, tables)
    sources = {_source(product): None} | {_source(other): None for other in others}
    return Build(
        makes=((product.layer, product.code),),
        reads=tuple(sources),
        title=product.title,
        description=product.description,
        owner=product.publisher,
        run=lambda context: publish_product(context, product, masking, tables),
    )


def _source(product: Product) -> TableName:
    return product.source.layer, product.source.table


def key_of(context: Context, masking: Masking, recipient: str) -> RecipientKey:
    """The recipient's key in its current version."""
    return recipient_key(master_key(context.home), recipient, masking.key_version(recipient))


def product_key(context: Context, masking: Masking, product: Product) -> RecipientKey:
    """The key of the product's recipient; one of the product's own where the grant asks for it."""
    own = product.code if masking.by_itself(product) else None
    version = masking.key_version(product.recipient)
    return recipient_key(master_key(context.home), product.recipient, version, own)


def threshold_of(product: Product, masking: Masking) -> Threshold:
    """The policy's threshold for the product's target, with the product's own k where it asks for more."""
    threshold = masking.policy.threshold(product.target.kind, product.target.type)
    return threshold.model_copy(update={"k": product.k or threshold.k})


def as_published(context: Context, product: Product, masking: Masking, tables: Tables) -> Product:
    """The product as coarse as its groups need, within what it declares."""
    if not product.subject:
        return product
    sources = tables[_source(product)]
    source, key = source_rows(context, product, sources), product_key(context, masking, product)

    def rows(candidate: Product) -> pl.LazyFrame:
        masked = product_rows(candidate, sources, source, key)
        return masked.select(*candidate.quasi_identifiers(sources), SUBJECT)

    return coarsened(product, sources, threshold_of(product, masking), rows)


def grant_over(product: Product, masking: Masking) -> str | None:
    """Why nothing is published once the recipient's grant is over; None while it runs."""
    role = masking.roles.get(product.recipient)
    if role is None or role.runs_on(today()):
        return None
    return f"the grant of {product.recipient} ended on {role.ends}"


def held_together(product: Product, masking: Masking, tables: Tables) -> list[Product]:
    """The products whose rows the recipient can join with this one's by their pseudonyms, this one among them; none
    where it publishes no rows of subjects."""

    def joins(other: Product) -> tuple[str, ...] | None:
        by_subject = other.subject if other.form == "rows" else None
        alone = (other.code,) if masking.by_itself(other) else ()
        return (other.recipient, tables[_source(other)][by_subject].domain, *alone) if by_subject else None

    mine = joins(product)
    return [
        declared.product for declared in masking.products.values() if mine and joins(declared.product) == mine
    ]


def told_apart_together(
    context: Context, product: Product, masking: Masking, tables: Tables
) -> pl.DataFrame | None:
    """The subjects that all of the recipient's products together would tell apart; None where nothing can be joined.

    Each of the products leaves out the same people, since each finds them from the same sources. A product that is
    withheld for its own small groups is not held, and does not count."""
    held = []
    for declared in held_together(product, masking, tables):
        other = as_published(context, declared, masking, tables)
        sources, threshold = tables[_source(other)], threshold_of(other, masking)
        key, quasi = product_key(context, masking, other), other.quasi_identifiers(sources)
        masked = product_rows(other, sources, source_rows(context, other, sources), key)
        rows = masked.select(*quasi, SUBJECT).collect(engine="streaming").lazy()
        if not grant_over(other, masking) and measure(rows, quasi, threshold.k)[0].refusal(threshold) is None:
            held.append(Held(rows, quasi, threshold.k))
    return told_apart(held) if held else None


def publish_product(context: Context, product: Product, masking: Masking, tables: Tables) -> Built:
    """Mask the source's rows and make the product's table equal them.

    It is empty where the groups are too small, or once the recipient's grant is over."""
    begun, declared, product = datetime.now(UTC), product, as_published(context, product, masking, tables)
    sources, threshold = tables[_source(product)], threshold_of(product, masking)
    key = product_key(context, masking, product)
    rows = product_rows(product, sources, source_rows(context, product, sources), key)
    notes: dict[str, int | float | str] = {}
    if product.subject:
        # the group sizes are needed before the rows can be chosen: masking once is cheaper than twice
        rows = rows.collect(engine="streaming").lazy()
        left_out = told_apart_together(context, product, masking, tables)
        rows, notes = _only_large(product, sources, rows, threshold, left_out)
        for name, (before, after) in differences(declared, product).items():
            notes[f"coarser than declared: {name}"] = f"{before} → {after}"
    ended = grant_over(product, masking)
    if ended:
        rows, notes = rows.clear(), {"not published": ended}
    table, new = (product.layer, product.code), rows.collect(engine="streaming")
    if "not published" not in notes:
        token, beside = pseudonym_of(product), _beside(context, product, masking, tables)
        quasi = product.quasi_identifiers(sources)
        released = settle(context, declared, new, quasi, threshold.k, key, token, beside)
        new = released.rows
        if released.waiting:
            whose = "subjects" if token else "groups"
            notes |= {"waiting": f"changes of {released.waiting} {whose}, until {threshold.k} change alike"}
    with writing(context.home, ".".join(table)):
        commit = context.lake.publish_pieces(
            *table,
            new.drop(SUBJECT, strict=False).sort(list(order(product, sources)), nulls_last=True),
            by=_told_by(product, sources),
            statistics=_visible_unmasked(product, sources),
            description=f"{product.title.zh} · {product.title.en}",
        )
        record_release(context, declared, threshold.k, key, begun)
        # roles' files of views point at what was there before, until they are replaced in their turn
        context.lake.forget(*table, () if ended else read_files(context.home))
    return Built({table: commit}, {"recipient": product.recipient, **notes})


def _beside(context: Context, product: Product, masking: Masking, tables: Tables) -> pl.DataFrame | None:
    """What else the recipient holds of each subject, by the product's own pseudonyms of them: a text for each of its
    other products as they were released; None where it holds nothing else, or cannot tell whose it is."""
    token, found = pseudonym_of(product), list[pl.DataFrame]()
    for other in held_together(product, masking, tables):
        theirs, table = pseudonym_of(other), (other.layer, other.code)
        if token and theirs and other.code != product.code and context.lake.rows(*table):
            quasi = [name for name in other.quasi_identifiers(tables[_source(other)]) if name != theirs]
            rows = context.lake.scan(*table).collect()
            found.append(patterns(rows, theirs, quasi, f"_{other.code}").rename({theirs: token}))
    return (
        reduce(lambda left, right: left.join(right, on=token, how="full", coalesce=True), found)
        if found
        else None
    )


def pseudonym_of(product: Product) -> str | None:
    """The column that names the subjects by their pseudonyms; None where there is none."""
    return next(
        (
            name
            for name, column in product.columns.items()
            if column.method in _TOKENS and product.source_name(name) == product.subject
        ),
        None,
    )


def source_rows(context: Context, product: Product, sources: Mapping[str, SourceColumn]) -> pl.LazyFrame:
    """The source table; an empty one with its declared columns while it has not been built."""
    layer, table = product.source.layer, product.source.table
    if context.lake.exists(layer, table):
        return context.lake.scan(layer, table)
    return pl.LazyFrame(schema={name: column.dtype for name, column in sources.items()})


def _only_large(
    product: Product,
    sources: Mapping[str, SourceColumn],
    rows: pl.LazyFrame,
    threshold: Threshold,
    left_out: pl.DataFrame | None,
) -> tuple[pl.LazyFrame, dict[str, int | float | str]]:
    """The rows (with their subjects) or groups that may be seen, and the measures: none where too many would have to be
    left out."""
    quasi = product.quasi_identifiers(sources)
    risk, large = measure(rows, quasi, threshold.k, left_out)
    refusal = risk.refusal(threshold)
    if product.form == "groups":
        shown = large.lazy().select(*quasi, pl.col("_subjects").cast(pl.Int64).alias(COUNT_COLUMN))
    else:
        remaining = rows if left_out is None else without(rows, left_out)
        shown = only_large_groups(remaining, quasi, large)
    return (shown.clear() if refusal else shown), _notes(risk, refusal)


def _notes(risk: Risk, refusal: str | None) -> dict[str, int | float | str]:
    notes: dict[str, int | float | str] = {
        "k": risk.k,
        "subjects": risk.subjects,
        "smallest group before suppression": risk.smallest,
        "unique subjects before suppression": risk.unique_subjects,
        "subjects told apart by all the recipient holds": risk.told_apart,
        "rows left out": risk.suppressed_rows,
        "loss": round(risk.loss, 4),
        "prosecutor risk at most": round(risk.prosecutor_risk, 4),
    }
    return notes | ({"not published": refusal} if refusal else {})


def _told_by(product: Product, sources: Mapping[str, SourceColumn]) -> list[str]:
    """The columns that decide in which file a row lies: its pseudonyms, else all of them.

    A row whose other values change stays in its file, and of the subjects in one file nobody's changes stand alone."""
    tokens = [
        name
        for name in product.columns
        if product.mask(name, sources[product.source_name(name)]).method in _TOKENS
    ]
    return tokens or list(product.quasi_identifiers(sources)) or list(product.columns)


def _visible_unmasked(product: Product, sources: Mapping[str, SourceColumn]) -> list[str]:
    """Columns that may be seen as they are: the only ones whose bounds may stand in a log."""
    target = product.target
    return [
        name
        for name in product.columns
        if sources[product.source_name(name)].type_towards(target.kind).rank >= target.type.rank
        and product.mask(name, sources[product.source_name(name)]).method == "keep"
    ]
