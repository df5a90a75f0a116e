"""From counts to Great Expectations' own results; and any of its suites over any lazy frame, in one streaming scan.

Here belongs the last step: an expectation is given the metrics that it asks for and judges by its own code, so that success,
percentages and ``mostly`` are Great Expectations'. What is counted is stated in ``compile.py``, ``aggregates.py`` and
``evidence.py``. Values are shown only of columns that the caller names, through the mask given for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from quality import aggregates
from quality.aggregates import AGGREGATES, HEADINGS
from quality.changes import CHANGES, Before
from quality.compile import (
    COMPILERS,
    REFUSED,
    Arguments,
    Domain,
    Judgement,
    UnsupportedExpectationError,
    judgement,
    row_condition,
)
from quality.evidence import SHOWN, Evidence, Finding, Show, shown_values
from quality.expectations import META, great_expectations
from quality.expectations import expectation as expectation_of
from quality.plan import Plan, RowRule, SetRule
from quality.references import REFERENCE, SAME_ROWS, Tables, asked_tables, with_known

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult

Row = Mapping[str, Any]
UNIQUE = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
RESULT_FORMATS = ("BOOLEAN_ONLY", "BASIC", "SUMMARY")
_JUDGED = Finding(met=True)


@dataclass(frozen=True)
class Question:
    """What one expectation asks of the scan, by name, and how its metrics follow from the answers.

    ``tells`` is the column of which its observed value is a value. ``if_repeated`` is asked only where the scan found fewer
    distinct values than rows: to count them costs half of marking each row that is not alone."""

    expectation: Any
    asks: Mapping[str, pl.Expr]
    metrics: Callable[[Row], dict[str, Any]]
    tells: str | None = None
    if_repeated: Mapping[str, pl.Expr] = field(default_factory=dict)


def supported() -> tuple[str, ...]:
    """Every expectation type that :func:`validate` can judge."""
    return tuple(sorted({*COMPILERS, *AGGREGATES, *CHANGES, *HEADINGS, SAME_ROWS}))


def validate(
    frame: pl.LazyFrame,
    suite: ExpectationSuite,
    *,
    show: Show | None = None,
    result_format: str = "SUMMARY",
    at: datetime | None = None,
    tables: Tables | None = None,
    before: Before | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> ExpectationSuiteValidationResult:
    """Judge a lazy frame by a Great Expectations suite, with one streaming scan for all its expectations (and a second
    one over the columns that should be unique and are not).

    ``show`` names the columns whose failing values may be seen, each with its mask (``{"code": lambda value: value}``
    shows them as they are); of all others only counts leave the scan. NaN is null, as in Great Expectations.
    ``tables`` are the other tables, by name, that expectations between tables ask; ``before`` is what changes are
    measured from. ``parameters`` are the values of the suite's parameters (``{"$PARAMETER": name}``).
    Raises :class:`UnsupportedExpectationError`: an unknown type before anything is read, with what is supported."""
    if result_format not in RESULT_FORMATS:
        msg = f"result_format {result_format} is not supported here; use one of {', '.join(RESULT_FORMATS)}"
        raise ValueError(msg)
    great_expectations()
    schema = frame.collect_schema()
    expectations = [_with_parameters(each, parameters) for each in suite.expectations]
    asking = _asking(expectations, tables or {})
    questions = [
        _question(each, schema, show or {}, before or Before(), tables or {}) for each in expectations
    ]
    answers = _answers(
        with_known(frame.with_columns(cs.float().fill_nan(None)), asking, tables or {}), questions
    )
    found = [
        _result(question, row, show or {}, result_format)
        for question, row in zip(questions, answers, strict=True)
    ]
    return _suite_result(suite.name, found, at, {})


def results(plan: Plan, evidence: Evidence, at: datetime | None = None) -> ExpectationSuiteValidationResult:
    """What one scan counted, as the results of the entry's suite. Where nulls were not counted, none are stated; a rule
    that could not be judged has no result."""
    found = []
    for rule in plan.rules:
        if evidence.findings.get(rule.code, _JUDGED).met is None:
            continue
        expectation = expectation_of(rule)
        metrics = _map_metrics(expectation, _row_of(rule, evidence))
        result = _judged(expectation, metrics, "SUMMARY")
        if not evidence.nulls:
            for unknown in ("missing_count", "missing_percent", "unexpected_percent_nonmissing"):
                result.result.pop(unknown, None)
        found.append(result)
    found += [_set_result(rule, evidence.findings.get(rule.code)) for rule in plan.sets]
    judged = [result for result in found if result is not None]
    facts = {"resource": plan.entry.code, "department": plan.entry.department}
    about = {"datasource_name": plan.entry.department, "data_asset_name": plan.entry.code}
    return _suite_result(plan.entry.code, judged, at, {META: facts, "batch_spec": about})


def _row_of(rule: RowRule, evidence: Evidence) -> Row:
    return {
        "rows": evidence.rows,
        "nulls": evidence.nulls.get(rule.column or "", 0),
        "considered": evidence.considered.get(rule.code, evidence.rows),
        "failing": evidence.failures.get(rule.code, 0),
        "values": evidence.values.get(rule.code),
    }


def _question(expectation: Any, schema: pl.Schema, show: Show, before: Before, tables: Tables) -> Question:
    kind, arguments = expectation.expectation_type, _arguments(expectation)
    if kind in COMPILERS:
        return _row_question(expectation, arguments, show)
    if kind in AGGREGATES:
        compiler = AGGREGATES[kind]
        asks = aggregates.scanned(kind, arguments)
        tells = arguments["column"] if compiler.tells else None

        def metrics(row: Row) -> dict[str, Any]:
            return compiler.handed(compiler.metrics(row, arguments), arguments)

        return Question(expectation, asks, metrics, tells)
    if kind in CHANGES:
        return _change_question(expectation, arguments, before)
    if kind in HEADINGS:
        return Question(expectation, {}, lambda row: aggregates.headings(kind, schema.names()))
    if kind == SAME_ROWS:
        return _same_rows_question(expectation, arguments, tables)
    raise UnsupportedExpectationError(
        kind or type(expectation).__name__,
        REFUSED.get(kind) or f"supported: {', '.join(supported())}",
    )


def _same_rows_question(expectation: Any, arguments: Arguments, tables: Tables) -> Question:
    rows = row_condition(expectation.expectation_type, arguments.get("row_condition"))
    (other,) = asked_tables(expectation.expectation_type, arguments)

    def metrics(row: Row) -> dict[str, Any]:
        there = tables[other].select(pl.len()).collect(engine="streaming").item()
        return {"table.row_count.self": row["rows"], "table.row_count.other": there}

    return Question(expectation, {"rows": pl.len() if rows is None else rows.sum()}, metrics)


def _change_question(expectation: Any, arguments: Arguments, before: Before) -> Question:
    kind = expectation.expectation_type
    change = CHANGES[kind]
    prepared = change.prepared(arguments, before)
    if prepared is None:
        why = "too little is known of before: say so in `before`, with as many rows as it needs"
        raise UnsupportedExpectationError(kind, why)

    def metrics(row: Row) -> dict[str, Any]:
        return {change.reads: change.metric(row, arguments, prepared)}

    return Question(expectation, change.scanned(arguments, prepared), metrics)


def _with_parameters(expectation: Any, parameters: Mapping[str, Any] | None) -> Any:
    """The expectation with the suite's parameters filled in, by Great Expectations' own rules."""
    configuration = expectation.configuration
    asking = [name for name, value in configuration.kwargs.items() if _is_parameter(value)]
    if not asking:
        return expectation
    errors = great_expectations("great_expectations.exceptions")
    try:
        configuration.process_suite_parameters(dict(parameters or {}))
    except errors.SuiteParameterError as error:
        why = f"{', '.join(asking)}: {error}; give its value in `parameters`"
        raise UnsupportedExpectationError(expectation.expectation_type, why) from None
    return configuration.to_domain_obj()


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Mapping) and "$PARAMETER" in value


def _asking(expectations: Sequence[Any], tables: Tables) -> list[Arguments]:
    """The arguments of the expectations that look values up; one whose tables are not given is refused."""
    for each in expectations:
        missing = sorted(set(asked_tables(each.expectation_type, _arguments(each))) - set(tables))
        if missing:
            raise UnsupportedExpectationError(each.expectation_type, f"`tables` lacks {', '.join(missing)}")
    return [_arguments(each) for each in expectations if each.expectation_type == REFERENCE]


def _set_result(rule: SetRule, finding: Finding | None) -> Any:
    """A rule over a whole push as Great Expectations' result; None where it was not judged. The values behind it were
    not kept where they are a column's."""
    if finding is None or finding.met is None:
        return None
    expectation = expectation_of(rule)
    if finding.metrics:
        compiler = AGGREGATES.get(rule.expectation)
        metrics = compiler.handed(finding.metrics, rule.arguments) if compiler else dict(finding.metrics)
        return _judged(expectation, metrics, "SUMMARY")
    core = great_expectations("great_expectations.core")
    return core.ExpectationValidationResult(
        success=finding.met, expectation_config=expectation.configuration, result={}
    )


