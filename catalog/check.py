"""What the law and the contract forbid, found in a well-formed catalogue: each fault with its article and remedy.

Here belong the rules that need the meaning of a field, or two entries side by side; the shape of one declaration is
in ``model.py``. Each rule is one small generator in :data:`RULES`. Source: the Measures, Arts. 11-19, 32-35.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog.elements import ELEMENTS
from catalog.load import Catalogue, Fault
from catalog.model import (
    CONDITIONAL_GROUNDS,
    NONE_GROUNDS,
    SYSTEM_COLUMNS,
    Column,
    Entry,
    Grade,
    Opening,
    Sharing,
    SharingType,
)

Where = tuple[str, ...]


def check(catalogue: Catalogue) -> list[Fault]:
    """Every fault of every entry, and between entries, in file order."""
    faults = [
        fault for entry in catalogue.entries.values() for rule in RULES for fault in rule(catalogue, entry)
    ]
    for across in ACROSS:
        faults += across(catalogue)
    return sorted(faults)


def _fault(
    catalogue: Catalogue, entry: Entry, where: Where, problem: str, remedy: str, article: str = ""
) -> Fault:
    place = catalogue.places[entry.code]
    return Fault(place.file, place.line(where), ".".join(where), problem, remedy, article)


def _sharings(entry: Entry) -> Iterator[tuple[Where, Sharing]]:
    yield ("sharing",), entry.sharing
    for name, column in entry.columns.items():
        if column.sharing:
            yield ("columns", name, "sharing"), column.sharing


def _openings(entry: Entry) -> Iterator[tuple[Where, Opening]]:
    yield ("opening",), entry.opening
    for name, column in entry.columns.items():
        if column.opening:
            yield ("columns", name, "opening"), column.opening


def _sharing_grounds(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for where, sharing in _sharings(entry):
        if sharing.type is SharingType.NONE and not sharing.basis:
            yield _fault(
                catalogue,
                entry,
                where,
                "not shared, without a legal basis",
                "name the law in `basis`",
                "Art. 14",
            )
        if sharing.type is SharingType.CONDITIONAL and not sharing.basis:
            yield _fault(
                catalogue, entry, where, "conditional, without a basis", "name it in `basis`", "Art. 14"
            )
        if sharing.type is SharingType.CONDITIONAL and not sharing.conditions:
            yield _fault(
                catalogue,
                entry,
                where,
                "conditional, without conditions",
                "state them in `conditions`",
                "Art. 14",
            )
        if sharing.type is SharingType.UNCONDITIONAL and sharing.conditions:
            yield _fault(
                catalogue,
                entry,
                where,
                "unconditional, yet with conditions",
                "remove `conditions`, or make it conditional",
                "Art. 13",
            )


def _sharing_scope(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    if not entry.sharing.scope:
        yield _fault(
            catalogue, entry, ("sharing",), "no sharing scope", "say in `scope` who may have it", "Art. 11"
        )


def _opening_grounds(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for where, opening in _openings(entry):
        allowed = {SharingType.NONE: NONE_GROUNDS, SharingType.CONDITIONAL: CONDITIONAL_GROUNDS}.get(
            opening.type
        )
        article = "Art. 33" if opening.type is SharingType.NONE else "Art. 34"
        if allowed is None:
            if opening.ground:
                yield _fault(
                    catalogue, entry, where, "opened to all, yet with a ground", "remove `ground`", "Art. 35"
                )
        elif opening.ground not in allowed:
            yield _fault(
                catalogue,
                entry,
                where,
                f"{opening.ground or 'no ground'} is no ground for it",
                f"use one of {', '.join(allowed)}",
                article,
            )
        elif not opening.basis:
            yield _fault(catalogue, entry, where, "no document for the ground", "name it in `basis`", article)


def _opening_within_sharing(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for name, column in entry.columns.items():
        if entry.sharing_of(name) is SharingType.NONE and entry.opening_of(name) is not SharingType.NONE:
            where = ("columns", name) if column.sharing or column.opening else ("opening",)
            yield _fault(
                catalogue,
                entry,
                where,
                f"{name} is not shared, yet opened",
                "make its opening type `none`",
                "Arts. 13, 33",
            )


def _grades(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for name, column in entry.columns.items():
        where = ("columns", name, "grade")
        element = ELEMENTS.get(column.element)
        if column.grade is Grade.HIGHLY_SENSITIVE and entry.sharing_of(name) is SharingType.UNCONDITIONAL:
            yield _fault(
                catalogue,
                entry,
                where,
                f"{name} has grade 4, yet is shared unconditionally",
                "give the column its own `sharing`",
                "Art. 10",
            )
        if column.grade is Grade.HIGHLY_SENSITIVE and entry.opening_of(name) is SharingType.UNCONDITIONAL:
            yield _fault(
                catalogue,
                entry,
                where,
                f"{name} has grade 4, yet is opened",
                "give the column its own `opening`",
                "Art. 10",
            )
        if element and element.code in ("resident_id", "bank_account") and column.grade < element.grade:
            yield _fault(
                catalogue,
                entry,
                where,
                f"{element.title.en} has at least grade {element.grade}",
                "raise the grade",
                "Art. 10",
            )


def _elements(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for name, column in entry.columns.items():
        where = ("columns", name)
        if column.element not in ELEMENTS:
            yield _fault(
                catalogue,
                entry,
                (*where, "element"),
                f"no data element {column.element!r}",
                f"one of {', '.join(sorted(ELEMENTS))}",
            )
        if (column.element == "category") != bool(column.values):
            yield _fault(
                catalogue,
                entry,
                where,
                f"{name}: a category has `values`, and nothing else has",
                "add or remove `values`",
            )


def _departments(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for role, code in entry.departments.model_dump().items():
        if code not in catalogue.departments:
            yield _fault(
                catalogue,
                entry,
                ("departments", role),
                f"no department {code!r}",
                "add it to departments.yaml, or correct it",
                "Art. 11",
            )


def _headers(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for name in entry.columns:
        for header in {text.strip().casefold() for text in entry.header_names(name)}:
            if owner.setdefault(header, name) != name:
                yield _fault(
                    catalogue,
                    entry,
                    ("columns", name),
                    f"the header {header!r} also means {owner[header]}",
                    "make titles and aliases unique",
                )


def _spatial(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    located = {"longitude", "latitude", "geometry"} & {column.element for column in entry.columns.values()}
    if located and not entry.coordinate_system:
        yield _fault(
            catalogue,
            entry,
            ("columns",),
            "coordinates, but no coordinate system",
            "state `coordinate_system`",
        )
    if entry.coordinate_system and not located:
        yield _fault(
            catalogue, entry, ("coordinate_system",), "a coordinate system, but no coordinates", "remove it"
        )


def _reserved(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for name in entry.columns:
        if name in SYSTEM_COLUMNS or name.startswith("_"):
            yield _fault(
                catalogue,
                entry,
                ("columns", name),
                f"{name} begins with an underscore",
                "such names are citylake's own",
            )


def _rules(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    for index, rule in enumerate(entry.rules):
        named = {rule.arguments.get(key) for key in ("column", "column_A", "column_B", "id_column")} - {None}
        named |= set(rule.arguments.get("column_list", ()))
        named |= set(_condition_columns(rule.arguments.get("row_condition")))
        for name in sorted(str(item) for item in named if item not in entry.columns):
            yield _fault(
                catalogue,
                entry,
                ("rules", str(index)),
                f"{rule.expectation} names no column: {name}",
                "correct the name",
            )


def _condition_columns(condition: Any) -> Iterator[str]:
    """The columns that a row condition, in Great Expectations' serialised form, reads."""
    if isinstance(condition, Mapping):
        column = condition.get("column")
        if isinstance(column, Mapping):
            yield str(column.get("name"))
        for part in condition.get("conditions", ()):
            yield from _condition_columns(part)


