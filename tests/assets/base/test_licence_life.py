"""What a licence is on a day, what happened to it, what cannot be so, and whether one that is shown is genuine."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from assets import base
from assets.base.identity import judge_pair
from assets.base.licence_life import events, findings, licences_on, with_spans
from assets.base.licence_verification import NothingToVerifyError, file_digest, verify
from assets.build import Context
from catalog.base_model import load_bases
from demo.licences import mod_37_36
from tests.assets.small_lake import build_all, put, resident

TYPE, ISSUER = "11100000000013338W009", "91441802617971616D"
DEAD, CLOSED = resident(7), "9144182119772081X5"


def identifier(serial: str, version: int) -> str:
    check = mod_37_36(pl.Series([f"{TYPE}{ISSUER}{serial}{version:03d}"])).item()
    return f"1.2.156.3005.2.{TYPE}.{ISSUER}.{serial}.{version:03d}.{check}"


def licence(serial: str, version: int, issued: date, to: date | None = None, **more: Any) -> dict[str, Any]:
    return {
        "licence_id": identifier(serial, version),
        "type_code": TYPE,
        "licence_no": serial,
        "holder_code": resident(1),
        "issuer_code": ISSUER,
        "version": version,
        "state": "有效",
        "issued_on": issued,
        "valid_from": issued,
        "valid_to": to,
        **more,
    }


def built(city: Context, *rows: dict[str, Any]) -> Context:
    put(
        city,
        "household_register",
        {"resident_id": resident(1), "name": "甲"},
        {"resident_id": DEAD, "name": "乙"},
    )
    put(city, "death_certificate", {"resident_id": DEAD, "death_date": date(2024, 1, 1)}, push="d")
    put(
        city,
        "business_registration",
        {"credit_code": ISSUER, "org_name": "机关"},
        {"credit_code": CLOSED, "org_name": "公司", "status": "注销", "cancelled_on": date(2024, 1, 1)},
        push="b",
    )
    put(city, "licence_type", {"type_code": TYPE, "managing_authority_code": "11100000000013338W"}, push="t")
    put(city, "electronic_licence", *rows, push="l")
    build_all(city, base.builds(city.catalogue), "person", "legal_entity", "successor", "licence")
    return city


RENEWED = (
    licence("1", 1, date(2020, 1, 1), date(2024, 12, 31), state="失效"),
    licence("1", 2, date(2025, 1, 1), date(2099, 12, 31)),
)


def found(city: Context) -> set[tuple[str, str]]:
    rows = city.lake.scan("base", "licence_finding").collect()
    return set(rows.select("finding", "licence_id").iter_rows())


def test_a_renewed_licence_is_in_order_and_each_version_had_its_time(empty_lake: Context) -> None:
    city = built(empty_lake, *RENEWED)
    assert found(city) == set()
    rows = city.lake.scan("base", "licence").sort("version").collect()
    assert rows["in_force_to"].to_list() == [date(2024, 12, 31), date(2099, 12, 31)]
    happened = (
        city.lake.scan("base", "licence_event").collect().select("event", "happened_on").sort("happened_on")
    )
    assert happened.rows() == [("核发", date(2020, 1, 1)), ("换发", date(2025, 1, 1))]


@pytest.mark.parametrize(
    ("day", "version", "state"),
    [
        (date(2019, 12, 31), None, None),
        (date(2020, 1, 1), 1, "有效"),
        (date(2021, 5, 31), 1, "有效"),
        (date(2025, 1, 1), 2, "有效"),
        (date(2026, 3, 1), 2, "暂停"),
        (date(2026, 2, 28), 2, "有效"),
    ],
)
def test_the_state_on_a_day_is_that_of_the_version_then_in_force(
    day: date, version: int | None, state: str | None
) -> None:
    rows = pl.DataFrame(
        [RENEWED[0] | {"state_since": None}, RENEWED[1] | {"state": "暂停", "state_since": date(2026, 3, 1)}]
    )
    spans = with_spans(rows.lazy().with_columns(chain_id=pl.lit("c")), date(2026, 6, 1))
    then = licences_on(spans, day).collect()
    assert then.select("version", "state_on").rows() == ([(version, state)] if version else [])


def test_what_cannot_be_so_is_found_of_each_licence_and_nothing_else(empty_lake: Context) -> None:
    start, later = date(2020, 1, 1), date(2021, 2, 1)
    faults = {
        "holder_dead": [licence("2", 1, start, holder_code=DEAD)],
        "holder_cancelled": [licence("3", 1, start, holder_code=CLOSED)],
        "versions_overlap": [licence("4", 1, start), licence("4", 2, later)],
        "versions_gap": [licence("5", 1, start, date(2020, 12, 31), state="失效"), licence("5", 2, later)],
        "version_missing": [licence("6", 3, later), licence("6", 1, start, state="失效")],
        "unknown_issuer": [licence("7", 1, start, issuer_code="91441821MA4UTK9K5C")],
        "unknown_type": [licence("8", 1, start, type_code="11100000000013338W999")],
        "valid_beyond_end": [licence("9", 1, start, later)],
    }
    headless = licence("10", 2, start)
    of_department = licence("11", 1, start, issuer_code="114418000072160076")
    rows = [row for rows in faults.values() for row in rows]
    city = built(empty_lake, *RENEWED, *rows, headless, of_department)
    expected = {(code, rows[0]["licence_id"]) for code, rows in faults.items()}
    assert found(city) == {*expected, ("version_missing", headless["licence_id"])}
    told = city.lake.scan("base", "licence_finding").collect()
    assert told["reason_zh"].is_not_null().all()
    assert told["licences"].to_list() == [1] * told.height
    assert set(told.select("source", "source_push").iter_rows()) == {("electronic_licence", "l")}


def test_a_suspended_licence_of_a_dead_holder_is_no_fault(empty_lake: Context) -> None:
    halted = licence("2", 1, date(2020, 1, 1), holder_code=DEAD, state="注销", state_since=date(2024, 2, 1))
    city = built(empty_lake, halted)
    assert found(city) == set()
    told = city.lake.scan("base", "licence_event").filter(pl.col("event") == "注销").collect()
    assert told["happened_on"].to_list() == [date(2024, 2, 1)]


TODAY = date(2024, 1, 1)
DAYS = st.dates(TODAY - timedelta(30), TODAY + timedelta(10))
DAY_COLUMNS = ("valid_from", "valid_to", "state_since")
CHAIN = st.lists(
    st.fixed_dictionaries(
        {
            "issued_on": DAYS,
            "valid_from": st.none() | DAYS,
            "valid_to": st.none() | DAYS,
            "state": st.sampled_from(["有效", "有效", "失效", "暂停", "撤销", "注销"]),
            "state_since": st.none() | DAYS,
        }
    ),
    min_size=1,
    max_size=4,
)


def chain(versions: list[dict[str, Any]]) -> pl.LazyFrame:
    rows = [
        licence("1", number, version["issued_on"])
        | version
        | {"chain_id": "c", "person_id": None, "legal_entity_id": None}
        for number, version in enumerate(versions, start=1)
    ]
    days = dict.fromkeys(DAY_COLUMNS, pl.Date)
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=days)
    return frame.lazy().with_columns(source=pl.lit("s"), source_push=pl.lit("p"), source_row=pl.lit(1))


def by_events(happened: pl.DataFrame, day: date) -> list[int]:
    """The versions in force on a day, as somebody would reckon who sees only the events: the newest that has begun
    drives out the others, unless it was halted before."""
    begun: dict[int, date] = {}
    ended: dict[int, date] = {}
    halted: dict[int, date] = {}
    for version, event, on in happened.select("version", "event", "happened_on").iter_rows():
        if event in ("核发", "换发", "生效"):
            begun[version] = max(begun.get(version, on), on)
        elif event != "恢复":
            ended[version] = min(ended.get(version, date.max), on or date.min)
            if event in ("暂停", "撤销", "注销") and on:
                halted[version] = on
    took = {version: on for version, on in begun.items() if halted.get(version, date.max) >= on}
    return [
        version
        for version, on in begun.items()
        if on <= day < ended.get(version, date.max)
        and not any(other > version and start <= day for other, start in took.items())
    ]


@given(CHAIN, st.sets(st.integers(-35, 0), min_size=1, max_size=4))
def test_on_every_day_the_spans_say_what_the_events_tell(
    versions: list[dict[str, Any]], asked: set[int]
) -> None:
    """And so does the version that speaks, on the days on which it is asked for."""
    rows = chain(versions)
    spans = with_spans(rows, TODAY).collect()
    happened = events(rows, TODAY).collect()
    assert happened.filter(pl.col("event") == "核发").height == 1
    lasted = spans.select("version", "in_force_from", "in_force_to").rows()
    for offset in range(-35, 1):
        day = TODAY + timedelta(offset)
        inside = [version for version, begins, ends in lasted if begins <= day <= (ends or date.max)]
        assert inside == by_events(happened, day), day
        assert len(inside) <= 1
        if offset in asked:
            speaks = licences_on(spans.lazy(), day).collect()
            assert speaks.filter(state_on="有效")["version"].to_list() == inside, day
            assert speaks.height <= 1


@pytest.mark.parametrize(
    ("versions", "spans"),
    [
        # a version that begins before the one that it follows ends both
        ([("2020-01-01",), ("2023-01-01",), ("2022-01-01",)], ["2021-12-31", "2021-12-31", None]),
        # a halt, or an end, on a day that is not told: never relied upon
        ([("2020-01-01", None, "暂停")], ["2019-12-31"]),
        ([("2020-01-01", None, "失效")], ["2019-12-31"]),
        ([("2020-01-01", "2099-01-01", "失效")], ["2019-12-31"]),
        ([("2020-01-01", "2021-01-01", "失效")], ["2021-01-01"]),
        ([("2020-01-01", None, "失效", "2022-01-01")], ["2021-12-31"]),
        # a renewal that was revoked before it began has not taken over
        ([("2020-01-01",), ("2022-01-01", None, "撤销", "2021-06-01")], [None, "2021-05-31"]),
        # a late renewal, and one of the same day
        ([("2020-01-01", "2020-12-31", "失效"), ("2021-03-01",)], ["2020-12-31", None]),
        ([("2020-01-01",), ("2020-01-01",)], ["2019-12-31", None]),
    ],
)
def test_the_last_day_of_each_version(versions: list[tuple[Any, ...]], spans: list[str | None]) -> None:
    def day(text: str | None) -> date | None:
        return date.fromisoformat(text) if text else None

    rows = [
        {
            "issued_on": day(begins),
            "valid_from": None,
            "valid_to": day(more[0] if more else None),
            "state": more[1] if len(more) > 1 else "有效",
            "state_since": day(more[2] if len(more) > 2 else None),
        }
        for begins, *more in versions
    ]
    made = with_spans(chain(rows), TODAY).collect()
    assert made["in_force_to"].to_list() == [day(text) for text in spans]


def test_a_resumed_licence_says_so() -> None:
    rows = {"issued_on": date(2020, 1, 1), "valid_from": None, "valid_to": None, "state": "有效"}
    told = events(chain([rows | {"state_since": date(2021, 1, 1)}]), TODAY).collect()
    assert told.select("event", "happened_on").rows() == [
        ("核发", date(2020, 1, 1)),
        ("恢复", date(2021, 1, 1)),
    ]


def test_what_begins_tomorrow_or_follows_a_halt_is_in_order_and_a_wrong_version_is_not(
    empty_lake: Context,
) -> None:
    start, later = date(2020, 1, 1), date(2021, 2, 1)
    city = built(
        empty_lake,
        licence("1", 1, start, date(2099, 12, 30)),
        licence("1", 2, date(2099, 12, 31)),
        licence("2", 1, start, date(2020, 12, 31), state="注销", state_since=date(2020, 6, 1)),
        licence("2", 2, later),
        licence("3", 1, later, state="失效", state_since=later),
        licence("3", 2, start),
        licence("4", 1, start) | {"version": 2},
    )
    assert found(city) == {
        ("versions_disordered", identifier("3", 2)),
        ("version_differs", identifier("4", 1)),
        ("version_missing", identifier("4", 1)),
    }


A_PERSON, ANOTHER = ("P1", resident(1)), ("P2", resident(2))
COMPANY, RENAMED = ("L1", "91A"), ("L1", "91B")
HEIR, LAST, STRANGER = ("L2", "91C"), ("L3", "91D"), ("L4", "91E")
TRADER, COMPETITOR = ("L5", "92A"), ("L6", "92B")
NOBODY = (None, "无证件")


@pytest.mark.parametrize(
    ("holders", "changed"),
    [
        ([A_PERSON, A_PERSON], []),
        ([A_PERSON, ANOTHER], [2]),
        ([COMPANY, STRANGER, COMPANY], [2, 3]),
        ([A_PERSON, COMPANY], [2]),
        # one entity under another code, as after a merge of its ids
        ([COMPANY, RENAMED], []),
        # who is not known proves nothing, and hides nothing
        ([COMPANY, NOBODY, COMPANY], []),
        ([COMPANY, NOBODY, STRANGER], [3]),
        ([NOBODY, STRANGER], []),
        # who took over, also at second hand; nobody takes over from his successor
        ([COMPANY, HEIR, LAST], []),
        ([COMPANY, LAST], []),
        ([HEIR, COMPANY], [2]),
        # an individual and the business that may be his
        ([A_PERSON, TRADER, A_PERSON], []),
        ([TRADER, COMPETITOR], [2]),
        ([TRADER, COMPANY], [2]),
        ([A_PERSON, TRADER, ANOTHER], []),
    ],
)
def test_a_holder_who_is_neither_the_one_before_nor_its_heir_is_found(
    holders: list[tuple[str | None, str]], changed: list[int]
) -> None:
    one = chain([{"issued_on": date(2020, 1, 1)} | dict.fromkeys(DAY_COLUMNS)] * len(holders))
    codes = {"holder_code": [code for _, code in holders]}
    for column, prefix in (("person_id", "P"), ("legal_entity_id", "L")):
        codes[column] = [known if known and known.startswith(prefix) else None for known, _ in holders]
    # a chain on either side, of other holders, is another licence
    own = one.collect().with_columns(pl.Series(name, ids, pl.String) for name, ids in codes.items())
    others = [own.head(1).with_columns(chain_id=pl.lit(name), person_id=pl.lit("P9")) for name in "bd"]
    rows = pl.concat([own, *others]).lazy()
    successors = pl.LazyFrame({"predecessor_id": ["L1", "L2"], "successor_id": ["L2", "L3"]})
    nobody = dict.fromkeys(("status", "person_id", "legal_entity_id", "type_code", "issuer_code"), pl.String)
    known = pl.LazyFrame(schema=nobody | {"death_date": pl.Date, "cancelled_on": pl.Date})
    told = findings(
        rows, known, known, known.select("type_code"), known.select("issuer_code"), successors, TODAY
    )
    versions = told.filter(finding="holder_changed").join(rows, on=["licence_id", "chain_id"]).collect()
    assert versions["version"].sort().to_list() == changed
    assert set(versions["chain_id"]) <= {"c"}


def test_whose_a_licence_is_is_asked_of_the_base_databases(empty_lake: Context) -> None:
    """Of a company that was absorbed the one that absorbed it may hold the licence, and no other one; of two numbers that a
    steward joined, either is the same person's."""
    start, later = date(2020, 1, 1), date(2021, 2, 1)
    pairs = {
        "1": (CLOSED, ISSUER),
        "2": (ISSUER, CLOSED),
        "3": (resident(1), resident(2)),
        "4": (DEAD, resident(1)),
    }
    put(empty_lake, "household_register", {"resident_id": resident(2), "name": "甲"}, push="h")
    merger = {
        "predecessor_code": CLOSED,
        "successor_code": ISSUER,
        "kind": "吸收合并",
        "registered_on": start,
    }
    put(empty_lake, "merger_division", merger, push="m")
    rows = [
        licence(serial, version, issued, later, holder_code=holder, state="失效")
        for serial, holders in pairs.items()
        for version, (holder, issued) in enumerate(zip(holders, (start, later), strict=True), start=1)
    ]
    city = built(empty_lake, *rows)
    changed = {("holder_changed", identifier(serial, 2)) for serial in ("2", "3", "4")}
    assert found(city) == changed
    ids = dict(city.lake.scan("base", "person").select("resident_id", "person_id").collect().iter_rows())
    person = load_bases(city.catalogue)["person"]
    judge_pair(city, person, ids[resident(1)], ids[resident(2)], "same", "张三", "核对档案")
    build_all(city, base.builds(city.catalogue), "person", "licence")
    assert found(city) == changed - {("holder_changed", identifier("3", 2))}