def _arguments(expectation: Any) -> Arguments:
    """The expectation's arguments with its defaults."""
    names = [*expectation.domain_keys, *expectation.success_keys]
    return {name: getattr(expectation, name) for name in names if hasattr(expectation, name)}


def _row_question(expectation: Any, arguments: Arguments, show: Show) -> Question:
    kind = expectation.expectation_type
    how = judgement(kind, arguments)
    asks = {"rows": pl.len() if how.rows is None else how.rows.sum()}
    if COMPILERS[kind].domain in (Domain.COLUMN, Domain.NULLNESS):
        value = pl.col(arguments["column"])
        asks["nulls"] = (value if how.rows is None else value.filter(how.rows)).null_count()
    else:
        asks["considered"] = pl.len() if how.considered is None else how.considered.sum()
    verdict = {"failing": how.failing.sum()}
    values = shown_values(kind, arguments, how.failing, show)
    if values is not None:
        verdict["values"] = values
    metrics = partial(_map_metrics, expectation)
    if kind in UNIQUE:
        return Question(expectation, asks | _repeats(arguments, how), metrics, if_repeated=verdict)
    return Question(expectation, asks | verdict, metrics)


def _repeats(arguments: Arguments, how: Judgement) -> dict[str, pl.Expr]:
    """How many rows there are to be unique, and how many distinct values or records they have."""
    columns = [arguments["column"]] if "column" in arguments else list(arguments["column_list"])
    record = pl.col(columns[0]) if len(columns) == 1 else pl.struct(columns)
    kept = record if how.considered is None else record.filter(how.considered)
    return {"distinct": kept.n_unique(), "present": kept.len()}


