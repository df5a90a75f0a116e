"""What a relation between entities declares: which ends it has, and from which rows of which resource it is read.

Here belong the shape of ``relations/<relation>.yaml``, its reading, and the faults in it. Making the table is
``assets.base.relation``'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from catalog.base_model import Base
from catalog.load import Catalogue, CatalogueError, Fault, Place, read_yaml, validate
from catalog.model import Code, Declaration, Text, Title


class End(Declaration):
    """How a row names one of its ends: by ``identifier``, the column that holds it; or, where it has none, by columns
    that ``match`` fields of the base database, among those who share the field ``beside`` with another end. A match
    that is not the only one is none. ``where`` fixes further fields. ``body`` names a match's field of which only the part
    before the branch counts (某公司 of 某公司第一分公司)."""

    identifier: Code | None = None
    match: dict[Code, Code] = Field(default_factory=dict)
    where: dict[Code, Text] = Field(default_factory=dict)
    beside: Code | None = None
    body: Code | None = None

    def columns(self) -> Iterator[str]:
        """The columns of the resource that it reads."""
        if self.identifier:
            yield self.identifier
        yield from self.match.values()


def _by_identifier(value: Any) -> Any:
    return {"identifier": value} if isinstance(value, str) else value


class RelationSource(Declaration):
    """Rows of a resource, each of which states the relation. ``kind`` is what it is called, or the column
    (``kind_from``) that says it. It holds from ``valid_from`` to ``valid_to``; where a row with these values
    (``ends_where``) says that it is over, until the day in ``valid_from`` of that row."""

    resource: Code
    ends: dict[Code, Annotated[End, BeforeValidator(_by_identifier)]] = Field(min_length=2, max_length=2)
    kind: Text | None = None
    kind_from: Code | None = None
    valid_from: Code | None = None
    valid_to: Code | None = None
    ends_where: dict[Code, Text] = Field(default_factory=dict)

    def columns(self) -> Iterator[str]:
        """The columns of the resource that the source reads."""
        for end in self.ends.values():
            yield from end.columns()
        yield from (name for name in (self.kind_from, self.valid_from, self.valid_to) if name)
        yield from self.ends_where


class Relation(Declaration):
    """A relation: its ``ends``, each an id column and the base database it is of, and its sources. One that is
    ``for_life`` is over with the life of either end."""

    code: Code
    title: Title
    description: Text
    ends: dict[Code, Code] = Field(min_length=2, max_length=2)
    for_life: bool = False
    sources: dict[Code, RelationSource] = Field(min_length=1)

    def resources(self) -> list[str]:
        """The resources it is read from."""
        return sorted({source.resource for source in self.sources.values()})


def load_relations(catalogue: Catalogue, bases: Mapping[str, Base]) -> Mapping[str, Relation]:
    """Every declared relation; raises :class:`CatalogueError` with all faults."""
    relations, faults = read_relations(catalogue, bases)
    if faults:
        raise CatalogueError(faults)
    return relations


def read_relations(
    catalogue: Catalogue, bases: Mapping[str, Base]
) -> tuple[dict[str, Relation], list[Fault]]:
    """Every declared relation, and every fault in their declarations."""
    faults: list[Fault] = []
    found: dict[str, Relation] = {}
    for path in sorted((catalogue.root / "relations").glob("*.yaml")):
        document, place = read_yaml(path, catalogue.root, faults)
        if document is None:
            continue
        relation = validate(Relation, {"code": path.stem, **document}, place, faults)
        if relation:
            found[relation.code] = relation
            faults += _faults(catalogue, bases, relation, place)
    return found, faults


def _faults(
    catalogue: Catalogue, bases: Mapping[str, Base], relation: Relation, place: Place
) -> Iterator[Fault]:
    for column, code in relation.ends.items():
        if code not in bases:
            what = f"{code} is no base database"
            yield Fault(
                place.file, place.line(("ends", column)), f"ends.{column}", what, f"use {', '.join(bases)}"
            )
    for name, source in relation.sources.items():
        line, path = place.line(("sources", name)), f"sources.{name}"
        entry = catalogue.entries.get(source.resource)
        for column in source.columns():
            if entry is None or column not in entry.columns:
                what = f"{source.resource}.{column} is no column of the catalogue"
                yield Fault(place.file, line, path, what, "correct the name")
        if set(source.ends) != set(relation.ends):
            what = f"its ends are not {', '.join(relation.ends)}"
            yield Fault(place.file, line, path, what, "name both")
        for column, end in source.ends.items():
            base = bases.get(relation.ends.get(column, ""))
            fields = [*end.match, *end.where, *([end.beside] if end.beside else [])]
            for field in fields if base else []:
                if base and field not in base.fields:
                    what = f"{field} is no field of base.{base.code}"
                    yield Fault(place.file, line, path, what, "correct the name")
            if bool(end.identifier) == bool(end.match):
                what = f"{column} needs an identifier or a match"
                yield Fault(place.file, line, path, what, "name one of them")
