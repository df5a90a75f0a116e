"""A lake in which every value that somebody must not see is unique.

Here belong what is planted and where it may stand; the search is in ``readable``. Each column that is not shared
unconditionally holds a canary: a value found nowhere else, also where the element is a number, a code or a shape. They
come in groups of twelve subjects alike in everything else, so that no product is withheld for small groups. Only columns
whose values are a handful of words (a sex, a declared list) can hold none: of those ``test_pairs`` makes two cities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from assets.build import Context
from catalog.elements import ELEMENTS
from catalog.elements.check_digits import credit_check, resident_check
from catalog.load import Catalogue
from catalog.model import Entry, SharingType
from demo.licences import mod_37_36
from lake.hashes import row_hash
from masking.columns import standard_columns

SUBJECTS = 12
PUSH = "pushcanary"
#: Masks under which a conditional value reaches a role that may see conditional values as it is.
LETS_THROUGH = {"keep", "scrub"}


@dataclass(frozen=True)
class Canary:
    """A planted value, where it was planted, and whether a role's own tables may show it."""

    resource: str
    column: str
    value: str
    in_role_tables: bool


def resident_ids() -> list[str]:
    """Twelve valid numbers, the same in every resource: they join."""
    bodies = pl.Series([f"44180219870615{number:03d}" for number in range(701, 701 + SUBJECTS)])
    return (bodies + resident_check(bodies)).to_list()


def confidential(catalogue: Catalogue) -> list[Entry]:
    """The entries with a column that is not shared unconditionally."""
    return [
        entry
        for entry in catalogue.entries.values()
        if any(entry.sharing_of(name) is not SharingType.UNCONDITIONAL for name in entry.columns)
    ]


def plant(context: Context) -> list[Canary]:
    """Write every resource's standard table, and say what was planted where."""
    planted: list[Canary] = []
    for entry in context.catalogue.entries.values():
        rows = rows_of(context.catalogue, entry)
        context.lake.append("standard", entry.code, rows)
        planted += canaries_of(entry, rows)
    planted.append(Canary("any", "_push", PUSH, in_role_tables=False))
    return planted


def rows_of(catalogue: Catalogue, entry: Entry, push: int = 0) -> pl.DataFrame:
    """The resource's rows as the standard table has them; those of one ``push`` say what no other's do."""
    before = push * sum(len(other.columns) for other in catalogue.entries.values())
    for code, other in catalogue.entries.items():
        if code == entry.code:
            break
        before += len(other.columns)
    columns: dict[str, pl.Series] = {}
    for tag, (name, column) in enumerate(entry.columns.items(), start=before):
        element = ELEMENTS[column.element]
        values = (
            [column.values[0]] * SUBJECTS
            if column.values
            else _values(column.element, f"{entry.code}·{name}", tag, entry.sharing_of(name))
        )
        if name == "woman_id":
            # nobody marries oneself
            values = values[1:] + values[:1]
        columns[name] = pl.Series(values, dtype=element.dtype)
        for companion in element.companions:
            columns[name + companion.suffix] = pl.Series([None] * SUBJECTS, dtype=companion.dtype)
    frame = pl.DataFrame(columns).with_columns(_DIVISIONS if entry.code == "division" else [])
    if entry.delivery.key:
        frame = frame.unique(list(entry.delivery.key), keep="first", maintain_order=True)
    return frame.with_columns(
        pl.lit(f"{PUSH}-{entry.code}").alias("_push"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"),
        pl.lit(date(2026, 1, 1)).alias("_data_date"),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).dt.cast_time_unit("us").alias("_received_at"),
        row_hash(frame.columns, frame.schema).alias("_row_hash"),
        pl.lit([], pl.List(pl.String)).alias("_warnings"),
    )


#: Public, and no canary: the town of all addresses, and its county, so that whatever is counted by town has somebody to count.
_DIVISIONS = [
    pl.Series("code", ["441802", *["441802001"] * (SUBJECTS - 1)]),
    pl.Series("name", ["清城区", *["东城街道"] * (SUBJECTS - 1)]),
    pl.Series("level", ["county", *["town"] * (SUBJECTS - 1)]),
    pl.Series("parent_code", ["441800", *["441802"] * (SUBJECTS - 1)]),
]


