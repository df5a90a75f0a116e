"""Every format a department sends becomes the same raw frame; nothing of a file is lost, and none stops a run."""

from __future__ import annotations

import functools
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.build import Context
from assets.ingest import decoding
from assets.ingest.readers import RAW, UNKNOWN, Reading, UnreadableError, read
from assets.standard import apply_waiting, make_tables
from catalog.load import load
from catalog.model import Entry, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import open_ledger
from lake.tables import Lake
from quality.plan import compile_entry
from quality.split import split

Rows = Callable[..., list[tuple[Any, ...]]]
Read = Callable[..., Reading]

CSV = "身份号码,姓名,金额\n44180219900101001X,张三,1.5\n441802199001010028,李四,\n"
EXPECTED = [(1, "44180219900101001X", "张三", "1.5"), (2, "441802199001010028", "李四", None)]


def tidy(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Empty cells are null in some readers and empty in others; both mean nothing."""
    return [tuple(cell or None for cell in row) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_csv_in_every_encoding_and_line_ending(rows: Rows, encoding: str, ending: str) -> None:
    assert tidy(rows(CSV.replace("\n", ending).encode(encoding))) == EXPECTED


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
def test_csv_with_every_delimiter(rows: Rows, delimiter: str) -> None:
    assert tidy(rows(CSV.replace(",", delimiter).encode(), "push.txt")) == EXPECTED


@pytest.mark.parametrize(("pack", "ending"), [(gzip.compress, "gz"), (zstandard.compress, "zst")])
def test_compressed_csv(rows: Rows, pack: Callable[[bytes], bytes], ending: str) -> None:
    assert tidy(rows(pack(CSV.encode()), f"push.csv.{ending}")) == EXPECTED


RECORDS = [
    {"姓名": "张三", "身份号码": "44180219900101001X", "金额": 1.5},
    {"身份号码": "441802199001010028", "姓名": "李四"},
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("push.ndjson", "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS)),
        ("push.ndjson", "\n".join(json.dumps(record) for record in RECORDS) + "\n"),
        ("push.json", json.dumps(RECORDS)),
        ("push.json", json.dumps({"total": 2, "data": RECORDS, "page": 1})),
        ("push.json", json.dumps({"code": 200, "data": {"list": RECORDS, "total": 2}})),
        ("push", json.dumps(RECORDS, indent=1)),
    ],
)
def test_json_in_the_shapes_apis_give(rows: Rows, name: str, text: str) -> None:
    assert rows(text.encode(), name) == EXPECTED


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_columnar_formats(rows: Rows, kind: str) -> None:
    frame = pl.DataFrame(RECORDS)
    sink = io.BytesIO()
    write = {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "arrows": frame.write_ipc_stream}[kind]
    write(sink)
    assert rows(sink.getvalue(), f"push.{kind}") == EXPECTED


def test_columnar_types_become_text(reading: Read, entry_of: Callable[..., Entry]) -> None:
    of = entry_of(
        {name: {"title": name, "element": "text"} for name in ("whole", "rounded", "day", "many", "bytes_")}
    )
    frame = pl.DataFrame(
        {
            "whole": [2020.0, None],
            "rounded": [4.41802199001011e17, 0.5],
            "day": pl.Series(["2024-01-02", None]).str.to_date(),
            "many": [["a", "b"], None],
            "bytes_": [b"\x01\xff", None],
        }
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    found = reading(sink.getvalue(), "push.parquet", of).frame.collect()
    assert found["whole"].to_list() == ["2020", None]
    assert found["rounded"].to_list() == ["4.41802199001011e+17", "0.5"]
    assert found["day"].to_list() == ["2024-01-02", None]
    assert found["bytes_"].to_list() == ["01ff", None]
    assert found["many"].to_list() == ['["a","b"]', None]


def workbook(*sheets: list[list[Any]]) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        for cells in sheets:
            sheet = book.add_worksheet()
            for place, row in enumerate(cells):
                sheet.write_row(place, 0, row)
    return sink.getvalue()


HEADER = ["身份号码", "姓名", "金额"]


def test_spreadsheet_under_a_title_and_over_footnotes(reading: Read) -> None:
    cells = [
        ["清远市某登记表"],
        [],
        HEADER,
        ["44180219900101001X", "张三", 1.5],
        ["注：截至六月"],
        ["填表人："],
    ]
    found = reading(workbook(cells), "push.xlsx")
    assert found.frame.select("_row", "person_id", "name", "amount").collect().rows() == EXPECTED[:1]
    assert "2 footnote lines" in found.notes[0]


def test_several_sheets_with_the_header_are_one_table(reading: Read) -> None:
    book = workbook(
        [HEADER, ["44180219900101001X", "张三", "1.5"]],
        [["说明"], ["请勿修改"]],
        [HEADER, ["441802199001010028", "李四", None]],
    )
    found = reading(book, "push.xlsx")
    assert found.frame.select("_row", "person_id", "name", "amount").collect().rows() == EXPECTED
    assert any("2 sheets joined" in note for note in found.notes)
    assert any("1 sheets without" in note for note in found.notes)


def test_identifiers_that_became_numbers_are_never_given_digits(reading: Read) -> None:
    """A number of 18 digits has lost its last three; made into text again it would be somebody else's identifier."""
    ids = [441802199001010000, 441802199001011234, 4.41802e17]
    found = reading(workbook([HEADER, *([number, "张三", 1] for number in ids)]), "push.xlsx")
    assert found.frame.collect()["person_id"].to_list() == ["4.41802E+17"] * 3


def test_an_identifier_that_became_a_number_is_quarantined_for_that_reason(
    reading: Read, entry: Entry
) -> None:
    cells = [HEADER, [441802199001010000, "张三", 1], ["11010519491231002X", "李四", 1]]
    for content, name in (
        (workbook(cells), "push.xlsx"),
        ("身份号码,姓名\n4.41802E+17,张三\n11010519491231002X,李四\n".encode(), "push.csv"),
        ("身份号码,姓名\n4.41802e+17,张三\n11010519491231002X,李四\n".encode("gb18030"), "push.csv"),
    ):
        parts = split(reading(content, name).frame, compile_entry(entry))
        rejected = parts.rejected.collect()
        assert rejected["_row"].to_list() == [1]
        reasons = {reason["rule"]: reason["reason_zh"] for reason in rejected["reasons"][0]}
        assert "科学计数" in reasons["person_id.not_a_float"]
        assert parts.accepted.collect()["name"].to_list() == ["李四"]


def test_identifiers_kept_as_text_stay(reading: Read) -> None:
    ids = ["441802199001010000", "441802199001009984", "44180219900101001X"]
    found = reading(workbook([HEADER, *([text, "张三", 1] for text in ids)]), "push.xlsx")
    assert found.frame.collect()["person_id"].to_list() == ids


def test_header_over_three_merged_rows(reading: Read, entry_of: Callable[..., Entry]) -> None:
    of = entry_of(
        {
            "city": {"title": "地市", "element": "text", "required": True},
            "cases": {"title": "确诊病例累计", "element": "integer"},
            "inside": {"title": "境内", "element": "integer"},
            "hospital": {"title": "在院总数", "element": "integer"},
        }
    )
    cells = [
        ["某市情况统计表"],
        ["序号", "地市", "确诊病例", None, "在院病例"],
        [],
        [None, None, "累计", "境内", "在院总数"],
        [1, "广州市", 573, 377, 12],
    ]
    found = reading(workbook(cells), "push.xlsx", of).frame.collect()
    assert found.select("_row", "city", "cases", "inside", "hospital", f"{UNKNOWN}序号").rows() == [
        (1, "广州市", "573", "377", "12", "1")
    ]


def test_geojson_features_become_rows(reading: Read, entry_of: Callable[..., Entry]) -> None:
    of = entry_of(
        {
            "name": {"title": "名称", "element": "text"},
            "geometry": {"title": "图形", "element": "geometry"},
            "longitude": {"title": "经度", "element": "longitude"},
        }
    )
    document = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "a"},
                "geometry": {"type": "Point", "coordinates": [113.05, 23.7]},
            },
            {"type": "Feature", "properties": None, "geometry": None},
        ],
    }
    found = reading(json.dumps(document).encode(), "push.geojson", of).frame.collect()
    assert json.loads(found["geometry"][0]) == {"type": "Point", "coordinates": [113.05, 23.7]}
    assert found["longitude"].to_list() == ["113.05", None]
    assert found.height == 2


