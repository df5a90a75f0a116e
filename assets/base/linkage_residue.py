"""Rows without a valid identifier (the residue), linked to the identified entities of a base database.

Here belong the residue's gathering from quarantine and standard tables, its links for the crosswalk, what is left for
a steward, and the stewards' decisions. Nothing of the residue ever enters a golden record: a link says whose row it
is, and the department still has to mend it. How records are compared is in ``linkage``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from assets.base.decisions import DecisionError, Verdict, stated
from assets.base.golden import KEY, Chosen, contested
from assets.base.identity import given_ids, known_ids, leads
from assets.base.inputs import standard
from assets.base.linkage import LINK, link
from assets.base.relatives import relatives
from assets.base.together import shared_rows, whose
from assets.build import Context
from catalog.base_model import Base, load_bases
from catalog.linkage_model import LinkageModel, reviewed_models
from lake.hashes import ROW_HASH, row_hash
from lake.locks import writing

#: Where a row is, and a hash of its content: a decision on it outlives a new push of the same row.
RECORD = "record"
_WHERE = ("resource", "_push", "_row", "_data_date")
STEWARD = "steward"


@dataclass(frozen=True)
class Found:
    """``links`` in the crosswalk's shape, ``worklist`` in :func:`worklist_schema`'s; ``residue`` rows in all."""

    links: pl.DataFrame
    worklist: pl.DataFrame
    residue: int


def worklist_name(base: Base) -> str:
    """The name of the table of what a steward shall decide."""
    return f"{base.code}_worklist"


def decisions_name(base: Base) -> str:
    """The name of the ledger of what stewards decided."""
    return f"{base.code}_decisions"


def crosswalk_schema(base: Base) -> pl.Schema:
    """The columns of the crosswalk: entity, row, how we know, and how sure."""
    where = {"resource": pl.String(), "_push": pl.String(), "_row": pl.Int64(), "_data_date": pl.Date()}
    return pl.Schema(
        {base.id_column: pl.String(), **where, "method": pl.String(), "probability": pl.Float64()}
    )


def worklist_schema(base: Base) -> pl.Schema:
    """The crosswalk's columns, the row's content hash, and ``unsure`` where a steward could not tell."""
    return pl.Schema({**crosswalk_schema(base), RECORD: pl.Int64(), "verdict": pl.String()})


def decisions_schema(base: Base) -> pl.Schema:
    """The row by its content, the entity, what was decided, by whom, when and why."""
    texts = dict.fromkeys((base.id_column, "verdict", "steward", "reason"), pl.String())
    return pl.Schema(
        {RECORD: pl.Int64(), "resource": pl.String(), **texts, "decided_at": pl.Datetime("us", "UTC")}
    )


def find(context: Context, base: Base, golden: pl.LazyFrame) -> Found:
    """Link the residue of a base database to its golden records; empty where no model is declared."""
    model = reviewed_models(context.catalogue.root).get(base.code)
    rows = residue(context, base, model) if model else pl.DataFrame()
    if model is None or rows.is_empty():
        return Found(
            pl.DataFrame(schema=crosswalk_schema(base)), pl.DataFrame(schema=worklist_schema(base)), 0
        )
    people = _everybody(context, base, model, rows, golden)
    probable = _linked(model, rows, people, base)
    return _parted(base, probable, latest_decisions(context, base), rows)


def _everybody(
    context: Context, base: Base, model: LinkageModel, rows: pl.DataFrame, golden: pl.LazyFrame
) -> pl.DataFrame:
    """The golden records' fields that the model compares, and the names of those who stand in the relations that it names;
    nobody's where no row of the residue says anything that is compared with them."""
    compared = {name: model.sources(name, "right") for name in model.columns}
    fields = [name for read in compared.values() for name in read if name in base.fields]
    known = golden.select(*dict.fromkeys([base.id_column, base.identifier, "name", *fields]))
    # in one order always: what is drawn at random for the model must be the same in every rebuild
    people = known.collect(engine="streaming").sort(base.id_column)
    for name, read in compared.items():
        said = rows.select(model.sources(name, "left"))
        silent = all(cells.null_count() == rows.height for cells in said)
        for relation in (one for one in read if one not in people.columns):
            kin = pl.lit(None, pl.String) if silent else relatives(context, base, relation, people)
            people = people.with_columns(kin.alias(relation))
    return people


