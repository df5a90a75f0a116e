"""What follows from being late, by the city's policy (Art. 49): told, notice to correct by a date, reported.

Here belongs the judging of a department's case from what is owed and what was done; sending and signing are done elsewhere,
by ``pipelines.reminders`` and by people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from assets.operations import ResourceState
from lake.promises import Excuse, Measure, Step, excuse_of
from quality.terms import Terms


class Stage(StrEnum):
    """How far a department's case has come."""

    NONE = "none"
    TOLD = "told"
    NOTICE_DUE = "notice_due"
    CORRECTING = "correcting"
    REPORT_DUE = "report_due"
    REPORTED = "reported"

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The screens' word for it."""
        words = ("无欠报", "逾期催报", "应发限期通知", "限期整改中", "应报告市政府", "已报告市政府")
        return dict(zip(Stage, words, strict=True))[self]


@dataclass(frozen=True)
class Case:
    """A department's case: its stage, what it owes without an accepted excuse, and the last day to correct."""

    department: str
    stage: Stage
    owed: Sequence[ResourceState]
    correct_by: date | None = None


def case_of(
    department: str,
    states: Sequence[ResourceState],
    excuses: Sequence[Excuse],
    measures: Sequence[Measure],
    terms: Terms,
    today: date,
) -> Case:
    """Judge a department's case from its resources, its excuses, and what was done about it (newest first).

    A notice counts while something that it names is still owed: what is late only since then begins anew."""
    owed = [state for state in states if state.working_days_late and not _excused(excuses, state)]
    if not owed:
        return Case(department, Stage.NONE, owed)
    codes = {state.resource for state in owed}
    last = next((done for done in measures if codes & set(done.resources)), None)
    if last is None:
        late = max(state.working_days_late for state in owed)
        stage = Stage.NOTICE_DUE if late >= terms.policy.notice_after else Stage.TOLD
        return Case(department, stage, owed)
    if last.step is Step.REPORTED:
        return Case(department, Stage.REPORTED, owed, last.correct_by)
    passed = last.correct_by is not None and last.correct_by < today
    return Case(department, Stage.REPORT_DUE if passed else Stage.CORRECTING, owed, last.correct_by)


def _excused(excuses: Sequence[Excuse], state: ResourceState) -> bool:
    excuse = excuse_of(excuses, state.resource, state.next_due)
    return excuse is not None and excuse.accepted is True
