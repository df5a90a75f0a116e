"""What a role's grant names must exist: a misspelt table would be shown to nobody, and a misspelt mask would mask nothing.

Here belongs that check, which needs the recipes of all tables; what else a role must be is in ``masking.roles``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets import base
from catalog.load import Catalogue, Fault, read_yaml
from masking.columns import declared_tables
from masking.roles import ROLES_FILE, load_roles


def grant_faults(catalogue: Catalogue, themes: Sequence[str]) -> list[Fault]:
    """Tables and masked columns of ``roles.yaml`` that do not exist; ``themes`` are those that do."""
    path = catalogue.root / ROLES_FILE
    if not path.exists():
        return []
    _, place = read_yaml(path, catalogue.root, [])
    found = [
        Fault(place.file, place.line((role, *field)), ".".join((role, *field)), problem, remedy, "Art. 25")
        for role, field, problem, remedy in _unknown(catalogue, themes)
    ]
    return sorted(found)


def _unknown(catalogue: Catalogue, themes: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    made = {".".join(table) for build in base.builds(catalogue) for table in build.makes}
    tables = {*made, *(f"theme.{theme}" for theme in themes), "base.*", "theme.*"}
    columns = declared_tables(catalogue)
    for code, role in load_roles(catalogue.root, [], catalogue.departments).items():
        for place, table in enumerate(role.tables):
            if table not in tables:
                remedy = "a table of base or theme, or base.* or theme.* for all of them"
                yield code, ("tables", str(place)), f"no table {table!r}", remedy
        for name in role.masks:
            layer, table, column = name.split(".")
            known = columns.get((layer, table))
            if f"{layer}.{table}" not in tables or (known is not None and column not in known):
                yield code, ("masks", name), f"no column {name!r}", "correct the name: it masks nothing"
