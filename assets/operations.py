"""``ops``: where each resource stands against its promise, as a table that everybody may ask.

Here belongs the gathering from ledger, lake and calendar. What makes a push late is decided in ``quality.freshness``;
who sees the table is decided in ``analyst``. It holds counts, dates and states, never a value out of a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl

from assets.build import Build, Built, Context, TableName
from assets.push_scores import judged_pushes
from catalog.load import Catalogue
from catalog.model import Dimension, Entry, Title
from lake.ledger import Push, PushState, open_ledger
from lake.locks import writing
from lake.promises import Excuse, Outage, excuse_of, open_promises
from lake.tables import Commit, Lake
from quality.clock import CITY_TIME
from quality.freshness import (
    UNCHANGED_PERIODS,
    Outcome,
    Received,
    State,
    Verdict,
    judge,
    outcomes,
    unchanged_periods,
)
from quality.plan import Plan, compile_entry
from quality.score import overall, overall_rows
from quality.terms import Terms, load_terms

#: A resource fails where a smaller share than this of its newest rows passed.
FAILING_BELOW = 0.95
#: A push counts for the clocks from its receipt, unless it was refused or withdrawn.
COUNTING = (PushState.APPLIED, PushState.HELD, PushState.RECEIVED)
FRESHNESS: TableName = ("ops", "freshness")
#: What it counts, the shares in it, and in how few rows each share lies: by that it is decided who sees a share.
ROW_COUNTS = ("rows_standard", "rows_quarantined")
QUALITY, SCORE_ROWS = "quality", "score_rows"
SHARES = (QUALITY, *(dimension.value for dimension in Dimension))
#: Every period's outcome, for ever: compliance can be proved years later, whatever the catalogue says then.
PERIODS: TableName = ("ops", "period")
PERIOD_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("resource", "department", "frequency"), pl.String()),
        **dict.fromkeys(("period_start", "period_end", "due", "received_on"), pl.Date()),
        "working_days_late": pl.Int64(),
        "verdict": pl.String(),
        "recorded_at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True)
class Duties:
    """What resources owe by: the city's terms, since when each promise counts, and the excuses that were accepted."""

    terms: Terms
    starts: Mapping[str, date]
    opened: date | None
    accepted: Sequence[Excuse] = ()
    outages: Sequence[Outage] = ()

    def since(self, entry: Entry) -> date | None:
        """From when a resource owes anything: the day recorded for it, else the day its entry was published, but not
        before the city's first push; None while there was none."""
        if entry.code in self.starts or self.opened is None:
            return self.starts.get(entry.code)
        return max(entry.published, self.opened) if entry.published else self.opened

    def verdict(self, resource: str, outcome: Outcome) -> Verdict:
        """What became of a period, in the light of the excuses."""
        verdict = outcome.verdict
        excused = verdict is not Verdict.ON_TIME and excuse_of(self.accepted, resource, outcome.due)
        return Verdict.EXCUSED if excused else verdict


@dataclass(frozen=True)
class ResourceState:
    """One resource: its newest push, its freshness, its rows, and its newest applied push's quality."""

    resource: str
    title: str
    department: str
    frequency: str
    state: State
    last_push: datetime | None
    last_push_state: PushState | None
    data_date: date | None
    next_due: date | None
    working_days_late: int
    data_age_days: int | None
    calendar_known: bool
    rows_standard: int
    rows_quarantined: int
    quality: float | None
    dimensions: dict[Dimension, float | None]
    #: The fewest rows that ``quality``, and each dimension's score, tells of; none where it tells of nobody.
    score_rows: dict[str, float | None]
    #: For how many periods in a row the content has been the same.
    unchanged_periods: int = 0

    @property
    def failing(self) -> bool:
        """Whether its newest push was refused, or too many of its rows were."""
        bad = self.quality is not None and self.quality < FAILING_BELOW
        return bad or self.last_push_state is PushState.REFUSED

    @property
    def stale_content(self) -> bool:
        """Whether the content has not changed for so long that the department is to be asked."""
        return self.unchanged_periods >= UNCHANGED_PERIODS