def test_quoted_cells_with_delimiters_quotes_and_line_breaks(rows: Rows) -> None:
    text = '身份号码,姓名,金额\n"1","张,三","1"\n2,"李""四",\n3,"王\n五",2\n'
    assert tidy(rows(text.encode())) == [
        (1, "1", "张,三", "1"),
        (2, "2", '李"四', None),
        (3, "3", "王\n五", "2"),
    ]


def test_ragged_rows_are_kept_and_marked(reading: Read) -> None:
    frame = reading(
        "身份号码,姓名,金额\n1,张三,5\n2,李四\n3,王五,1,多余,的\n\n4,赵六,7\n".encode()
    ).frame.collect()
    assert frame["person_id"].to_list() == ["1", "2", "3", "4"]
    assert frame["amount"].to_list() == ["5", None, "1,多余,的", "7"]
    assert [bool(problem) for problem in frame["_problem"]] == [False, True, True, False]
    assert frame["_row"].to_list() == [1, 2, 3, 5]


def test_a_stray_quote_does_not_swallow_the_rows_after_it(reading: Read) -> None:
    body = "".join(f"{number},张三,{number}\n" for number in range(500))
    frame = reading(f'身份号码,姓名,金额\nx,"张三,1\n{body}'.encode()).frame.collect()
    assert frame.height == 501
    assert frame["_problem"][0] is not None
    assert frame["_problem"].null_count() == 500