def _linked(model: LinkageModel, rows: pl.DataFrame, people: pl.DataFrame, base: Base) -> pl.DataFrame:
    """Pairs of residue row and entity from the review threshold on; ``_n`` is the row's number in ``rows``."""
    by_number = rows.with_row_index("_n").with_columns(pl.col("_n").cast(pl.String).alias(base.id_column))
    pairs = link(model, by_number, people).pairs
    return pairs.select(
        pl.col("left").cast(pl.UInt32).alias("_n"),
        pl.col("right").alias(base.id_column),
        "probability",
        pl.col("decision") == LINK,
    )


def _parted(base: Base, probable: pl.DataFrame, decided: pl.DataFrame, rows: pl.DataFrame) -> Found:
    """What is linked, and what a steward shall see; a steward's word stands above any probability."""
    numbered = rows.with_row_index("_n")
    said = numbered.join(decided, on=[RECORD, "resource"]).select("_n", base.id_column, "verdict")
    known = probable.join(said, on=["_n", base.id_column], how="full", coalesce=True)
    settled = known.filter(verdict=Verdict.SAME)["_n"]
    same = (pl.col("verdict") == Verdict.SAME).fill_null(value=False)
    other = (pl.col("verdict") == Verdict.DIFFERENT).fill_null(value=False)
    unsure = (pl.col("verdict") == Verdict.UNSURE).fill_null(value=False)
    open_ = ~other & ~pl.col("_n").is_in(settled.implode())
    judged = known.with_columns(
        pl.when(same).then(pl.lit(STEWARD)).otherwise(pl.lit("linkage")).alias("method"),
        pl.when(same).then(1.0).otherwise("probability").alias("probability"),
    )
    linked = judged.filter(same | (open_ & ~unsure & pl.col("decision").fill_null(value=False)))
    waiting = judged.filter(open_ & (unsure | ~pl.col("decision").fill_null(value=False)))
    waiting = waiting.join(linked, on="_n", how="anti")
    return Found(
        _shaped(linked, numbered, crosswalk_schema(base)),
        _shaped(waiting, numbered, worklist_schema(base)),
        rows.height,
    )