def _institutions(catalogue: Catalogue) -> Iterator[Fault]:
    """Each department is of its level's division, and answers to a bureau that is there."""
    place = catalogue.places["departments"]

    def fault(code: str, field: str, problem: str, remedy: str) -> Fault:
        return Fault(place.file, place.line((code, field)), f"{code}.{field}", problem, remedy)

    for code, each in catalogue.departments.items():
        county = not each.division.endswith("00")
        if each.level == "county" and not county:
            remedy = "state `division`, the county's six digits"
            yield fault(code, "level", f"of a county, yet {each.division} is none", remedy)
        if each.level == "city" and county:
            yield fault(
                code, "division", f"of the city, yet {each.division} is a county", "state `level: county`"
            )
        if "bureau" in each.model_fields_set and each.bureau not in catalogue.departments:
            remedy = "add it to departments.yaml, or correct it"
            yield fault(code, "bureau", f"no department {each.bureau!r}", remedy)


def _one_source(catalogue: Catalogue) -> Iterator[Fault]:
    """Art. 15: one item, exactly one source department."""
    claims: dict[str, list[tuple[Entry, str, Column]]] = defaultdict(list)
    for entry in catalogue.entries.values():
        for name, column in entry.columns.items():
            if column.item:
                claims[column.item].append((entry, name, column))
    for item, claimed in claims.items():
        first, *others = claimed
        for entry, name, _ in others:
            problem = f"{item} is already {first[0].department}'s, in {first[0].code}.{first[1]}"
            yield _fault(
                catalogue,
                entry,
                ("columns", name, "item"),
                problem,
                "remove `item` from all but the statutory source",
                "Art. 15",
            )


def _unique_codes(catalogue: Catalogue) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for entry in catalogue.entries.values():
        if seen.setdefault(entry.catalogue_code, entry.code) != entry.code:
            yield _fault(
                catalogue,
                entry,
                ("catalogue_code",),
                f"also the code of {seen[entry.catalogue_code]}",
                "number it anew",
                "Art. 11",
            )


RULES: tuple[Callable[[Catalogue, Entry], Iterator[Fault]], ...] = (
    _sharing_grounds,
    _sharing_scope,
    _opening_grounds,
    _opening_within_sharing,
    _grades,
    _elements,
    _departments,
    _headers,
    _spatial,
    _reserved,
    _rules,
)
ACROSS: tuple[Callable[[Catalogue], Iterator[Fault]], ...] = (_institutions, _one_source, _unique_codes)