def test_rows_of_nothing_but_delimiters_are_no_rows(rows: Rows) -> None:
    assert [row[0] for row in rows("身份号码,姓名,金额\n1,a,1\n,,\n , ,\n2,b,2\n".encode())] == [1, 4]


def test_preamble_and_footnotes_of_a_statistical_export(reading: Read) -> None:
    text = "数据库：登记\n时间：2024\n身份号码,姓名,金额\n1,张三,1\n注：1.口径有变，\n　　2.含新区\n数据来源：某局\n\n"
    found = reading(text.encode("gb18030"))
    assert found.frame.collect()["person_id"].to_list() == ["1"]
    assert any("footnote" in note for note in found.notes)


def test_a_row_that_begins_like_a_footnote_stays(rows: Rows) -> None:
    assert len(rows("身份号码,姓名,金额\n1,a,1\n注1,b,2\n3,c,\n".encode())) == 3


def test_unknown_and_blank_headers_keep_their_cells(reading: Read) -> None:
    found = reading("身份号码,姓名,备注,,\n1,张三,好,x,\n".encode())
    frame = found.frame.collect()
    assert frame[f"{UNKNOWN}备注"].to_list() == ["好"]
    assert frame[f"{UNKNOWN}第4列"].to_list() == ["x"]
    assert f"{UNKNOWN}第5列" not in frame.columns


def test_header_only_is_a_report_of_nothing(rows: Rows) -> None:
    for content in ("身份号码,姓名,金额\n", "身份号码,姓名,金额", "\ufeff身份号码,姓名,金额\r\n"):
        assert rows(content.encode()) == []
    assert rows(workbook([HEADER]), "push.xlsx") == []


def test_a_few_broken_characters_mark_their_rows_only(reading: Read) -> None:
    """A name cut in the middle of a character by a field of fixed width must not refuse ten thousand good rows."""
    good = "".join(f"{number},张三丰,1\n" for number in range(300))
    content = ("身份号码,姓名,金额\n" + good).encode("gb18030") + b"9,\xd5\xff,1\n"
    frame = reading(content).frame.collect()
    assert frame.height == 301
    assert [bool(problem) for problem in frame["_problem"]] == [False] * 300 + [True]


def test_bytes_far_down_that_are_not_utf8_change_the_encoding_of_the_whole(reading: Read) -> None:
    filler = "".join(f"{number},abc,1\n" for number in range(120_000))
    frame = reading(
        "身份号码,姓名,金额\n".encode("gb18030") + filler.encode() + "x,张三,2\n".encode("gb18030")
    ).frame
    assert frame.tail(1).collect()["name"].to_list() == ["张三"]
    ascii_head = ("person_id,name,amount\n" + filler).encode() + "x,张三,2\n".encode("gb18030")
    assert reading(ascii_head).frame.tail(1).collect()["name"].to_list() == ["张三"]


