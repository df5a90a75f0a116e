"""The scores of a resource's pushes, from what the ledger keeps of them.

Here belongs the reading of the ledger's counts in the words of ``quality.score``, for whoever shows a push: the recorded
scores, the command line, Dagster's checks.
"""

from __future__ import annotations

from collections.abc import Sequence

from lake.ledger import Push, PushState
from quality.plan import Plan
from quality.score import MET, Counts, Scores, on_record, push_scores

#: The states of pushes whose rows were judged.
JUDGED = (PushState.APPLIED, PushState.HELD)
_REPEATED = ("row.duplicate", "key.superseded")


def judged_scores(plan: Plan, history: Sequence[Push], last: int | None = None) -> list[tuple[Push, Scores]]:
    """Each push whose rows were judged (the ``last`` so many) and its scores, in the order they came, each against those
    before it. What came for days before the entry's ``record_since`` has a record of its own."""
    judged = [push for push in history if push.state in JUDGED and not push.unchanged]
    since = plan.entry.delivery.volume.record_since
    told = judged if last is None else judged[-last:] if last else []
    found: dict[str, Scores] = {}
    for counted in (True, False):
        alike = [push for push in judged if (since is None or push.data_date >= since) is counted]
        found |= _scores(plan, alike, {push.id for push in told})
    return [(push, found[push.id]) for push in told]


def _scores(plan: Plan, judged: Sequence[Push], told: set[str]) -> dict[str, Scores]:
    records = on_record(plan, [counts_of(push) for push in judged if push.state is PushState.APPLIED])
    found: dict[str, Scores] = {}
    before = 0
    for push in judged:
        if push.id in told:
            counts = counts_of(push)
            (record,) = records[before - 1 : before] or on_record(plan, [counts])
            found[push.id] = push_scores(plan, counts, record)
        before += push.state is PushState.APPLIED
    return found


def counts_of(push: Push) -> Counts:
    """What the ledger keeps of a judged push."""
    failures = push.failures or {}
    met = (push.findings or {}).get(MET, {}).get("metrics", {})
    distinct = (push.rows or 0) - sum(failures.get(code, 0) for code in _REPEATED)
    return Counts(distinct, failures, met)