def builds(catalogue: Catalogue) -> list[Build]:
    """The freshness table and the record of periods, made after every standard table."""
    return [
        Build(
            makes=(FRESHNESS, PERIODS),
            reads=tuple(("standard", code) for code in catalogue.entries),
            title=Title(zh="更新时效", en="Freshness"),
            description="每个数据资源的推送时效、数据日期、行数和合格率；以及每个周期是否按时报送，只增不改。"
            "How each resource stands against its update frequency (Art. 19), and what became of every period.",
            owner="data_bureau",
            run=publish_freshness,
        )
    ]


def resource_states(
    context: Context, department: str | None = None, now: datetime | None = None
) -> list[ResourceState]:
    """Every resource (of one department), in code order, at an instant (default: now)."""
    catalogue, at = context.catalogue, now or datetime.now(UTC)
    ledger, duties = open_ledger(context.home), duties_of(context)
    entries = catalogue.of_department(department) if department else list(catalogue.entries.values())
    return [
        state_of(entry, ledger.history(entry.code), rows_of(context.lake, entry.code), at, duties)
        for entry in entries
    ]


def duties_of(context: Context) -> Duties:
    """What the city's policy and the record of promises say now; days on which we could not receive are no working days."""
    promises, first = open_promises(context.home), open_ledger(context.home).opened()
    outages = promises.outages()
    return Duties(
        load_terms(context.catalogue.root).without(day for outage in outages for day in outage.days),
        promises.starts(),
        first.astimezone(CITY_TIME).date() if first else None,
        [excuse for excuse in promises.excuses() if excuse.accepted],
        outages,
    )


def publish_freshness(context: Context) -> Built:
    """Make ``ops.freshness`` say how things stand now, and record the periods that have ended since."""
    rows = freshness_rows(resource_states(context))
    with writing(context.home, "ops.freshness"):
        commit = context.lake.publish("ops", "freshness", rows, key=["resource"])
    counts = rows.group_by("state").len().sort("state").iter_rows()
    commits = {FRESHNESS: commit, PERIODS: record_periods(context)}
    return Built(commits, {str(state): int(count) for state, count in counts})


def record_periods(
    context: Context, now: datetime | None = None, resources: Collection[str] | None = None
) -> Commit:
    """Append to ``ops.period`` what became of each period (of these resources) whose due day is over, where that is not
    recorded yet or was recorded otherwise (a missed push that came at last, an excuse accepted since). Nothing in it is
    ever changed or deleted."""
    with writing(context.home, "ops.period"):
        found = period_rows(context, now or datetime.now(UTC), resources)
        said = latest_periods(context.lake).drop("recorded_at", strict=False)
        return context.lake.append(
            "ops", "period", found.join(said, on=said.columns, how="anti", nulls_equal=True)
        )


def period_rows(context: Context, now: datetime, resources: Collection[str] | None = None) -> pl.DataFrame:
    """Every period of every resource (of these) that is over at an instant, as the ledger of pushes and the catalogue
    say now."""
    ledger, duties = open_ledger(context.home), duties_of(context)
    rows = [
        {
            "resource": entry.code,
            "department": entry.department,
            "frequency": entry.frequency.value,
            **vars(outcome),
            "verdict": duties.verdict(entry.code, outcome).value,
            "recorded_at": now,
        }
        for entry in context.catalogue.entries.values()
        if (resources is None or entry.code in resources) and (since := duties.since(entry))
        for outcome in outcomes(
            entry.frequency, _received(ledger.history(entry.code)), since, now, duties.terms
        )
    ]
    return pl.DataFrame(rows, schema=PERIOD_SCHEMA, orient="row")


def latest_periods(lake: Lake) -> pl.DataFrame:
    """What was recorded last of each period; empty where nothing is recorded yet."""
    if not lake.exists(*PERIODS):
        return pl.DataFrame(schema=PERIOD_SCHEMA)
    recorded = lake.scan(*PERIODS).sort("recorded_at")
    return recorded.unique(["resource", "period_end"], keep="last").sort("resource", "period_end").collect()


