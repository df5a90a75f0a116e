"""The life of a quarantined row: open, closed by a corrected push, released, dismissed; and that it outlives rebuilding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from assets.build import Context
from assets.quarantine import RulingError, dismiss, record_corrections, release, states, tally, worklist
from assets.replay import replay, withdraw
from assets.standard import apply_waiting, make_tables
from assets.stewardship import publish_stewardship, tallies_of
from catalog.model import Way
from lake.landing import receive
from lake.ledger import Push, open_ledger
from lake.rulings import RulingKind, Rulings

HEAD = "certificate_no,man_id,man_name,woman_id,woman_name,kind,registered_on,registry\n"
WOMAN, MAN = "11010519491231002X", "441802199003070013"
#: The man has a number that is none.
BAD = f"M1,441802199003070014,李雷,{WOMAN},韩梅梅,结婚,2026-01-05,清城区民政局\n"
GOOD = "".join(f"M{n},{MAN},李雷,{WOMAN},韩梅梅,结婚,2026-01-05,清城区民政局\n" for n in range(2, 7))
CODE = "marriage"
WHY = {"reason": "已核对纸质档案", "by": "bureau"}

Deliver = Callable[..., Push]


@pytest.fixture
def city(empty_lake: Context) -> Context:
    return empty_lake


@pytest.fixture
def deliver(city: Context) -> Deliver:
    """Push lines of CSV and apply them."""

    def push(resource: str, text: str, on: date) -> Push:
        entry, ledger = city.catalogue.entry(resource), open_ledger(city.home)
        said = {"way": Way.FILE, "filename": "a.csv", "data_format": "csv", "data_date": on}
        landed = receive(city.home, ledger, entry, [text.encode()], **said)
        make_tables(city, entry)
        apply_waiting(city, resource)
        return ledger.get(landed.id)

    return push


def state_of(city: Context) -> dict[tuple[str, int], str]:
    found = states(city, city.catalogue.entry(CODE))
    return {(push, row): state for push, row, state in found.select("_push", "_row", "state").iter_rows()}


def counts(city: Context) -> tuple[int, int, int, int]:
    found = tally(city, city.catalogue.entry(CODE))
    return found.open, found.closed, found.released, found.dismissed


def held(city: Context) -> dict[str, Any]:
    rows = city.lake.scan("standard", CODE).select("certificate_no", "_warnings").collect()
    return dict(rows.iter_rows())


@pytest.fixture
def bad(city: Context, deliver: Deliver) -> Push:
    push = deliver(CODE, HEAD + BAD + GOOD, date(2026, 1, 5))
    assert (push.accepted, push.rejected) == (5, 1)
    return push


def test_a_row_is_open_until_its_key_comes_right_and_then_closed_for_ever(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    assert counts(city) == (1, 0, 0, 0)
    listed = worklist(city, city.catalogue.entry(CODE))
    assert listed.select("_push", "_row").rows() == [(bad.id, 1)]
    right = deliver(CODE, HEAD + BAD.replace("0014", "0013"), date(2026, 1, 6))
    assert counts(city) == (0, 1, 0, 0)
    entry = city.catalogue.entry(CODE)
    assert (record_corrections(city, entry), record_corrections(city, entry)) == (1, 0)
    (ruling,) = Rulings(city.home).of(CODE)
    assert (ruling.kind, ruling.push, ruling.row, ruling.by) == (RulingKind.CORRECTED, bad.id, 1, right.id)
    gone = pl.DataFrame({"certificate_no": ["M1"]})
    nothing = city.lake.scan("standard", CODE).head(0).collect()
    city.lake.change("standard", CODE, nothing, key=["certificate_no"], delete=gone)
    assert counts(city) == (0, 1, 0, 0), "what was corrected stays so when its key goes"
    withdraw(city, right.id, reason="误报", by="civil_affairs")
    assert counts(city) == (1, 0, 0, 0), "what is taken back corrects nothing"


def test_a_released_row_is_in_standard_with_what_it_fails_and_outlives_a_rebuild(
    city: Context, bad: Push
) -> None:
    release(city, bad.id, 1, **WHY)
    assert held(city)["M1"] == ["man_id.check_digit"]
    assert city.lake.rows("quarantine", CODE) == 0
    assert city.lake.rows("standard", CODE) == 6, "no row is lost, none is there twice"
    assert counts(city) == (0, 0, 1, 0)
    assert all(difference.none for difference in replay(city, CODE).differences)
    (ruling,) = Rulings(city.home).of(CODE)
    assert (ruling.kind, ruling.reason, ruling.by) == (RulingKind.RELEASED, WHY["reason"], WHY["by"])
    with pytest.raises(RulingError, match="not in quarantine"):
        release(city, bad.id, 1, **WHY)


def test_what_was_released_is_let_in_when_it_is_sent_again_and_nothing_else_is(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    release(city, bad.id, 1, **WHY)
    again = deliver(CODE, HEAD + GOOD + BAD, date(2026, 1, 6))
    assert (again.accepted, again.rejected) == (6, 0)
    other = deliver(CODE, HEAD + GOOD + BAD.replace("李雷", "李磊"), date(2026, 1, 7))
    assert (other.accepted, other.rejected) == (5, 1)
    assert counts(city) == (1, 0, 1, 0)
    assert all(difference.none for difference in replay(city, CODE).differences)


def test_a_dismissed_row_stays_in_quarantine_and_on_no_worklist(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    dismiss(city, bad.id, 1, **WHY)
    assert counts(city) == (0, 0, 0, 1)
    assert worklist(city, city.catalogue.entry(CODE)).is_empty()
    deliver(CODE, HEAD + GOOD + BAD, date(2026, 1, 6))
    assert counts(city) == (0, 0, 0, 1), "the same content need not be dismissed each month"
    replay(city, CODE, write=True)
    assert counts(city) == (0, 0, 0, 1)
    deliver(CODE, HEAD + GOOD + BAD.replace("李雷", "李磊"), date(2026, 1, 7))
    assert counts(city)[0] == 1
    with pytest.raises(RulingError, match="the row is"):
        dismiss(city, bad.id, 1, **WHY)


def test_a_ruling_by_the_id_of_an_identical_push_is_on_the_rows_of_the_first(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    again = deliver(CODE, HEAD + BAD + GOOD, date(2026, 1, 6))
    assert again.refusals == bad.id
    dismiss(city, again.id, 1, **WHY)
    assert state_of(city) == {(bad.id, 1): "dismissed"}


def test_a_row_refused_twice_under_one_key_is_one_row_since_the_first(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    again = deliver(CODE, HEAD + GOOD + BAD.replace("李雷", "李磊"), date(2026, 1, 6))
    assert state_of(city) == {(bad.id, 1): "repeated", (again.id, 6): "open"}
    found = tally(city, city.catalogue.entry(CODE))
    assert (found.open, found.since, found.newest) == (1, bad.received_at, again.id)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (BAD.replace("M1", ""), "its key cannot be read"),
        (BAD.replace("M1", "M2"), "has its key"),
        (GOOD.splitlines()[0].replace("李雷", "张三"), "has its key"),
    ],
)
def test_a_row_that_has_no_place_of_its_own_is_not_let_in(
    city: Context, deliver: Deliver, line: str, why: str
) -> None:
    push = deliver(CODE, HEAD + line.strip() + "\n" + GOOD, date(2026, 1, 5))
    assert push.rejected == 1
    with pytest.raises(RulingError, match=why):
        release(city, push.id, 1, **WHY)
    assert Rulings(city.home).of(CODE) == []


def test_a_ruling_needs_a_reason_and_a_row(city: Context, bad: Push) -> None:
    for ruled in (release, dismiss):
        with pytest.raises(RulingError, match="reason"):
            ruled(city, bad.id, 1, reason=" ", by="bureau")
        with pytest.raises(RulingError, match="not in quarantine"):
            ruled(city, bad.id, 2, **WHY)


def test_a_release_that_was_killed_after_its_record_is_finished_by_calling_again(
    city: Context, bad: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(city.lake), "change", killed)
        with pytest.raises(KeyboardInterrupt):
            release(city, bad.id, 1, **WHY)
    assert counts(city)[2] == 1
    release(city, bad.id, 1, **WHY)
    assert (city.lake.rows("standard", CODE), city.lake.rows("quarantine", CODE)) == (6, 0)
    assert len(Rulings(city.home).of(CODE)) == 1


def test_of_a_snapshot_a_row_is_closed_by_the_next_push_and_a_release_holds_in_it(
    city: Context, deliver: Deliver
) -> None:
    entry = city.catalogue.entry("division")
    head, good = "code,name,level\n", "441802,清城区,county\n441803,清新区,county\n441800,清远市,city\n"
    first = deliver("division", head + good + "441821,佛冈县,乡\n", date(2026, 1, 5))
    release(city, first.id, 4, **WHY)
    second = deliver("division", head + good + "441821,佛冈县,乡\n441823,,county\n", date(2026, 1, 6))
    assert (second.accepted, second.rejected) == (4, 1)
    found = tally(city, entry)
    assert (found.open, found.closed, found.released) == (1, 0, 1)
    deliver("division", head + good + "441821,佛冈县,乡\n441823,阳山县,county\n", date(2026, 1, 7))
    found = tally(city, entry)
    assert (found.open, found.closed, found.released) == (0, 1, 1)
    assert record_corrections(city, entry) == 0


def test_a_row_whose_key_cannot_be_read_is_open_as_long_as_its_push_is_the_newest(
    city: Context, deliver: Deliver, bad: Push
) -> None:
    nameless = deliver(CODE, HEAD + GOOD + BAD.replace("M1", "") * 2, date(2026, 1, 6))
    assert nameless.rejected == 2
    assert counts(city) == (3, 0, 0, 0)
    # the key as departments write it, in full width: it is recognised by what it stands for
    deliver(CODE, HEAD + BAD.replace("M1", " Ｍ1 ").replace("0014", "0013"), date(2026, 1, 7))
    assert counts(city) == (0, 3, 0, 0)


def test_the_bureaus_tables_say_how_rows_and_rules_stand(city: Context, deliver: Deliver, bad: Push) -> None:
    assert publish_stewardship(city).notes == {"open": 1, "newly corrected": 0}
    rows = city.lake.scan("ops", "quarantine").filter(resource=CODE).collect().row(0, named=True)
    assert (rows["department"], rows["open"], rows["closed"]) == ("civil_affairs", 1, 0)
    assert rows["open_since"] == bad.received_at
    rules = city.lake.scan("ops", "rule").filter(resource=CODE).collect()
    failed = rules.filter(met=False).row(0, named=True)
    assert (failed["rule"], failed["severity"], failed["failing"], failed["rows"]) == (
        "man_id.check_digit",
        "reject",
        1,
        6,
    )
    deliver(CODE, HEAD + BAD.replace("0014", "0013"), date(2026, 1, 6))
    assert publish_stewardship(city).notes == {"open": 0, "newly corrected": 1}
    assert [each.resource for each in tallies_of(city, "civil_affairs")] == [CODE]
    assert tallies_of(city, "police") == []
