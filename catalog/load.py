"""Read the catalogue's YAML files into one :class:`Catalogue`.

Here belong reading, line numbers and the collection of *all* faults before any is reported. Whether a well-formed
catalogue is lawful is in ``check.py``. Nothing is read at import: call :func:`load`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from catalog.errors import MendableError
from catalog.model import Department, Entry

Model = TypeVar("Model", bound=BaseModel)
#: libyaml's where PyYAML comes with it: ten times as fast as the one in Python, and every start reads a hundred files.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong with a declaration: where, what, which article asks for it, and what to do."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str
    article: str = ""

    def __str__(self) -> str:
        law = f" [{self.article}]" if self.article else ""
        return f"{self.file}:{self.line} {self.field}: {self.problem}{law} → {self.remedy}"


class CatalogueError(MendableError):
    """The catalogue cannot be used; carries every :class:`Fault`, and prints them all."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(map(str, self.faults)))


class UnknownResourceError(MendableError, KeyError):
    """No entry has this code."""

    def __init__(self, code: str, known: Mapping[str, Entry]) -> None:
        near = [name for name in known if code and code in name][:3] or get_close_matches(code, known)
        hint = f"; did you mean {', '.join(near)}?" if near else "; `citylake catalogue list` shows all"
        super().__init__(f"no resource {code!r} in the catalogue{hint}")

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Catalogue:
    """All departments and entries, by code, with where each was declared (file, and line of each field)."""

    root: Path
    departments: Mapping[str, Department]
    entries: Mapping[str, Entry]
    places: Mapping[str, Place] = field(repr=False)

    def entry(self, code: str) -> Entry:
        """The entry with this code; raises :class:`UnknownResourceError`, which suggests near names."""
        if code not in self.entries:
            raise UnknownResourceError(code, self.entries)
        return self.entries[code]

    def of_department(self, department: str) -> list[Entry]:
        """The entries this department is the source of, in code order."""
        return [entry for entry in self.entries.values() if entry.department == department]

    def of_division(self, division: str) -> list[Entry]:
        """The entries whose source is a department of this division (a county, or the city itself), in code order."""
        there = {code for code, each in self.departments.items() if each.division == division}
        return [entry for entry in self.entries.values() if entry.department in there]

    @cached_property
    def source_of_item(self) -> dict[str, tuple[str, str]]:
        """Item (``person.name``) → (resource, column) that is its statutory source (Art. 15)."""
        return {
            column.item: (entry.code, name)
            for entry in self.entries.values()
            for name, column in entry.columns.items()
            if column.item
        }


@dataclass(frozen=True)
class Place:
    """A declaration's file, and the line of each field path in it (``("columns", "name", "element")`` → 12)."""

    file: str
    lines: Mapping[tuple[str, ...], int]

    def line(self, path: tuple[str, ...]) -> int:
        """The line of the field, or of the nearest enclosing field that exists (1 for the file itself)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def default_root() -> Path:
    """The catalogue shipped with the package."""
    return Path(str(files("catalog")))


def load(root: Path | None = None) -> Catalogue:
    """Read every declaration under ``root``; raises :class:`CatalogueError` with all faults at once."""
    root = root or default_root()
    faults: list[Fault] = []
    places: dict[str, Place] = {}
    departments = _departments(root, faults, places)
    entries: dict[str, Entry] = {}
    for path in sorted((root / "resources").rglob("*.yaml")):
        document, place = read_yaml(path, root, faults)
        if document is None:
            continue
        entry = validate(Entry, {"code": path.stem, **document}, place, faults)
        if entry is None:
            continue
        if entry.code in entries:
            twin = places[entry.code].file
            faults.append(
                Fault(place.file, 1, "code", f"{entry.code} is also declared in {twin}", "rename one file")
            )
            continue
        entries[entry.code] = entry
        places[entry.code] = place
    if faults:
        raise CatalogueError(faults)
    return Catalogue(root, departments, dict(sorted(entries.items())), places)


def read_yaml(path: Path, root: Path, faults: list[Fault]) -> tuple[dict[str, Any] | None, Place]:
    """Parse one file into plain data and the line of every field; a fault is added where it is not a mapping."""
    name = str(path.relative_to(root))
    try:
        loader = LOADER(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        faults.append(
            Fault(name, line, "", f"not readable as YAML: {error}", "mend the syntax; save as UTF-8")
        )
        return None, Place(name, {})
    if not isinstance(node, yaml.MappingNode):
        faults.append(Fault(name, 1, "", "the file holds no mapping", "see CONTRIBUTING.md for a template"))
        return None, Place(name, {})
    twice, place = list(_repeated_keys(node)), Place(name, dict(_lines(node)))
    faults += [Fault(name, line, key, "stands twice", "keep one") for key, line in twice]
    impossible = list(_impossible_values(loader, node))
    faults += [
        Fault(name, line, ".".join(path), f"no such value: {problem}", "correct it, or put it in quotes")
        for path, line, problem in impossible
    ]
    return None if twice or impossible else loader.construct_document(node), place


def validate(model: type[Model], document: dict[str, Any], place: Place, faults: list[Fault]) -> Model | None:
    """Turn plain data into a declaration; on failure add one fault per wrong field and return None."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        for item in error.errors():
            path = tuple(str(part) for part in item["loc"])
            remedy = (
                "remove it, or correct its spelling"
                if item["type"] == "extra_forbidden"
                else "correct the field"
            )
            faults.append(Fault(place.file, place.line(path), ".".join(path), item["msg"], remedy))
        return None


def _departments(root: Path, faults: list[Fault], places: dict[str, Place]) -> dict[str, Department]:
    document, place = read_yaml(root / "departments.yaml", root, faults)
    places["departments"] = place
    found: dict[str, Department] = {}
    for code, fields in (document or {}).items():
        nested = Place(
            place.file, {path[1:]: line for path, line in place.lines.items() if path[:1] == (code,)}
        )
        department = validate(Department, {"code": code, **fields}, nested, faults)
        if department:
            found[code] = department
    return found


def _lines(node: yaml.Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, str(index)))


def _impossible_values(
    loader: Any, node: yaml.Node, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Values that look like a date and are none (2027-13-31)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _impossible_values(loader, value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _impossible_values(loader, value, (*path, str(index)))
    elif node.tag == "tag:yaml.org,2002:timestamp":
        try:
            loader.construct_object(node)
        except ValueError as error:
            yield path, node.start_mark.line + 1, str(error)


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value)
