"""Queries over the network, for analysts who have no file access: read-only, limited, and each in the audit log.

``readers`` knows who may ask and remembers what was asked, ``worker`` runs one query in a process that can open
nothing but its role's tables, ``app`` is the HTTP around it. Answers are Arrow, which Polars, pandas, DuckDB and R read
without a driver, or CSV.
"""
