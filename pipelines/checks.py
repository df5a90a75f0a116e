"""Every check of declarations, in one list: the law's, the base databases', the products'.

Here belongs only the gathering; each rule lives beside what it judges. The command line prints all faults, and
definitions refuse to load while there is one.
"""

from __future__ import annotations

from catalog.check import check
from catalog.load import Catalogue, CatalogueError, Fault