def test_words_that_are_also_utf8(reading: Read) -> None:
    """联通 in GB18030 is a valid UTF-8 text of two Semitic letters."""
    for encoding in ("gb18030", "utf-8"):
        frame = reading("person_id,name\n1,联通\n".encode(encoding)).frame.collect()
        assert frame["name"].to_list() == ["联通"]


def test_fast_and_careful_reading_agree(reading: Read) -> None:
    """A file that Polars scans and the same one with a ragged row at its end give the same rows."""
    body = "".join(
        f'{number},"张,{number}",\n' if number % 3 else f"{number},李四,{number}\n" for number in range(1000)
    )
    fast = reading(("身份号码,姓名,金额\n" + body).encode()).frame.collect()
    careful = reading(("身份号码,姓名,金额\n" + body + "x,y\n").encode()).frame.collect()
    assert "_problem" not in fast.columns
    columns = ["_row", "person_id", "name", "amount"]
    assert tidy(fast.select(columns).rows()) == tidy(careful.head(1000).select(columns).rows())


def test_numbers_in_json_keep_their_digits(reading: Read, entry: Entry) -> None:
    lines = '{"person_id":441802199001011234,"name":"a","amount":12345678901234567890.12}\n{"person_id":4.41802E+17,"name":"b","amount":2020.0}'
    frame = reading(lines.encode(), "push.ndjson", entry).frame.collect()
    assert frame["person_id"].to_list() == ["441802199001011234", "4.41802E+17"]
    assert frame["amount"].to_list() == ["12345678901234567890.12", "2020"]


def test_lines_that_are_no_object_stay_whole_and_marked(reading: Read) -> None:
    lines = '{"person_id":"1","name":"a"}\n{"person_id":"2","na\n[1,2]\n{"name":"x","name":"y"}\n\n{"person_id":"3","name":"\\ud800"}'
    frame = reading(lines.encode(), "push.ndjson").frame.collect()
    assert [bool(problem) for problem in frame["_problem"]] == [False, True, True, True, False]
    assert frame[f"{UNKNOWN}{RAW}"].to_list()[1:3] == ['{"person_id":"2","na', "[1, 2]"]
    assert frame["name"].to_list() == ["a", None, None, '["x", "y"]', "\ufffd"]
    assert frame["_row"].to_list() == [1, 2, 3, 4, 6]


def test_large_row_by_row_files_leave_memory(monkeypatch: pytest.MonkeyPatch, reading: Read) -> None:
    monkeypatch.setattr("assets.ingest.gathering.BATCH_ROWS", 10)
    lines = "\n".join(
        json.dumps({"person_id": str(n), "name": "a"} | ({"x": "1"} if n > 25 else {})) for n in range(45)
    )
    frame = reading(lines.encode(), "push.ndjson").frame.collect()
    assert frame["_row"].to_list() == list(range(1, 46))
    assert frame[f"{UNKNOWN}x"].null_count() == 26


def refused(reading: Read, content: bytes, name: str) -> str:
    with pytest.raises(UnreadableError) as caught:
        reading(content, name).frame.collect()
    assert caught.value.reason.zh
    return caught.value.reason.en


