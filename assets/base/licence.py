"""The e-licence base database (电子证照): licences with their version chains, and whose they are.

Here belong the chain, the holder's id and the tables. How a licence's states, events and faults are reckoned is in
``licence_life``. What a licence identifier must look like is its element's business
(GB/T 36904).
"""

from __future__ import annotations

import polars as pl

from assets.base.identity import known_ids, ledger_name
from assets.base.inputs import standard
from assets.base.licence_life import events, findings, with_spans
from assets.build import Build, Built, Context, TableName
from catalog.base_model import Base, load_bases
from catalog.elements.identifiers import credit_checks_out, is_person
from catalog.load import Catalogue
from catalog.model import Title
from lake.locks import writing
from quality.clock import today

#: Who took over from whom: a relation of the catalogue.
SUCCESSOR: TableName = ("base", "successor")


def builds(catalogue: Catalogue) -> list[Build]:
    """Licences, and their types."""
    bases = load_bases(catalogue)
    title = Title(zh="电子证照基础数据库", en="E-licences")
    ids = [("base", ledger_name(bases[code])) for code in ("person", "legal_entity")]
    return [
        Build(
            makes=tuple(
                ("base", name) for name in ("licence", "licence_type", "licence_event", "licence_finding")
            ),
            reads=(
                ("standard", "electronic_licence"),
                ("standard", "licence_type"),
                *ids,
                ("base", "person"),
                ("base", "legal_entity"),
                SUCCESSOR,
            ),
            title=title,
            description="每个证照版本一行，标明版本链、现行版本和持证主体；核发、换发、暂停、撤销等事件；不应有的情形。\n\n"
            "One row per licence version: its chain, whether current, whose; what happened to it; what cannot be so.",
            owner="data_bureau",
            run=lambda context: build(context, bases["person"], bases["legal_entity"]),
        )
    ]


def build(context: Context, person: Base, legal_entity: Base) -> Built:
    """Make the tables equal what the licence registers, and the registers of who holds them, say now."""
    rows, types = licences(context, person, legal_entity), licence_types(context)
    known = (_known(context, person, "death_date"), _known(context, legal_entity, "status", "cancelled_on"))
    issuers = _issuers(context.catalogue, known[1], types)
    tables = {
        "licence": (with_spans(rows, today()), ["licence_id"]),
        "licence_type": (types, ["type_code"]),
        "licence_event": (events(rows, today()), ["licence_id", "happened_on", "event"]),
        "licence_finding": (
            findings(rows, *known, types, issuers, _successors(context), today()),
            ["licence_id", "finding"],
        ),
    }
    commits = {}
    for name, (rows, key) in tables.items():
        with writing(context.home, f"base.{name}"):
            commits["base", name] = context.lake.publish("base", name, rows, key=key)
    counts = {name: commits["base", name].rows for name in ("licence", "licence_event", "licence_finding")}
    return Built(commits, counts)


def _issuers(catalogue: Catalogue, entities: pl.LazyFrame, types: pl.LazyFrame) -> pl.LazyFrame:
    """Who may issue licences: a registered organisation, an authority of a licence type, a department of the catalogue."""
    departments = [department.credit_code for department in catalogue.departments.values()]
    return pl.concat(
        [
            entities.select(issuer_code="credit_code"),
            types.select(issuer_code="managing_authority_code"),
            pl.LazyFrame({"issuer_code": departments}, schema={"issuer_code": pl.String}),
        ]
    )


def _known(context: Context, base: Base, *fields: str) -> pl.LazyFrame:
    """What the licences' findings ask of a base database; nobody where it has not been built."""
    wanted = (base.id_column, base.identifier, *fields)
    if context.lake.exists("base", base.code):
        return context.lake.scan("base", base.code).select(wanted)
    dates = ("death_date", "cancelled_on")
    return pl.LazyFrame(schema={name: pl.Date() if name in dates else pl.String() for name in wanted})


def _successors(context: Context) -> pl.LazyFrame:
    """Which organisation took over from which; none where that has not been built."""
    wanted = ("predecessor_id", "successor_id")
    if context.lake.exists(*SUCCESSOR):
        return context.lake.scan(*SUCCESSOR).select(wanted)
    return pl.LazyFrame(schema=dict.fromkeys(wanted, pl.String()))


def licences(context: Context, person: Base, legal_entity: Base) -> pl.LazyFrame:
    """Every version of every licence, with the id of its holder where a base database knows them.

    ``chain_id`` is the identifier without version and check: what a renewal keeps."""
    holder = pl.col("holder_code")
    rows = standard(context, "electronic_licence").with_columns(
        pl.col("licence_id").str.replace(r"\.\d{3}\.[0-9A-Z]$", "").alias("chain_id"),
        pl.when(is_person(holder)).then(holder).alias(person.identifier),
        pl.when(credit_checks_out(holder)).then(holder).alias(legal_entity.identifier),
    )
    for base in (person, legal_entity):
        rows = rows.join(known_ids(context, base), on=base.identifier, how="left")
    return rows.select(
        "licence_id",
        "chain_id",
        "type_code",
        "type_name",
        "licence_no",
        "holder_name",
        "holder_code",
        person.id_column,
        legal_entity.id_column,
        "issuer",
        "issuer_code",
        "issued_on",
        "valid_from",
        "valid_to",
        "version",
        (pl.col("version") == pl.col("version").max().over("chain_id")).alias("is_current"),
        "state",
        "state_since",
        pl.col("file_digest").str.to_lowercase().alias("file_digest"),
        "previous_licence_id",
        "division_code",
        pl.lit("electronic_licence").alias("source"),
        pl.col("_push").alias("source_push"),
        pl.col("_row").alias("source_row"),
    )


def licence_types(context: Context) -> pl.LazyFrame:
    """The licence types, as their catalogue has them."""
    return standard(context, "licence_type").select(
        "type_code",
        "type_name",
        "managing_authority",
        "managing_authority_code",
        "holder_kind",
        "validity_years",
        pl.lit("licence_type").alias("source"),
        pl.col("_push").alias("source_push"),
        pl.col("_row").alias("source_row"),
    )
