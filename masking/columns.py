"""What a table's columns are to the law: element, grade, sharing and opening type, and whose they are.

Here belongs reading that from the catalogue, for every table a product or a role may be built from. What a mask
makes of a type is in ``policy``. A column that nothing declares is unknown, and an unknown column is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from catalog.elements import ELEMENTS, Element
from catalog.elements.base import Mask
from catalog.load import Catalogue
from catalog.model import SYSTEM_COLUMNS, Column, Entry, Grade, Opening, SharingType, Title

#: Values of these elements name the same kind of thing: their pseudonyms must join within one recipient's tables.
DOMAINS = {"resident_id": "subject", "subject_code": "subject", "credit_code": "subject"}
#: The ground of what is not opened because of how the system works, not by a department's judgement.
NO_GROUND = "system"


@dataclass(frozen=True)
class SourceColumn:
    """One column of a table, as masking must see it. ``departments`` are the source departments behind it."""

    name: str
    title: Title
    element: str
    grade: Grade
    dtype: pl.DataType
    sharing: SharingType
    opening: SharingType
    opening_ground: str | None
    departments: frozenset[str]
    system: bool = False

    def type_towards(self, kind: str) -> SharingType:
        """The sharing type, or (``kind`` is ``opening``) the opening type."""
        return self.sharing if kind == "sharing" else self.opening

    @property
    def mask(self) -> Mask:
        """The element's default mask; an identifier of ours becomes a pseudonym."""
        return Mask("pseudonym") if self.system else ELEMENTS[self.element].mask

    @property
    def domain(self) -> str:
        """Within which set of values equal pseudonyms mean equal values."""
        return self.name if self.system else DOMAINS.get(self.element, self.element)


def standard_columns(entry: Entry) -> dict[str, SourceColumn]:
    """The columns of ``standard.<resource>``: the entry's, their companions, and the system's."""
    found: dict[str, SourceColumn] = {}
    for name, column in entry.columns.items():
        element = ELEMENTS[column.element]
        own = _of_entry(entry, name, column, element)
        found[name] = own
        for companion in element.companions:
            title = Title(
                zh=f"{column.title}（{companion.title}）",
                en=f"{element.title.en}: {companion.suffix.strip('_')}",
            )
            found[name + companion.suffix] = _companion(own, name + companion.suffix, title, companion.dtype)
    return found | {name: _system(name, entry.department) for name in SYSTEM_COLUMNS}


def _of_entry(entry: Entry, name: str, column: Column, element: Element) -> SourceColumn:
    opening: Opening = column.opening or entry.opening
    return SourceColumn(
        name=name,
        title=Title(zh=column.title, en=element.title.en),
        element=element.code,
        grade=max(column.grade, element.grade),
        dtype=element.dtype,
        sharing=entry.sharing_of(name),
        opening=opening.type,
        opening_ground=opening.ground,
        departments=frozenset({entry.department}),
    )


def _companion(of: SourceColumn, name: str, title: Title, dtype: pl.DataType) -> SourceColumn:
    return SourceColumn(
        name, title, "category", of.grade, dtype, of.sharing, of.opening, of.opening_ground, of.departments
    )


def _system(name: str, department: str) -> SourceColumn:
    return SourceColumn(
        name=name,
        title=Title(zh="系统字段", en="system column"),
        element="identifier",
        grade=Grade.HIGHLY_SENSITIVE,
        dtype=pl.String(),
        sharing=SharingType.NONE,
        opening=SharingType.NONE,
        opening_ground=NO_GROUND,
        departments=frozenset({department}),
        system=True,
    )


def columns_of(catalogue: Catalogue, layer: str, table: str) -> Mapping[str, SourceColumn] | None:
    """The declared columns of a table, by name; None where the catalogue does not know the table."""
    if layer == "standard" and table in catalogue.entries:
        return standard_columns(catalogue.entries[table])
    return None
