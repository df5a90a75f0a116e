"""The scores of a resource's pushes, from what the ledger keeps of them.

Here belongs the reading of the ledger's counts in the words of ``quality.score``, for whoever shows a push: the recorded
scores, the command line, Dagster's checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lake.ledger import Push, PushState
from quality.plan import Plan
from quality.score import MET, Counts, Scores, fewest_rows, on_record, push_scores

#: The states of pushes whose rows were judged.
JUDGED = (PushState.APPLIED, PushState.HELD)
_REPEATED = ("row.duplicate", "key.superseded")


@dataclass(frozen=True)
class Judged:
    """A push whose rows were judged: what it was found to be, and what was expected of it by rule."""

    plan: Plan
    push: Push
    counts: Counts
    record: Mapping[str, float]

    @property
    def scores(self) -> Scores:
        """Its score in each dimension."""
        return push_scores(self.plan, self.counts, self.record)

    @property
    def fewest_rows(self) -> Scores:
        """The fewest rows that each score tells of."""
        return fewest_rows(self.plan, self.counts, self.record)


def judged_scores(plan: Plan, history: Sequence[Push], last: int | None = None) -> list[tuple[Push, Scores]]:
    """Each push whose rows were judged (the ``last`` so many) and its scores, in the order they came, each against those
    before it. What came for days before the entry's ``record_since`` has a record of its own."""
    return [(judged.push, judged.scores) for judged in judged_pushes(plan, history, last)]


def judged_pushes(plan: Plan, history: Sequence[Push], last: int | None = None) -> list[Judged]:
    """The pushes of :func:`judged_scores`, with what their scores are made of."""
    judged = [push for push in history if push.state in JUDGED and not push.unchanged]
    since = plan.entry.delivery.volume.record_since
    told = judged if last is None else judged[-last:] if last else []
    found: dict[str, Judged] = {}
    for counted in (True, False):
        alike = [push for push in judged if (since is None or push.data_date >= since) is counted]
        found |= _against_record(plan, alike, {push.id for push in told})
    return [found[push.id] for push in told]


def _against_record(plan: Plan, judged: Sequence[Push], told: set[str]) -> dict[str, Judged]:
    records = on_record(plan, [counts_of(push) for push in judged if push.state is PushState.APPLIED])
    found: dict[str, Judged] = {}
    before = 0
    for push in judged:
        if push.id in told:
            counts = counts_of(push)
            (record,) = records[before - 1 : before] or on_record(plan, [counts])
            found[push.id] = Judged(plan, push, counts, record)
        before += push.state is PushState.APPLIED
    return found


def counts_of(push: Push) -> Counts:
    """What the ledger keeps of a judged push."""
    failures = push.failures or {}
    met = (push.findings or {}).get(MET, {}).get("metrics", {})
    distinct = (push.rows or 0) - sum(failures.get(code, 0) for code in _REPEATED)
    return Counts(distinct, failures, met)
