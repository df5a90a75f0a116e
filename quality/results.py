"""From counts to Great Expectations' own results; and any of its suites over any lazy frame, in one streaming scan.

Here belongs the last step: an expectation is given the metrics that it asks for and judges by its own code, so that success,
percentages and ``mostly`` are Great Expectations'. What is counted is stated in ``compile.py``, ``aggregates.py`` and
``evidence.py``. Values are shown only of columns that the caller names, through the mask given for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from quality import aggregates
from quality.aggregates import AGGREGATES, HEADINGS
from quality.compile import COMPILERS, Arguments, Domain, UnsupportedExpectationError, judgement
from quality.evidence import SHOWN, Evidence, Show, shown_values
from quality.expectations import META, great_expectations, suite_of
from quality.plan import Plan, RowRule

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult

Row = Mapping[str, Any]
RESULT_FORMATS = ("BOOLEAN_ONLY", "BASIC", "SUMMARY")


@dataclass(frozen=True)
class Question:
    """What one expectation asks of the scan, by name, and how its metrics follow from the answers (None among them:
    values that are not shown)."""

    expectation: Any
    asks: Mapping[str, pl.Expr]
    metrics: Callable[[Row], dict[str, Any]]
    tells: str | None = None


def supported() -> tuple[str, ...]:
    """Every expectation type that :func:`validate` can judge."""
    return tuple(sorted({*COMPILERS, *AGGREGATES, *HEADINGS}))


def validate(
    frame: pl.LazyFrame,
    suite: ExpectationSuite,
    *,
    show: Show | None = None,
    result_format: str = "SUMMARY",
    at: datetime | None = None,
) -> ExpectationSuiteValidationResult:
    """Judge a lazy frame by a Great Expectations suite, with one streaming scan for all its expectations.

    ``show`` names the columns whose failing values may be seen, each with its mask (``{"code": lambda value: value}``
    shows them as they are); of all others only counts leave the scan. NaN is null, as in Great Expectations.
    Raises :class:`UnsupportedExpectationError`, which lists what is supported, before anything is read."""
    if result_format not in RESULT_FORMATS:
        msg = f"result_format {result_format} is not supported here; use one of {', '.join(RESULT_FORMATS)}"
        raise ValueError(msg)
    great_expectations()
    schema = frame.collect_schema()
    questions = [_question(expectation, schema, show or {}) for expectation in suite.expectations]
    row = _scan(frame.with_columns(cs.float().fill_nan(None)), questions)
    found = [
        _result(question, _answers(row, number), show or {}, result_format)
        for number, question in enumerate(questions)
    ]
    return _suite_result(suite.name, found, at, {})


def results(plan: Plan, evidence: Evidence, at: datetime | None = None) -> ExpectationSuiteValidationResult:
    """What one scan counted, as the results of the entry's suite. Where nulls were not counted, none are stated."""
    found = []
    for rule, expectation in zip(plan.rules, suite_of(plan).expectations, strict=True):
        metrics = _map_metrics(expectation, _row_of(rule, evidence))
        result = _judged(expectation, metrics, "SUMMARY")
        if not evidence.nulls:
            for unknown in ("missing_count", "missing_percent", "unexpected_percent_nonmissing"):
                result.result.pop(unknown, None)
        found.append(result)
    facts = {"resource": plan.entry.code, "department": plan.entry.department}
    return _suite_result(plan.entry.code, found, at, {META: facts})


def _row_of(rule: RowRule, evidence: Evidence) -> Row:
    return {
        "rows": evidence.rows,
        "nulls": evidence.nulls.get(rule.column or "", 0),
        "considered": evidence.considered.get(rule.code, evidence.rows),
        "failing": evidence.failures.get(rule.code, 0),
        "values": evidence.values.get(rule.code),
    }


def _question(expectation: Any, schema: pl.Schema, show: Show) -> Question:
    kind, arguments = expectation.expectation_type, _arguments(expectation)
    if kind in COMPILERS:
        asks = dict(_row_asks(kind, arguments, show))
        return Question(expectation, asks, lambda row: _map_metrics(expectation, row))
    if kind in AGGREGATES:
        compiler = AGGREGATES[kind]
        asks = aggregates.scanned(kind, arguments)
        tells = arguments["column"] if compiler.tells else None
        return Question(expectation, asks, lambda row: compiler.metrics(row, arguments), tells)
    if kind in HEADINGS:
        return Question(expectation, {}, lambda row: aggregates.headings(kind, schema.names()))
    msg = f"there is no such aggregation in Polars; supported: {', '.join(supported())}"
    raise UnsupportedExpectationError(kind, msg)


def _arguments(expectation: Any) -> Arguments:
    """The expectation's arguments with its defaults; ones that a run would have to fill in are refused."""
    names = [*expectation.domain_keys, *expectation.success_keys]
    arguments = {name: getattr(expectation, name) for name in names if hasattr(expectation, name)}
    for name, value in arguments.items():
        if isinstance(value, Mapping) and "$PARAMETER" in value:
            raise UnsupportedExpectationError(expectation.expectation_type, f"{name} is a suite parameter")
    return arguments


