"""What pushes do to a standard table: judged against a plain dictionary, in any order, and killed at every step."""

from __future__ import annotations

import csv
import io
import itertools
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets import standard
from assets.build import Context
from assets.replay import replay
from assets.standard import ConservationError, Outcome, apply, apply_waiting, make_tables, rehearse
from catalog.load import Catalogue, load
from catalog.model import Entry, Way
from lake import changes
from lake.home import Home
from lake.landing import receive
from lake.ledger import Ledger, LedgerError, Push, PushState, open_ledger
from lake.tables import Lake
from quality import split

CODE = "sample"
GOOD = ("a", "b", "c")
COLUMNS = {
    "no": {"title": "编号", "element": "integer", "required": True},
    "word": {"title": "分类", "element": "category", "required": True, "values": list(GOOD)},
    "amount": {"title": "金额", "element": "amount"},
}
MODES: dict[str, dict[str, Any]] = {
    "snapshot": {"mode": "snapshot", "key": ["no"], "volume": {"max_shrink": 1}},
    "upsert": {"mode": "upsert", "key": ["no"]},
    "append": {"mode": "append", "key": ["no"]},
    "append without a key": {"mode": "append"},
}
Row = tuple[str, str]


@lru_cache
def shipped() -> Catalogue:
    return load()


def entry_of(mode: str = "upsert", columns: Mapping[str, Any] = COLUMNS, **delivery: Any) -> Entry:
    """A small entry; every push may be bad throughout, save where a test says otherwise."""
    document = shipped().entry("cremation").model_dump(mode="json")
    declared = {"ways": ["file"], "max_reject_share": 1} | MODES[mode] | delivery
    return Entry.model_validate(
        document | {"code": CODE, "columns": columns, "rules": [], "delivery": declared}
    )


@dataclass(frozen=True)
class Bench:
    """A lake with one resource, and pushes to it in one line."""

    context: Context
    ledger: Ledger

    @property
    def entry(self) -> Entry:
        return self.context.catalogue.entry(CODE)

    def receive(self, rows: Sequence[Row], day: int = 0, body: bytes | None = None) -> Push:
        """Land rows of (no, word) that speak for a day."""
        return receive(
            self.context.home,
            self.ledger,
            self.entry,
            [csv_of(rows) if body is None else body],
            way=Way.FILE,
            filename="push.csv",
            data_format="csv",
            data_date=date(2026, 1, 1) + timedelta(day),
        )

    def push(self, rows: Sequence[Row], day: int = 0, body: bytes | None = None) -> Outcome:
        """Land and apply."""
        self.receive(rows, day, body)
        (outcome,) = apply_waiting(self.context, CODE)
        return outcome

    def rows(self) -> dict[str, str]:
        """What the standard table holds: number → word."""
        table = self.table("standard")
        assert table["no"].is_unique().all()
        return dict(table.select(pl.col("no").cast(pl.String), "word").iter_rows())

    def table(self, layer: str) -> pl.DataFrame:
        return self.context.lake.scan(layer, CODE).collect()

    def reasons(self) -> list[list[str]]:
        """Of each quarantined row the rules it failed."""
        table = self.table("quarantine").sort("_push", "_row")
        return [[reason["rule"] for reason in reasons] for reasons in table["reasons"].to_list()]

    def counted(self) -> dict[str, int]:
        """How many rows of each push are in quarantine."""
        return dict(self.table("quarantine").group_by("_push").len().iter_rows())

    def refused(self, received: Sequence[Push]) -> dict[str, int]:
        """How many there must be: each push's, but once only where it said what the one before it had said."""
        settled = [self.ledger.get(push.id) for push in received]
        return {push.id: push.rejected for push in settled if push.rejected and not push.same_as}

    @property
    def version(self) -> int | None:
        return self.context.lake.version("standard", CODE)


def csv_of(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("编号", "分类"), *rows])
    return text.getvalue().encode()


