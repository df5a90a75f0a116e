"""The asset graph: catalogue entries and recipes turned into Dagster assets.

Here belongs the translation only: keys, groups, owners, schemas, metadata and checks. What an asset computes is
in ``assets``; which runs are started, and when, is in ``automation.py``. No personal value goes into metadata.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.build import Build, Built, Context, TableName
from assets.push_scores import JUDGED, judged_scores
from assets.standard import Outcome, apply_waiting, make_tables
from catalog.model import Dimension, Entry, Frequency, Way
from lake.ledger import PushState, open_ledger
from lake.tables import Commit
from pipelines.alerts import alert
from pipelines.data_docs import docs_url
from pipelines.lineage import dagster_lineage
from quality.plan import Plan, asked_resources, compile_entry

#: The longest that Dagster lets pass without an accepted push. It only mirrors the promise: the ledger of
#: deadlines, on the Chinese working-day calendar, is the truth.
FRESHNESS: dict[Frequency, timedelta | None] = {
    Frequency.REALTIME: timedelta(days=1),
    Frequency.DAILY: timedelta(days=2),
    Frequency.WEEKLY: timedelta(days=10),
    Frequency.MONTHLY: timedelta(days=40),
    Frequency.QUARTERLY: timedelta(days=110),
    Frequency.HALF_YEARLY: timedelta(days=200),
    Frequency.YEARLY: timedelta(days=390),
    Frequency.IRREGULAR: None,
}
WAY_KIND = {Way.API: "api", Way.TABLE: "postgres", Way.FILE: "file"}
PUSH_CHECK = "push"
#: Under this name assets and checks link to the page of how a push met each rule.
DATA_DOCS = "质量报告 Data Docs"


def asset_key(table: TableName) -> dg.AssetKey:
    """``("base", "person")`` → ``base/person``; a layer may be a folder (``role/analyst``)."""
    return dg.AssetKey([*table[0].split("/"), table[1]])


def landing_spec(city: Context, entry: Entry) -> dg.AssetSpec:
    """The resource as its department delivers it: external, materialised only when a push is accepted."""
    window = FRESHNESS[entry.frequency]
    return dg.AssetSpec(
        dg.AssetKey(["landing", entry.code]),
        group_name="landing",
        description=f"{entry.title.zh} · {entry.title.en}\n\n{entry.abstract}",
        owners=[_owner(city, entry)],
        kinds={WAY_KIND[entry.delivery.ways[0]]},
        tags={"department": entry.department, "frequency": entry.frequency.value},
        metadata={
            "数源部门 department": city.catalogue.departments[entry.department].title.zh,
            "更新频率 frequency": entry.frequency.title,
            "共享类型 sharing": entry.sharing.type.title,
        },
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=window) if window else None,
    )


def standard_asset(city: Context, entry: Entry) -> dg.AssetsDefinition:
    """``landing/x`` → ``standard/x`` and ``quarantine/x``, with one asset check for each quality dimension."""
    plan = compile_entry(entry)
    good, bad = asset_key(("standard", entry.code)), asset_key(("quarantine", entry.code))
    shared: dict[str, Any] = {
        # what the entry's rules ask of other resources must be there before
        "deps": [
            dg.AssetKey(["landing", entry.code]),
            *(asset_key(("standard", code)) for code in asked_resources(entry)),
        ],
        "owners": [_owner(city, entry)],
        "kinds": {"polars", "deltalake"},
        "tags": {"department": entry.department},
    }
    specs = [
        dg.AssetSpec(
            good,
            group_name="standard",
            description=f"{entry.title.zh} · {entry.title.en}: the rows that passed, typed and keyed.",
            metadata={
                "dagster/column_schema": _entry_schema(entry),
                DATA_DOCS: dg.MetadataValue.url(docs_url(entry.code)),
            },
            **shared,
        ),
        dg.AssetSpec(
            bad,
            group_name="quarantine",
            description=f"{entry.title.zh} · {entry.title.en}: the rows that failed, whole, with every reason.",
            **shared,
        ),
    ]
    checks = [
        dg.AssetCheckSpec(
            PUSH_CHECK,
            asset=good,
            description="推送是否已接收入库 · no push is held or refused",
            blocking=True,
        ),
        *(
            dg.AssetCheckSpec(
                dimension.value, asset=good, description=f"{dimension.title} (GB/T 36344)", blocking=True
            )
            for dimension in _dimensions(plan)
        ),
    ]

    @dg.multi_asset(
        name=f"standard__{entry.code}", specs=specs, check_specs=checks, op_tags={"layer": "standard"}
    )
    def compute(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        make_tables(city, entry)
        outcomes = apply_waiting(city, entry.code)
        _report_landing(context, entry, outcomes)
        for outcome in outcomes:
            context.log.info(_told(outcome))
            if outcome.state is PushState.HELD:
                alert("push held", resource=entry.code, push=outcome.push.id, rows=outcome.rows)
        scored = _newest_scores(city, plan, outcomes)
        yield from _results(city, entry, outcomes, scored)
        severity = _severity(context, entry, outcomes)
        yield _push_check(good, outcomes, severity)
        yield from _dimension_checks(good, plan, outcomes, severity, scored)

    return compute


def build_asset(city: Context, build: Build) -> dg.AssetsDefinition:
    """A recipe as one Dagster step that makes all its tables."""
    specs = [
        dg.AssetSpec(
            asset_key(table),
            deps=[asset_key(read) for read in build.reads],
            group_name=table[0].split("/")[0],
            description=f"{build.title.zh} · {build.title.en}\n\n{build.description}",
            owners=[city.catalogue.departments[build.owner].owner],
            kinds=set(build.kinds),
        )
        for table in build.makes
    ]

    @dg.multi_asset(
        name="__".join(asset_key(build.makes[0]).path), specs=specs, op_tags={"layer": build.makes[0][0]}
    )
    def compute(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        built: Built = build.run(city)
        context.log.info(_noted(build, built))
        for table in build.makes:
            commit = built.commits.get(table)
            yield dg.MaterializeResult(
                asset_key=asset_key(table),
                metadata={
                    **_table_metadata(city, table, commit),
                    **dagster_lineage(city, table),
                    **built.notes,
                },
            )

    return compute


def _told(outcome: Outcome) -> str:
    push = outcome.push
    return (
        f"{push.resource}: push {push.id} {outcome.state}: {outcome.rows} rows, "
        f"{outcome.accepted} standard, {outcome.rejected} quarantined"
    )


def _noted(build: Build, built: Built) -> str:
    notes = ", ".join(f"{name} {value}" for name, value in built.notes.items())
    return f"{'/'.join(build.makes[0])}: {notes}"


def _report_landing(run: dg.AssetExecutionContext, entry: Entry, outcomes: Sequence[Outcome]) -> None:
    """Accepted pushes materialise the landing asset, so that re-running on old data makes nothing fresh."""
    for outcome in outcomes:
        if outcome.state is PushState.APPLIED:
            push = outcome.push
            run.log_event(
                dg.AssetMaterialization(
                    dg.AssetKey(["landing", entry.code]),
                    metadata={
                        "push": push.id,
                        "way": push.way.value,
                        "data date": push.data_date.isoformat(),
                        "received at": push.received_at.isoformat(),
                        "bytes": push.size,
                        "dagster/row_count": outcome.rows,
                    },
                )
            )


def _newest_scores(city: Context, plan: Plan, outcomes: Sequence[Outcome]) -> dict[Dimension, float]:
    """The scores of the newest judged push of this run, by dimension: numbers, which Dagster plots over time."""
    ids = {outcome.push.id for outcome in outcomes}
    history = open_ledger(city.home).history(plan.entry.code) if ids else []
    found = [scores for push, scores in judged_scores(plan, history) if push.id in ids]
    return {d: round(score, 6) for d, score in found[-1].items() if score is not None} if found else {}


def _results(
    city: Context, entry: Entry, outcomes: Sequence[Outcome], scored: Mapping[Dimension, float]
) -> Iterator[dg.MaterializeResult[None]]:
    commit = next((outcome.commit for outcome in reversed(outcomes) if outcome.commit), None)
    for layer in ("standard", "quarantine"):
        table = (layer, entry.code)
        yield dg.MaterializeResult(
            asset_key=asset_key(table),
            metadata={
                **_table_metadata(city, table, commit if layer == "standard" else None),
                "pushes": len(outcomes),
                "rows in": sum(outcome.rows for outcome in outcomes),
                "rows accepted": sum(outcome.accepted for outcome in outcomes),
                "rows quarantined": sum(outcome.rejected for outcome in outcomes),
                **(_docs_link(entry, outcomes) if layer == "standard" else {}),
                **({f"score {d.value}": score for d, score in scored.items()} if layer == "standard" else {}),
            },
        )


def _docs_link(entry: Entry, outcomes: Sequence[Outcome]) -> dict[str, dg.UrlMetadataValue]:
    """The Data Docs of the run's last push whose rows were judged."""
    judged = [outcome.push.id for outcome in outcomes if outcome.state in JUDGED]
    return {DATA_DOCS: dg.MetadataValue.url(docs_url(entry.code, judged[-1]))} if judged else {}