REFUSED = [
    (CSV.encode(), "push.xlsx", "not what the name"),
    (CSV.encode(), "push.parquet", "not what the name"),
    (CSV.encode(), "push.json", "not what the name"),
    (json.dumps(RECORDS).encode(), "push.csv", "not what the name"),
    (workbook([HEADER]), "push.csv", "not what the name"),
    (b"<html><table><tr><td>1", "push.xls", "no table of the page"),
    (b"<html><table><tr><td>1", "push.csv", "not what the name"),
    (b"PAR1", "push.parquet", "half-written"),
    (b"ARROW1\0\0", "push.arrow", "half-written"),
    (workbook([HEADER])[:-40], "push.xlsx", "half-written"),
    (b"PK\x03\x04 nothing", "push.xlsx", "half-written"),
    (b"\xd0\xcf\x11\xe0 nothing", "push.xls", "half-written"),
    (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "push.xlsx", "password"),
    (b'[{"person_id": "1"', "push.json", "half-written"),
    (b'{"person_id": "1', "push.ndjson", "half-written"),
    (b'{"a": [{"b": 1}], "c": [{"d": 1}]}', "push.json", "more than one"),
    (b"[" * 200_000, "push.json", "half-written"),
    (gzip.compress(CSV.encode())[:-9], "push.csv.gz", "broken or cut short"),
    (zstandard.compress(CSV.encode() * 9)[:-4], "push.csv.zst", "broken or cut short"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff", "push.dat", "unknown binary"),
    ("一,二\n三,四\n".encode(), "push.csv", "no header"),
    ("姓名,金额\n张三,1\n".encode(), "push.csv", "person_id"),
    ("身份号码,姓名,姓名\n".encode(), "push.csv", "repeated header"),
    (b"\n\n\n", "push.csv", "no header"),
    (workbook([["甲", "乙"]]), "push.xlsx", "no sheet"),
    (("身份号码,姓名\n".encode("gb18030") + b"\xff\xfe\xfa" * 500), "push.csv", "encoding"),
]


# named, since a workbook's bytes hold the time it was made
@pytest.mark.parametrize(
    ("content", "name", "says"), REFUSED, ids=[f"{name} {says}" for _, name, says in REFUSED]
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    reading: Read, content: bytes, name: str, says: str
) -> None:
    assert says in refused(reading, content, name)


@pytest.mark.parametrize(("pack", "ending"), [(gzip.compress, "gz"), (zstandard.compress, "zst")])
def test_compression_bombs_are_refused(
    reading: Read,
    pack: Callable[[bytes], bytes],
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(decoding, "MAX_PLAIN_BYTES", 1 << 20)
    assert "too large" in refused(reading, pack(b"0" * (4 << 20)), f"push.csv.{ending}")
    assert not any((tmp_path / "work").iterdir())


def test_spreadsheet_bombs_are_refused_before_they_are_read(
    reading: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.ingest.spreadsheets._SAFE_BYTES", 100)
    monkeypatch.setattr("assets.ingest.spreadsheets.MAX_UNPACKED", 1 << 20)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (4 << 20))
    assert "too large" in refused(reading, sink.getvalue(), "push.xlsx")


def test_a_large_json_document_is_asked_for_as_lines(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.ingest.readers.MAX_DOCUMENT", 10)
    assert "NDJSON" in refused(reading, json.dumps(RECORDS).encode(), "push.json")


def test_scratch_copies_go_when_the_push_is_done(tmp_path: Path, entry: Entry) -> None:
    path = tmp_path / "push.csv"
    path.write_bytes(CSV.encode("gb18030"))
    with decoding.scratch_folder(tmp_path) as work:
        assert read(path, entry, work=work).frame.collect().height == 2
        assert any(work.iterdir())
    assert list((tmp_path / "scratch").iterdir()) == []


PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\u0085"), max_size=8
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.tuples(PLAIN, PLAIN, PLAIN), max_size=8),
    encoding=st.sampled_from(["utf-8", "gb18030", "utf-16"]),
)
def test_whatever_is_written_as_csv_is_read_back(
    reading: Read, cells: list[tuple[str, str, str]], encoding: str
) -> None:
    import csv

    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(HEADER)
    writer.writerows([f"x{place}{first}", *rest] for place, (first, *rest) in enumerate(cells))
    frame = reading(sink.getvalue().encode(encoding)).frame.collect()
    read_back = tidy(frame.select("person_id", "name", "amount").rows())
    assert read_back == tidy([(f"x{place}{first}", *rest) for place, (first, *rest) in enumerate(cells)])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.text(st.sampled_from('ab,"张\t \u3000;'), min_size=1, max_size=12), min_size=1, max_size=12
    ),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_no_line_of_a_broken_file_is_lost(reading: Read, lines: list[str], ending: str) -> None:
    """Every letter of the body is in some cell of some row, whatever the quotes and delimiters do."""
    body = [f"{place}z{line}" for place, line in enumerate(lines)]
    frame = reading(ending.join(["身份号码,姓名,金额", *body]).encode()).frame.collect()
    cells = "".join(cell or "" for row in frame.rows() for cell in row if isinstance(cell, str))
    for letter in "ab张z":
        assert cells.count(letter) >= sum(line.count(letter) for line in body)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=200).map(lambda tail: CSV.encode() + tail),
        st.binary(max_size=60).map(lambda tail: CSV.encode("gb18030") + tail),
        st.text(max_size=200).map(lambda text: ("身份号码,姓名\n" + text).encode("utf-8", "surrogatepass")),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    name=st.sampled_from(["push.csv", "push.json", "push.ndjson", "push", "push.geojson", "push.csv.gz"]),
)
def test_no_bytes_raise_anything_but_a_refusal(reading: Read, content: bytes, name: str) -> None:
    try:
        reading(content, name).frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh
        assert refusal.reason.en


