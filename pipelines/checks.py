"""Every check of declarations, in one list: the law's, the rules', the base databases', the themes', the grants' and the
products'.

Here belongs only the gathering; each rule lives beside what it judges. The command line prints all faults, and
definitions refuse to load while there is one.
"""

from __future__ import annotations

from assets.granted import grant_faults
from assets.theme.themes import read_themes
from assets.theme.types import grouped_columns
from catalog.base_model import read_bases
from catalog.check import check
from catalog.elements import ELEMENTS
from catalog.linkage_model import reviewed_faults
from catalog.load import Catalogue, CatalogueError, Fault
from catalog.relation_model import read_relations
from masking.product import masking_faults
from quality.rules import rule_faults


def faults_of(catalogue: Catalogue) -> list[Fault]:
    """Every fault of every kind of declaration, in file order.

    Where an element is unknown only the entries' own faults: what the rest is judged by follows from the elements."""
    if any(
        column.element not in ELEMENTS
        for entry in catalogue.entries.values()
        for column in entry.columns.values()
    ):
        return sorted(check(catalogue))
    bases, in_bases = read_bases(catalogue)
    relations, in_relations = read_relations(catalogue, bases)
    in_linkage = reviewed_faults(catalogue, bases, relations)
    themes, in_themes = read_themes(catalogue)
    declared = [*in_bases, *in_relations, *in_linkage, *in_themes]
    granted = [] if declared else grant_faults(catalogue, [theme.header.code for theme in themes])
    return sorted(
        [
            *check(catalogue),
            *rule_faults(catalogue),
            *declared,
            *granted,
            *masking_faults(catalogue, grouped_columns),
        ]
    )


def refuse_faults(catalogue: Catalogue) -> None:
    """Raise :class:`CatalogueError` where there is any fault."""
    faults = faults_of(catalogue)
    if faults:
        raise CatalogueError(faults)
