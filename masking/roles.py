"""Roles: declared grants that say who may see which tables, for what, until when.

Here belong their shape and reading. A role's tables are built by ``assets.analyst``; after the grant's last
day they are no longer built, and go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from catalog.elements.base import Mask
from catalog.load import Fault, Place, read_yaml, validate
from catalog.model import Code, Declaration, SharingType, Text, Title
from masking.columns import SourceColumn
from masking.methods import METHODS

ROLES_FILE = "roles.yaml"
ColumnName = Annotated[str, StringConstraints(pattern=r"^(base|theme)\.[a-z0-9_]+\.[a-z0-9_]+$")]
#: Recipients that are no role: every institution (unconditional sharing), and everybody (opening).
ALL_INSTITUTIONS = "all_institutions"
PUBLIC = "public"


class RoleMask(Declaration):
    """A mask for one column, in place of its element's."""

    method: Code
    parameters: Mapping[str, Any] = {}


class Role(Declaration):
    """A grant (Art. 25): unit, people, purpose, what may be seen, who approved it, and its last day."""

    title: Title
    unit: Code = Field(description="the department whose people hold the role")
    people: tuple[Text, ...] = Field(min_length=1, description="posts or accounts, never personal names")
    purpose: Text
    sees: SharingType = Field(description="a stored column's type, after its mask, is at least this loose")
    tables: tuple[Text, ...] = Field(min_length=1, description="base.person, or base.* for a whole layer")
    approval: Text
    ends: date
    key_version: int = Field(1, ge=1)
    division: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{3}(0[1-9]|[1-9]\d)$")] | None = Field(
        None, description="only rows of this county, and of tables that say where each row is"
    )
    key_per_product: bool = Field(
        False,
        description="each product has pseudonyms of its own, so that not even the role can join two of them",
    )
    masks: Mapping[ColumnName, RoleMask] = Field(
        {}, description="where the element's default mask does not fit"
    )

    def covers(self, layer: str, table: str) -> bool:
        """Whether the grant names this table."""
        return f"{layer}.{table}" in self.tables or f"{layer}.*" in self.tables

    def mask(self, layer: str, table: str, column: SourceColumn) -> Mask:
        """How the role sees a column: as it is where it is shared unconditionally, else its own mask or the
        element's."""
        if column.sharing is SharingType.UNCONDITIONAL:
            return Mask("keep")
        own = self.masks.get(f"{layer}.{table}.{column.name}")
        return Mask(own.method, own.parameters) if own else column.mask

    def runs_on(self, day: date) -> bool:
        """Whether the grant still holds on this day."""
        return day <= self.ends


def load_roles(root: Path, faults: list[Fault], departments: Collection[str]) -> dict[str, Role]:
    """Read ``catalog/roles.yaml``; what is wrong with it is added to ``faults``."""
    path = root / ROLES_FILE
    if not path.exists():
        return {}
    document, place = read_yaml(path, root, faults)
    roles: dict[str, Role] = {}
    for code, fields in (document or {}).items():
        role = validate(Role, fields, _within(place, code), faults)
        if role is None:
            continue
        roles[code] = role
        for name, mask in role.masks.items():
            method = METHODS.get(mask.method)
            problems = method.problems(mask.parameters) if method else [f"no masking method {mask.method!r}"]
            line = place.line((code, "masks", name))
            faults += [
                Fault(place.file, line, f"{code}.masks.{name}", problem, "see masking/methods.py")
                for problem in problems
            ]
        if role.unit not in departments:
            remedy = "add it to departments.yaml, or correct it"
            line = place.line((code, "unit"))
            faults.append(
                Fault(place.file, line, f"{code}.unit", f"no department {role.unit!r}", remedy, "Art. 25")
            )
        if role.sees is SharingType.NONE:
            line = place.line((code, "sees"))
            faults.append(
                Fault(
                    place.file,
                    line,
                    f"{code}.sees",
                    "a role cannot see what is not shared",
                    "conditional at the tightest",
                    "Art. 14",
                )
            )
    return roles


def _within(place: Place, code: str) -> Place:
    lines: Mapping[tuple[str, ...], int] = {
        path[1:]: line for path, line in place.lines.items() if path[:1] == (code,)
    }
    return Place(place.file, lines)
