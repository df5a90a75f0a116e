"""``ops.score`` and ``ops.agreement``: how good what departments send is, and where they contradict each other.

Here belong the gathering of counts and periods, and the history: a score is appended where it has changed, and none is ever
changed. The formula is in ``quality.score``; what departments say of one entity is brought together in ``base``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from assets.base.golden import SOURCE_SUFFIX, Chosen, one_per_entity
from assets.base.identity import leads
from assets.build import Build, Built, Context, TableName
from assets.operations import latest_periods
from assets.push_scores import judged_scores
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.model import Dimension, Title
from lake.ledger import Push, open_ledger
from lake.locks import writing
from lake.tables import Lake
from quality.freshness import Verdict
from quality.plan import Plan, compile_entry
from quality.score import (
    Scores,
    Slot,
    department_scores,
    resource_scores,
    scored_rules,
    total,
)

SCORES: TableName = ("ops", "score")
AGREEMENT: TableName = ("ops", "agreement")
PUSH, RESOURCE, DEPARTMENT = "push", "resource", "department"
TOTAL = "total"
_WHAT = ["level", "department", "resource", "push", "dimension"]
SCORE_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(_WHAT, pl.String()),
        "data_date": pl.Date(),
        "score": pl.Float64(),
        "recorded_at": pl.Datetime("us", "UTC"),
    }
)
AGREEMENT_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(
            ("base", "field", "kept_department", "kept_resource", "department", "resource"), pl.String()
        ),
        "statutory": pl.Boolean(),
        "compared": pl.Int64(),
        "differing": pl.Int64(),
        #: The most that was ever compared: saying nothing any more makes nobody agree.
        "expected": pl.Int64(),
    }
)


def builds(catalogue: Catalogue) -> list[Build]:
    """The two tables, made after every standard table and the base databases."""
    golden: list[TableName] = [("base", base.code) for base in load_bases(catalogue).values()]
    return [
        Build(
            makes=(SCORES, AGREEMENT),
            reads=(*(("standard", code) for code in catalogue.entries), *golden, ("ops", "period")),
            title=Title(zh="质量得分", en="Quality scores"),
            description="每次推送、每个数据资源、每个部门按 GB/T 36344 六个维度的得分，只增不改；以及部门之间同一字段的"
            "比对结果。Scores of every push, resource and department, only ever appended; and how far departments agree.",
            owner="data_bureau",
            run=publish_scores,
        )
    ]


def publish_scores(context: Context) -> Built:
    """Compare departments anew, and append every score that has changed since it was recorded."""
    agreement = pl.concat(
        [pl.DataFrame(schema=AGREEMENT_SCHEMA), *(compared(context, base) for base in _bases(context))]
    )
    with writing(context.home, "ops.agreement"):
        agreement = _with_expected(context.lake, agreement)
        agreed = context.lake.publish(
            *AGREEMENT, agreement, key=["base", "field", "kept_resource", "resource"]
        )
    with writing(context.home, "ops.score"):
        found = score_rows(context, shares_of(agreement), datetime.now(UTC))
        said = latest_scores(context.lake).drop("recorded_at")
        scored = context.lake.append(*SCORES, found.join(said, on=said.columns, how="anti", nulls_equal=True))
    return Built(
        {SCORES: scored, AGREEMENT: agreed},
        {
            "scores": found.height,
            "compared": int(agreement["compared"].sum()),
            "differing": int(agreement["differing"].sum()),
        },
    )


def latest_scores(lake: Lake) -> pl.DataFrame:
    """What was recorded last of each push, resource and department, by dimension."""
    if not lake.exists(*SCORES):
        return pl.DataFrame(schema=SCORE_SCHEMA)
    recorded = lake.scan(*SCORES).sort("recorded_at")
    return recorded.unique(_WHAT, keep="last").sort(_WHAT).select(SCORE_SCHEMA.names()).collect()


def totals(lake: Lake, level: str) -> pl.DataFrame:
    """Every total that was ever recorded at this level, oldest first."""
    if not lake.exists(*SCORES):
        return pl.DataFrame(schema=SCORE_SCHEMA)
    found = lake.scan(*SCORES).filter((pl.col("level") == level) & (pl.col("dimension") == TOTAL))
    return found.sort("recorded_at").select(SCORE_SCHEMA.names()).collect()


def _with_expected(lake: Lake, agreement: pl.DataFrame) -> pl.DataFrame:
    """With what was compared before kept on record, also where nothing is compared any more."""
    if not lake.exists(*AGREEMENT):
        return agreement
    key = ["base", "field", "kept_resource", "resource"]
    before = lake.scan(*AGREEMENT).collect().select(AGREEMENT_SCHEMA.names())
    gone = before.join(agreement, on=key, how="anti").with_columns(
        pl.lit(0, pl.Int64).alias("compared"), pl.lit(0, pl.Int64).alias("differing")
    )
    kept = agreement.join(before.select(*key, pl.col("expected").alias("before")), on=key, how="left")
    most = pl.max_horizontal("expected", "before").alias("expected")
    return pl.concat([kept.with_columns(most).select(AGREEMENT_SCHEMA.names()), gone])


def _bases(context: Context) -> list[Base]:
    return [base for base in load_bases(context.catalogue).values() if context.lake.exists("base", base.code)]


def compared(context: Context, base: Base) -> pl.DataFrame:
    """Of each compared field: how often a resource and the one whose value was kept both say something of one entity, and
    how often they say different things."""
    fields = [name for name, declared in base.fields.items() if declared.compare]
    golden = context.lake.scan("base", base.code).select(
        base.identifier, *fields, *(name + SOURCE_SUFFIX for name in fields), *_apart(base, fields)
    )
    chosen = Chosen(None, leads(context, base), {})
    counted = [
        _of_reference(
            base,
            name,
            reference,
            one_per_entity(context, base, reference.partition(".")[0], chosen).join(
                golden, on=base.identifier
            ),
        )
        for name in fields
        for reference in base.fields[name].sources
    ]
    found = (
        pl.concat(pl.collect_all(counted))
        .group_by("field", "kept_resource", "resource")
        .agg(pl.col("compared", "differing").sum(), pl.col("compared").sum().alias("expected"))
        if counted
        else pl.DataFrame(schema=AGREEMENT_SCHEMA)
    )
    statutory = {
        (name, base.resource(reference))
        for name in fields
        for reference in base.statutory(context.catalogue, name)
    }
    department = {code: entry.department for code, entry in context.catalogue.entries.items()}
    return found.with_columns(
        pl.lit(base.code).alias("base"),
        pl.col("kept_resource").replace_strict(department, return_dtype=pl.String).alias("kept_department"),
        pl.col("resource").replace_strict(department, return_dtype=pl.String).alias("department"),
        pl.Series(
            "statutory",
            [pair in statutory for pair in found.select("field", "kept_resource").iter_rows()],
            pl.Boolean,
        ),
    ).select(pl.col(name).cast(dtype) for name, dtype in AGREEMENT_SCHEMA.items())


def _apart(base: Base, fields: Sequence[str]) -> list[str]:
    return [name for name in base.apart if name not in fields]


def _of_reference(base: Base, name: str, reference: str, joined: pl.LazyFrame) -> pl.LazyFrame:
    """One source's word on one field beside the value that was kept. A row that is another person's is compared with
    nobody: it waits for a steward."""
    source, resource = reference.partition(".")[0], base.resource(reference)
    said = base.telling_apart().get(source)
    others = (
        pl.all_horizontal(
            (pl.col(f"{source}.{column}") != pl.col(field)).fill_null(value=False)
            for field, column in said.items()
        )
        if said
        else pl.lit(value=False)
    )
    both = (
        pl.col(reference).is_not_null()
        & pl.col(name).is_not_null()
        & (pl.col(name + SOURCE_SUFFIX) != resource)
    )
    return (
        joined.filter(both & ~others)
        .group_by(pl.col(name + SOURCE_SUFFIX).alias("kept_resource"))
        .agg(
            pl.len().cast(pl.Int64).alias("compared"),
            (pl.col(reference) != pl.col(name)).sum().cast(pl.Int64).alias("differing"),
        )
        .select(
            pl.lit(name).alias("field"),
            "kept_resource",
            pl.lit(resource).alias("resource"),
            "compared",
            "differing",
        )
    )


def own_side(context: Context, base: Base, department: str) -> pl.DataFrame:
    """What a department says that another one says otherwise: whom it is about, the field, its own value and resource, and
    the other department. The other's value is not its to see."""
    of = {code: entry.department for code, entry in context.catalogue.entries.items()}
    listed = context.lake.scan("base", f"{base.code}_conflict").join(
        context.lake.scan("base", base.code).select(
            base.id_column, pl.col(base.identifier).alias("identifier")
        ),
        on=base.id_column,
    )
    sides = [
        listed.select(
            "identifier",
            "field",
            pl.col(value).alias("own_value"),
            pl.col(mine).alias("own_resource"),
            pl.col(theirs).replace_strict(of, return_dtype=pl.String).alias("other_department"),
        )
        for mine, value, theirs in (
            ("resource", "value", "kept_resource"),
            ("kept_resource", "kept", "resource"),
        )
    ]
    own = pl.col("own_resource").replace_strict(of, return_dtype=pl.String) == department
    return pl.concat(sides).filter(own).unique().sort("field", "other_department", "identifier").collect()