def _shaped(pairs: pl.DataFrame, rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    where = rows.select("_n", *_WHERE, RECORD)
    return pairs.join(where, on="_n").select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def residue(context: Context, base: Base, model: LinkageModel) -> pl.DataFrame:
    """Every row of the base's sources without a valid identifier: where it is, its hash, and what the model reads of it as
    text, as it came."""
    found = [part for name in base.sources for part in _of_source(context, base, model, name)]
    return pl.concat(found).sort(*_WHERE, RECORD, *_read_of_rows(model)).collect(engine="streaming")


def _of_source(context: Context, base: Base, model: LinkageModel, name: str) -> list[pl.LazyFrame]:
    source = base.sources[name]
    columns = {field: _read_from(base, name, field) for field in _read_of_rows(model)}
    nothing = pl.lit(None, pl.String)
    kept = standard(context, source.resource).filter(whose(base, source).is_null())
    parts = [
        kept.select(
            pl.lit(source.resource).alias("resource"),
            *_WHERE[1:],
            _content(list(context.catalogue.entry(source.resource).columns)),
            *(
                (pl.col(column).cast(pl.String) if column else nothing).alias(field)
                for field, column in columns.items()
            ),
        )
    ]
    if context.lake.exists("quarantine", source.resource):
        refused = context.lake.scan("quarantine", source.resource).filter(
            pl.col("reasons").list.eval(pl.element().struct.field("column") == source.identifier).list.any()
        )
        cell = {
            field: pl.col("cells").str.json_path_match(f"$.{column}") if column else nothing
            for field, column in columns.items()
        }
        parts.append(
            refused.select(
                pl.lit(source.resource).alias("resource"),
                *_WHERE[1:],
                pl.col("cells").alias("_content"),
                *(value.alias(field) for field, value in cell.items()),
            )
        )
    return [_hashed(part) for part in parts]


def records_of(resource: str, rows: pl.DataFrame, cells: pl.Series) -> pl.Series:
    """Every hash by which a decision may know a row of a push: of its ``rows`` as standard would hold them, and of their
    ``cells`` as quarantine would."""
    content = [name for name in rows.columns if not name.startswith("_")]
    said = pl.concat([rows.select(_content(content)).to_series(), cells.cast(pl.String)])
    named = pl.LazyFrame({"_content": said}).with_columns(pl.lit(resource).alias("resource"))
    return pl.concat([_hashed(named).collect()[RECORD], rows[ROW_HASH].rename(RECORD)]).unique()


def _content(columns: Sequence[str]) -> pl.Expr:
    texts = [pl.col(column).cast(pl.String) for column in columns]
    return pl.concat_str(texts, separator="\x1f", ignore_nulls=True).alias("_content")


def _hashed(part: pl.LazyFrame) -> pl.LazyFrame:
    schema = pl.Schema({"resource": pl.String(), "_content": pl.String()})
    return part.with_columns(row_hash(["resource", "_content"], schema).alias(RECORD)).drop("_content")


def _read_of_rows(model: LinkageModel) -> list[str]:
    """What the model reads of a row: base fields, and columns of sources (``marriage_man.woman_name``)."""
    return list(dict.fromkeys(read for name in model.columns for read in model.sources(name, "left")))


def _read_from(base: Base, source: str, field: str) -> str | None:
    """The source's column that a base field, or a column named with its source, is read from; None where the source says
    nothing of it."""
    if field == base.identifier:
        return base.sources[source].identifier
    for reference in base.fields[field].sources if field in base.fields else [field]:
        owner, column = base.split(reference)
        if owner == source:
            return column
    return None


def latest_decisions(context: Context, base: Base) -> pl.DataFrame:
    """What was decided last on each row and entity."""
    decided = stated(context, decisions_name(base), decisions_schema(base)).sort("decided_at").collect()
    return decided.unique([RECORD, "resource", base.id_column], keep="last", maintain_order=True)


def _contested(context: Context, base: Base, entity: pl.DataFrame) -> pl.DataFrame:
    """The rows under an entity's identifiers that look like another's, or name what others have too; also those already
    decided."""
    known = known_ids(context, base).filter(pl.col(base.id_column).is_in(entity[base.id_column].implode()))
    only = known.collect()[base.identifier]
    own = given_ids(context, base).select(pl.col(base.identifier).alias(KEY), base.id_column)
    rows = contested(
        context, base, entity.lazy().join(own, on=base.id_column), Chosen(only, leads(context, base), {})
    )
    shared = shared_rows(context, base, known).select(rows.columns)
    return pl.concat([rows, shared]).rename({ROW_HASH: RECORD})


def decide(
    context: Context, name: str, push: str, row: int, entity: str, verdict: str, steward: str, reason: str
) -> None:
    """Append a steward's decision on a row without an identifier, or on one that is contested under its own; it is never
    edited, and a later one on the same row and entity stands above it. Raises :class:`DecisionError`."""
    base = load_bases(context.catalogue).get(name)
    model = reviewed_models(context.catalogue.root).get(name)
    if base is None or model is None:
        msg = f"base.{name} has no linkage model: there is nothing to decide"
        raise DecisionError(msg)
    if verdict not in list(Verdict):
        msg = f"{verdict!r} is no verdict: say {', '.join(Verdict)}"
        raise DecisionError(msg)
    known = context.lake.scan("base", name).filter(pl.col(base.id_column) == entity).collect()
    rows = pl.concat(
        [
            part.select(*_WHERE[:3], RECORD)
            for part in (residue(context, base, model), _contested(context, base, known))
        ]
    ).filter(_push=push, _row=row)
    if rows.is_empty() or known.is_empty():
        what = (
            f"row {row} of push {push} is no row without an identifier, and none that is contested"
            if rows.is_empty()
            else f"no entity {entity}"
        )
        msg = f"{what}: take both from base.{worklist_name(base)}"
        raise DecisionError(msg)
    decided = rows.head(1).select(
        RECORD,
        "resource",
        pl.lit(entity).alias(base.id_column),
        pl.lit(verdict).alias("verdict"),
        pl.lit(steward).alias("steward"),
        pl.lit(reason).alias("reason"),
        pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC")).alias("decided_at"),
    )
    with writing(context.home, f"base.{decisions_name(base)}"):
        context.lake.append("base", decisions_name(base), decided.select(decisions_schema(base).names()))
