"""A Parquet file's footer, as far as files are made of others' column chunks: read, changed and written again.

Here belongs Thrift's compact protocol, with which Parquet writes its footer (``FileMetaData``): no library at hand writes
one that somebody else has read. A field that is not named here is kept as it is. Which chunks go into a file is
``lake.chunks``' business.

Sources: apache/thrift ``thrift-compact-protocol.md``; apache/parquet-format ``parquet.thrift``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A struct by the numbers of its fields: each its type, and its value.
Struct = dict[int, tuple[int, Any]]

MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
#: What has so many bytes always; the kind of a field says by itself whether it is true.
_WIDTHS = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}
# fields of FileMetaData, SchemaElement, RowGroup, ColumnChunk and ColumnMetaData
_SCHEMA, _GROUPS = 2, 4
_NAME, _CHILDREN = 4, 5
_COLUMNS, _BYTES, _GROUP_ROWS, _OFFSET, _COMPRESSED = 1, 2, 3, 5, 6
_FILE_OFFSET, _META, _INDEXES = 2, 3, (4, 5, 6, 7)
_PATH, _UNPACKED, _SIZE, _DATA, _INDEX, _DICTIONARY, _BLOOM = 3, 6, 7, 9, 10, 11, (14, 15)


class FooterError(ValueError):
    """The file is no Parquet file whose footer can be read here."""


@dataclass(frozen=True)
class Chunk:
    """One column of one row group: where its pages begin in its file, how long they are, and what its footer says of it."""

    said: Struct

    @property
    def meta(self) -> Struct:
        """The ``ColumnMetaData``."""
        meta: Struct = self.said[_META][1]
        return meta

    @property
    def column(self) -> tuple[bytes, ...]:
        """The column's path in the schema: more than its name where it is nested."""
        return tuple(self.meta[_PATH][1][1])

    @property
    def start(self) -> int:
        """The first byte of its pages: the dictionary's, where it has one."""
        first: int = self.meta[_DATA][1]
        return min(first, self.meta.get(_DICTIONARY, (_I64, 0))[1] or first)

    @property
    def size(self) -> int:
        """How many bytes its pages have, with their headers."""
        size: int = self.meta[_SIZE][1]
        return size

    @property
    def unpacked(self) -> int:
        """The same before they were compressed."""
        unpacked: int = self.meta[_UNPACKED][1]
        return unpacked

    def moved(self, start: int) -> Chunk:
        """The same chunk in a file in which its pages begin elsewhere; page indexes and Bloom filters stay behind."""
        by = start - self.start
        meta = {number: held for number, held in self.meta.items() if number not in _BLOOM}
        for number in (_DATA, _INDEX, _DICTIONARY):
            if meta.get(number, (_I64, 0))[1]:
                meta[number] = (_I64, meta[number][1] + by)
        said = {number: held for number, held in self.said.items() if number not in _INDEXES}
        # "should be set to 0": nothing is written of a chunk beside its pages
        return Chunk({**said, _FILE_OFFSET: (_I64, 0), _META: (_STRUCT, meta)})


@dataclass(frozen=True)
class Group:
    """One row group: its rows and chunks, in the order of the schema."""

    said: Struct
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        rows: int = self.said[_GROUP_ROWS][1]
        return rows


