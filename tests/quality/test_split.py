"""Every raw row ends in exactly one of two frames, whole, with every reason."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.model import Entry, Severity
from quality.plan import compile_entry, content_schema
from quality.split import PROBLEM, REASONS, UNPARSED, split, whole_row
from tests.quality.conftest import MAN, WOMAN, entry, raw

GOOD = {"resident_id": WOMAN, "name": "李雷", "sex": "女", "birth_date": "1949-12-31", "status": "正常"}


def parts(declared: Entry, rows: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    found = split(rows, compile_entry(declared))
    accepted, rejected, counts = pl.collect_all([found.accepted, found.rejected, found.counts])
    return accepted, rejected, counts.row(0, named=True)


def rules_of(rejected: pl.DataFrame) -> list[list[str]]:
    return [[reason["rule"] for reason in reasons] for reasons in rejected["reasons"]]


def test_a_good_row_is_typed_and_standardised() -> None:
    accepted, rejected, _ = parts(
        entry(), raw({**GOOD, "resident_id": "11010519491231002x ", "birth_date": "1949年12月31日"})
    )
    assert rejected.is_empty()
    assert accepted.schema == pl.Schema(
        {**content_schema(entry()), "_row": pl.Int64(), "_warnings": pl.List(pl.String())}
    )
    row = accepted.row(0, named=True)
    assert (row["resident_id"], str(row["birth_date"]), row["sex"]) == (WOMAN, "1949-12-31", "2")
    assert row["_warnings"] == []


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"name": None}, ["name.required"]),
        ({"name": "无"}, ["name.required"]),
        ({"resident_id": WOMAN[:-1] + "1"}, ["resident_id.check_digit"]),
        (
            {"resident_id": WOMAN[:-1] + "1", "name": ""},
            ["resident_id.check_digit", "name.required"],
        ),
    ],
)
def test_a_bad_row_is_kept_whole_with_every_reason(change: dict[str, str | None], rules: list[str]) -> None:
    accepted, rejected, counts = parts(entry(), raw(GOOD | {"resident_id": MAN}, GOOD | change))
    assert accepted["_row"].to_list() == [1]
    assert rejected["_row"].to_list() == [2]
    assert rules_of(rejected) == [rules]
    assert json.loads(rejected["cells"][0]) == GOOD | change
    assert json.loads(rejected["key"][0]) == {"resident_id": (GOOD | change)["resident_id"]}
    assert (counts["total"], counts["accepted"], counts["rejected"]) == (2, 1, 1)
    assert {rule: counts[rule] for rule in rules} == dict.fromkeys(rules, 1)


def test_an_optional_columns_fault_is_only_recorded() -> None:
    accepted, rejected, counts = parts(entry(), raw(GOOD | {"birth_date": "不详", "status": "走了"}))
    assert rejected.is_empty()
    assert accepted["_warnings"].to_list() == [["birth_date.unreadable", "status.values"]]
    assert accepted["birth_date"].to_list() == [None]
    assert counts["birth_date.unreadable"] == 1


def test_a_rejected_row_lists_its_warnings_among_the_reasons() -> None:
    _, rejected, _ = parts(entry(), raw(GOOD | {"name": None, "status": "走了"}))
    assert rules_of(rejected) == [["name.required", "status.values"]]
    assert "值域" in rejected["reasons"][0][1]["reason_zh"]


def test_a_column_the_file_lacks_counts_as_empty() -> None:
    accepted, _, counts = parts(entry(), raw({"resident_id": WOMAN, "name": "李雷"}))
    assert accepted["status"].to_list() == [None]
    assert counts["status.values"] == 0


def test_a_row_that_could_not_be_parsed_is_rejected_with_what_it_held() -> None:
    rows = raw(GOOD).with_columns(pl.lit("9 cells, 5 headers").alias(PROBLEM))
    _, rejected, counts = parts(entry(), rows)
    assert UNPARSED in rules_of(rejected)[0]
    told = [reason["reason_en"] for reason in rejected["reasons"][0] if reason["rule"] == UNPARSED]
    assert told == ["the row could not be read: 9 cells, 5 headers"]
    assert "9 cells" in rejected["cells"][0]
    assert counts[UNPARSED] == 1


def test_cells_under_unknown_headers_stay_with_a_rejected_row() -> None:
    _, rejected, _ = parts(entry(), raw({**GOOD, "name": None, "备注": "见附件"}))
    assert json.loads(rejected["cells"][0])["备注"] == "见附件"


def test_a_rule_of_the_entry_rejects_or_warns_as_it_says() -> None:
    rules = [
        {
            "name": "born_as_in_id",
            "expectation": "expect_column_to_match_resident_id",
            "arguments": {"column": "birth_date", "id_column": "resident_id", "part": "birth_date"},
            "severity": "warn",
            "dimension": "consistency",
            "reason": {"zh": "不一致", "en": "differs"},
        },
        {
            "name": "no_tests",
            "expectation": "expect_column_values_to_not_be_in_set",
            "arguments": {"column": "name", "value_set": ["测试"]},
            "reason": {"zh": "测试数据", "en": "a test"},
        },
    ]
    declared = entry(rules=rules)
    accepted, rejected, _ = parts(
        declared,
        raw(GOOD | {"birth_date": "1949-12-30"}, GOOD | {"name": "测试", "resident_id": MAN}),
    )
    assert accepted["_warnings"].to_list() == [["birth_date.born_as_in_id"]]
    assert "name.no_tests" in rules_of(rejected)[0]
    assert compile_entry(declared).rules[-1].severity is Severity.REJECT


def test_a_rule_over_two_columns_names_the_first() -> None:
    rule = {
        "name": "equal",
        "expectation": "expect_column_pair_values_to_be_equal",
        "arguments": {"column_A": "name", "column_B": "status"},
        "reason": {"zh": "应相等", "en": "equal"},
    }
    _, rejected, _ = parts(entry(rules=[rule]), raw(GOOD))
    assert rejected["reasons"][0][0]["column"] == "name"
    assert rules_of(rejected) == [["name.equal"]]


def test_a_whole_row_goes_to_quarantine_for_a_reason_outside_it() -> None:
    rows = whole_row(raw(GOOD), compile_entry(entry()), "key.superseded", "已被替代", "superseded").collect()
    assert rows.schema["reasons"] == REASONS
    assert rules_of(rows) == [["key.superseded"]]
    assert json.loads(rows["cells"][0]) == GOOD


CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            WOMAN,
            MAN,
            "",
            "无",
            "男",
            "正常",
            "2020-1-1",
            "2020-13-45",
            "１９９９年９月９日",
            "=1+1",
            "Ｘ" * 300,
        ]
    ),
    st.text(max_size=20),
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries(dict.fromkeys(GOOD, CELLS)), max_size=8))
def test_rows_in_are_rows_out_whatever_they_hold(rows: list[dict[str, str | None]]) -> None:
    frame = raw(dict.fromkeys(GOOD), *rows)
    accepted, rejected, counts = parts(entry(), frame)
    assert sorted([*accepted["_row"], *rejected["_row"]]) == list(range(1, len(rows) + 2))
    assert (counts["total"], counts["accepted"], counts["rejected"]) == (
        len(rows) + 1,
        len(accepted),
        len(rejected),
    )
    for number, cells in zip(rejected["_row"], rejected["cells"], strict=True):
        assert json.loads(cells) == [dict.fromkeys(GOOD), *rows][number - 1]
    assert all(len(reasons) for reasons in rejected["reasons"])