def _values(element: str, where: str, tag: int, sharing: SharingType) -> list[Any]:
    """Twelve values of an element: alike, but for the identifiers; unlike those of any other column (``tag``)."""
    if element in ("resident_id", "subject_code"):
        return list(resident_ids())
    if element in _NUMBERS:
        return [_NUMBERS[element](where, tag, subject) for subject in range(SUBJECTS)]
    if element == "licence_id":
        return _licence_ids(tag)
    if element == "credit_code":
        # public ones are the same in every resource: they join
        return _credit_codes(0 if sharing is SharingType.UNCONDITIONAL else tag)
    if element in _UNIQUE and sharing is not SharingType.UNCONDITIONAL:
        return [_UNIQUE[element](tag)] * SUBJECTS
    alike: dict[str, Any] = {
        "organisation_code": "617971616",
        "registration_no": "441800000000017",
        "licence_type_code": "11100000MB0143028R001",
        "division_code": "441802001",
        "bank_account": f"62284804{tag:09d}7",
        "mobile": f"1397{tag:07d}",
        "phone": f"0763-3{tag:06d}",
        "address": f"广东省清远市清城区东城街道暗{where}路9号",
        "date": date(1931, 1, 1) + timedelta(days=tag),
        "datetime": datetime(1931, 1, 1, 3, tzinfo=UTC) + timedelta(days=tag),
        "month": f"{1900 + tag // 12}-{tag % 12 + 1:02d}",
        "year": 2001,
        # what is paid to a person in a month: a push of larger ones would be held
        "amount": Decimal(f"1{tag:04d}.17"),
        "capital": Decimal(f"73{tag:05d}.19"),
        "integer": 3,
        "decimal": 1.5,
        "area": float(f"7300{tag}.13"),
        "longitude": 113.05,
        "latitude": 23.7,
        "geometry": _square(113.1),
        "sex": "1",
        "ethnicity": "珞巴族",
    }
    return [alike.get(element, f"暗{where}暗")] * SUBJECTS


#: Each subject's own number. People are known by their passports: one for twelve would make them one person.
_NUMBERS: dict[str, Callable[[str, int, int], str]] = {
    "identifier": lambda where, tag, subject: f"编号{where}·{subject:02d}",
    "travel_document": lambda where, tag, subject: f"E{tag % 1000:03d}{subject:05d}",
}


def _credit_codes(tag: int) -> list[str]:
    """Twelve valid codes."""
    bodies = pl.Series([f"914418026179{tag:03d}{subject:02d}" for subject in range(SUBJECTS)])
    return (bodies + credit_check(bodies)).to_list()


def _licence_ids(tag: int) -> list[str]:
    """Valid identifiers (GB/T 36904) of this column's own."""
    parts = [
        ("11100000MB0143028R001", "91441802617971616D", f"{tag:03d}{subject:05d}", "001")
        for subject in range(SUBJECTS)
    ]
    checks = mod_37_36(pl.Series(["".join(each) for each in parts]))
    return [".".join(("1.2.156.3005.2", *each, check)) for each, check in zip(parts, checks, strict=True)]


def _square(east: float) -> bytes:
    import shapely

    return bytes(shapely.to_wkb(shapely.box(113.0, 23.6, east, 23.7)))


def _east(tag: int) -> float:
    return float(f"113.1730{tag:03d}9")


#: Elements that say the same in every public column, and something of their own in one that is not public.
_UNIQUE: dict[str, Callable[[int], Any]] = {
    "licence_type_code": lambda tag: f"11100000MB0143028R{tag:03d}",
    "division_code": lambda tag: f"441802001{tag:03d}",
    "integer": lambda tag: 730_590_000 + tag,
    "decimal": lambda tag: float(f"73059{tag:03d}.37"),
    "geometry": lambda tag: _square(_east(tag)),
}
#: Elements of a handful of values, which can hold no value of their own; so can columns with a declared list.
FEW_VALUES = {"sex"}


def canaries_of(entry: Entry, rows: pl.DataFrame) -> Iterator[Canary]:
    """What was planted in the resource's rows."""
    for name, column in standard_columns(entry).items():
        if column.system or column.sharing is SharingType.UNCONDITIONAL or name not in entry.columns:
            continue
        if column.element in FEW_VALUES or entry.columns[name].values:
            continue
        # a month is computed anew by a theme, which then keeps its type and, being of a low grade, its value
        shown = column.mask.method in LETS_THROUGH or column.element == "month"
        through = column.sharing is SharingType.CONDITIONAL and shown
        for value in rows[name].unique().to_list():
            yield Canary(entry.code, name, _text_of(value), through)


def _text_of(value: Any) -> str:
    """What is looked for: of a shape, the one corner that is nobody else's."""
    if not isinstance(value, bytes):
        return str(value)
    import shapely

    return repr(shapely.from_wkb(value).bounds[2])
