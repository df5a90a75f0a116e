"""Data elements (数据元): for each kind of value one object with dtype, standardisation, checks, mask and grade.

``ELEMENTS`` is what the rest of citylake uses. To add one, write it in ``identifiers.py`` or ``values.py`` and put
it in that module's tuple: the catalogue, the checks, the masks and the tests find it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from catalog.elements.base import Check, Companion, Element, Mask
from catalog.elements.identifiers import IDENTIFIERS
from catalog.elements.values import VALUES

ELEMENTS: Mapping[str, Element] = MappingProxyType(
    {element.code: element for element in (*IDENTIFIERS, *VALUES)}
)

__all__ = ["ELEMENTS", "Check", "Companion", "Element", "Mask"]
