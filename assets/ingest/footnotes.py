"""Lines under a table that speak about it (注, 数据来源, 制表人…): no rows, and so set aside and counted.

Here belongs the telling of them from rows, for text files and spreadsheets alike.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

_BEGINS = re.compile(
    r"^\W*(注|备注|附注|说明|数据来源|资料来源|来源|制表|填表|审核|填报|联系|打印|导出|note|source)", re.I
)
_BLANK = " \t\r\n\u3000\"'"


def count(rows_from_the_end: Iterable[Sequence[str | None]]) -> int:
    """How many of the last rows are footnotes: from the first that begins like one to the end, where none of them has
    more than one cell filled."""
    filled = ([cell for cell in row if cell and cell.strip(_BLANK)] for row in rows_from_the_end)
    tail = itertools.takewhile(lambda cells: len(cells) <= 1, filled)
    return max((place for place, cells in enumerate(tail, 1) if cells and _BEGINS.match(cells[0])), default=0)


def note(rows: int) -> tuple[str, ...]:
    """The remark for the receipt; the text itself, which may name a person, stays in landing."""
    return (f"表尾说明 {rows} 行未计入 · {rows} footnote lines set aside",) if rows else ()
