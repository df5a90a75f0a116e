"""What one look at the lines says is what reading them one by one says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.ingest import lines
from assets.ingest.lines import BLANK, Lines, NotUtf8Error, look_at_lines

HEADER = "编号,姓名,金额\n".encode()
CELLS = st.sampled_from(
    ["", " ", "\u3000", "\ufeff", "a", "李雷", "尀", '"', '""', '"""', '"a,b"', '"a""b"', 'a"b', '"a"b']
)
ROWS = st.one_of(
    st.lists(CELLS, min_size=3, max_size=3).map(",".join), st.lists(CELLS, max_size=4).map(",".join)
)
ENDINGS = st.sampled_from(["\n"] * 12 + ["\r\n"] * 6 + ["\r", "\0\n", "\x1a\n", ""])
TEXTS = st.lists(st.tuples(ROWS, ENDINGS), max_size=8).map(lambda rows: "".join(map("".join, rows)))


def one_by_one(text: str) -> Lines:
    """The same, said of each line by itself."""
    rows = text.removesuffix("\n").split("\n") if text else []
    return Lines(
        regular=all(_width(row.removesuffix("\r")) == 3 for row in rows)
        and "\r" not in text.replace("\r\n", ""),
        quoted='"' in text,
        blank=any(not row.strip(BLANK + ",") for row in rows),
    )


def _width(line: str) -> int:
    """How many cells the line has; -1 where it is no row as RFC 4180 has it."""
    if any(odd in line for odd in "\0\r\x1a"):
        return -1
    cells, inside = 1, False
    before = ","
    for mark in line:
        if mark == '"':
            if not inside and before not in (",", '"'):
                return -1
            inside = not inside
        elif inside:
            pass
        elif mark == ",":
            cells += 1
        elif before == '"':
            return -1
        before = mark if not inside or mark == '"' else "x"
    return -1 if inside else cells


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, block=st.sampled_from([1, 5, lines.BLOCK]), few=st.sampled_from([0, lines.FEW]))
def test_one_look_finds_what_reading_line_by_line_finds(text: str, block: int, few: int) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(lines, BLOCK=block, FEW=few):
        path = Path(folder) / "file.csv"
        path.write_bytes(HEADER + text.encode())
        found, expected = look_at_lines(path, 1, ",", 3), one_by_one(text)
    assert found.regular == expected.regular
    assert not expected.regular or found == expected


@pytest.mark.parametrize("cut", [1, 2])
def test_what_is_not_utf8_is_told_before_it_is_read(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + "1,李雷,2".encode()[:-cut] + b"\xd5,2\n")
    with pytest.raises(NotUtf8Error):
        look_at_lines(path, 1, ",", 3)


def test_a_line_too_long_to_be_looked_at_is_left_to_the_slow_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 1 << 14)
    monkeypatch.setattr(lines, "BLOCK", 64)
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"1," + b"x" * (1 << 15) + b",2\n")
    with pytest.raises(NotUtf8Error):
        look_at_lines(path, 1, ",", 3)


def test_a_line_of_more_than_a_block_and_the_lines_around_it_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    long = b"1," + b"x" * (2 * lines.BLOCK + 1) + b",2\n"
    path.write_bytes(HEADER + b"1,2,3\n" + long + b"1,2,3\n")
    assert look_at_lines(path, 1, ",", 3) == Lines()
    path.write_bytes(HEADER + b"1,2,3\n" + long + b"1,2,3,4\n")
    assert look_at_lines(path, 1, ",", 3) == Lines(regular=False)


@pytest.mark.parametrize("width", [3, 256, 257, 300])
@pytest.mark.parametrize("further", [-1, 0, 1, 256])
def test_cells_are_counted_exactly_however_many(tmp_path: Path, width: int, further: int) -> None:
    path = tmp_path / "file.csv"
    row = b",".join([b"x"] * width) + b"\n"
    path.write_bytes(row * 2 + b",".join([b"x"] * (width + further)) + b"\n" + row)
    assert look_at_lines(path, 1, ",", width) == Lines(regular=not further)