def own_sides(context: Context, department: str) -> pl.DataFrame:
    """The same over every base database that has been built."""
    found = [own_side(context, base, department) for base in _bases(context)]
    schema = dict.fromkeys(
        ("identifier", "field", "own_value", "own_resource", "other_department"), pl.String
    )
    return pl.concat([pl.DataFrame(schema=schema), *found])


def shares_of(agreement: pl.DataFrame) -> dict[str, float]:
    """By resource the share of its comparisons in which it stands as it should. The statutory source stands, and who
    differs from it answers for all of it; where neither is statutory nobody knows who is right, and each answers for half."""
    half = pl.col("differing") / 2
    whole = pl.when("statutory").then(pl.col("differing").cast(pl.Float64)).otherwise(half)
    other = agreement.select("resource", "expected", stands=pl.col("compared") - whole)
    kept = agreement.filter(~pl.col("statutory")).select(
        pl.col("kept_resource").alias("resource"), "expected", stands=pl.col("compared") - half
    )
    summed = pl.concat([other, kept]).group_by("resource").agg(pl.col("expected", "stands").sum())
    rows = summed.filter(pl.col("expected") > 0).select("resource", "expected", "stands").iter_rows()
    return {resource: stands / expected for resource, expected, stands in rows}


def score_rows(context: Context, agreement: Mapping[str, float], now: datetime) -> pl.DataFrame:
    """Every score as ledger, periods and comparison say now."""
    ledger, periods = open_ledger(context.home), latest_periods(context.lake)
    rows: list[dict[str, object]] = []
    of_department: dict[str, list[Scores]] = {}
    for entry in context.catalogue.entries.values():
        plan, history = compile_entry(entry), ledger.history(entry.code)
        scored = judged_scores(plan, history)
        said = {"department": entry.department, "resource": entry.code}
        for push, scores in scored:
            rows += _rows({**said, "level": PUSH, "push": push.id, "data_date": push.data_date}, scores)
        slots = _slots(periods.filter(resource=entry.code), scored)
        standing = resource_scores(_assessed(plan, scored), slots, agreement.get(entry.code))
        if any(score is not None for score in standing.values()):
            rows += _rows({**said, "level": RESOURCE}, standing)
            of_department.setdefault(entry.department, []).append(standing)
    for department, resources in of_department.items():
        rows += _rows({"level": DEPARTMENT, "department": department}, department_scores(resources))
    return pl.DataFrame([row | {"recorded_at": now} for row in rows], schema=SCORE_SCHEMA, orient="row")


