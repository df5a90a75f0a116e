"""What a table's recipe is: a :class:`Build` names its inputs and knows how to make itself.

Here belongs only the shape shared by base, theme, shared and analyst tables. The recipes are in the modules of
their layer; scheduling them, and showing them in Dagster, is ``pipelines``' work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from catalog.load import Catalogue
from catalog.model import Title
from lake.home import Home
from lake.tables import Commit, Lake
from masking.columns import declared_tables
from masking.lineage import Tables

TableName = tuple[str, str]
"""(layer, name): ``("base", "person")``. Never parsed out of a joined name."""


@dataclass(frozen=True)
class Context:
    """All that a recipe may use."""

    home: Home
    lake: Lake
    catalogue: Catalogue

    @cached_property
    def declared(self) -> Tables:
        """What is declared of every standard and base table: read once, as it stands in files of its own."""
        return declared_tables(self.catalogue)


@dataclass(frozen=True)
class Built:
    """What one run of a recipe did: one commit for each table it makes, and numbers worth seeing.

    ``notes`` become asset metadata: counts, never a personal value."""

    commits: Mapping[TableName, Commit]
    notes: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """One recipe: the tables it makes together, the tables it reads, and the function that does it.

    ``run`` must work while optional inputs do not exist yet (a department that never pushed): the table is then
    built from what there is."""

    makes: tuple[TableName, ...]
    reads: tuple[TableName, ...]
    title: Title
    description: str
    owner: str
    """the department code of the table's owner; the bureau for tables over several departments"""
    run: Callable[[Context], Built]
    kinds: tuple[str, ...] = ("polars", "deltalake")