def _push_check(
    key: dg.AssetKey, outcomes: Sequence[Outcome], severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    stopped = [outcome for outcome in outcomes if outcome.state is not PushState.APPLIED]
    reasons = "\n".join(
        f"{outcome.push.id} {outcome.state}: {outcome.reason.zh} · {outcome.reason.en}"
        for outcome in stopped
        if outcome.reason
    )
    return dg.AssetCheckResult(
        check_name=PUSH_CHECK,
        asset_key=key,
        passed=not stopped,
        severity=severity,
        metadata={"pushes": len(outcomes), "held or refused": len(stopped), "reasons": reasons or "none"},
    )


def _dimension_checks(
    key: dg.AssetKey,
    plan: Plan,
    outcomes: Sequence[Outcome],
    severity: dg.AssetCheckSeverity,
    scored: Mapping[Dimension, float],
) -> Iterator[dg.AssetCheckResult]:
    """One check per dimension: which rules failed, on how many rows, what the push as a whole did not meet, and the score."""
    for dimension in _dimensions(plan):
        codes = {rule.code for rule in (*plan.rules, *plan.sets) if rule.dimension is dimension}
        failed: dict[str, int] = {}
        unmet: dict[str, Any] = {}
        for outcome in outcomes:
            for code, count in outcome.failures.items():
                if code in codes and count:
                    failed[code] = failed.get(code, 0) + count
            found = {code: finding for code, finding in outcome.findings.items() if code in codes}
            unmet |= {code: dict(each.metrics) for code, each in found.items() if each.met is False}
        yield dg.AssetCheckResult(
            check_name=dimension.value,
            asset_key=key,
            passed=not failed and not unmet,
            severity=severity,
            metadata={
                "rows": sum(outcome.rows for outcome in outcomes),
                "failed rules": failed,
                "unmet by the push": unmet,
                **_docs_link(plan.entry, outcomes),
                **({"score": scored[dimension]} if dimension in scored else {}),
            },
        )


def _severity(
    run: dg.AssetExecutionContext, entry: Entry, outcomes: Sequence[Outcome]
) -> dg.AssetCheckSeverity:
    """A held push blocks what is built from its resource, which has nothing new in it; but not where another push was
    applied, or the run brings other resources': bad input never stops good input. Rejected rows only warn."""
    states = {outcome.state for outcome in outcomes}
    held = PushState.HELD in states and PushState.APPLIED not in states
    keys = run.job_def.asset_layer.executable_asset_keys
    alone = {key.path[1] for key in keys if key.path[0] == "standard"} == {entry.code}
    return dg.AssetCheckSeverity.ERROR if held and alone else dg.AssetCheckSeverity.WARN


def _dimensions(plan: Plan) -> list[Dimension]:
    present = {rule.dimension for rule in (*plan.rules, *plan.sets)}
    return [dimension for dimension in Dimension if dimension in present]


def _table_metadata(city: Context, table: TableName, commit: Commit | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"dagster/row_count": city.lake.rows(*table)}
    if city.lake.exists(*table):
        metadata["dagster/column_schema"] = _table_schema(city.lake.scan(*table).collect_schema())
        metadata["delta version"] = city.lake.version(*table) or 0
    if commit:
        metadata |= {
            "changed": commit.changed,
            "rows inserted": commit.inserted,
            "rows updated": commit.updated,
            "rows deleted": commit.deleted,
        }
    return metadata


def _entry_schema(entry: Entry) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                column.element,
                description=column.title,
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required, unique=entry.delivery.key == (name,)
                ),
                tags={"grade": str(column.grade.value), "sharing": entry.sharing_of(name).value},
            )
            for name, column in entry.columns.items()
        ]
    )


def _table_schema(schema: pl.Schema) -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()])


def _owner(city: Context, entry: Entry) -> str:
    return city.catalogue.departments[entry.department].owner