def _rows(said: Mapping[str, object], scores: Scores) -> Iterator[dict[str, object]]:
    for dimension, score in [*scores.items(), (TOTAL, total(scores))]:
        blank: dict[str, object] = dict.fromkeys(SCORE_SCHEMA.names())
        yield blank | dict(said) | {"dimension": str(dimension), "score": score}


def _assessed(plan: Plan, scored: Sequence[tuple[Push, Scores]]) -> list[Dimension]:
    """The dimensions that have a score in some push; of a resource that never pushed, those its rules have."""
    of_rules = {rule.dimension for rule in scored_rules(plan)}
    return [
        d for d in Dimension if d in of_rules and (not scored or any(s[d] is not None for _, s in scored))
    ]


def _slots(periods: pl.DataFrame, scored: Sequence[tuple[Push, Scores]]) -> list[Slot]:
    """The periods that are over, oldest first, each with the pushes that speak for it: of its dates or later. Where no
    period is over yet, what has come so far stands for one."""
    if periods.is_empty():
        return [Slot(on_time=True, came=True, pushes=[scores for _, scores in scored])] if scored else []
    kept = periods.filter(pl.col("verdict") != Verdict.EXCUSED.value).sort("period_end")
    return [
        Slot(
            on_time=row["verdict"] == Verdict.ON_TIME.value,
            came=row["received_on"] is not None,
            pushes=[scores for push, scores in scored if push.data_date >= row["period_start"]],
        )
        for row in kept.iter_rows(named=True)
    ]
