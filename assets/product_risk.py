"""``ops.product_risk`` and a report per masked product: what is left of the risk, for the data protection officer.

Here belongs measuring what ``shared`` publishes, and attacking it with the base databases; the measures are
``masking``'s. Only the quasi-identifiers are masked again, which costs little. The reports lie in the bureau's own
folder, and hold counts only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from assets.build import Build, Built, Context, TableName
from assets.shared import (
    Tables,
    as_published,
    grant_over,
    held_together,
    load_lawful,
    product_key,
    pseudonym_of,
    source_rows,
    threshold_of,
    told_apart_together,
)
from catalog.base_model import load_bases
from catalog.load import Catalogue
from catalog.model import Title
from lake.home import Home
from lake.locks import writing
from masking.coarsening import differences
from masking.columns import SourceColumn
from masking.compile import SUBJECT, product_rows
from masking.keys import RecipientKey
from masking.linkage import Linkage, attack, base_of, known_columns, masked_register
from masking.product import Masking, Product
from masking.report import ROW_SCHEMA, Report, as_row, assess, rendered
from masking.risk import Joined, joined

PRODUCT_RISK: TableName = ("ops", "product_risk")


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe over all products: it follows their publication."""
    masking = load_lawful(catalogue)
    products = [declared.product for declared in masking.products.values()]
    tables, bases = masking.tables, load_bases(catalogue)
    return [
        Build(
            makes=(PRODUCT_RISK,),
            reads=(
                *((product.layer, product.code) for product in products),
                *(("base", code) for code in bases),
            ),
            title=Title(zh="脱敏产品风险", en="Risk of masked products"),
            description="每个脱敏产品一行：k、l、t、重标识风险、抑制损失和链接攻击结果；报告见 reports/products。\n\n"
            "One row per product, and a report that a data protection officer can read (GB/T 37964).",
            owner="data_bureau",
            run=lambda context: build(context, products, masking, tables),
        )
    ]


def build(
    context: Context,
    products: list[Product],
    masking: Masking,
    tables: Tables,
) -> Built:
    """Measure every product, write its report, and make the table equal the measures."""
    measured = [report_on(context, product, masking, tables) for product in products]
    reports = [
        replace(report, joined=_joined(report, measured, held_together(report.product, masking, tables)))
        for report, _ in measured
    ]
    _write(context.home, {report.product.code: rendered(report) for report in reports})
    rows = pl.DataFrame([as_row(report) for report in reports], schema=ROW_SCHEMA)
    with writing(context.home, ".".join(PRODUCT_RISK)):
        commit = context.lake.publish(*PRODUCT_RISK, rows, key=["product"])
    return Built(
        {PRODUCT_RISK: commit},
        {"products": rows.height, "people re-identified": int(rows["reidentified"].sum())},
    )


def reports_folder(home: Home) -> Path:
    """Where the reports lie; the home is closed to others."""
    return home.root / "reports" / "products"


def report_on(
    context: Context, product: Product, masking: Masking, tables: Tables
) -> tuple[Report, pl.LazyFrame]:
    """The product as it is published, measured, and attacked where a base database knows its people; and its rows with
    their subjects. What publishes no rows of named subjects, or nothing, is measured as it would be published."""
    declared, product = product, as_published(context, product, masking, tables)
    sources = tables[product.source.layer, product.source.table]
    key = product_key(context, masking, product)
    masked = product_rows(product, sources, source_rows(context, product, sources), key)
    token, quasi = pseudonym_of(product), product.quasi_identifiers(sources)
    others = [name for name, column in product.columns.items() if column.not_quasi]
    measured = [*quasi, *others, *([SUBJECT] if product.subject else [])]
    asked = dict.fromkeys([*measured, *([token] if token else [])])
    masked = masked.select(*asked).collect(engine="streaming").lazy()
    rows = masked.select(measured)
    left_out = told_apart_together(context, product, masking, tables)
    published = None
    if token and product.form == "rows" and context.lake.rows(product.layer, product.code):
        published = _with_subjects(context.lake.scan(product.layer, product.code), token, masked).select(
            measured
        )
    threshold = threshold_of(product, masking)
    report, kept = assess(product, sources, masking.policy, threshold, rows, left_out, published)
    ended = grant_over(product, masking)
    linkage = _linkage(context, product, sources, kept, key) if product.subject else None
    coarser = differences(declared, product)
    return replace(report, refusal=ended or report.refusal, linkage=linkage, coarser=coarser), kept


def _with_subjects(published: pl.LazyFrame, token: str, masked: pl.LazyFrame) -> pl.LazyFrame:
    """The published rows with whose they are; whoever the source does not have any more stays a pseudonym."""
    names = masked.select(token, SUBJECT).drop_nulls().unique()
    return published.join(names, on=token, how="left").with_columns(pl.col(SUBJECT).fill_null(pl.col(token)))


def _joined(
    report: Report, measured: Sequence[tuple[Report, pl.LazyFrame]], together: Sequence[Product]
) -> Joined | None:
    """All that the product's recipient holds of the same subjects; None where it holds no rows of them."""
    if not _by_subject(report):
        return None
    return joined(
        [
            (rows, other.product.quasi_identifiers(other.sources))
            for other, rows in measured
            if _by_subject(other) and other.product.code in {product.code for product in together}
        ]
    )


def _by_subject(report: Report) -> bool:
    """Whether rows of people are published, not groups or nothing."""
    return report.risk is not None and report.refusal is None and report.product.form == "rows"


def _linkage(
    context: Context,
    product: Product,
    sources: Mapping[str, SourceColumn],
    rows: pl.LazyFrame,
    key: RecipientKey,
) -> Linkage | None:
    """The attack with the base database that knows the product's people; None where nothing can be joined."""
    base = base_of(product, load_bases(context.catalogue).values())
    if base is None or not context.lake.exists("base", base.code):
        return None
    golden = context.declared["base", base.code]
    known = known_columns(product, base, sources, golden)
    if not known:
        return None
    people = context.lake.scan("base", base.code)
    return attack(rows, masked_register(product, base, people, sources, key, known), list(known))


def _write(home: Home, reports: Mapping[str, str]) -> None:
    """The reports of these products, and of no others; the home's mask closes them to everybody else."""
    folder = reports_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in reports:
            path.unlink()
    for code, text in reports.items():
        (folder / f"{code}.md").write_text(text, encoding="utf-8")