def test_a_licence_is_verified_by_identifier_and_by_file(empty_lake: Context, tmp_path: Path) -> None:
    shown = tmp_path / "licence.ofd"
    shown.write_bytes(b"abc")
    assert file_digest(shown) == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    digest = hashes.Hash(hashes.SM3())
    digest.update(b"abc")
    signed = licence("3", 1, date(2020, 1, 1), file_digest=digest.finalize().hex().upper())
    city = built(empty_lake, *RENEWED, signed)
    day = date(2026, 1, 1)
    assert verify(city, day, digest=file_digest(shown)).good
    assert verify(city, day, identifier=identifier("1", 2).lower()).good
    assert verify(city, day, identifier=identifier("1", 1)).reason.en == "expired"
    assert verify(city, date(2022, 1, 1), identifier=identifier("1", 1)).good
    assert (
        verify(city, day, identifier=identifier("9", 1)).reason.en
        == "well formed, but no such licence is registered"
    )
    wrong = identifier("1", 2)[:-1] + ("0" if identifier("1", 2)[-1] != "0" else "1")
    assert "check character" in verify(city, day, identifier=wrong).reason.en
    shown.write_bytes(b"abd")
    answer = verify(city, day, digest=file_digest(shown))
    assert not answer.good
    assert "改动" in answer.reason.zh
    assert not {"holder_name", "holder_code"} & set(verify(city, day, identifier=identifier("1", 2)).licence)
    with pytest.raises(NothingToVerifyError):
        verify(city, day)