@dataclass(frozen=True)
class Footer:
    """What stands at the end of a file."""

    said: Struct
    groups: tuple[Group, ...]

    @staticmethod
    def read(file: bytes | memoryview) -> Footer:
        """The footer of a whole file; raises :class:`FooterError`."""
        view = memoryview(file)
        if len(view) < 12 or view[-4:] != MAGIC:
            msg = "not a Parquet file with a footer in the clear"
            raise FooterError(msg)
        length = int.from_bytes(view[-8:-4], "little")
        said = _Reader(bytes(view[-8 - length : -8])).struct()
        if not {_SCHEMA, _GROUPS} <= set(said):
            msg = "a footer without row groups"
            raise FooterError(msg)
        return Footer(said, tuple(_group(one) for one in said[_GROUPS][1][1]))

    @staticmethod
    def of(path: Path) -> Footer:
        """The footer of a file on disk; raises :class:`FooterError`."""
        with path.open("rb") as file:
            file.seek(0, 2)
            end = file.tell()
            file.seek(max(end - 8, 0))
            length = int.from_bytes(file.read(8)[:4], "little")
            file.seek(max(end - 12 - length, 0))
            return Footer.read(file.read())

    @property
    def columns(self) -> dict[bytes, list[Struct]]:
        """Of each column how its values are written: the ``SchemaElement`` of it, and those of what is nested in it."""
        elements = iter(self.said[_SCHEMA][1][1])
        root = next(elements)
        trees = [list(_tree(elements)) for _ in range(_children(root))]
        return {tree[0][_NAME][1]: tree for tree in trees}

    def with_chunks(self, groups: Sequence[Sequence[Chunk]]) -> Footer:
        """The footer of a file of the same schema and rows, whose chunks, by row group, are these."""
        made = [_with_chunks(group.said, chunks) for group, chunks in zip(self.groups, groups, strict=True)]
        said = {**self.said, _GROUPS: (_LIST, (_STRUCT, [group.said for group in made]))}
        return Footer(said, tuple(made))

    def written(self) -> bytes:
        """As it stands in the file, with its length and the closing magic."""
        body = b"".join(_struct(self.said))
        return body + len(body).to_bytes(4, "little") + MAGIC


def _children(element: Struct) -> int:
    number: int = element.get(_CHILDREN, (_I32, 0))[1]
    return number


def _tree(elements: Iterator[Struct]) -> Iterator[Struct]:
    element = next(elements)
    yield element
    for _ in range(_children(element)):
        yield from _tree(elements)


def _group(said: Struct) -> Group:
    return Group(said, tuple(Chunk(one) for one in said[_COLUMNS][1][1]))


def _with_chunks(said: Struct, chunks: Sequence[Chunk]) -> Group:
    made = {**said, _COLUMNS: (_LIST, (_STRUCT, [chunk.said for chunk in chunks]))}
    made[_BYTES] = (_I64, sum(chunk.unpacked for chunk in chunks))
    if _OFFSET in made:
        made[_OFFSET] = (_I64, chunks[0].start)
    if _COMPRESSED in made:
        made[_COMPRESSED] = (_I64, sum(chunk.size for chunk in chunks))
    return Group(made, tuple(chunks))


class _Reader:
    """Thrift's compact protocol, from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else _unzigzag(self._varint())
            found[number] = (kind, self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in _WIDTHS:
            return self._take(_WIDTHS[kind])
        if kind in (_I16, _I32, _I64):
            return _unzigzag(self._varint())
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in (_LIST, _SET):
            return self._items()
        if kind == _STRUCT:
            return self.struct()
        msg = f"a footer with a field of kind {kind}"
        raise FooterError(msg)

    def _items(self) -> tuple[int, list[Any]]:
        head = self._byte()
        kind, number = head & 15, head >> 4
        number = self._varint() if number == 15 else number
        # in a list each truth is a byte of its own
        inner = _BYTE if kind in (_TRUE, _FALSE) else kind
        return kind, [self._value(inner) for _ in range(number)]

    def _byte(self) -> int:
        self._at += 1
        try:
            return self._data[self._at - 1]
        except IndexError:
            msg = "a footer that ends too soon"
            raise FooterError(msg) from None

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            msg = "a footer that ends too soon"
            raise FooterError(msg)
        return self._data[self._at - size : self._at]


def _unzigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def _struct(fields: Struct) -> Iterator[bytes]:
    before = 0
    for number, (kind, value) in sorted(fields.items()):
        step = number - before
        yield bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _varint(_zigzag(number))
        yield from _value(kind, value)
        before = number
    yield b"\0"


def _value(kind: int, value: Any) -> Iterator[bytes]:
    if kind in _WIDTHS:
        yield value
    elif kind in (_I16, _I32, _I64):
        yield _varint(_zigzag(value))
    elif kind == _BINARY:
        yield _varint(len(value)) + value
    elif kind in (_LIST, _SET):
        inner, items = value
        yield (
            bytes([len(items) << 4 | inner])
            if len(items) < 15
            else bytes([240 | inner]) + _varint(len(items))
        )
        for item in items:
            yield from _value(_BYTE if inner in (_TRUE, _FALSE) else inner, item)
    elif kind == _STRUCT:
        yield from _struct(value)


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
