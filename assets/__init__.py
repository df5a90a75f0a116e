"""What is materialised, layer by layer, and how each table is computed from the one before it.

``ingest`` turns a landed file into rows, ``standard`` splits them into standard and quarantine, ``base`` and
``theme`` join them, ``shared`` masks them, ``analyst`` shows them. Nothing here knows Dagster: ``pipelines``
turns every :class:`~assets.build.Build` into an asset, so that each can also be run and tested by itself.
"""
