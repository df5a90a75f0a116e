"""What a table's columns are to the law: element, grade, sharing and opening type, and whose they are.

Here belongs reading that from the catalogue, for every table a product or a role may be built from. What a
mask makes of a type is in ``policy``. A column that nothing declares is unknown, and an unknown column is
never shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Self

import polars as pl
from pydantic import Field, model_validator

from catalog.base_model import Base, Reference, read_bases
from catalog.elements import ELEMENTS, Element
from catalog.elements.base import Mask
from catalog.load import Catalogue, Fault, read_yaml, validate
from catalog.model import SYSTEM_COLUMNS, Code, Column, Declaration, Entry, Grade, Opening, SharingType, Title

#: Values of these elements name the same kind of thing: their pseudonyms must join within one recipient's
#: tables.
DOMAINS = {"resident_id": "subject", "subject_code": "subject", "credit_code": "subject"}
#: The ground of what is not opened because of how the system works, not by a department's judgement.
NO_GROUND = "system"
LINEAGE_FILE = "lineage.yaml"
#: The one ground that masking may lift.
PRIVACY_GROUND = "33-3"


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


def derived(name: str, title: Title, origins: Sequence[SourceColumn]) -> SourceColumn:
    """A column computed from others: never looser than the tightest of them, as sensitive as the most
    sensitive.

    Its element is the one they share, else that of the most sensitive whose default mask changes the
    value."""
    by_weight = sorted(origins, key=lambda column: (column.grade, column.mask.method != "keep"), reverse=True)
    opened_least = sorted(
        origins, key=lambda column: (column.opening.rank, column.opening_ground == PRIVACY_GROUND)
    )
    return SourceColumn(
        name=name,
        title=title,
        element=by_weight[0].element,
        grade=by_weight[0].grade,
        dtype=by_weight[0].dtype,
        sharing=min((column.sharing for column in origins), key=lambda step: step.rank),
        opening=opened_least[0].opening,
        opening_ground=opened_least[0].opening_ground,
        departments=frozenset().union(*(column.departments for column in origins)),
        system=any(column.system for column in origins),
    )


def golden_columns(catalogue: Catalogue, base: Base) -> dict[str, SourceColumn]:
    """The columns of a base database's golden record: its id, its identifier, each field and where it came
    from."""
    identifiers = _identifiers(catalogue, base)
    english = {
        field: ELEMENTS[base.column(catalogue, base.fields[field].sources[0]).element].title.en
        for field in base.fields
    }
    found = {
        base.id_column: _stable_id(catalogue, base),
        base.identifier: derived(
            base.identifier, Title(zh=base.identifier_title, en=base.identifier), identifiers
        ),
    }
    for name, declared in base.fields.items():
        origins = [
            _origin(catalogue, base.sources[source].resource, column)
            for source, column in map(base.split, declared.sources)
        ]
        found[name] = derived(name, Title(zh=declared.title, en=english[name]), origins)
        found[f"{name}_source"] = replace(
            found[name],
            name=f"{name}_source",
            title=Title(zh=f"{declared.title}的来源", en=f"source of the {english[name]}"),
            element="category",
            dtype=pl.String(),
        )
    found["sources"] = replace(
        found[base.identifier],
        name="sources",
        title=Title(zh="来源数", en="number of sources"),
        element="integer",
        dtype=pl.Int32(),
    )
    return found


def _identifiers(catalogue: Catalogue, base: Base) -> list[SourceColumn]:
    return [
        _origin(catalogue, source.resource, column)
        for source in base.sources.values()
        for column in (source.identifier, *source.other_identifiers.values())
    ]


def _stable_id(catalogue: Catalogue, base: Base) -> SourceColumn:
    return replace(
        derived(base.id_column, _id_title(base), _identifiers(catalogue, base)),
        element="identifier",
        dtype=pl.String(),
        sharing=SharingType.NONE,
        opening=SharingType.NONE,
        opening_ground=NO_GROUND,
        system=True,
    )


def _id_title(base: Base) -> Title:
    return Title(
        zh=f"{base.title.zh.removesuffix('基础数据库')}统一编号", en=f"stable id: {base.title.en.lower()}"
    )


def _origin(catalogue: Catalogue, resource: str, name: str) -> SourceColumn:
    """One column of ``standard.<resource>``: asked for thousands of times at every start, so made alone if it can be."""
    entry = catalogue.entry(resource)
    column = entry.columns.get(name)
    if column is None:
        return standard_columns(entry)[name]
    return _of_entry(entry, name, column, ELEMENTS[column.element])


def declared_tables(catalogue: Catalogue) -> dict[tuple[str, str], Mapping[str, SourceColumn]]:
    """The columns of every standard and base table that a declaration knows, by (layer, table)."""
    bases = read_bases(catalogue)[0]
    found: dict[tuple[str, str], Mapping[str, SourceColumn]] = {}
    found |= {("standard", code): standard_columns(entry) for code, entry in catalogue.entries.items()}
    found |= {("base", code): golden_columns(catalogue, base) for code, base in bases.items()}
    for table, lineage in read_lineage(catalogue)[0].items():
        found.setdefault(("base", table), lineage_columns(catalogue, bases, lineage))
    return found


class Origins(Declaration):
    """The columns that one column is computed from, the element that says how it is masked, and what it is called where it
    is not what the first of them is."""

    from_: tuple[Reference, ...] = Field((), alias="from")
    every: Code | None = Field(None, description="every column of the catalogue that is of this element")
    element: Code | None = None
    title: Title | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bool(self.from_) is bool(self.every):
            raise ValueError("say where it comes from: `from` columns, or `every` column of an element")
        return self


def _of_element(catalogue: Catalogue, element: str | None) -> list[str]:
    return [
        f"{entry.code}.{name}"
        for entry in catalogue.entries.values()
        for name, column in entry.columns.items()
        if column.element == element
    ]


class TableLineage(Declaration):
    """Where a table's columns come from: the resources it is made of, and what is not a column of theirs."""

    resources: tuple[Code, ...] = ()
    columns: Mapping[Code, Origins] = {}