def bench_at(root: Path, entry: Entry) -> Bench:
    home = Home.open(root)
    catalogue = replace(shipped(), entries={CODE: entry})
    context = Context(home, Lake(home.lake), catalogue)
    make_tables(context, entry)
    return Bench(context, open_ledger(home))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Bench]:
    return lambda *mode, **delivery: bench_at(tmp_path / "home", entry_of(*mode, **delivery))


@contextmanager
def fresh(entry: Entry) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_at(Path(folder), entry)
        yield bench
        bench.ledger.engine.dispose()


def good(row: Row) -> bool:
    return row[0].isdigit() and row[1] in GOOD


def expected(mode: str, pushes: Sequence[tuple[int, Sequence[Row]]]) -> dict[str, str] | set[Row]:
    """What is true after all pushes, each for a day: the later day speaks last, of one day the later push."""
    ordered = [rows for _, _, rows in sorted((day, place, rows) for place, (day, rows) in enumerate(pushes))]
    accepted = [[row for row in rows if good(row)] for rows in ordered]
    if mode == "append without a key":
        return {row for rows in accepted for row in rows}
    if mode == "snapshot":
        return dict(accepted[-1]) if accepted else {}
    return {key: word for rows in accepted for key, word in rows}


rows_of_a_push = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", "4", "x"]), st.sampled_from([*GOOD, "?"])), max_size=6
)
some_pushes = st.lists(st.tuples(st.integers(0, 2), rows_of_a_push), min_size=1, max_size=4)


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(pushes=some_pushes, shuffled=st.randoms(use_true_random=False))
def test_any_order_of_any_pushes_gives_the_same_table(
    mode: str, pushes: list[tuple[int, list[Row]]], shuffled: random.Random
) -> None:
    """Late, sent again, with rows twice: the table is what the pushes say together, and every row is accounted for."""
    with fresh(entry_of(mode)) as bench:
        received = [bench.receive(rows, day) for day, rows in pushes]
        order = list(zip(received, pushes, strict=True))
        shuffled.shuffle(order)
        for push, (_, rows) in order:
            outcome = apply(bench.context, bench.ledger, bench.ledger.get(push.id))
            assert outcome.state is PushState.APPLIED
            assert outcome.rows == len(rows) == outcome.accepted + outcome.rejected
            settled = bench.ledger.get(push.id)
            assert (settled.rows, settled.accepted, settled.rejected) == (
                outcome.rows,
                outcome.accepted,
                outcome.rejected,
            )
        if mode == "append without a key":
            table = bench.table("standard").select(pl.col("no").cast(pl.String), "word")
            assert table.is_unique().all()
            assert set(table.iter_rows()) == expected(mode, pushes)
        else:
            assert bench.rows() == expected(mode, pushes)
        assert bench.counted() == bench.refused(received)
        before = bench.version
        bench.push(pushes[-1][1], day=pushes[-1][0] if len(pushes) == 1 else 9)
        if expected(mode, pushes) == expected(mode, [*pushes, (9, pushes[-1][1])]):
            assert bench.version == before, "what says nothing new makes no new version"


@pytest.mark.parametrize("mode", MODES)
def test_an_identical_push_changes_nothing(make: Callable[..., Bench], mode: str) -> None:
    bench = make(mode)
    rows = [("1", "a"), ("2", "b"), ("2", "b"), ("3", "?")]
    first = bench.push(rows)
    second = bench.push(rows, day=1)
    assert (first.accepted, first.rejected) == (second.accepted, second.rejected) == (2, 2)
    assert first.commit
    assert second.commit
    assert (first.commit.changed, second.commit.changed) == (True, False)
    assert bench.version == first.commit.version
    assert bench.context.lake.version("quarantine", CODE) == 1, "no new version of the refused rows either"
    assert second.state is PushState.APPLIED, "the period is satisfied"
    third = bench.ledger.get(bench.push(rows, day=2).push.id)
    assert third.same_as == third.refusals == first.push.id
    assert third.notes
    assert first.push.id in third.notes[0]
    other = bench.push([*rows, ("4", "?")], day=3)
    back = bench.push(rows, day=4)
    assert (other.same_as, back.same_as) == (None, first.push.id), "what was said in between changed nothing"
    assert bench.counted() == {first.push.id: 2, other.push.id: 3}
    changed = bench.push([("1", "c"), ("9", "a"), ("3", "?")], day=5)
    last = bench.push(rows, day=6)
    if mode in ("snapshot", "upsert"):
        assert last.same_as is None, "it brings back what was changed in between"
    assert bench.refused([first.push, other.push, changed.push, last.push]) == bench.counted()
    assert all(difference.none for difference in replay(bench.context, CODE).differences)


