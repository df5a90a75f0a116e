"""Moves, changes, mergers and divisions as events with a day, and who is resident or active on the days around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from assets import base
from assets.build import Context
from catalog.base_model import read_bases
from catalog.load import Catalogue
from tests.assets.small_lake import Row, asking, build_all, put, resident

DAY = timedelta(days=1)
BORN = date(1987, 6, 15)
MERGED = date(2024, 5, 1)
#: Asks who was in a state on a day, by identifier.
Ask = Callable[[str, date], set[str]]
GONE, KEEPER, FOUNDED, SPLIT, DISSOLVED = (
    "91441802617971616D",
    "91441821MA4UTK9K5C",
    "91441802MA4X0CQK3H",
    "91441800MA4UX0LE4T",
    "9144018171824758XW",
)


def built(context: Context, code: str) -> Ask:
    """The base database with its events and successors, open to be asked."""
    build_all(context, base.builds(context.catalogue), code, f"{code}_event", "successor")
    return asking(context, code)


def registered(serial: int, status: str = "正常", on: date | None = BORN, **more: object) -> Row:
    number = resident(serial)
    return {
        "resident_id": number,
        "name": f"人{serial}",
        "birth_date": BORN,
        "status": status,
        "registered_on": on,
        **more,
    }


def moved(serial: int, kind: str, on: date, **more: object) -> Row:
    return {
        "move_no": f"{serial}{kind}{on}",
        "resident_id": resident(serial),
        "name": f"人{serial}",
        "kind": kind,
        "moved_on": on,
        **more,
    }


def test_who_moves_out_and_comes_back_is_resident_before_and_after(empty_lake: Context) -> None:
    """Also where the register, as it does, names only the day of the return; a move within the city is no absence."""
    out, back = date(2015, 3, 1), date(2018, 9, 1)
    put(
        empty_lake,
        "household_register",
        registered(1),
        registered(2, on=back),
        registered(3, status="迁出"),
        registered(4, on=out),
        registered(5),
    )
    put(
        empty_lake,
        "household_move",
        *(row for serial in (1, 2) for row in (moved(serial, "迁出", out), moved(serial, "迁入", back))),
        moved(3, "迁出", out),
        moved(4, "迁入", out),
        moved(5, "迁出", out, to_division="441803"),
        moved(5, "迁入", out, to_division="441803"),
        push="p2",
    )
    ask = built(empty_lake, "person")
    first, second, left, came, within = (resident(serial) for serial in range(1, 6))
    assert ask("resident", BORN - DAY) == set()
    assert ask("resident", out - DAY) == {first, second, left, within}
    assert ask("resident", out) == ask("resident", back - DAY) == {came, within}
    assert ask("resident", back) == {first, second, came, within}


def test_the_dead_were_resident_until_they_died_and_who_left_nobody_knows_when_is_not_counted(
    empty_lake: Context,
) -> None:
    died = date(2020, 1, 1)
    put(
        empty_lake,
        "household_register",
        registered(1, status="注销"),
        registered(2, status="注销"),
        registered(3, status="迁出"),
        registered(4, on=None),
        registered(5, status="注销", left_on=died),
    )
    put(empty_lake, "death_certificate", {"resident_id": resident(1), "death_date": died}, push="p2")
    ask = built(empty_lake, "person")
    assert ask("resident", died - DAY) == {resident(1), resident(5)}
    assert ask("resident", died) == set()


def enterprise(code: str, name: str, on: date = date(2000, 1, 1), **more: object) -> Row:
    return {"credit_code": code, "org_name": name, "established_on": on, "status": "存续", **more}


def succession(one: str, other: str, kind: str, on: date = MERGED) -> Row:
    return {"predecessor_code": one, "successor_code": other, "kind": kind, "registered_on": on}


def test_the_absorbed_is_active_no_more_and_its_successor_is_found(empty_lake: Context) -> None:
    """Credit codes stay entities of their own; and one is gone with the day, though the register has not cancelled it."""
    cancelled = {"status": "注销", "cancelled_on": MERGED + DAY}
    put(
        empty_lake,
        "business_registration",
        enterprise(GONE, "甲公司"),
        enterprise(KEEPER, "乙公司"),
        enterprise(DISSOLVED, "丙公司", **cancelled),
    )
    merged = (succession(GONE, KEEPER, "吸收合并"), succession(DISSOLVED, KEEPER, "新设合并"))
    put(empty_lake, "merger_division", *merged, push="p2")
    ask = built(empty_lake, "legal_entity")
    assert ask("active", MERGED - DAY) == {GONE, KEEPER, DISSOLVED}
    assert ask("active", MERGED) == {KEEPER}
    assert ask("gone_yet_registered", MERGED - DAY) == set()
    assert ask("gone_yet_registered", MERGED) == {GONE, DISSOLVED}
    assert ask("gone_yet_registered", MERGED + DAY) == {GONE}
    entities = empty_lake.lake.scan("base", "legal_entity").collect()
    assert set(entities["credit_code"]) == {GONE, KEEPER, DISSOLVED}
    assert entities["legal_entity_id"].n_unique() == 3
    assert empty_lake.lake.rows("base", "legal_entity_redirect") == 0
    ids = dict(entities.select("credit_code", "legal_entity_id").iter_rows())
    successors = empty_lake.lake.scan("base", "successor").collect()
    told = successors.select("predecessor_id", "successor_id", "kind", "valid_from", "valid_to")
    assert set(told.rows()) == {
        (ids[GONE], ids[KEEPER], "吸收合并", MERGED, None),
        (ids[DISSOLVED], ids[KEEPER], "新设合并", MERGED, None),
    }


def test_a_division_ends_only_who_is_dissolved_by_it(empty_lake: Context) -> None:
    put(
        empty_lake,
        "business_registration",
        enterprise(KEEPER, "甲公司"),
        enterprise(DISSOLVED, "乙公司"),
        enterprise(SPLIT, "丙公司", MERGED),
        enterprise(FOUNDED, "丁公司", MERGED),
        enterprise(GONE, "戊公司", MERGED),
    )
    put(
        empty_lake,
        "merger_division",
        succession(KEEPER, SPLIT, "存续分立"),
        *(succession(DISSOLVED, other, "解散分立") for other in (FOUNDED, GONE)),
        push="p2",
    )
    ask = built(empty_lake, "legal_entity")
    assert ask("active", MERGED - DAY) == {KEEPER, DISSOLVED}
    assert ask("active", MERGED) == {KEEPER, SPLIT, FOUNDED, GONE}
    assert ask("gone_yet_registered", MERGED) == {DISSOLVED}
    told = empty_lake.lake.scan("base", "legal_entity_event").collect()["event"].value_counts()
    counted = dict(told.iter_rows())
    assert (counted["divided"], counted["dissolved_by_division"], counted["registered"]) == (3, 2, 5)
    assert "merged_into" not in counted
    assert empty_lake.lake.rows("base", "successor") == 3


def test_changes_of_name_address_and_representative_are_events_with_their_day(empty_lake: Context) -> None:
    put(empty_lake, "business_registration", enterprise(KEEPER, "甲公司"))
    items = {
        "名称": "renamed",
        "住所": "relocated",
        "法定代表人": "representative_changed",
        "类型": "changed",
    }
    days = [date(2020 + number, 2, 3) for number in range(len(items))]
    put(
        empty_lake,
        "registration_change",
        *({"credit_code": KEEPER, "item": i, "changed_on": on} for i, on in zip(items, days, strict=True)),
        push="p2",
    )
    built(empty_lake, "legal_entity")
    events = (
        empty_lake.lake.scan("base", "legal_entity_event").filter(resource="registration_change").collect()
    )
    told = events.select("event", "happened_on").rows()
    assert sorted(told) == sorted(zip(items.values(), days, strict=True))


def test_an_event_that_can_never_be_is_refused_with_its_place(shipped: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    declared = (shipped.root / "base" / "legal_entity.yaml").read_text(encoding="utf-8")
    wrong = declared.replace("where: {item: [名称]}", "where: {item: [改名]}").replace(
        "where: {item: [住所]}", "where: {matter: [住所]}"
    )
    (tmp_path / "base" / "legal_entity.yaml").write_text(wrong, encoding="utf-8")
    faults = read_bases(replace(shipped, root=tmp_path))[1]
    assert [(fault.field, fault.problem) for fault in faults] == [
        ("events.renamed", "registration_change.item is never 改名"),
        ("events.relocated", "registration_change.matter is no column of the catalogue"),
    ]


def test_what_tells_a_day_must_be_a_field_that_is_a_date(shipped: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    wrong = (shipped.root / "base" / "legal_entity.yaml").read_text(encoding="utf-8")
    for right, other in (
        ("begins_with: established_on", "begins_with: founded_on"),
        ("over_with: cancelled_on", "over_with: status"),
        ("since: cancelled_on", "since: name"),
    ):
        wrong = wrong.replace(right, other)
    (tmp_path / "base" / "legal_entity.yaml").write_text(wrong, encoding="utf-8")
    faults = read_bases(replace(shipped, root=tmp_path))[1]
    assert [(fault.field, fault.problem) for fault in faults] == [
        ("fields.cancelled_for", "name is no date"),
        ("begins_with", "founded_on is no field"),
        ("over_with", "status is no date"),
    ]
