"""Every recipe beyond ``standard``, in one list: base, theme, shared and open, analyst.

Here belongs the gathering only; each layer's own module says what its recipes are.
"""

from __future__ import annotations

from assets import analyst, base, operations, product_risk, scores, shared, stewardship, theme
from assets.build import Build
from catalog.load import Catalogue


def all_builds(catalogue: Catalogue) -> list[Build]:
    """All recipes; raises ``CatalogueError`` with the faults of what they are declared in."""
    return [
        *base.builds(catalogue),
        *theme.builds(catalogue),
        *shared.builds(catalogue),
        *product_risk.builds(catalogue),
        *operations.builds(catalogue),
        *scores.builds(catalogue),
        *stewardship.builds(catalogue),
        *analyst.builds(catalogue),
    ]