def _damaged(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content) - 1))
    return content[:start] + draw(st.binary(max_size=20)) + content[start + draw(st.integers(0, 30)) :]


@functools.cache
def _whole(kind: str) -> bytes:
    """The same bytes each time: a workbook holds the time it was made."""
    if kind == "xlsx":
        return workbook([HEADER, ["1", "a", 1]])
    sink = io.BytesIO()
    frame = pl.DataFrame(RECORDS)
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "arrows": frame.write_ipc_stream}[kind](sink)
    return sink.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["parquet", "arrows", "xlsx"]))
def test_damaged_binary_files_are_refused_or_read(reading: Read, data: st.DataObject, kind: str) -> None:
    try:
        reading(data.draw(st.composite(_damaged)(_whole(kind))), f"push.{kind}").frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh


def test_new_columns_are_reported_on_the_receipt(tmp_path: Path) -> None:
    """They stay in landing with the file; the receipt names them, and the rest of the row is taken in."""
    home = Home.open(tmp_path)
    context = Context(home, Lake(home.lake), load())
    cremation = context.catalogue.entry("cremation")
    cells = dict.fromkeys(cremation.columns, "x") | {"新列": "甲"}
    push = receive(
        home,
        open_ledger(home),
        cremation,
        [f"{','.join(cells)}\n{','.join(cells.values())}\n".encode()],
        way=Way.FILE,
        filename="a.csv",
        data_format="csv",
        data_date=date(2024, 6, 30),
    )
    make_tables(context, cremation)
    apply_waiting(context, "cremation")
    assert open_ledger(home).get(push.id).notes == ["未知列 unknown column: 新列"]


CELL = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["=1+1", "=A1", "=NA()", "+cmd", "@x", "-2", "{=1}", "4.41802E+17", "=HYPERLINK(0)"]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    above=st.lists(st.lists(CELL, max_size=4), max_size=4),
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=6),
    more=st.lists(st.sampled_from(["姓名", "身份号码", "", "备注", "备注"]), max_size=2),
)
def test_whatever_is_typed_into_a_spreadsheet_is_read_or_refused(
    reading: Read, above: list[list[Any]], rows: list[tuple[Any, ...]], more: list[str]
) -> None:
    """Formulas count as the value they last had, never as what they would do; repeated headers refuse the push."""
    try:
        frame = reading(workbook([*above, [*HEADER, *more], *rows]), "push.xlsx").frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh
        return
    cells = [cell for row in frame.rows() for cell in row if isinstance(cell, str)]
    assert not [cell for cell in cells if cell.startswith(("=", "{="))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=60),
    encoding=st.sampled_from(
        ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "big5", "utf-32"]
    ),
    cut=st.integers(0, 40),
    delimiter=st.sampled_from([",", "\t", ";", "|", "，", "\0", "^"]),
    header=st.lists(st.sampled_from([*HEADER, "备注", "", "\0"]), min_size=1, max_size=6),
)
def test_any_encoding_delimiter_and_header_cut_anywhere_is_read_or_refused(
    reading: Read, text: str, encoding: str, cut: int, delimiter: str, header: list[str]
) -> None:
    whole = f"{delimiter.join(header)}\n{text}\n{delimiter.join('abc')}\n".encode(encoding, "replace")
    try:
        reading(whole[: len(whole) - cut]).frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    depth=st.integers(1, 3_000),
    opening=st.sampled_from(["[", '{"a":', '[{"a":']),
    name=st.sampled_from(["json", "ndjson"]),
)
def test_json_of_any_depth_is_read_or_refused(reading: Read, depth: int, opening: str, name: str) -> None:
    closing = {"[": "]", '{"a":': "}", '[{"a":': "}]"}[opening]
    try:
        reading((opening * depth + "1" + closing * depth).encode(), f"push.{name}").frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh
