"""A push's Data Docs: how it met each rule, as Great Expectations shows it. Departments see counts of their own pushes; the
bureau, at a click that is recorded, also failing values under their default masks.

Here belong the addresses; the page is made in ``pipelines.data_docs``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from assets.push_scores import JUDGED
from catalog.model import Title
from lake.entries import EntryGoneError
from lake.ledger import Push, open_ledger
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.visits import DeniedError, Visit, Visitor
from pipelines.data_docs import docs_page, docs_path
from pipelines.verdicts import newest_judged
from quality.data_docs import style

router = APIRouter()
STYLE_PATH = "/data-docs.css"
#: Great Expectations takes seconds to import, and a large push some to read: one at a time, and none of the pages' threads.
_pool = ThreadPoolExecutor(1, "data-docs")
_NOT_JUDGED = Title(
    zh="该推送没有经过检查，没有质量报告", en="this push was never judged: there is no report"
)
_NO_ENTRY = Title(
    zh="该推送当时所用的目录已无法识别，没有质量报告",
    en="the entry under which this push was judged is not understood any more: there is no report",
)
_NO_VALUES = Title(zh="只有数据局可以查看问题值", en="only the data bureau sees failing values")


@router.get(STYLE_PATH)
def stylesheet(_: Visitor) -> Response:
    """The style of these pages: the page's own rules let none stand inside them."""
    return Response(style(), media_type="text/css")


@router.get("/resources/{code}/data-docs")
def data_docs(visit: Visitor, code: str, push: str = "", values: bool = False) -> Response:
    """The page of one push, or of the newest that was judged."""
    entry = visit.require_entry(code)
    shown = visit.require_push(push) if push else newest_judged(open_ledger(visit.site.context.home), entry)
    if shown is None or shown.resource != code or shown.state not in JUDGED:
        raise DeniedError(404, _NOT_JUDGED)
    if values:
        _require_bureau(visit, shown)
    made = _pool.submit(
        docs_page,
        visit.site.context,
        shown,
        values=values,
        links=_links(visit, shown, values=values),
        stylesheet=STYLE_PATH,
        english=visit.language == "en",
    )
    try:
        return HTMLResponse(made.result())
    except EntryGoneError:
        raise DeniedError(410, _NO_ENTRY) from None


def _require_bureau(visit: Visit, push: Push) -> None:
    if not visit.decides:
        raise DeniedError(403, _NO_VALUES)
    visit.site.accounts.record(visit.account.name, Act.DATA_DOCS_VALUES, push.id)


def _links(visit: Visit, push: Push, *, values: bool) -> tuple[tuple[str, str], ...]:
    back = (f"/resources/{push.resource}", visit.t("返回数据资源", "Back to the resource"))
    receipt = (f"/receipts/{push.id}", visit.t("回执", "Receipt"))
    here = docs_path(push.resource, push.id)
    other = "zh" if visit.language == "en" else "en"
    shown = f"{here}&values=1" if values else here
    language = (f"{shown}&lang={other}", visit.t("English", "中文"))
    if not visit.decides:
        return back, receipt, language
    counts = (here, visit.t("只看数量", "Counts only"))
    masked = (
        f"{here}&values=1",
        visit.t("查看脱敏后的问题值（将被记录）", "Failing values, masked (recorded)"),
    )
    return back, receipt, counts if values else masked, language
