"""Headers are matched by name, title or alias, through noise, and never twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.ingest.headers import match, refusal
from catalog.model import Entry


@pytest.mark.parametrize(
    "header",
    [
        "person_id",
        "PERSON_ID",
        "身份号码",
        "公民身份号码",
        " 身份\n号码 ",
        "\ufeff身份号码",
        "＊身份号码",
        "身份号码：",
        '"身份号码"',
        "身 份 号 码",
        "身份号码（必填）",
        "身份号码[格式：18位]",
        "ｐｅｒｓｏｎ＿ｉｄ",
    ],
)
def test_noise_does_not_hide_a_column(entry: Entry, header: str) -> None:
    assert match(entry, [header]).positions == {"person_id": 0}


@pytest.mark.parametrize("header", ["金额（万元）", "身份号码2", "身份", "", "   ", None, "监护人身份号码"])
def test_what_means_something_else_is_not_matched(entry: Entry, header: str | None) -> None:
    assert match(entry, [header]).positions == {}


def test_a_unit_that_changes_nothing_is_no_other_column(entry: Entry) -> None:
    assert match(entry, ["金额（元）"]).positions == {"amount": 0}


def test_any_order_with_unknown_headers_kept_and_missing_ones_told_apart(entry: Entry) -> None:
    found = match(entry, ["备注", "姓名", None, "身份号码"])
    assert found.positions == {"name": 1, "person_id": 3}
    assert found.unknown == ((0, "备注"),)
    assert (found.missing_required, found.missing_optional) == ((), ("amount",))
    assert refusal(entry, found) is None


def test_missing_required_column_is_refused_with_its_title(entry: Entry) -> None:
    reason = refusal(entry, match(entry, ["金额", "姓名"]))
    assert reason is not None
    assert "身份号码（person_id）" in reason.zh
    assert "person_id" in reason.en


def test_two_headers_of_one_column_are_refused(entry: Entry) -> None:
    reason = refusal(entry, match(entry, ["姓名", "身份号码", "公民身份号码"]))
    assert reason is not None
    assert "身份号码" in reason.zh


def test_a_title_counts_before_another_columns_alias(entry_of: Callable[..., Entry]) -> None:
    entry = entry_of(
        {
            "org_name": {"title": "名称", "element": "organisation_name"},
            "kind_name": {"title": "类别", "element": "text", "aliases": ["名称"]},
        }
    )
    assert match(entry, ["名称"]).positions == {"org_name": 0}


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=12))
def test_every_header_is_matched_unknown_or_blank(entry: Entry, headers: list[str | None]) -> None:
    found = match(entry, headers)
    unknown = {index for index, _ in found.unknown}
    blank = {index for index, header in enumerate(headers) if not (header or "").strip()}
    accounted = set(found.positions.values()) | unknown | blank
    assert found.repeated or accounted == set(range(len(headers)))
