"""What a base database declares: its identifier, its sources, and for each field whose word counts first.

Here belong the shape of ``base/<database>.yaml``, its reading, and the faults in it. Compiling it to a plan
is ``assets.base``'s work. Source: Arts. 15 and 21 of the Measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field, StringConstraints

from catalog.elements import ELEMENTS
from catalog.load import Catalogue, CatalogueError, Fault, Place, read_yaml, validate
from catalog.model import Code, Column, Declaration, Entry, SharingType, Text, Title

Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")]


class Source(Declaration):
    """A source: which resource, and which of its columns identifies the entity. One resource may be two
    sources (a marriage names two persons).

    Of several rows for one entity the latest speaks: by the column ``latest_by`` where one is named (the day of
    the marriage, not of its delivery), then by data date and receipt."""

    resource: Code
    identifier: Code
    other_identifiers: dict[Code, Code] = Field(default_factory=dict)
    latest_by: Code | None = None

    def columns(self) -> Iterator[str]:
        """The columns of the resource that the source names."""
        yield self.identifier
        yield from self.other_identifiers.values()
        if self.latest_by:
            yield self.latest_by


class Survivorship(StrEnum):
    """Which of the sources that are not the statutory one is believed; equal claims go by their order."""

    PRIORITY = "priority"  # the first in order that has a value
    LATEST = "latest"  # the one with the latest data date
    MOST = "most"  # the value that most of them give; of equally many, that of the first in order


class BaseField(Declaration):
    """A field of the golden record: the columns it may come from, as ``source.column``, first word first.

    The statutory source (the column that claims the ``item``) must come first, and where it has a value that
    value stands, whatever the ``rule`` (Art. 15). With ``compare`` a differing value in another source is
    listed as a conflict. ``since`` names the field that tells from which day on the value holds; else it holds from the day
    for which its source first said it."""

    title: Text
    sources: tuple[Reference, ...] = Field(min_length=1)
    rule: Survivorship = Survivorship.PRIORITY
    compare: bool = False
    since: Code | None = None


class Event(Declaration):
    """Something that happens to an entity: the columns that tell the day, and in the same order those that tell the
    last day of what began with it. Only rows count in which each column of ``where`` has one of its values."""

    title: Text
    day: tuple[Reference, ...] = Field(min_length=1)
    until: tuple[Reference, ...] = ()
    where: dict[Code, tuple[Text, ...]] = Field(default_factory=dict)


class State(Declaration):
    """What an entity is on a day: a condition in SQL over the record ``e``, its events
    ``base.<database>_event`` and ``day``."""

    title: Title
    when: Text


class Base(Declaration):
    """A base database's entity. ``prefix`` begins its ids; ``id_column`` is their column. ``other_identifiers`` are the kinds
    of identifiers that count beside ``identifier``, in order of trust, each with its title: who has only such a one is an
    entity too, and a row that names several tells that they are one's.

    A row that differs from the record of its identifier in every field of ``apart`` (name and birth date) is another's:
    it does not speak, and a steward is asked. ``begins_with`` and ``over_with`` are the fields that tell the
    days of its beginning and of its end."""

    code: Code
    title: Title
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z]$")]
    id_column: Code
    identifier: Code
    identifier_title: Text
    other_identifiers: dict[Code, Text] = Field(default_factory=dict)
    sources: dict[Code, Source]
    fields: dict[Code, BaseField]
    apart: tuple[Code, ...] = ()
    begins_with: Code | None = None
    over_with: Code | None = None
    events: dict[Code, Event] = Field(default_factory=dict)
    states: dict[Code, State] = Field(default_factory=dict)

    def telling_apart(self) -> dict[str, dict[str, str]]:
        """The sources that say every field of ``apart``, each with its columns by field."""
        said: dict[str, dict[str, str]] = {}
        for field in self.apart:
            for source, column in map(self.split, self.fields[field].sources):
                said.setdefault(source, {})[field] = column
        return {source: columns for source, columns in said.items() if len(columns) == len(self.apart)}

    def split(self, reference: str) -> tuple[str, str]:
        """``source.column`` → (source, column)."""
        source, _, column = reference.partition(".")
        return source, column

    def resource(self, reference: str) -> str:
        """The resource that a reference's source reads."""
        return self.sources[self.split(reference)[0]].resource

    def statutory(self, catalogue: Catalogue, name: str) -> tuple[str, ...]:
        """Those of a field's references whose column claims the item: the source that the law names (Art. 15).

        One column may be two references: a marriage is registered for both."""
        item = f"{self.code}.{name}"
        return tuple(r for r in self.fields[name].sources if self.column(catalogue, r).item == item)

    def column(self, catalogue: Catalogue, reference: str) -> Column:
        """The catalogue column a reference names; for a companion (``capital_currency``) the one it is of."""
        source, column = self.split(reference)
        entry = catalogue.entries[self.sources[source].resource]
        return entry.columns[_owning(entry, column) or column]

    def dtype(self, catalogue: Catalogue, reference: str) -> pl.DataType:
        """The dtype of what a reference names."""
        source, column = self.split(reference)
        element = ELEMENTS[self.column(catalogue, reference).element]
        entry = catalogue.entries[self.sources[source].resource]
        if column in entry.columns:
            return element.dtype
        return next(companion.dtype for companion in element.companions if column.endswith(companion.suffix))

    def sharing_of(self, catalogue: Catalogue, name: str) -> SharingType:
        """A field's sharing type: the tightest of the columns it may come from."""
        return min(
            (self._sharing(catalogue, reference) for reference in self.fields[name].sources),
            key=lambda t: t.rank,
        )

    def _sharing(self, catalogue: Catalogue, reference: str) -> SharingType:
        entry = catalogue.entries[self.sources[self.split(reference)[0]].resource]
        own = self.column(catalogue, reference).sharing
        return (own or entry.sharing).type


