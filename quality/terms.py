"""On what terms departments promise: how long they have after a period, when a notice follows, how long to correct.

Here belongs the reading of the city's policy, ``catalog/timeliness.yaml``, and of the working days it has entered. What follows
from them for a resource is in ``freshness.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from catalog.load import CatalogueError, Fault, read_yaml, validate
from catalog.model import Declaration, Frequency
from quality.calendar import entered_days, working_day_after

TERMS_FILE = "timeliness.yaml"
#: On which working day after its period ends a push is due, where the city's policy names none. Ours, not the Measures'.
DUE_WORKING_DAYS: Mapping[Frequency, int] = MappingProxyType(
    {
        Frequency.REALTIME: 1,
        Frequency.DAILY: 1,
        Frequency.WEEKLY: 2,
        Frequency.MONTHLY: 5,
        Frequency.QUARTERLY: 10,
        Frequency.HALF_YEARLY: 10,
        Frequency.YEARLY: 20,
    }
)
Days = Annotated[int, Field(ge=0, le=250)]


class Policy(Declaration):
    """What the city has decided on lateness; what it leaves out is as we propose."""

    due_working_days: Mapping[Frequency, Annotated[int, Field(ge=1, le=250)]] = {}
    due_soon_days: Days = Field(2, description="so many days before its deadline a push is shown as due soon")
    notice_after: Days = Field(5, description="working days late after which a notice to correct is due")
    days_to_correct: Annotated[int, Field(ge=1, le=250)] = Field(
        10, description="working days a notice gives to correct, before the matter is reported (Art. 49)"
    )


@dataclass(frozen=True)
class Terms:
    """The policy, and every day of the years that the city has entered itself."""

    policy: Policy = field(default_factory=Policy)
    entered: Mapping[date, bool] = field(default_factory=dict)

    def due_working_days(self, frequency: Frequency) -> int:
        """On which working day after its period a push is due."""
        return self.policy.due_working_days.get(frequency) or DUE_WORKING_DAYS[frequency]

    def without(self, days: Iterable[date]) -> Terms:
        """The same terms, with days on which nothing could be received: they count as not worked."""
        return replace(self, entered={**self.entered, **dict.fromkeys(days, False)})

    def correct_by(self, day: date) -> date:
        """The last day to correct what a notice of this day names; raises ``UnknownYearError``."""
        return working_day_after(day, self.policy.days_to_correct, self.entered)


#: Our proposals, with the published calendar alone.
PROPOSED = Terms()


def load_terms(root: Path) -> Terms:
    """The terms of a catalogue folder; raises ``CatalogueError``."""
    path, faults = root / TERMS_FILE, list[Fault]()
    if not path.exists():
        return Terms(entered=entered_days(root))
    document, place = read_yaml(path, root, faults)
    policy = validate(Policy, document, place, faults) if document is not None else None
    if policy is None:
        raise CatalogueError(faults)
    return Terms(policy, entered_days(root))