def _answers(frame: pl.LazyFrame, questions: list[Question]) -> list[Row]:
    """What the frame says to each question."""
    try:
        first = _scan(frame, [question.asks for question in questions])
        again = [
            question.if_repeated if row.get("distinct", 0) < row.get("present", 0) else {}
            for question, row in zip(questions, first, strict=True)
        ]
        second = _scan(frame, again)
    except pl.exceptions.PolarsError:
        _blame(frame.collect_schema(), questions)
        raise
    none = {"failing": 0, "values": []}
    return [
        {name: none[name] for name in question.if_repeated} | once | twice
        for question, once, twice in zip(questions, first, second, strict=True)
    ]


def _scan(frame: pl.LazyFrame, asked: list[Mapping[str, pl.Expr]]) -> list[dict[str, Any]]:
    """One streaming scan for everything that is asked; nothing asked, nothing read."""
    expressions = [
        expression.alias(f"{number}:{name}")
        for number, asks in enumerate(asked)
        for name, expression in asks.items()
    ]
    if not expressions:
        return [{} for _ in asked]
    row = frame.select(expressions).collect(engine="streaming").row(0, named=True)
    return [{name: row[f"{number}:{name}"] for name in asks} for number, asks in enumerate(asked)]


def _blame(schema: pl.Schema, questions: list[Question]) -> None:
    """Find the expectation that Polars cannot compute at all (a column that is not there, a pattern it cannot read)."""
    empty = pl.LazyFrame(schema=schema)
    for question in questions:
        try:
            asked = {**question.asks, **question.if_repeated}
            empty.select(expression.alias(name) for name, expression in asked.items()).collect()
        except pl.exceptions.PolarsError as error:
            why = str(error).strip().splitlines()[0]
            raise UnsupportedExpectationError(question.expectation.expectation_type, why) from None


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
    # NumPy's numbers cannot be written as JSON, nor shown by Great Expectations' own renderer
    judged["success"] = bool(judged["success"])
    observed = judged.get("result", {}).get("observed_value")
    if hasattr(observed, "item"):
        judged["result"]["observed_value"] = observed.item()
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