def read_lineage(catalogue: Catalogue) -> tuple[dict[str, TableLineage], list[Fault]]:
    """``catalog/lineage.yaml``, by base table, and every fault in it."""
    path, faults = catalogue.root / LINEAGE_FILE, list[Fault]()
    if not path.exists():
        return {}, faults
    document, place = read_yaml(path, catalogue.root, faults)
    found: dict[str, TableLineage] = {}
    columns = {f"{entry.code}.{name}" for entry in catalogue.entries.values() for name in entry.columns}
    for name, fields in (document or {}).items():
        table = validate(TableLineage, fields, place, faults)
        unknown = sorted(_unknown(catalogue, columns, table)) if table else []
        for reference in unknown:
            faults.append(
                Fault(
                    place.file,
                    place.line((name,)),
                    name,
                    f"{reference} is not in the catalogue",
                    "correct the name",
                )
            )
        if table and not unknown:
            found[name] = table
    return found, faults


def _unknown(catalogue: Catalogue, columns: AbstractSet[str], table: TableLineage) -> set[str]:
    """The resources and columns (of all, ``columns``) that a lineage names and the catalogue does not have."""
    stated = {reference for origins in table.columns.values() for reference in origins.from_}
    named = (name for origins in table.columns.values() for name in (origins.element, origins.every))
    elements = {name for name in named if name}
    return ({*table.resources} - set(catalogue.entries)) | (stated - columns) | (elements - set(ELEMENTS))


def lineage_columns(
    catalogue: Catalogue, bases: Mapping[str, Base], lineage: TableLineage
) -> dict[str, SourceColumn]:
    """The columns of a table with a declared lineage; ids of base entities among them count as ids."""
    resources = [catalogue.entry(code) for code in lineage.resources]
    found: dict[str, SourceColumn] = {}
    for entry in resources:
        for name, column in standard_columns(entry).items():
            if not column.system:
                found[name] = derived(name, column.title, [column, *([found[name]] if name in found else [])])
    for name, origins in lineage.columns.items():
        named = origins.from_ or _of_element(catalogue, origins.every)
        sources = [_origin(catalogue, *reference.split(".")) for reference in named]
        if not sources:
            continue
        column = derived(name, sources[0].title, sources)
        if origins.element:
            element = ELEMENTS[origins.element]
            column = replace(
                column,
                element=element.code,
                dtype=element.dtype,
                title=Title(zh=column.title.zh, en=element.title.en),
            )
        if origins.title:
            column = replace(column, title=origins.title)
        found[name] = column
    ids = {base.id_column: _stable_id(catalogue, base) for base in bases.values()}
    return ids | found
