"""A history as a role knows it: by days, under its masks, and without a trace of what it may not see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.as_of import SINCE, UNTIL, masked_periods, masked_states
from assets.base.history import as_of
from assets.base.states import DAYS, FROM, INSTANT, SAID, SILENT, TO
from catalog.base_model import load_bases
from catalog.elements.base import Mask
from catalog.load import load
from catalog.model import SharingType
from lake.hashes import ROW_HASH
from masking.columns import SourceColumn, standard_columns
from masking.compile import RoleColumn
from masking.keys import RecipientKey

#: Noon in the city.
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
KEY = RecipientKey("analyst", 1, b"k" * 32)


@lru_cache
def shown() -> list[RoleColumn]:
    """A name of which the first character is seen; the number beside it is not."""
    column: SourceColumn = standard_columns(load().entry("cremation"))["name"]
    return [RoleColumn(column, Mask("partial", {"left": 1, "right": 0}), SharingType.CONDITIONAL)]


def history(*states: tuple[str, str, int, datetime, datetime | None]) -> pl.LazyFrame:
    schema = {"id": pl.String, "name": pl.String, "hidden": pl.Int64, FROM: INSTANT, TO: INSTANT}
    return pl.DataFrame(states, schema=schema, orient="row").with_columns(pl.lit(0).alias(ROW_HASH)).lazy()


def known(states: pl.LazyFrame) -> list[tuple[object, ...]]:
    return masked_states(states, ["id"], shown(), KEY).collect().rows()


def test_what_is_hidden_leaves_no_trace_of_its_changes() -> None:
    changed = history(
        ("a", "张三", 1, NOON, NOON + DAY),
        ("a", "张三", 2, NOON + DAY, NOON + 2 * DAY),
        ("a", "张三丰", 2, NOON + 2 * DAY, None),
        ("b", "李四", 1, NOON, None),
    )
    never = history(("a", "张三", 1, NOON, NOON + 2 * DAY), ("a", "张三丰", 1, NOON + 2 * DAY, None))
    assert known(changed)[:-1] == known(never)
    assert known(changed)[-1] == ("李*", date(2026, 3, 2), None)


def test_what_came_and_went_within_a_day_was_known_at_no_days_end() -> None:
    states = history(
        ("a", "张三", 1, NOON, NOON + DAY),
        ("a", "误", 1, NOON + DAY, NOON + DAY + HOUR),
        ("a", "张三", 1, NOON + DAY + HOUR, None),
    )
    assert known(states) == [("张*", date(2026, 3, 2), None)]


def test_who_was_gone_for_a_while_has_two_states() -> None:
    states = history(("a", "张三", 1, NOON, NOON + DAY), ("a", "张三", 1, NOON + 3 * DAY, None))
    assert [row[1:] for row in known(states)] == [
        (date(2026, 3, 2), date(2026, 3, 3)),
        (date(2026, 3, 5), None),
    ]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["张三", "李四", None])), max_size=8))
def test_every_days_end_shows_what_the_full_history_shows_under_the_masks(
    changes: list[tuple[int, str | None]],
) -> None:
    """``changes``: so many hours after the one before the name became this, or (None) the entity went."""
    at, instants = NOON, list[tuple[datetime, str | None]]()
    for hours, name in changes:
        at += hours * HOUR
        instants.append((at, name))
    ends = [*(then for then, _ in instants), None][1:]
    full = history(
        *(("a", name, 1, begun, end) for (begun, name), end in zip(instants, ends, strict=True) if name)
    )
    masked = masked_states(full, ["id"], shown(), KEY).collect()
    for number in range(18):
        day = date(2026, 3, 2) + number * DAY
        end_of_day = datetime(day.year, day.month, day.day, 16, tzinfo=UTC)
        then = as_of(full, end_of_day - timedelta(microseconds=1)).collect()["name"].to_list()
        told = masked.filter((pl.col(SINCE) <= day) & (pl.col(UNTIL).is_null() | (pl.col(UNTIL) > day)))[
            "name"
        ].to_list()
        assert told == [f"{name[0]}{'*' * (len(name) - 1)}" for name in then]


REGISTER, PERMIT = "household_register", "residence_permit"


def test_what_held_when_is_told_by_the_days_of_pushes_and_what_is_hidden_leaves_no_trace() -> None:
    """Neither the day of a death, nor that a telephone number changed, is told beside the name."""
    event = date(2026, 1, 17)
    days = [{"resource": REGISTER, "day": date(2026, month, 1), "event": event} for month in (1, 2, 3)]
    mobile = {"resource": PERMIT, "day": date(2026, 2, 15), "event": event}
    states = [
        ("P1", "张三", None, None, NOON, NOON + DAY, [days[0]]),
        ("P1", "李四", "1", None, NOON + DAY, NOON + 2 * DAY, [days[1], mobile]),
        ("P1", "李四", "2", date(2026, 2, 20), NOON + 2 * DAY, NOON + 3 * DAY, [days[1], mobile]),
        ("P1", "王五", "2", date(2026, 2, 20), NOON + 3 * DAY, None, [days[2], mobile]),
        ("P2", "赵六", None, date(2020, 1, 1), NOON, None, [days[0]]),
    ]
    schema = {
        "person_id": pl.String,
        "name": pl.String,
        "mobile": pl.String,
        "death_date": pl.Date,
        FROM: INSTANT,
        TO: INSTANT,
        SAID: DAYS,
    }
    frame = pl.DataFrame(states, schema=schema, orient="row").with_columns(
        pl.lit(None, DAYS).alias(SILENT),
        *(pl.lit(REGISTER).alias(f"{field}_source") for field in ("name", "death_date")),
        pl.lit(PERMIT).alias("mobile_source"),
    )
    rows = masked_periods(frame.lazy(), load_bases(load())["person"], shown(), KEY)
    assert rows.collect().sort("name").rows() == [
        ("张*", None, date(2026, 2, 1)),
        ("李*", date(2026, 2, 1), date(2026, 3, 1)),
        ("王*", date(2026, 3, 1), None),
        ("赵*", None, None),
    ]