def _row_asks(kind: str, arguments: Arguments, show: Show) -> Iterator[tuple[str, pl.Expr]]:
    how = judgement(kind, arguments)
    yield "rows", pl.len() if how.rows is None else how.rows.sum()
    if COMPILERS[kind].domain in (Domain.COLUMN, Domain.NULLNESS):
        value = pl.col(arguments["column"])
        yield "nulls", (value if how.rows is None else value.filter(how.rows)).null_count()
    else:
        yield "considered", pl.len() if how.considered is None else how.considered.sum()
    yield "failing", how.failing.sum()
    values = shown_values(kind, arguments, how.failing, show)
    if values is not None:
        yield "values", values


def _scan(frame: pl.LazyFrame, questions: list[Question]) -> Row:
    asked = [
        expression.alias(f"{number}:{name}")
        for number, question in enumerate(questions)
        for name, expression in question.asks.items()
    ]
    if not asked:
        return {}
    try:
        return frame.select(asked).collect(engine="streaming").row(0, named=True)
    except pl.exceptions.PolarsError:
        _blame(frame.collect_schema(), questions)
        raise


def _blame(schema: pl.Schema, questions: list[Question]) -> None:
    """Find the expectation that Polars cannot compute at all (a column that is not there, a pattern it cannot read)."""
    empty = pl.LazyFrame(schema=schema)
    for question in questions:
        try:
            empty.select(expression.alias(name) for name, expression in question.asks.items()).collect()
        except pl.exceptions.PolarsError as error:
            why = str(error).strip().splitlines()[0]
            raise UnsupportedExpectationError(question.expectation.expectation_type, why) from None


def _answers(row: Row, number: int) -> Row:
    mine = f"{number}:"
    return {name.removeprefix(mine): value for name, value in row.items() if name.startswith(mine)}


def _map_metrics(expectation: Any, row: Row) -> dict[str, Any]:
    """What an expectation over rows reads, by Great Expectations' names."""
    metric, values = expectation.map_metric, row.get("values")
    if values and isinstance(values[0], dict) and "column_A" in expectation.domain_keys:
        values = [tuple(pair.values()) for pair in values]
    return {
        "table.row_count": row["rows"],
        "column_values.nonnull.unexpected_count": row.get("nulls", 0),
        f"{metric}.filtered_row_count": row.get("considered", row["rows"]),
        f"{metric}.unexpected_count": row["failing"],
        f"{metric}.unexpected_values": values,
    }


def _result(question: Question, answers: Row, show: Show, result_format: str) -> Any:
    hidden = question.tells is not None and question.tells not in show
    result = _judged(question.expectation, question.metrics(answers), result_format, hidden=hidden)
    if question.tells is not None and not hidden:
        _mask_observed(result.result, show[question.tells])
    return result


def _judged(expectation: Any, metrics: dict[str, Any], result_format: str, *, hidden: bool = False) -> Any:
    """Great Expectations' verdict on these metrics. ``hidden``: the observed value is a value of the column."""
    core = great_expectations("great_expectations.core")
    over_rows = getattr(expectation, "map_metric", None)
    unseen = over_rows is not None and metrics.get(f"{over_rows}.unexpected_values") is None
    wanted = {
        "result_format": result_format,
        "partial_unexpected_count": 0 if hidden else SHOWN,
        "include_unexpected_rows": False,
        "exclude_unexpected_values": unseen,
    }
    judged = expectation._validate(metrics=metrics, runtime_configuration={"result_format": wanted})
    judged["success"] = bool(judged["success"])  # NumPy's, of quantiles, cannot be written as JSON
    if result_format == "BOOLEAN_ONLY":
        judged["result"] = {}
    result = core.ExpectationValidationResult(**judged, expectation_config=expectation.configuration)
    if hidden:
        for telling in ("observed_value", "details"):
            result.result.pop(telling, None)
    return result


def _mask_observed(result: dict[str, Any], mask: Callable[[pl.Expr], pl.Expr]) -> None:
    """The values of the column in a result about the whole column, each through the column's mask."""
    observed = result.get("observed_value")
    if isinstance(observed, dict):
        observed["values"] = _masked(observed["values"], mask)
        result.pop("details", None)
    elif isinstance(observed, list):
        result["observed_value"] = _masked(observed, mask)
    elif observed is not None:
        result["observed_value"] = _masked([observed], mask)[0]
    if "partial_unexpected_list" in result:
        result["partial_unexpected_list"] = _masked(result["partial_unexpected_list"], mask)


def _masked(values: list[Any], mask: Callable[[pl.Expr], pl.Expr]) -> list[Any]:
    return pl.DataFrame({"value": values}, strict=False).select(mask(pl.col("value"))).to_series().to_list()


def _suite_result(
    name: str, found: list[Any], at: datetime | None, meta: Mapping[str, Any]
) -> ExpectationSuiteValidationResult:
    core = great_expectations("great_expectations.core")
    identifiers = great_expectations("great_expectations.core.run_identifier")
    met = sum(bool(result.success) for result in found)
    moment = at or datetime.now(UTC)
    result: ExpectationSuiteValidationResult = core.ExpectationSuiteValidationResult(
        results=found,
        success=met == len(found),
        suite_name=name,
        statistics={
            "evaluated_expectations": len(found),
            "successful_expectations": met,
            "unsuccessful_expectations": len(found) - met,
            "success_percent": met / len(found) * 100 if found else None,
        },
        meta={
            "great_expectations_version": great_expectations().__version__,
            "run_id": identifiers.RunIdentifier(run_name=name, run_time=moment),
            "validation_time": moment.isoformat(),
            "batch_spec": {},
            "batch_markers": {},
            "active_batch_definition": {},
            **meta,
        },
    )
    return result
