"""Who is paid though dead, and who is paid twice: found to the payment, and nobody else."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from assets import base, theme
from assets.build import Context
from tests.assets.small_lake import build_all, put, resident

LIVING, DEAD, CREMATED = resident(1), resident(2), resident(3)
DIED = date(2026, 3, 15)


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """Three people in the register, of whom two have died: one by certificate, one known to the crematorium only."""
    people = [{"resident_id": number, "name": name} for number, name in ((LIVING, "甲"), (DEAD, "乙"))]
    put(empty_lake, "household_register", *people, {"resident_id": CREMATED, "name": "丙"})
    put(empty_lake, "death_certificate", {"certificate_no": "1", "resident_id": DEAD, "death_date": DIED})
    put(empty_lake, "cremation", {"cremation_no": "1", "resident_id": CREMATED, "died_on": DIED})
    return empty_lake


def pension(context: Context, *payments: tuple[str, str, str]) -> None:
    """Pensions paid: (number, to whom, for which month)."""
    rows = [
        {"payment_no": number, "resident_id": to, "pay_month": month, "amount": Decimal("1000.00")}
        for number, to, month in payments
    ]
    put(context, "pension_payment", *rows, push="pension")


def subsidy(context: Context, *payments: tuple[str, str, str, date]) -> None:
    """Subsidies paid: (number, to whom, what for, when)."""
    rows = [
        {
            "payment_no": number,
            "resident_id": to,
            "subsidy_kind": kind,
            "paid_on": day,
            "amount": Decimal("50.00"),
        }
        for number, to, kind, day in payments
    ]
    put(context, "subsidy_payment", *rows, push="subsidy")


def found(context: Context) -> dict[str, dict[str, Any]]:
    """Payment number → its row in the theme."""
    build_all(context, [*base.builds(context.catalogue), *theme.builds(context.catalogue)], "person")
    build_all(context, theme.builds(context.catalogue), "subsidy_check")
    rows = context.lake.scan("theme", "subsidy_check").collect()
    assert rows["payment_no"].is_unique().all()
    return {row["payment_no"]: row for row in rows.iter_rows(named=True)}


def findings(context: Context) -> dict[str, str]:
    return {number: row["finding"] for number, row in found(context).items()}


def test_a_pension_is_due_for_the_month_of_death_and_not_after(city: Context) -> None:
    months = ("2026-02", "2026-03", "2026-04", "2026-05")
    pension(city, *((f"D{month}", DEAD, month) for month in months))
    rows = found(city)
    assert set(rows) == {"D2026-04", "D2026-05"}
    row = rows["D2026-04"]
    assert (row["finding"], row["death_date"], row["days_after_death"]) == ("死亡后仍发放", DIED, 17)
    assert (row["payment_source"], row["payment_kind"], row["amount"]) == (
        "pension_payment",
        "养老金",
        Decimal("1000.00"),
    )
    assert row["name"] == "乙"


def test_who_dies_on_the_first_is_due_that_month(city: Context) -> None:
    number = resident(4)
    put(city, "household_register", {"resident_id": number, "name": "丁"}, push="p4")
    first = {"certificate_no": "4", "resident_id": number, "death_date": date(2026, 4, 1)}
    put(city, "death_certificate", first, push="p5")
    pension(city, ("A", number, "2026-04"), ("B", number, "2026-05"))
    assert findings(city) == {"B": "死亡后仍发放"}


def test_a_death_known_to_one_department_only_is_found(city: Context) -> None:
    pension(city, ("C1", CREMATED, "2026-06"))
    assert findings(city) == {"C1": "死亡后仍发放"}


def test_the_living_and_those_nobody_registered_are_left_alone(city: Context) -> None:
    pension(city, *((f"L{month}", LIVING, f"2026-{month:02}") for month in range(1, 13)))
    subsidy(city, ("S1", resident(99), "高龄津贴", date(2026, 6, 1)), ("S2", LIVING, "高龄津贴", DIED))
    assert findings(city) == {}


def test_the_same_subsidy_twice_in_one_month_is_found_with_both_payments(city: Context) -> None:
    subsidy(
        city,
        ("S1", LIVING, "高龄津贴", date(2026, 6, 1)),
        ("S2", LIVING, "高龄津贴", date(2026, 6, 28)),
        ("S3", LIVING, "高龄津贴", date(2026, 7, 1)),
        ("S4", LIVING, "残疾人补贴", date(2026, 6, 1)),
        ("S5", CREMATED, "高龄津贴", date(2026, 3, 31)),
    )
    pension(city, ("P1", LIVING, "2026-06"), ("P2", LIVING, "2026-06"), ("P3", LIVING, "2026-07"))
    rows = found(city)
    assert {number: row["finding"] for number, row in rows.items()} == dict.fromkeys(
        ("S1", "S2", "P1", "P2"), "同月重复发放"
    )
    assert {row["times_paid"] for row in rows.values()} == {2}


def test_who_is_dead_and_paid_twice_is_listed_as_dead(city: Context) -> None:
    pension(city, ("P1", DEAD, "2026-06"), ("P2", DEAD, "2026-06"))
    rows = found(city)
    assert {(row["finding"], row["times_paid"]) for row in rows.values()} == {("死亡后仍发放", 2)}
    assert len(rows) == 2


def test_a_second_look_at_the_same_payments_is_no_news(city: Context) -> None:
    pension(city, ("P1", DEAD, "2026-06"))
    found(city)
    before = city.lake.version("theme", "subsidy_check")
    (built,) = build_all(city, theme.builds(city.catalogue), "subsidy_check").values()
    assert not built.commits["theme", "subsidy_check"].changed
    assert city.lake.version("theme", "subsidy_check") == before


def test_a_city_that_pays_nothing_has_an_empty_theme(city: Context) -> None:
    assert found(city) == {}
    assert city.lake.scan("theme", "subsidy_check").collect_schema()["amount"] == pl.Decimal(18, 2)
