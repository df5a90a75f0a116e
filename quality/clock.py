"""The city's clock: what is stored is in UTC, what is shown and reckoned is in Asia/Shanghai.

Here belongs only that. Which days are worked is in ``calendar.py``.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

CITY_TIME = ZoneInfo("Asia/Shanghai")


def today() -> date:
    """The city's date: a deadline and a grant end with a local calendar day."""
    return datetime.now(CITY_TIME).date()
