"""A Parquet file's footer, as far as files are made of others' column chunks: read, changed and written again.

Here belongs what of a footer (``FileMetaData``) is looked at and changed: no Parquet library at hand writes one that it
has read of another file. The bytes are Thrift's compact protocol, of which Apache's library knows; a field that is not
named here is kept as it is. Which chunks go into a file is ``lake.chunks``' business.

Source: apache/parquet-format ``parquet.thrift``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TException, TType
from thrift.transport.TTransport import TMemoryBuffer

#: A struct by the numbers of its fields: each its type, and its value.
Struct = dict[int, tuple[int, Any]]

MAGIC = b"PAR1"
#: How each kind of value that has no parts is read and written.
_READ: dict[int, Callable[[TCompactProtocol], Any]] = {
    TType.BOOL: TCompactProtocol.readBool,
    TType.BYTE: TCompactProtocol.readByte,
    TType.I16: TCompactProtocol.readI16,
    TType.I32: TCompactProtocol.readI32,
    TType.I64: TCompactProtocol.readI64,
    TType.DOUBLE: TCompactProtocol.readDouble,
    TType.STRING: TCompactProtocol.readBinary,
}
_WRITE: dict[int, Callable[[TCompactProtocol, Any], None]] = {
    TType.BOOL: TCompactProtocol.writeBool,
    TType.BYTE: TCompactProtocol.writeByte,
    TType.I16: TCompactProtocol.writeI16,
    TType.I32: TCompactProtocol.writeI32,
    TType.I64: TCompactProtocol.writeI64,
    TType.DOUBLE: TCompactProtocol.writeDouble,
    TType.STRING: TCompactProtocol.writeBinary,
}
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
        return min(first, self.meta.get(_DICTIONARY, (TType.I64, 0))[1] or first)

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
            if meta.get(number, (TType.I64, 0))[1]:
                meta[number] = (TType.I64, meta[number][1] + by)
        said = {number: held for number, held in self.said.items() if number not in _INDEXES}
        # "should be set to 0": nothing is written of a chunk beside its pages
        return Chunk({**said, _FILE_OFFSET: (TType.I64, 0), _META: (TType.STRUCT, meta)})


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
        try:
            said = _read_struct(TCompactProtocol(TMemoryBuffer(bytes(view[-8 - length : -8]))))
        except (EOFError, TException) as error:
            msg = "a footer that is not whole"
            raise FooterError(msg) from error
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
        said = {**self.said, _GROUPS: (TType.LIST, (TType.STRUCT, [group.said for group in made]))}
        return Footer(said, tuple(made))

    def written(self) -> bytes:
        """As it stands in the file, with its length and the closing magic."""
        memory = TMemoryBuffer()
        _write_struct(TCompactProtocol(memory), self.said)
        body: bytes = memory.getvalue()
        return body + len(body).to_bytes(4, "little") + MAGIC


def _children(element: Struct) -> int:
    number: int = element.get(_CHILDREN, (TType.I32, 0))[1]
    return number


def _tree(elements: Iterator[Struct]) -> Iterator[Struct]:
    element = next(elements)
    yield element
    for _ in range(_children(element)):
        yield from _tree(elements)


def _group(said: Struct) -> Group:
    return Group(said, tuple(Chunk(one) for one in said[_COLUMNS][1][1]))


def _with_chunks(said: Struct, chunks: Sequence[Chunk]) -> Group:
    made = {**said, _COLUMNS: (TType.LIST, (TType.STRUCT, [chunk.said for chunk in chunks]))}
    made[_BYTES] = (TType.I64, sum(chunk.unpacked for chunk in chunks))
    if _OFFSET in made:
        made[_OFFSET] = (TType.I64, chunks[0].start)
    if _COMPRESSED in made:
        made[_COMPRESSED] = (TType.I64, sum(chunk.size for chunk in chunks))
    return Group(made, tuple(chunks))


def _read_struct(wire: TCompactProtocol) -> Struct:
    found: Struct = {}
    wire.readStructBegin()
    while (field := wire.readFieldBegin())[1] != TType.STOP:
        _, kind, number = field
        found[number] = (kind, _read(wire, kind))
        wire.readFieldEnd()
    wire.readStructEnd()
    return found


def _read(wire: TCompactProtocol, kind: int) -> Any:
    if kind == TType.STRUCT:
        return _read_struct(wire)
    if kind == TType.LIST:
        inner, number = wire.readListBegin()
        items = [_read(wire, inner) for _ in range(number)]
        wire.readListEnd()
        return inner, items
    if kind not in _READ:
        msg = f"a footer with a field of kind {kind}"
        raise FooterError(msg)
    return _READ[kind](wire)


def _write_struct(wire: TCompactProtocol, fields: Struct) -> None:
    wire.writeStructBegin("")
    for number, (kind, value) in sorted(fields.items()):
        wire.writeFieldBegin("", kind, number)
        _write(wire, kind, value)
        wire.writeFieldEnd()
    wire.writeFieldStop()
    wire.writeStructEnd()


def _write(wire: TCompactProtocol, kind: int, value: Any) -> None:
    if kind == TType.STRUCT:
        _write_struct(wire, value)
    elif kind == TType.LIST:
        inner, items = value
        wire.writeListBegin(inner, len(items))
        for item in items:
            _write(wire, inner, item)
        wire.writeListEnd()
    else:
        _WRITE[kind](wire, value)
