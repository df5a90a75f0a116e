"""The scores of a resource's pushes, from what the ledger keeps of them.

Here belongs the reading of the ledger's counts in the words of ``quality.score``, for whoever shows a push: the recorded
scores, the command line, Dagster's checks.
"""

from __future__ import annotations

from collections.abc import Sequence

from lake.ledger import Push, PushState
from quality.plan import Plan
from quality.score import MET, Counts, Scores, expected, push_scores

#: The states of pushes whose rows were judged.
JUDGED = (PushState.APPLIED, PushState.HELD)
_REPEATED = ("row.duplicate", "key.superseded")


def judged_scores(plan: Plan, history: Sequence[Push]) -> list[tuple[Push, Scores]]:
    """Each push whose rows were judged and its scores, in the order they came, each against those before it."""
    earlier: list[Counts] = []
    found: list[tuple[Push, Scores]] = []
    for push in history:
        if push.state in JUDGED and not push.unchanged:
            counts = counts_of(push)
            found.append((push, push_scores(plan, counts, expected(plan, earlier, counts))))
            if push.state is PushState.APPLIED:
                earlier.append(counts)
    return found


def newest_judged(plan: Plan, history: Sequence[Push]) -> tuple[Push, Scores] | None:
    """The last of :func:`judged_scores`, without working out all those before it; None where nothing was judged."""
    judged = [push for push in history if push.state in JUDGED and not push.unchanged]
    if not judged:
        return None
    *before, push = judged
    earlier = [counts_of(each) for each in before if each.state is PushState.APPLIED]
    counts = counts_of(push)
    return push, push_scores(plan, counts, expected(plan, earlier, counts))


def counts_of(push: Push) -> Counts:
    """What the ledger keeps of a judged push."""
    failures = push.failures or {}
    met = (push.findings or {}).get(MET, {}).get("metrics", {})
    distinct = (push.rows or 0) - sum(failures.get(code, 0) for code in _REPEATED)
    return Counts(distinct, failures, met)
