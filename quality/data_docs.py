"""Results as Great Expectations' Data Docs, in a page that needs no network.

Here belongs the rendering of one result into one HTML text; where it is kept, and who may open it, is decided by the
caller. Whoever is not of the bureau sees counts: :func:`without_values` takes the rest out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from quality.changes import DRIFT, RATIO
from quality.chinese import in_chinese
from quality.divergence import DIVERGENCE
from quality.expectations import great_expectations

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

#: What a result may say beyond the bureau: how many, never which.
COUNTS = (
    *("element_count", "missing_count", "missing_percent", "unexpected_count", "unexpected_percent"),
    *("unexpected_percent_total", "unexpected_percent_nonmissing"),
)
#: What these observe is a count or a share, never a value: it may be said beyond the bureau, too.
COUNTING = {
    *(RATIO, DRIFT, DIVERGENCE),
    *("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"),
    "expect_column_unique_value_count_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_proportion_of_non_null_values_to_be_between",
}
_STYLED = re.compile(r'\sstyle="[^"]*"')
_ELSEWHERE = re.compile(r'<a href="\.\./[^>]*>([^<]*)</a>')
#: Great Expectations puts failing values into its tables as they are; what could become markup is shown full width.
HARMLESS = str.maketrans({"<": "＜", ">": "＞", "&": "＆", '"': "＂", "'": "＇"})


def page(
    result: ExpectationSuiteValidationResult,
    heading: str,
    *,
    values: bool = False,
    links: Sequence[tuple[str, str]] = (),
    stylesheet: str = "",
    english: bool = False,
    columns: Mapping[str, str] | None = None,
) -> str:
    """One result as an HTML page; with ``values`` also the masked values that the result holds, for the bureau.

    ``links`` are addresses with their words, above the heading. The style is in the page, or where a server lets pages
    have none, at the address ``stylesheet`` (its text: :func:`style`). The page speaks Chinese, and calls columns by
    these titles, or ``english``."""
    renderers = great_expectations("great_expectations.render.renderer")
    views = great_expectations("great_expectations.render.view")
    shown = _changed(result if values else without_values(result), lambda found, _: _presentable(found))
    rendering = renderers.ValidationResultsPageRenderer(run_info_at_end=True).render(shown)
    document = _without_charts(rendering.to_json_dict())
    view = views.DefaultJinjaPageView(custom_views_directory=str(files("quality") / "pages"))
    # its ``render`` would take a document before it is translated
    rendered: str = view._get_template("results.j2").render(
        document if english else in_chinese(document, columns or {}),
        heading=heading,
        links=links,
        stylesheet=stylesheet,
        language="en" if english else "zh-CN",
    )
    # the page stands alone: Great Expectations' links to its site's other pages would lead nowhere
    alone = _ELSEWHERE.sub(r"\1", rendered)
    return _STYLED.sub("", alone) if stylesheet else alone


def _without_charts(document: Any) -> Any:
    """The document without charts, which a script from elsewhere would draw: the numbers stand beside them."""
    if isinstance(document, dict):
        return {name: _without_charts(inner) for name, inner in document.items()}
    if isinstance(document, list):
        return [_without_charts(inner) for inner in document if not _is_chart(inner)]
    return document


def _is_chart(block: Any) -> bool:
    return isinstance(block, dict) and block.get("content_block_type") == "graph"


def style() -> str:
    """The style of a page, for a server that sends it apart."""
    return (files("quality") / "pages" / "results.css").read_text(encoding="utf-8")


def without_values(result: ExpectationSuiteValidationResult) -> ExpectationSuiteValidationResult:
    """The same result with counts and shares only: no failing value, no extreme, no most common value."""
    return _changed(result, _counts)


def _changed(
    result: ExpectationSuiteValidationResult, change: Callable[[dict[str, Any], str], dict[str, Any]]
) -> ExpectationSuiteValidationResult:
    core = great_expectations("great_expectations.core")
    copied: ExpectationSuiteValidationResult = core.ExpectationSuiteValidationResult(
        results=[
            core.ExpectationValidationResult(
                success=each.success,
                expectation_config=each.expectation_config,
                result=change(each.result, each.expectation_config.type if each.expectation_config else ""),
            )
            for each in result.results
        ],
        success=result.success,
        suite_name=result.suite_name,
        statistics=result.statistics,
        meta=result.meta,
    )
    return copied


def _counts(found: dict[str, Any], expectation: str) -> dict[str, Any]:
    told = {*COUNTS, "observed_value", "details"} if expectation in COUNTING else set(COUNTS)
    return {name: value for name, value in found.items() if name in told}


def _presentable(found: dict[str, Any]) -> dict[str, Any]:
    """What Great Expectations' renderers can put on a page without harm, and without stumbling: of sets of distinct
    values, which have counts but no percentages, they cannot render the counts."""
    shown: dict[str, Any] = _harmless(found)
    if "unexpected_percent" in shown or not {"unexpected_count", "missing_count"} & shown.keys():
        return shown
    others, missing = shown.pop("unexpected_count", 0), shown.pop("missing_count", 0)
    some = shown.pop("partial_unexpected_list", None)
    named = f" ({', '.join(map(str, some))})" if some else ""
    return shown | {"observed_value": f"{others} other values{named}, {missing} missing"}


def _harmless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _harmless(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_harmless(inner) for inner in value)
    return value.translate(HARMLESS) if isinstance(value, str) else value