def test_parts_of_one_date_come_again_one_by_one(make: Callable[..., Bench]) -> None:
    bench = make("append")
    parts = [[("1", "a"), ("2", "?")], [("3", "b"), ("4", "?")], [("5", "c"), ("6", "?")]]
    first = [bench.push(rows).push.id for rows in parts]
    assert [bench.push(rows).same_as for rows in parts] == first
    assert bench.counted() == dict.fromkeys(first, 1)
    assert all(difference.none for difference in replay(bench.context, CODE).differences)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_rows_in_other_bytes_are_refused_once(make: Callable[..., Bench], mode: str) -> None:
    """A workbook has other bytes each time it is saved; monthly parts come again after the later ones."""
    bench = make(mode)
    parts = [[("1", "a"), ("2", "?")], [("1", "b"), ("3", "?"), ("4", "c")]]
    first, second = (bench.push(rows, day=day) for day, rows in enumerate(parts))
    version, shown = bench.version, bench.table("standard")
    for day, (rows, of) in enumerate(zip(parts, (first, second), strict=True)):
        saved = csv_of(rows).replace(b"\r\n", b"\n")
        again = bench.push(rows, day=day, body=saved)
        assert (again.state, again.same_as) == (PushState.APPLIED, of.push.id)
    assert bench.counted() == {first.push.id: 1, second.push.id: 1}
    assert bench.version == version
    assert bench.table("standard").equals(shown)
    assert all(difference.none for difference in replay(bench.context, CODE).differences)


def test_one_cell_changed_is_another_push(make: Callable[..., Bench]) -> None:
    bench = make("upsert")
    bench.push([("1", "a"), ("2", "?")])
    other = bench.push([("1", "b"), ("2", "?")], day=1)
    assert other.same_as is None
    assert bench.rows() == {"1": "b"}
    clean = bench.push([("1", "b")], day=2, body=csv_of([("1", "b")]))
    resaved = bench.push([("1", "b")], day=3, body=csv_of([("1", "b")]).replace(b"\r", b""))
    assert (clean.same_as, resaved.same_as) == (None, None), "nothing refused, nothing to look for"


def test_a_push_that_is_judged_otherwise_than_its_twin_has_refusals_of_its_own(
    make: Callable[..., Bench],
) -> None:
    """A check may have been mended since: what the department is told must be what holds now."""
    bench = make()
    first = bench.push([("1", "a"), ("2", "?")])
    document = bench.entry.model_dump(mode="json")
    document["columns"]["word"]["values"] = ["b", "c"]
    stricter = {CODE: Entry.model_validate(document)}
    context = replace(bench.context, catalogue=replace(bench.context.catalogue, entries=stricter))
    second = Bench(context, bench.ledger).push([("1", "a"), ("2", "?")], day=1)
    assert (second.same_as, second.rejected) == (None, 2)
    assert bench.counted() == {first.push.id: 1, second.push.id: 2}


def test_what_was_let_in_once_is_not_held_when_it_is_sent_again(make: Callable[..., Bench]) -> None:
    bench = make(max_reject_share=0.1)
    held = bench.push([("1", "a"), ("2", "?")])
    bench.ledger.accept_hold(held.push.id, reason="looked at", by="li")
    apply_waiting(bench.context, CODE)
    again = bench.push([("1", "a"), ("2", "?")], day=1)
    assert (again.state, again.same_as) == (PushState.APPLIED, held.push.id)


