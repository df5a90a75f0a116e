"""How SQL spells a text and a name.

Here belongs the quoting only. What runs in a cage (``assets.ingest.gdal``, ``pipelines.remote.worker``) imports nothing of ours and
has its own.
"""

from __future__ import annotations


def sql_text(text: object) -> str:
    """A text, or a path, between single quotes."""
    return "'" + str(text).replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A name of a schema, table or column between double quotes."""
    return '"' + name.replace('"', '""') + '"'
