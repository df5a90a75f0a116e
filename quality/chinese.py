"""Great Expectations' pages in Chinese: what its renderers say around the values, and nothing of the values themselves.

Here belong the words. What a rule means is said in both languages by its own reason; the sentences with which Great Expectations
describes an expectation that has none stay English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WORDS = {
    "Overview": "概览",
    "Table-Level Expectations": "整表规则",
    "Run Info": "运行信息",
    "Info": "信息",
    "Statistics": "统计",
    "Expectation Suite:": "规则集：",
    "Data asset:": "数据资源：",
    "Status:": "结论：",
    "Succeeded": "通过",
    "Failed": "未通过",
    "Evaluated Expectations": "已评估规则",
    "Successful Expectations": "通过的规则",
    "Unsuccessful Expectations": "未通过的规则",
    "Success Percent": "通过率",
    "Status": "结论",
    "Expectation": "检查内容",
    "Observed Value": "实际情况",
    "Unexpected Value": "问题值",
    "Sampled Unexpected Values": "问题值示例",
    "Count": "数量",
    "Value": "值",
    "Quantile": "分位数",
    "Min Value": "下限",
    "Max Value": "上限",
    "Median": "中位数",
    "null": "空值",
    "Great Expectations Version": "Great Expectations 版本",
    "Run Name": "运行名称",
    "Run Time": "运行时间",
    "Batch Spec": "数据批次",
    "data_asset_name": "数据资源",
    "datasource_name": "数源部门",
    "is a required field.": "必须有该列。",
    "KL Divergence: $observed_value": "KL 散度：$observed_value",
    "\n\n$unexpected_count unexpected values found. $unexpected_percent of $element_count total rows.": (
        "\n\n共 $element_count 行，其中 $unexpected_count 个值有问题，占 $unexpected_percent。"
    ),
}
_SHARES = (
    # a rule's reason says what would be wrong: "0%" beside it would be read twice
    (re.compile(r"^0% unexpected$"), "没有问题"),
    (re.compile(r"^100% not null$"), "没有空值"),
    (re.compile(r"^(≈?[\d.e-]+%) unexpected$"), r"\1 有问题"),
    (re.compile(r"^(≈?[\d.e-]+%) not null$"), r"\1 不为空"),
    (re.compile(r"^(\d+) other values(.*), (\d+) missing$"), r"另有 \1 个值\2，缺 \3 个值"),
)
#: Words stand under these names in a rendered document, or in a list; a failing value only in a list of its own cell.
_SAID_UNDER = {
    *("template", "section_name", "suite_title", "data_asset", "status_title", "success"),
    *("table", "header_row", "value", "observed_value"),
}


def in_chinese(document: Any, columns: Mapping[str, str], under: str = "") -> Any:
    """A rendered document with Great Expectations' words in Chinese, and each column's section under its title."""
    if isinstance(document, dict):
        return {name: in_chinese(inner, columns, name) for name, inner in document.items()}
    if isinstance(document, list):
        return [in_chinese(inner, columns, under) for inner in document]
    if not isinstance(document, str) or under not in _SAID_UNDER:
        return document
    if under in ("section_name", "template") and document in columns:
        return f"{columns[document]} {document}"
    return _word(document)


def _word(said: str) -> str:
    for pattern, chinese in _SHARES:
        if pattern.match(said):
            return pattern.sub(chinese, said)
    return WORDS.get(said, said)
