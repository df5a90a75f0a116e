"""Whatever bytes a department sends: the push ends applied, held or refused with a reason, and every row is accounted for.

Here belongs the whole way from the bytes to the two tables. What each format's reader makes of its files is in ``ingest/``.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import multiprocessing
import resource
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.standard import apply_waiting
from catalog.model import Way
from lake.landing import format_of, receive
from lake.ledger import PushState
from quality.clock import today
from tests.assets.test_standard import CODE, Bench, bench_at, entry_of
from tests.conftest import Tried

HEADER = ("编号", "分类", "金额")
MEGABYTE = 1 << 20
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
ENTRY = entry_of("append without a key", max_reject_share=0.9, empty_ok=True)
CELL = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "1",
            "2",
            "a",
            "b",
            "",
            "1e999",
            "4.41802E+17",
            "=1+1",
            "=HYPERLINK(0)",
            "\0",
            '"',
            "\n",
            "NaN",
            "\ufeff",
        ]
    ),
    st.integers().map(str),
)
GOOD_ROW = st.tuples(st.integers(0, 99).map(str), st.sampled_from("abc"), st.sampled_from(["", "1.5"])).map(
    list
)
ROWS = st.lists(st.one_of(GOOD_ROW, GOOD_ROW, GOOD_ROW, st.lists(CELL, max_size=5)), max_size=8)


def _rows(draw: st.DrawFn) -> list[list[str]]:
    """Rows of all sorts, mostly after one that is good: what is bad throughout is held, and goes no further."""
    good = draw(st.lists(GOOD_ROW, min_size=min(1, draw(st.integers(0, 4))), max_size=3))
    return [*good, *draw(ROWS)]


def _text(draw: st.DrawFn) -> tuple[bytes, str]:
    delimiter = draw(st.sampled_from([",", "\t", ";", "|", "，"]))
    header = draw(
        st.sampled_from(
            [
                *[HEADER] * 6,
                HEADER[:2],
                HEADER[::-1],
                (*HEADER, "新列"),
                (*HEADER, "分类"),
                (*HEADER, ""),
                ("x",),
                (),
            ]
        )
    )
    quote = draw(st.sampled_from(["", '"']))
    lines = [header, *_rows(draw)]
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(
        delimiter.join(f"{quote}{cell}{quote}" for cell in line) for line in lines
    )
    encoding = draw(
        st.sampled_from([*["utf-8", "utf-8-sig", "gb18030", "utf-16"] * 3, "utf-16-be", "big5", "utf-32"])
    )
    return text.encode(encoding, "replace"), draw(st.sampled_from(["a.csv", "a.txt", "a.tsv", "a"]))


def _json(draw: st.DrawFn) -> tuple[bytes, str]:
    keys = st.sampled_from([*HEADER, "x"])
    deep = st.integers(1, 2_000).map(
        lambda depth: functools.reduce(lambda inner, _: [inner], range(depth), 1)
    )
    value = st.one_of(
        CELL, st.none(), st.booleans(), st.floats(), st.lists(CELL, max_size=2), st.integers(), deep
    )
    good = GOOD_ROW.map(lambda row: dict(zip(HEADER, row, strict=True)))
    records = draw(
        st.lists(
            st.one_of(good, good, good, good, st.dictionaries(keys, value, max_size=4), CELL), max_size=6
        )
    )
    shape = draw(st.sampled_from(["array", "page", "lines"]))
    if shape == "lines":
        return "\n".join(json.dumps(record) for record in records).encode(), "a.ndjson"
    return json.dumps(records if shape == "array" else {"data": {"rows": records}}).encode(), "a.json"


def _workbook(draw: st.DrawFn) -> tuple[bytes, str]:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        book.set_properties({"created": WRITTEN})  # else the same draws would give other bytes each second
        for _ in range(draw(st.integers(1, 2))):
            sheet = book.add_worksheet()
            for number, row in enumerate([HEADER, *_rows(draw)]):
                sheet.write_row(number, 0, row)
    return sink.getvalue(), draw(st.sampled_from(["a.xlsx", "a.xls", "a"]))


def _columnar(draw: st.DrawFn) -> tuple[bytes, str]:
    rows = [(*row, *[""] * 3)[:3] for row in _rows(draw)]
    frame, sink = pl.DataFrame(rows, schema=dict.fromkeys(HEADER, pl.String), orient="row"), io.BytesIO()
    kind = draw(st.sampled_from(["parquet", "arrows"]))
    {"parquet": frame.write_parquet, "arrows": frame.write_ipc_stream}[kind](sink)
    return sink.getvalue(), f"a.{kind}"


def _page(draw: st.DrawFn) -> tuple[bytes, str]:
    rows = "".join("<tr><td>" + "<td>".join(row) for row in _rows(draw))
    return f"<table><tr><th>{'<th>'.join(HEADER)}{rows}</table>".encode("utf-8", "replace"), "a.xls"


def _junk(draw: st.DrawFn) -> tuple[bytes, str]:
    head = draw(
        st.sampled_from(
            [b"", b"PK\x03\x04", b"PAR1", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0", b"{"]
        )
    )
    return head + draw(st.binary(min_size=1, max_size=200)), draw(
        st.sampled_from(["a.csv", "a.zip", "a", "a.gpkg"])
    )


PLAIN = (_text, _text, _text, _json, _json, _workbook, _columnar, _page, _junk)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file's bytes and its name: whole, cut short, damaged, compressed, or in a zip under an honest or another name."""
    content, name = draw(st.sampled_from(PLAIN))(draw)
    # where to cut is drawn as a share: no draw may depend on a length, which a compressor is free to change
    if draw(st.integers(0, 9)) == 9:
        content = content[: max(1, len(content) * draw(st.integers(1, 1_000)) // 1_000)]
    if draw(st.integers(0, 9)) == 9:
        place = len(content) * draw(st.integers(0, 1_000)) // 1_000
        content = content[:place] + draw(st.binary(max_size=8)) + content[place + draw(st.integers(0, 8)) :]
    wrapped = draw(st.sampled_from(["", "", "", "gz", "zst", "zip"]))
    if wrapped == "zip":
        sink = io.BytesIO()
        inside = draw(
            st.sampled_from(
                [*[name] * 4, f"../{name}", f"/etc/{name}", f"C:\\{name}", f"甲/{name}", f"a/../../{name}"]
            )
        )
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr(inside, content)
        return sink.getvalue(), "a.zip"
    if wrapped:
        pack: Callable[[bytes], bytes] = {"gz": gzip.compress, "zst": zstandard.compress}[wrapped]
        return pack(content), f"{name}.{wrapped}"
    return content, name


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_at(tmp_path_factory.mktemp("home"), ENTRY)


def land(bench: Bench, content: bytes, name: str) -> str:
    """Land one file; returns the push's id."""
    return receive(
        bench.context.home,
        bench.ledger,
        bench.entry,
        [content],
        way=Way.FILE,
        filename=name,
        data_format=format_of(name),
        data_date=today(),
    ).id


def judged(bench: Bench, push_id: str) -> PushState:
    """What became of a push, which must be one of three things, with a reason or with all its rows."""
    push = bench.ledger.get(push_id)
    if push.state is PushState.APPLIED:
        assert push.rows == (push.accepted or 0) + (push.rejected or 0)
        assert bench.counted().get(push.refusals, 0) == push.rejected
    else:
        assert push.state in (PushState.HELD, PushState.REFUSED)
        assert push.reason_zh
        assert push.reason_en
        assert push_id not in bench.counted()
    return push.state


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=files())
def test_any_file_is_applied_held_or_refused_and_its_rows_are_all_there(
    bench: Bench, tried: Tried, file: tuple[bytes, str]
) -> None:
    if not file[0]:
        return
    outside = set(bench.context.home.root.parent.iterdir())
    held = bench.context.lake.rows("standard", CODE)
    push_id = land(bench, *file)
    apply_waiting(bench.context, CODE)
    state = judged(bench, push_id)
    grown = bench.context.lake.rows("standard", CODE) - held
    assert 0 <= grown <= (bench.ledger.get(push_id).accepted or 0 if state is PushState.APPLIED else 0)
    assert set(bench.context.home.root.parent.iterdir()) == outside, "nothing is written elsewhere"
    assert list((bench.context.home.work / "scratch").iterdir()) == []
    tried("files made by hypothesis")
    tried(f"of them {state}")


def _huge_cell(size: int) -> bytes:
    return "编号,分类\n1,a\n".encode() + b"2," + b"x" * size + b"\n3,b\n"


def _many_columns() -> bytes:
    return "编号,分类".encode() + b",x" * 100_000 + b"\n1,a" + b",y" * 100_000 + b"\n"


def _zip_of(name: str, size: int) -> bytes:
    """A bomb: so many zeros, of which a thousandth is left."""
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        for _ in range(size // MEGABYTE):
            member.write(b"0" * MEGABYTE)
    return sink.getvalue()


HEAVY: dict[str, tuple[Callable[[], bytes], str]] = {
    "a cell of 100 MB": (lambda: _huge_cell(100 * MEGABYTE), "a.csv"),
    "a quoted cell of 100 MB": (lambda: b'a,"' + b"x" * 100 * MEGABYTE, "a.csv"),
    "a JSON cell of 100 MB": (
        lambda: json.dumps([{"编号": "1", "分类": "x" * 100 * MEGABYTE}]).encode(),
        "a.json",
    ),
    "a line of 100 MB": (lambda: b'{"a": "' + b"x" * 100 * MEGABYTE + b'"}\n{}', "a.ndjson"),
    "a page's cell of 100 MB": (
        lambda: "<table><tr><td>编号<td>分类<tr><td>".encode() + b"x" * 100 * MEGABYTE,
        "a.xls",
    ),
    "a gzip bomb": (lambda: gzip.compress(b"0" * 1024 * MEGABYTE), "a.csv.gz"),
    "a zstd bomb": (lambda: zstandard.compress(b"0" * 1024 * MEGABYTE), "a.csv.zst"),
    "a zip bomb": (lambda: _zip_of("a.csv", 1024 * MEGABYTE), "a.zip"),
    "a workbook bomb": (lambda: _zip_of("xl/worksheets/sheet1.xml", 2100 * MEGABYTE), "a.xlsx"),
    "a hundred thousand columns": (_many_columns, "a.csv"),
    "JSON a million levels deep": (lambda: b"[" * MEGABYTE, "a.json"),
}
MOST_MEMORY = 3 * 1024


def _apply_in_a_process(root: Path, told: Any) -> None:
    """Apply what waits, and tell how many megabytes that took at most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bench = bench_at(root, ENTRY)
    apply_waiting(bench.context, CODE)
    told.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEAVY)
def test_a_heavy_file_takes_bounded_memory(tmp_path: Path, tried: Tried, kind: str) -> None:
    make, name = HEAVY[kind]
    bench = bench_at(tmp_path, ENTRY)
    push_id = land(bench, make(), name)
    processes = multiprocessing.get_context("spawn")
    heard, told = processes.Pipe(duplex=False)
    process = processes.Process(target=_apply_in_a_process, args=(tmp_path, told))
    process.start()
    process.join()
    assert process.exitcode == 0, kind
    assert heard.recv() < MOST_MEMORY
    judged(bench, push_id)
    tried("heavy files")