def _owning(entry: Entry, column: str) -> str | None:
    """The entry's column of this name, or the one that makes it as a companion; None where neither is."""
    if column in entry.columns:
        return column
    for name, declared in entry.columns.items():
        if any(column == name + companion.suffix for companion in ELEMENTS[declared.element].companions):
            return name
    return None


def load_bases(catalogue: Catalogue) -> Mapping[str, Base]:
    """Every base database of the catalogue; raises :class:`CatalogueError` with all faults."""
    bases, faults = read_bases(catalogue)
    if faults:
        raise CatalogueError(faults)
    return bases


def read_bases(catalogue: Catalogue) -> tuple[dict[str, Base], list[Fault]]:
    """Every base database, and every fault in their declarations."""
    faults: list[Fault] = []
    bases: dict[str, Base] = {}
    for path in sorted((catalogue.root / "base").glob("*.yaml")):
        document, place = read_yaml(path, catalogue.root, faults)
        base = (
            validate(Base, {"code": Path(path).stem, **document}, place, faults)
            if document is not None
            else None
        )
        if base:
            bases[base.code] = base
            faults += _faults(catalogue, base, place)
    return bases, faults


def _faults(catalogue: Catalogue, base: Base, place: Place) -> Iterator[Fault]:
    for name, source in base.sources.items():
        entry = catalogue.entries.get(source.resource)
        for column in source.columns():
            if entry is None or column not in entry.columns:
                what = f"{source.resource}.{column} is no column of the catalogue"
                yield Fault(
                    place.file, place.line(("sources", name)), f"sources.{name}", what, "correct the name"
                )
        for kind in sorted(set(source.other_identifiers) - set(base.other_identifiers)):
            what, line = f"{kind} is no kind under other_identifiers", place.line(("sources", name))
            yield Fault(place.file, line, f"sources.{name}", what, "declare it there, in its order of trust")
    for name, declared in base.fields.items():
        yield from _field_faults(catalogue, base, name, declared, place)
    for name in sorted(set(base.apart) - set(base.fields)):
        yield Fault(place.file, place.line(("apart",)), "apart", f"{name} is no field", "correct the name")
    days: dict[tuple[str, ...], str | None] = {
        **{("fields", name): field.since for name, field in base.fields.items()},
        ("begins_with",): base.begins_with,
        ("over_with",): base.over_with,
    }
    for where, told in days.items():
        if told and (problem := _no_day(catalogue, base, told)):
            yield Fault(
                place.file, place.line(where), ".".join(where), problem, "name a field that is a date"
            )
    for name, event in base.events.items():
        for what in _event_problems(catalogue, base, event):
            yield Fault(place.file, place.line(("events", name)), f"events.{name}", what, "correct the name")


def _no_day(catalogue: Catalogue, base: Base, name: str) -> str | None:
    """Why a field tells no day; None where it does, or where its sources are at fault, which is told of them."""
    if name not in base.fields:
        return f"{name} is no field"
    for source, column in map(base.split, base.fields[name].sources):
        entry = catalogue.entries.get(base.sources[source].resource) if source in base.sources else None
        if entry and column in entry.columns and ELEMENTS[entry.columns[column].element].dtype != pl.Date:
            return f"{name} is no date"
    return None


def _event_problems(catalogue: Catalogue, base: Base, event: Event) -> Iterator[str]:
    """What of an event's declaration is no column of a source, or a value that its column can never have."""
    for reference in (*event.day, *event.until):
        owner, column = base.split(reference)
        entry = catalogue.entries.get(base.sources[owner].resource) if owner in base.sources else None
        if entry is None or column not in entry.columns:
            yield f"{reference} names no source column"
            continue
        for asked, wanted in event.where.items():
            if asked not in entry.columns:
                yield f"{entry.code}.{asked} is no column of the catalogue"
            elif unknown := sorted(set(wanted) - set(entry.columns[asked].values or wanted)):
                yield f"{entry.code}.{asked} is never {', '.join(unknown)}"


def _field_faults(
    catalogue: Catalogue, base: Base, name: str, declared: BaseField, place: Place
) -> Iterator[Fault]:
    line, path = place.line(("fields", name)), f"fields.{name}"
    known = []
    for reference in declared.sources:
        source, column = base.split(reference)
        entry = catalogue.entries[base.sources[source].resource] if source in base.sources else None
        if entry is None or _owning(entry, column) is None:
            yield Fault(place.file, line, path, f"{reference} names no source column", "correct the name")
        else:
            known.append(reference)
    dtypes = {str(base.dtype(catalogue, reference)) for reference in known}
    if len(dtypes) > 1:
        yield Fault(
            place.file,
            line,
            path,
            f"its sources differ in type: {', '.join(sorted(dtypes))}",
            "use one element",
        )
    statutory = [
        reference for reference in known if base.column(catalogue, reference).item == f"{base.code}.{name}"
    ]
    if statutory and statutory[0] != known[0]:
        yield Fault(
            place.file, line, path, f"{statutory[0]} is the statutory source", "put it first", "Art. 15"
        )
