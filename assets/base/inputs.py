"""What base tables read: standard tables, or an empty frame of the entry's shape for a department that never pushed.

Here belongs only that, so that every recipe works from whatever there is.
"""

from __future__ import annotations

import polars as pl

from assets.build import Context
from assets.standard import SYSTEM_SCHEMA
from quality.plan import content_schema


def standard(context: Context, resource: str) -> pl.LazyFrame:
    """The standard table of a resource, or an empty frame with its columns."""
    if context.lake.exists("standard", resource):
        return context.lake.scan("standard", resource)
    return pl.LazyFrame(schema={**content_schema(context.catalogue.entry(resource)), **SYSTEM_SCHEMA})
