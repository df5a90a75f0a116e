"""Pages of tables that systems export as ``.xls``: read as any sheet, in bounded memory, and nothing of them is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.ingest import html_tables
from assets.ingest.readers import Reading, UnreadableError
from tests.conftest import Tried

Rows = Callable[..., list[tuple[Any, ...]]]
Read = Callable[..., Reading]

PAGE = """<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head>
<meta http-equiv="Content-Type" content="text/html; charset=gb2312"><style>td {mso-number-format:"\\@"}</style></head>
<body><table border=1><tr><td colspan="3"><b>遗体火化信息</b>（2024年6月）</td></tr>
<tr><th>身份号码<th>姓　名</th><th>金额</th></tr>
<tr><td style='vnd.ms-excel.numberformat:@'>44180219900101001X</td><td>张&nbsp;三<td> 1.5 </tr>
<tr><td>441802199001010028</td><td>李<br/>四 &lt;李&gt;</td></tr>
<tr><td>制表人：王五</td></tr></table><script>document.write('<table><tr><td>x')</script></body></html>"""


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["push.xls", "push.xlsx", "push.html", "push"])
def test_a_page_is_read_under_its_header(rows: Rows, encoding: str, name: str) -> None:
    assert rows(PAGE.encode(encoding), name) == [
        (1, "44180219900101001X", "张 三", "1.5"),
        (2, "441802199001010028", "李 四 <李>", None),
    ]


def test_spans_leave_blanks_and_nested_tables_are_tables_of_their_own(rows: Rows) -> None:
    page = (
        "<table><tr><td>导航<table><tr><th>身份号码</th><th>姓名</th><th>金额</th></tr>"
        "<tr><td rowspan=2>a</td><td>b</td><td>1</td></tr><tr><td>c</td><td>2</td></tr>"
        "<tr><td colspan=2>d</td><td>3</td></tr></table></td></tr></table>"
    )
    assert rows(page.encode(), "push.xls") == [(1, "a", "b", "1"), (2, None, "c", "2"), (3, "d", None, "3")]


@pytest.mark.parametrize(
    "page",
    [
        "<html><body>会话已过期，请重新登录</body></html>",
        "<table><tr><td>" + "<table><tr><td>" * 300,
        "<table><tr><th>身份号码<th>姓名</tr>" + "<tr><td colspan=1999>" * 100,
        "<table><tr><td colspan=3000>x",
        "<html><!-- " + "x" * (3 << 20),
        "<html><table a='" + "x" * (3 << 20),
    ],
    ids=["no table", "nested", "spans", "wide", "a comment", "a tag"],
)
def test_a_page_that_is_no_export_is_refused(
    reading: Read, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_tables, "MAX_CELLS", 100_000)
    with pytest.raises(UnreadableError):
        reading(page.encode(), "push.xls")


def test_a_large_page_is_asked_for_in_another_format(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_tables, "MAX_PAGE", 100)
    with pytest.raises(UnreadableError, match="CSV"):
        reading(PAGE.encode(), "push.xls")


TAGS = (
    "table",
    "tr",
    "td",
    "th",
    "/table",
    "/tr",
    "/td",
    "br",
    "td rowspan=3",
    "td colspan=2",
    "!--",
    "script",
    "/script",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(st.one_of(st.sampled_from([f"<{tag}>" for tag in TAGS]), st.text(max_size=6)), max_size=30),
    cut=st.integers(0, 10),
)
def test_whatever_a_page_holds_it_is_read_or_refused(
    reading: Read, tried: Tried, body: list[str], cut: int
) -> None:
    page = "<table><tr><td>身份号码<td>姓名<td>金额</tr>" + "".join(body)
    try:
        reading(page.encode("utf-8", "replace")[: len(page) - cut], "push.xls").frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh
    tried("files made by hypothesis")
