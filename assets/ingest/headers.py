"""Which column of the entry a file's header means: by name, Chinese title or alias, through the usual noise.

Here belong the matching, and what a reader asks of it to find the header in a file. Reading files is in ``readers.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from catalog.model import Entry, Mode, Title

_REMARK = re.compile(
    r"[(\[【](必填项?|选填|非?必填|可选|元|人民币元|单位[:：]?元|格式.*|yyyy.*|如.*|例.*)[)\]】]$"
)
_NOISE = re.compile(r"[\s\ufeff\u200b*＊\"'：:]+")


#: The columns that a worklist of refused rows adds to a resource's: why each was refused, and which row it was.
WORKLIST_REASON, WORKLIST_ROW = "问题说明", "问题数据编号"


@dataclass(frozen=True)
class Match:
    """Header positions by entry column, the headers that belong to none, and the columns that no header names.
    ``worklist``: where a worklist of refused rows that comes back says which row each was."""

    positions: dict[str, int]
    unknown: tuple[tuple[int, str], ...]
    missing_required: tuple[str, ...]
    missing_optional: tuple[str, ...]
    repeated: tuple[str, ...]
    worklist: int | None = None

    @property
    def share(self) -> float:
        """How much of the entry's columns the headers name, 0 to 1."""
        total = len(self.positions) + len(self.missing_required) + len(self.missing_optional)
        return len(self.positions) / total


class Sought(Protocol):
    """What a reader is looking for: how well a row does as its header, and which single headers are known."""

    @property
    def title(self) -> Title:
        """The resource's name, for a refusal."""

    @property
    def coordinate_system(self) -> str | None:
        """What the coordinates should be in."""

    def share(self, headers: Sequence[str | None]) -> float:
        """How much of what is sought these headers name; 0 where they are no header."""

    def knows(self, header: str) -> bool:
        """Whether this one header is sought."""

    def stacks(self, rows: Sequence[Sequence[str | None]]) -> bool:
        """Whether these rows may be one header, merged from several."""


@dataclass(frozen=True)
class SoughtByEntry:
    """The header of one catalogue entry."""

    entry: Entry

    @property
    def title(self) -> Title:
        """The entry's."""
        return self.entry.title

    @property
    def coordinate_system(self) -> str | None:
        """The entry's."""
        return self.entry.coordinate_system

    @cached_property
    def _known(self) -> dict[str, str]:
        return known_headers(self.entry)

    def share(self, headers: Sequence[str | None]) -> float:
        """The share of the entry's columns that are named."""
        return match(self.entry, headers).share

    def knows(self, header: str) -> bool:
        """Whether a column has this header."""
        return normal(header) in self._known

    def stacks(self, rows: Sequence[Sequence[str | None]]) -> bool:
        """Any rows: whether they are a header, the share of the entry that they name tells."""
        return True


def match(entry: Entry, headers: Sequence[str | None]) -> Match:
    """Match headers in any order; of two headers that mean one column the first counts and the column is reported."""
    known = known_headers(entry)
    positions: dict[str, int] = {}
    repeated, unknown = [], []
    for index, header in enumerate(headers):
        column = _column(known, normal(header or ""))
        if column is None:
            if header and header.strip() and header.strip() not in (WORKLIST_REASON, WORKLIST_ROW):
                unknown.append((index, header.strip()))
        elif column in positions:
            repeated.append(column)
        else:
            positions[column] = index
    missing = [name for name in entry.columns if name not in positions]
    required = tuple(name for name in missing if entry.columns[name].required)
    optional = tuple(name for name in missing if not entry.columns[name].required)
    numbers = (place for place, header in enumerate(headers) if header and header.strip() == WORKLIST_ROW)
    return Match(positions, tuple(unknown), required, optional, tuple(repeated), next(numbers, None))


def known_headers(entry: Entry) -> dict[str, str]:
    """Every header the entry knows, without noise → its column. A column's own name counts before a title, a title
    before an alias."""
    known: dict[str, str] = {}
    for place in range(max(len(entry.header_names(column)) for column in entry.columns)):
        for column in entry.columns:
            names = entry.header_names(column)
            if place < len(names):
                known.setdefault(normal(names[place]), column)
    return known


def _column(known: dict[str, str], header: str) -> str | None:
    """The column as the header stands, or without a remark in brackets that changes nothing (必填, 元). Any other unit
    changes what the numbers mean, and is no match."""
    return known.get(header) or known.get(_REMARK.sub("", header))


def normal(header: str) -> str:
    """A header without what varies: width, blanks, line breaks, quotes, stars of required fields, case."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", header)).casefold()


def refusal(entry: Entry, found: Match) -> Title | None:
    """Why the headers cannot be used, and what to do; None where they can."""
    if found.worklist is not None and entry.delivery.mode is Mode.SNAPSHOT:
        return Title(
            zh="该资源每次须全量推送，不能只推送改正后的问题数据清单；请在源系统中改正后重新全量推送",
            en="each push of this resource is all there is: correct the rows at their source and push everything again",
        )
    if found.repeated:
        names = "、".join(f"{entry.columns[name].title}（{name}）" for name in found.repeated)
        return Title(
            zh=f"表头重复：{names} 出现了不止一次，请保留一列",
            en=f"repeated header for {', '.join(found.repeated)}: keep one",
        )
    if found.missing_required:
        names = "、".join(f"{entry.columns[name].title}（{name}）" for name in found.missing_required)
        return Title(
            zh=f"缺少必填列：{names}。请按目录“{entry.title.zh}”补充后重新推送",
            en=f"required columns are missing: {', '.join(found.missing_required)}. Add them as entry {entry.code} says",
        )
    return None
