"""The theme databases (主题数据库): one ``.sql`` file each, for one purpose, over base and standard tables.

A theme is DuckDB SQL with a YAML header in its opening comment. To add one, add a file: what it reads is found in the
SQL, and nothing else is touched.
"""

from assets.theme.themes import builds

__all__ = ["builds"]
