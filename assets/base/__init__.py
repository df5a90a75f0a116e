"""The base databases (基础数据库): person, legal entity, geospatial, licence. Each entity once, every value with its source.

Here belong the joins that make one row of many departments' rows. What a good row is was settled in ``standard``;
what the rows say together, for one purpose, is in ``theme``.
"""

from __future__ import annotations

from assets.base import address, database, geospatial, history, licence, life, relation, spatial_findings
from assets.build import Build
from catalog.load import Catalogue


def builds(catalogue: Catalogue) -> list[Build]:
    """Every recipe of the layer, each behind those that make what it reads."""
    return [
        *database.builds(catalogue),
        *geospatial.builds(),
        *address.builds(catalogue),
        *spatial_findings.builds(catalogue),
        *life.builds(catalogue),
        *relation.builds(catalogue),
        *licence.builds(catalogue),
        *history.builds(catalogue),
    ]