def freshness_rows(states: list[ResourceState]) -> pl.DataFrame:
    """The states as a frame; a dimension that was not assessed is null, never full marks."""
    plain = [
        {**{k: v for k, v in vars(state).items() if k != "dimensions"}, "state": state.state.value}
        | {"last_push_state": state.last_push_state.value if state.last_push_state else None}
        | {dimension.value: value for dimension, value in state.dimensions.items()}
        for state in states
    ]
    schema = {
        **dict.fromkeys(("resource", "title", "department", "frequency", "state"), pl.String()),
        "last_push": pl.Datetime("us", "UTC"),
        "last_push_state": pl.String(),
        "data_date": pl.Date(),
        "next_due": pl.Date(),
        **dict.fromkeys(("working_days_late", "data_age_days", "unchanged_periods"), pl.Int64()),
        "calendar_known": pl.Boolean(),
        **dict.fromkeys(ROW_COUNTS, pl.Int64()),
        **dict.fromkeys(SHARES, pl.Float64()),
        SCORE_ROWS: pl.Struct(dict.fromkeys(SHARES, pl.Float64())),
    }
    return pl.DataFrame(plain, schema=schema, orient="row")


def rows_of(lake: Lake, resource: str) -> tuple[int, int]:
    """How many rows the resource has in standard and in quarantine."""
    return lake.rows("standard", resource), lake.rows("quarantine", resource)


def state_of(
    entry: Entry,
    pushes: Sequence[Push],
    rows_now: tuple[int, int],
    now: datetime,
    duties: Duties,
) -> ResourceState:
    """One resource at an instant, from all its pushes in the order they came, its row counts, and what it owes by."""
    counted = [push for push in pushes if push.state in COUNTING]
    received = _received(pushes)
    fresh = judge(entry.frequency, received, now, duties.terms, duties.since(entry))
    applied = [push for push in pushes if push.state is PushState.APPLIED]
    plan, last = compile_entry(entry), pushes[-1] if pushes else None
    rows = applied[-1].rows or 0 if applied else 0
    accepted = applied[-1].accepted if applied else None
    scores, score_rows = newest_scores(plan, applied)
    return ResourceState(
        resource=entry.code,
        title=entry.title.zh,
        department=entry.department,
        frequency=entry.frequency.value,
        state=fresh.state,
        last_push=last.received_at if last else None,
        last_push_state=last.state if last else None,
        data_date=max((push.data_date for push in counted), default=None),
        next_due=fresh.next_due,
        working_days_late=fresh.working_days_late,
        data_age_days=fresh.data_age_days,
        calendar_known=fresh.calendar_known,
        rows_standard=rows_now[0],
        rows_quarantined=rows_now[1],
        quality=overall(plan, rows, accepted),
        dimensions=scores,
        score_rows={QUALITY: overall_rows(rows, accepted), **score_rows},
        unchanged_periods=unchanged_periods(entry.frequency, received),
    )


def judged_anew(
    state: ResourceState, entry: Entry, pushes: Sequence[Push], now: datetime, duties: Duties
) -> ResourceState:
    """A resource at another instant or by other duties, where nothing was pushed since: all but its freshness stands."""
    counted = [push for push in pushes if push.state in COUNTING]
    newest = max(counted, key=lambda push: (push.data_date, push.received_at), default=None)
    received = _received([newest] if newest else [])
    fresh = judge(entry.frequency, received, now, duties.terms, duties.since(entry))
    return replace(
        state,
        state=fresh.state,
        next_due=fresh.next_due,
        working_days_late=fresh.working_days_late,
        data_age_days=fresh.data_age_days,
        calendar_known=fresh.calendar_known,
    )


def newest_scores(
    plan: Plan, applied: Sequence[Push]
) -> tuple[dict[Dimension, float | None], dict[str, float | None]]:
    """The scores of the newest of these pushes that brought rows, and the fewest rows that each tells of."""
    judged = judged_pushes(plan, applied, last=1)
    if not judged:
        return dict.fromkeys(Dimension), {}
    fewest = {dimension.value: rows for dimension, rows in judged[-1].fewest_rows.items()}
    return dict(judged[-1].scores), fewest


def _received(pushes: Sequence[Push]) -> list[Received]:
    """The pushes that count, as the clocks see them."""
    return [
        Received(push.received_at, push.data_date, push.state is PushState.HELD, _content(push))
        for push in pushes
        if push.state in COUNTING
    ]


def _content(push: Push) -> frozenset[str]:
    """Equal bytes say the same, and so do other bytes after which the table stands at the version it had."""
    if not push.rows:
        return frozenset()
    return frozenset({push.digest, *([f"version {push.version}"] if push.version is not None else [])})
