"""What views and their columns are called in DuckDB's comments, in both languages.

Here belong the words that no declaration holds, and how the declared ones are put together; which views there are is in
``analyst``.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.elements import ELEMENTS
from catalog.elements.base import Mask
from catalog.model import Dimension, Title
from masking.columns import SourceColumn
from masking.methods import METHODS
from masking.product import COUNT_COLUMN, Masking

VIEWS_SUFFIX = "_views"
_VIEWS = {
    "catalogue": Title(
        zh="公共数据资源目录：每个信息项一行，含看不到的",
        en="every column of every resource, also those not visible",
    ),
    "freshness": Title(zh="各数据资源的时效和质量", en="how fresh and how good each resource is"),
}
_SHOWN = Title(zh="本文件的视图、列和脱敏方式", en="the views and columns of this file, and their masks")
#: Columns of ``ops`` by name: a name means the same in all of its tables.
_COLUMNS = {
    "resource": Title(zh="数据资源代码", en="code of the resource"),
    "resource_title": Title(zh="数据资源名称", en="title of the resource"),
    "title": Title(zh="名称", en="title"),
    "category": Title(zh="分类", en="category"),
    "department": Title(zh="数源部门", en="source department"),
    "frequency": Title(zh="更新频率", en="update frequency"),
    "column": Title(zh="列", en="column"),
    "column_title": Title(zh="信息项名称", en="title of the column"),
    "element": Title(zh="数据元", en="data element"),
    "grade": Title(zh="数据分级", en="grade, 1 to 4"),
    "sharing": Title(zh="共享类型", en="sharing type"),
    "opening": Title(zh="开放属性", en="opening type"),
    "conditions": Title(zh="共享条件", en="conditions of sharing"),
    "basis": Title(zh="依据", en="legal basis"),
    "how_to_ask": Title(zh="如何申请", en="how to ask for it"),
    "state": Title(zh="时效状态", en="state against the promise"),
    "last_push": Title(zh="最近推送时间", en="when the newest push came"),
    "last_push_state": Title(zh="最近推送状态", en="what became of the newest push"),
    "data_date": Title(zh="数据日期", en="the day the data speaks for"),
    "next_due": Title(zh="下次应报日", en="next due day"),
    "working_days_late": Title(zh="逾期工作日", en="working days late"),
    "data_age_days": Title(zh="数据距今天数", en="age of the data in days"),
    "score_rows": Title(zh="各项得分所涉的最少行数", en="the fewest rows that each score tells of"),
    "unchanged_periods": Title(zh="内容连续未变期数", en="periods for which the content has been the same"),
    "calendar_known": Title(zh="放假安排是否已公布", en="whether the calendar is published"),
    "rows_standard": Title(zh="标准区行数", en="rows in standard"),
    "rows_quarantined": Title(zh="问题数据行数", en="rows in quarantine"),
    "quality": Title(zh="行合格率", en="share of rows that passed"),
    "schema": Title(zh="视图所在模式", en="schema of the view"),
    "view": Title(zh="视图", en="view"),
    "mask": Title(zh="脱敏方式", en="how it is masked"),
    "period_start": Title(zh="周期首日", en="first day of the period"),
    "period_end": Title(zh="周期末日", en="last day of the period"),
    "due": Title(zh="应报日", en="due day"),
    "received_on": Title(zh="接收日", en="day of receipt"),
    "verdict": Title(zh="结果", en="what became of it"),
    "recorded_at": Title(zh="记录时间", en="when it was recorded"),
    **{each.value: Title(zh=f"{each.title}得分", en=f"score of {each.value}") for each in Dimension},
}


def comment(title: Title | None) -> str:
    """Both languages as one comment; empty where there is no title."""
    return f"{title.zh} · {title.en}" if title else ""


def of_column(column: SourceColumn) -> Title:
    """What a column is called. The catalogue has titles in Chinese: English is the column's name with what its element is."""
    kind, name = ELEMENTS[column.element].title.en, column.name.replace("_", " ").strip()
    if column.title.en != kind:
        return Title(zh=column.title.zh, en=column.title.en.replace("_", " "))
    return Title(zh=column.title.zh, en=name if name == kind else f"{name} ({kind})")


def of_mask(mask: Mask) -> str:
    """What a mask adds to a column's comment; empty where it keeps the value."""
    method = METHODS[mask.method]
    return "" if method.name == "keep" else f"（{method.title.zh} {method.title.en}）"


def of_product(masking: Masking, code: str) -> Mapping[str, str]:
    """The comments of a product's columns: what each is made of, and by which mask."""
    product = masking.products[code].product
    sources = masking.tables[product.source.layer, product.source.table]
    told = {
        name: comment(of_column(source)) + of_mask(product.mask(name, source))
        for name in product.columns
        if (source := sources.get(product.source_name(name)))
    }
    return told | {COUNT_COLUMN: comment(Title(zh="人数或主体数", en="number of subjects"))}


def of_ops(name: str) -> tuple[Title | None, Mapping[str, str]]:
    """What a table of ``ops`` is called, and its columns."""
    title = _SHOWN if name.endswith(VIEWS_SUFFIX) else _VIEWS.get(name)
    return title, {column: comment(words) for column, words in _COLUMNS.items()}