def test_a_trial_comes_after_everything_of_its_date(make: Callable[..., Bench], tmp_path: Path) -> None:
    """Else a push of the same day would count as newer, and a snapshot that lost its rows would seem to be fine."""
    bench = make("snapshot", volume={"max_shrink": 0.2})
    bench.push([("1", "a"), ("2", "b"), ("3", "c")])
    path = tmp_path / "small.csv"
    path.write_bytes(csv_of([("1", "a")]))
    outcome = rehearse(bench.context, bench.entry, path, date(2026, 1, 1)).outcome
    assert outcome.state is PushState.HELD
    assert outcome.reason
    assert "3" in outcome.reason.zh


def test_a_trial_of_nothing_says_so(make: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make()
    path = tmp_path / "none.csv"
    path.touch()
    outcome = rehearse(bench.context, bench.entry, path, date(2026, 1, 1)).outcome
    assert outcome.state is PushState.REFUSED
    assert outcome.reason
    assert "zero bytes" in outcome.reason.en


def test_what_a_row_says_last_counts_and_the_others_are_kept_with_the_reason(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    outcome = bench.push([("1", "a"), ("1", "b"), ("2", "c"), ("1", "a"), ("2", "c"), ("1", "?")])
    assert bench.rows() == {"1": "a", "2": "c"}
    assert (outcome.accepted, outcome.rejected) == (2, 4)
    failures = {rule: count for rule, count in outcome.failures.items() if count}
    assert failures == {"word.values": 1, "row.duplicate": 2, "key.superseded": 1}
    table = bench.table("quarantine").sort("_row")
    assert table["_row"].to_list() == [2, 4, 5, 6]
    assert bench.reasons() == [["key.superseded"], ["row.duplicate"], ["row.duplicate"], ["word.values"]]
    assert json.loads(table["cells"][0]) == {"no": "1", "word": "b"}


def test_a_row_with_every_cell_wrong_is_quarantined_whole_with_every_reason(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    body = "编号,分类,金额,备注\n不详,?,很多,=cmd()\n7,a,12.50,\n".encode()
    outcome = bench.push([], body=body)
    assert (outcome.accepted, outcome.rejected) == (1, 1)
    assert bench.rows() == {"7": "a"}
    row = bench.table("quarantine").row(0, named=True)
    assert {reason["rule"]: reason["column"] for reason in row["reasons"]} == {
        "no.required": "no",
        "no.unreadable": "no",
        "word.values": "word",
        "amount.unreadable": "amount",
    }
    assert all(reason["reason_zh"] and reason["reason_en"] for reason in row["reasons"])
    assert json.loads(row["key"]) == {"no": "不详"}
    assert json.loads(row["cells"]) == {
        "no": "不详",
        "word": "?",
        "amount": "很多",
        "_unknown:备注": "=cmd()",
    }
    assert (row["_row"], row["_push"]) == (1, outcome.push.id)


def test_a_bad_cell_in_an_optional_column_is_only_noted(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.push([], body="编号,分类,金额\n1,a,很多\n2,b,3\n".encode())
    table = bench.table("standard").sort("no")
    assert table["_warnings"].to_list() == [["amount.unreadable"], []]
    assert table["amount"].to_list()[0] is None


@pytest.mark.parametrize("mode", ["upsert", "append", "append without a key"])
def test_a_header_alone_satisfies_the_period_and_changes_nothing(
    make: Callable[..., Bench], mode: str
) -> None:
    bench = make(mode)
    bench.push([("1", "a")])
    before = bench.version
    outcome = bench.push([], day=1)
    assert (outcome.state, outcome.rows, outcome.rejected) == (PushState.APPLIED, 0, 0)
    assert bench.rows() == {"1": "a"}
    assert bench.version == before
    latest = bench.ledger.latest(CODE)
    assert latest
    assert (latest.state, latest.data_date) == (PushState.APPLIED, date(2026, 1, 2))


def test_a_header_alone_is_refused_where_the_entry_takes_no_zero_report(make: Callable[..., Bench]) -> None:
    bench = make(empty_ok=False)
    outcome = bench.push([])
    assert outcome.state is PushState.REFUSED
    assert outcome.reason
    assert "零报告" in outcome.reason.zh
    assert (bench.version, bench.table("quarantine").height) == (0, 0)


HELD: dict[str, tuple[dict[str, Any], list[Row], list[Row]]] = {
    "too few rows": ({"volume": {"min_rows": 3}}, [("1", "a"), ("2", "a"), ("3", "a")], [("1", "b")]),
    "too many bad rows": ({"max_reject_share": 0.5}, [("1", "a")], [("1", "b"), ("2", "?"), ("x", "a")]),
}
SNAPSHOT = {"mode": "snapshot", "key": ["no"], "volume": {"max_shrink": 0.3}}
HELD["a snapshot that collapsed"] = (SNAPSHOT, [(str(no), "a") for no in range(10)], [("1", "b")])
HELD["a snapshot with nothing left"] = (SNAPSHOT, [("1", "a"), ("2", "a")], [])


@pytest.mark.parametrize("case", HELD)
def test_a_suspicious_push_is_held_until_a_person_lets_it_in(make: Callable[..., Bench], case: str) -> None:
    delivery, before, suspicious = HELD[case]
    bench = make(**delivery)
    bench.push(before)
    rows, version = bench.rows(), bench.version
    held = bench.push(suspicious, day=1)
    assert held.state is PushState.HELD
    assert held.reason
    assert str(len(suspicious)) in held.reason.zh
    assert (bench.rows(), bench.version) == (rows, version)
    assert bench.table("quarantine").filter(pl.col("_push") == held.push.id).is_empty()
    assert files_beside(bench) == set(), "what was judged is not left lying about"
    assert apply_waiting(bench.context, CODE) == [], "it does not wait: a person must decide"

    bench.ledger.accept_hold(held.push.id, reason="核实无误", by="officer")
    (outcome,) = apply_waiting(bench.context, CODE)
    assert outcome.state is PushState.APPLIED
    assert bench.rows() == expected(bench.entry.delivery.mode.value, [(0, before), (1, suspicious)])
    assert bench.table("quarantine").filter(pl.col("_push") == held.push.id).height == outcome.rejected
    with pytest.raises(LedgerError, match="not held"):
        bench.ledger.accept_hold(held.push.id, reason="再次", by="officer")


def files_beside(bench: Bench) -> set[Path]:
    """Parquet files in the table folders that no version of today's tables holds."""
    lake = bench.context.lake
    return {
        path
        for layer in ("standard", "quarantine")
        for path in set(lake.path(layer, CODE).glob("*.parquet")) - set(lake.files(layer, CODE))
    }


def test_a_push_let_in_late_does_not_overwrite_what_came_after_it(make: Callable[..., Bench]) -> None:
    bench = make(max_reject_share=0.5)
    held = bench.push([("1", "a"), ("2", "a"), ("x", "?"), ("y", "?"), ("z", "?")])
    bench.push([("1", "c"), ("3", "c")])
    bench.ledger.accept_hold(held.push.id, reason="核实无误", by="officer")
    apply_waiting(bench.context, CODE)
    assert bench.rows() == {"1": "c", "2": "a", "3": "c"}


def test_an_old_snapshot_replaces_nothing_and_so_is_not_held(make: Callable[..., Bench]) -> None:
    bench = make(**SNAPSHOT)
    bench.push([(str(no), "a") for no in range(10)], day=2)
    before = bench.version
    late = bench.push([("1", "b")], day=1)
    assert late.state is PushState.APPLIED
    assert bench.version == before


def test_an_old_snapshot_does_not_come_back_after_one_that_was_empty(make: Callable[..., Bench]) -> None:
    bench = make("snapshot")
    bench.push([("1", "a")], day=1)
    bench.push([], day=3)
    assert bench.rows() == {}
    bench.push([("1", "a"), ("2", "a")], day=2)
    assert bench.rows() == {}


def test_one_push_that_cannot_be_read_does_not_stop_the_next(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.receive([], body="编号,金额\n1,2\n".encode())
    bench.receive([], body=b"PAR1 cut in the middle")
    bench.receive([("1", "a")])
    refused, damaged, applied = apply_waiting(bench.context, CODE)
    assert (refused.state, damaged.state, applied.state) == (
        PushState.REFUSED,
        PushState.REFUSED,
        PushState.APPLIED,
    )
    assert refused.reason
    assert "分类" in refused.reason.zh
    assert "word" in refused.reason.en
    assert bench.rows() == {"1": "a"}


CAPITALS = {
    "200(万元人民币)": ("2000000.00", "CNY"),
    "100万港元": ("1000000.00", "HKD"),
    "5,000(万元)": ("50000000.00", "CNY"),
    "１，２００（万美元）": ("12000000.00", "USD"),
    "N/A": (None, None),
}


def test_capital_as_registries_write_it_becomes_amount_and_currency(tmp_path: Path) -> None:
    columns = COLUMNS | {"capital": {"title": "注册资金", "element": "capital"}}
    bench = bench_at(tmp_path, entry_of(columns=columns))
    text = io.StringIO()
    rows = [(number, "a", capital) for number, capital in enumerate(CAPITALS)]
    csv.writer(text).writerows([("编号", "分类", "注册资金"), *rows])
    outcome = bench.push([], body=text.getvalue().encode("gb18030"))
    assert outcome.accepted == len(CAPITALS)
    table = bench.table("standard").sort("no")
    found = table.select(pl.col("capital").cast(pl.String), "capital_currency").rows()
    assert found == list(CAPITALS.values())


def test_a_column_added_to_the_entry_reaches_the_table(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.push([("1", "a"), ("2", "b")])
    wider = entry_of(columns=COLUMNS | {"note": {"title": "备注", "element": "text"}})
    later = Bench(
        replace(bench.context, catalogue=replace(bench.context.catalogue, entries={CODE: wider})),
        bench.ledger,
    )
    later.push([], day=1, body="编号,分类,备注\n2,b,新\n3,c,新\n".encode())
    found = later.table("standard").sort("no").select("no", "word", "note").rows()
    assert found == [(1, "a", None), (2, "b", "新"), (3, "c", "新")]


def test_two_runs_at_once_apply_each_push_once(make: Callable[..., Bench]) -> None:
    bench = make("append without a key")
    pushes = [bench.receive([(str(number), "a"), ("x", "?")]) for number in range(6)]
    start, outcomes = threading.Barrier(2), list[Outcome]()

    def work() -> None:
        start.wait()
        outcomes.extend(apply_waiting(bench.context, CODE))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.push.id for outcome in outcomes) == sorted(push.id for push in pushes)
    assert bench.rows() == {str(number): "a" for number in range(6)}
    assert bench.table("quarantine").height == len(pushes)


def test_where_rows_go_missing_nothing_is_written(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of rows is a check that can fail: here the split loses the rows it rejects."""
    bench = make()
    original = split.split

    def leaking(raw: pl.LazyFrame, plan: Any, **more: Any) -> split.Split:
        parts = original(raw, plan, **more)
        return replace(parts, rejected=parts.rejected.head(0))

    monkeypatch.setattr(standard, "split", leaking)
    push = bench.receive([("1", "a"), ("x", "?")])
    with pytest.raises(ConservationError, match=r"2 rows, but 1 \+ 0 came out"):
        apply_waiting(bench.context, CODE)
    assert (bench.rows(), bench.version, files_beside(bench)) == ({}, 0, set())
    assert bench.ledger.get(push.id).state is PushState.RECEIVED


class Killed(BaseException):
    """The process ends here, as far as the code under test can tell."""


STEPS: dict[str, tuple[Any, str]] = {
    "staging": (standard, "_stage"),
    "committing quarantine and first rows": (Lake, "append_part"),
    "writing the log of any commit": (changes.Planned, "commit"),
    "writing changed rows": (changes, "write_part"),
    "committing changes": (Lake, "change"),
    "settling": (Ledger, "settle"),
}


def dying(owner: Any, name: str, passage: int, when: str) -> Callable[..., Any]:
    """The step, at whose n-th passage the process ends before or after it is done."""
    original, passages = getattr(owner, name), itertools.count(1)

    def step(*given: Any, **named: Any) -> Any:
        now = next(passages) == passage
        if now and when == "before":
            raise Killed
        result = original(*given, **named)
        if now:
            raise Killed
        return result

    return step


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", ["snapshot", "upsert", "append without a key"])
def test_killed_at_any_step_a_push_is_applied_once(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, mode: str, step: str, when: str
) -> None:
    """Killed at each passage of each step in turn, until a run comes through."""
    bench = make(mode)
    pushes: list[tuple[int, list[Row]]] = [
        (0, [("1", "a"), ("2", "a"), ("x", "?")]),
        (1, [("2", "b"), ("3", "c"), ("3", "c"), ("y", "?")]),
        (0, [("2", "c"), ("4", "a"), ("z", "?")]),
    ]
    received = [bench.receive(rows, day) for day, rows in pushes]
    kills = 0
    while True:
        with monkeypatch.context() as patch:
            patch.setattr(*STEPS[step], dying(*STEPS[step], kills + 1, when))
            try:
                apply_waiting(bench.context, CODE)
            except Killed:
                kills += 1
            else:
                break
    assert kills
    assert [bench.ledger.get(push.id).state for push in received] == [PushState.APPLIED] * 3
    words = expected(mode, pushes)
    if mode == "append without a key":
        found = bench.table("standard").select(pl.col("no").cast(pl.String), "word").rows()
        assert sorted(found) == sorted(words)
    else:
        assert bench.rows() == words
    assert bench.counted() == bench.refused(received)


KILLS = 12
PUSHES = 36


def _apply_all(context: Context) -> None:
    """What the killed process does."""
    apply_waiting(context, CODE)


@pytest.mark.kills
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["upsert", "append without a key"])
def test_killed_at_random_every_push_is_applied_once(make: Callable[..., Bench], mode: str) -> None:
    bench = make(mode)
    luck = random.Random(mode)  # noqa: S311 - when to kill is no secret
    pushes = [
        (luck.randrange(3), [(luck.choice("123456789x"), luck.choice([*GOOD, "?"])) for _ in range(8)])
        for _ in range(PUSHES)
    ]
    received = [bench.receive(rows, day) for day, rows in pushes]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    kills = 0
    while bench.ledger.waiting(CODE):
        process = processes.Process(target=_apply_all, args=(bench.context,))
        process.start()
        if kills < KILLS:
            waiting = len(bench.ledger.waiting(CODE))
            deadline = time.monotonic() + 60
            # once it is at work, at any moment of the next push or two
            while len(bench.ledger.waiting(CODE)) == waiting and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(luck.uniform(0, 0.15))
            process.kill()
            kills += 1
        process.join()
    assert kills
    settled = [bench.ledger.get(push.id) for push in received]
    assert {push.state for push in settled} == {PushState.APPLIED}
    if mode == "append without a key":
        found = bench.table("standard").select(pl.col("no").cast(pl.String), "word").rows()
        assert sorted(found) == sorted(expected(mode, pushes))
    else:
        assert bench.rows() == expected(mode, pushes)
    assert bench.counted() == bench.refused(received)
    print(f"{mode}: {kills} kills, {PUSHES} pushes")  # noqa: T201 - the count of cases tried
