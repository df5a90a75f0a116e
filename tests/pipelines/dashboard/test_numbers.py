"""What the page makes of numbers and words: shares, axes, ranks, months, shades, lineage, reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.operations import PERIOD_SCHEMA, Duties, ResourceState, state_of
from assets.recipes import all_builds
from catalog.errors import MendableError
from catalog.load import Catalogue
from catalog.model import Title
from lake.ledger import Push, PushState
from pipelines.dashboard import charts
from pipelines.dashboard.board import Picture
from pipelines.dashboard.lineage import descendants, drawing
from pipelines.dashboard.pages.bulletin import ranked
from pipelines.dashboard.pages.city_map import shades
from pipelines.dashboard.rendering import number, share, size
from pipelines.dashboard.timeliness import Record, Tally, by_month, due_in, months_back, record_of
from pipelines.dashboard.visits import DeniedError
from pipelines.dashboard.words import short
from quality.terms import Terms
from tests.pushes import a_push

OCTOBER = date(2026, 10, 1)


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (1.0, "100%"), (0.99999, "99.9%"), (0.5, "50.0%"), (0.0, "0.0%")]
)
def test_a_share_is_whole_only_where_nothing_is_missing(value: float | None, shown: str) -> None:
    assert share(value) == shown


DUTIES = Duties(Terms(), {}, None)


def picture(
    now: datetime, states: dict[str, ResourceState], pushes: dict[str, list[Push]], record: Record
) -> Picture:
    """A city of which only this is known."""
    return Picture(now, states, pushes, [], pl.DataFrame(schema=PERIOD_SCHEMA), record, DUTIES, [])


def test_numbers_and_sizes_are_read_at_a_glance() -> None:
    assert [number(value) for value in (None, 0, 1234567)] == ["–", "0", "1,234,567"]
    assert [size(value) for value in (0, 1023, 1536, 5 << 20, 3 << 30)] == [
        "0 B",
        "1023 B",
        "1.5 KB",
        "5.0 MB",
        "3.0 GB",
    ]


@settings(deadline=None)
@given(st.floats(0, 1e12))
def test_an_axis_ends_at_or_above_its_values_and_not_far(value: float) -> None:
    end = charts.nice(value)
    assert end >= value
    assert end == 4 or end <= value * 1.7


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=40))
def test_every_bar_stays_within_its_chart_and_says_its_number(values: list[tuple[int, int]]) -> None:
    bars = [charts.Bar("<&>", (("accepted", a, f"{a} & <b>"), ("rejected", b, str(b)))) for a, b in values]
    drawn = ElementTree.fromstring(charts.stacked(bars, "text"))  # noqa: S314 # our own drawing
    rectangles = drawn.findall("rect")
    assert len(rectangles) == sum(bool(a) + bool(b) for a, b in values)
    for rectangle in rectangles:
        top, height = float(rectangle.attrib["y"]), float(rectangle.attrib["height"])
        assert top >= -0.1
        assert top + height <= charts.HEIGHT
        assert rectangle.find("title") is not None


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=40))
def test_a_line_has_a_dot_for_every_value_that_was_assessed(values: list[float | None]) -> None:
    points = [charts.Point(str(place), value, "") for place, value in enumerate(values)]
    drawn = ElementTree.fromstring(charts.line(points, "text"))  # noqa: S314 # our own drawing
    dots = [float(dot.attrib["cy"]) for dot in drawn.findall("circle")]
    assert len(dots) == sum(value is not None for value in values)
    assert all(0 <= y <= charts.HEIGHT for y in dots)


def period(resource: str, due: date, verdict: str) -> dict[str, object]:
    return {"resource": resource, "department": "x", "due": due, "period_end": due, "verdict": verdict}


def test_periods_count_in_the_month_in_which_they_were_due() -> None:
    rows = [
        period("marriage", date(2026, 10, 1), "on_time"),
        period("marriage", date(2026, 10, 31), "late"),
        period("marriage", date(2026, 11, 1), "missed"),
        period("cremation", date(2026, 10, 9), "on_time"),
    ]
    record = record_of(pl.DataFrame(rows, schema_overrides=dict(PERIOD_SCHEMA)))
    assert due_in(record, ["marriage", "cremation"], date(2026, 10, 15)) == Tally(on_time=2, late=1)
    assert due_in(record, ["marriage"], date(2026, 11, 30)).share == 0
    months = by_month(record, ["marriage"], date(2026, 11, 5), count=3)
    assert [tally.due for tally in months.values()] == [0, 2, 1]
    assert due_in(record, ["none"], OCTOBER).share is None


def test_months_go_back_over_the_new_year() -> None:
    assert months_back(date(2026, 2, 28), 4) == [
        date(2025, 11, 1),
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


def applied(resource: str, department: str, rows: int, accepted: int) -> Push:
    received = datetime(2026, 10, 31, 15, 59, tzinfo=UTC)  # a minute before November begins in the city
    return a_push(
        id=f"p{resource}",
        resource=resource,
        department=department,
        data_date=date(2026, 10, 31),
        received_at=received,
        state=PushState.APPLIED,
        rows=rows,
        accepted=accepted,
    )


def test_equal_departments_have_equal_ranks_and_the_next_is_placed_after_both(catalogue: Catalogue) -> None:
    pushes = {
        "marriage": [applied("marriage", "civil_affairs", 100, 99)],
        "identity_card": [applied("identity_card", "police", 100, 90)],
        "birth_certificate": [applied("birth_certificate", "health", 100, 99)],
        "subsidy_payment": [],
    }
    now = datetime(2026, 11, 5, tzinfo=UTC)
    states = {
        code: state_of(catalogue.entry(code), mine, (0, 0), now, DUTIES) for code, mine in pushes.items()
    }
    record = {
        "marriage": {OCTOBER: Tally(on_time=4)},
        "identity_card": {OCTOBER: Tally(on_time=8)},
        "birth_certificate": {OCTOBER: Tally(on_time=3, late=1)},
    }
    scores = {"civil_affairs": 0.99, "police": 0.9, "health": 0.99}
    found = {each.department: each for each in ranked(picture(now, states, pushes, record), OCTOBER, scores)}
    ranks = {name: (each.timely_rank, each.quality_rank) for name, each in found.items()}
    assert ranks == {"civil_affairs": (1, 1), "police": (1, 3), "health": (3, 1)}
    assert list(found) == ["civil_affairs", "police", "health"]
    assert not [
        each for each in ranked(picture(now, states, pushes, {}), date(2026, 11, 1), scores) if each.pushes
    ]


def test_equal_values_have_equal_shades_and_the_largest_the_darkest() -> None:
    assert shades({"a": 1, "b": 1, "c": 5}) == {"a": 1, "b": 1, "c": 3}
    assert shades(dict(zip("abcdefgh", range(8), strict=True)))["h"] == 5
    assert shades({}) == {}


def test_lineage_reaches_what_is_built_and_every_box_is_right_of_what_it_reads(catalogue: Catalogue) -> None:
    entry = catalogue.entry("household_register")
    nodes = descendants(all_builds(catalogue), entry.code, entry.title)
    names = [node.name for node in nodes]
    assert names[0] == "standard/household_register"
    assert {"base/person", "theme/living_alone_elderly"} <= set(names)
    assert all(names.index(read) < names.index(node.name) for node in nodes for read in node.reads)
    drawn = ElementTree.fromstring(drawing(nodes, "zh", "text"))  # noqa: S314 # our own drawing
    assert len(drawn.findall("g")) == len(nodes)
    assert len(drawn.findall("path")) == sum(len(node.reads) for node in nodes)
    for path in drawn.findall("path"):
        start, end = path.attrib["d"].removeprefix("M").split("C")
        assert float(start.split()[0]) < float(end.split()[-2])


@pytest.mark.parametrize(
    ("full", "shown"),
    [
        ("清远市公安局", "公安局"),
        ("国家税务总局清远市税务局", "税务局"),
        ("清远市市场监督管理局", "市场监督管理局"),
        ("中共清远市委机构编制委员会办公室", "中共清远市委机构编制委员会办公室"),
        ("省气象局", "省气象局"),
    ],
)
def test_a_departments_short_name_leaves_out_the_city(catalogue: Catalogue, full: str, shown: str) -> None:
    title = catalogue.departments["police"].title
    assert short(title.model_copy(update={"zh": full}), "zh") == shown
    assert short(title, "en") == title.en


def test_a_department_without_anything_due_or_sent_is_not_ranked(catalogue: Catalogue) -> None:
    push = replace(applied("marriage", "civil_affairs", 10, 10), received_at=datetime(2026, 9, 3, tzinfo=UTC))
    now = datetime(2026, 11, 5, tzinfo=UTC)
    states = {"marriage": state_of(catalogue.entry("marriage"), [push], (0, 0), now, DUTIES)}
    assert ranked(picture(now, states, {"marriage": [push]}, {}), OCTOBER, {}) == []


@pytest.mark.parametrize(
    ("message", "zh", "en"),
    [
        ("已有结论 · it is settled", "已有结论", "it is settled"),
        ("a table is busy", "a table is busy", "a table is busy"),
    ],
)
def test_an_errors_reason_is_told_in_both_languages(message: str, zh: str, en: str) -> None:
    denied = DeniedError.of(409, MendableError(message))
    assert (denied.status, denied.reason) == (409, Title(zh=zh, en=en))
