"""Patterns of other tongues in Polars' own: Python's regular expressions, and SQL's LIKE.

Here belongs the translation of one pattern into another. Which expectations use them is in ``compile.py``.
"""

from __future__ import annotations

import re


def python_pattern(pattern: str) -> str:
    """A pattern with Python's meaning, in Polars' syntax: ``$`` also matches before a last line break, ``\\Z`` is the end,
    and an accent that stands as a character of its own is no ``\\w``.

    Look-around and references back do not exist in Polars: such a pattern is refused when it is first used."""
    lines = re.search(r"\(\?[a-zA-Z]*m", pattern) is not None
    part = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\$", re.DOTALL)

    def translated(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith("["):
            return "[" + re.sub(r"\\.", lambda inner: _CLASSES.get(inner[0], inner[0]), text[1:])
        return text if lines and text == "$" else _PYTHONS.get(text, text)

    return part.sub(translated, pattern)


_CLASSES = {
    r"\w": r"[\p{L}\p{N}_]",
    r"\W": r"[^\p{L}\p{N}_]",
    r"\s": r"[\s\x1c-\x1f]",
    r"\S": r"[^\s\x1c-\x1f]",
}
_PYTHONS = {**_CLASSES, "$": r"(?:\n?\z)", r"\Z": r"\z"}


def like_pattern(pattern: str, escape: str | None) -> str:
    """A pattern of SQL's LIKE as DuckDB reads it: ``%`` is any text, ``_`` one character, small letters are not capital
    ones, and what follows ``escape`` (none unless stated) means itself."""
    found, characters = [r"(?s)\A"], iter(pattern)
    for character in characters:
        if character == escape:
            found.append(re.escape(next(characters, character)))
        else:
            found.append(_WILDCARDS.get(character) or re.escape(character))
    return "".join([*found, r"\z"])


_WILDCARDS = {"%": ".*", "_": "."}
