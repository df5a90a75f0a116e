"""An entry's plan as a real Great Expectations suite, and citylake's own expectations registered with Great Expectations.

Here belong only the objects; what a rule means in Polars is in ``compile.py``, and judging data is in ``results.py``.
Great Expectations takes seconds to import: it is imported inside functions, through :func:`great_expectations`.
"""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from catalog.elements import ELEMENTS
from catalog.model import Entry, Severity
from quality.changes import CHANGES, DRIFT, RATIO
from quality.compile import failing_expression
from quality.plan import AnyRule, Plan, compile_entry

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

#: What a failed rule means to Great Expectations' own severities, which its alerts go by.
SEVERITIES = {Severity.REJECT: "critical", Severity.HOLD: "critical", Severity.WARN: "warning"}
#: Where a rule's citylake facts stand in an expectation's ``meta``.
META = "citylake"


@cache
def great_expectations(module: str = "great_expectations") -> Any:
    """A module of Great Expectations, with citylake's expectations registered. Its import warns about others' sins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        imported = importlib.import_module(module)
        _register()
    return imported


def suite(entry: Entry) -> ExpectationSuite:
    """The entry's suite: one expectation for each rule, in the plan's order."""
    return suite_of(compile_entry(entry))


def suite_of(plan: Plan) -> ExpectationSuite:
    """As :func:`suite`, of a plan that is compiled already."""
    gx = great_expectations()
    entry = plan.entry
    meta = {"resource": entry.code, "version": entry.version, "department": entry.department}
    made: ExpectationSuite = gx.ExpectationSuite(
        name=entry.code,
        expectations=[expectation(rule) for rule in (*plan.rules, *plan.sets)],
        meta={META: meta | {"title": entry.title.model_dump()}},
    )
    return made


def expectation(rule: AnyRule) -> Any:
    """One rule as Great Expectations' object; its ``meta`` says what failing means, its description says it to people."""
    registry = great_expectations("great_expectations.expectations.registry")
    facts = {"rule": rule.code, "severity": rule.severity.value, "dimension": rule.dimension.value}
    return registry.get_expectation_impl(rule.expectation)(
        **rule.arguments,
        severity=SEVERITIES[rule.severity],
        description=f"{rule.reason.zh} · {rule.reason.en}",
        meta={META: facts | {"reason": rule.reason.model_dump()}},
    )


@cache
def _register() -> None:
    """Define citylake's expectations: Great Expectations registers each class as it is made."""
    _register_element_checks()
    _register_over_rows()
    _register_over_pushes()


def _register_element_checks() -> None:
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
        column_condition_partial,
    )
    from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
        ColumnMapMetricProvider,
    )

    class ExpectColumnValuesToConformToElement(ColumnMapExpectation):
        """Every value passes one check of its data element (数据元): a resident id's check digit, a code's shape."""

        element: str
        check: str
        map_metric: ClassVar[str] = "column_values.conform_to_element"
        success_keys: ClassVar[tuple[str, ...]] = ("element", "check", "mostly")
        args_keys: ClassVar[tuple[str, ...]] = ("column", "element", "check", "mostly")

    class ConformToElement(ColumnMapMetricProvider):
        """The same check on Great Expectations' pandas engine, for those who run a suite there."""

        condition_metric_name = "column_values.conform_to_element"
        condition_value_keys = ("element", "check")

        @column_condition_partial(engine=PandasExecutionEngine)
        def _pandas(cls, column: Any, element: str, check: str, **more: Any) -> Any:  # noqa: N805
            return conforming(column.tolist(), element, check).to_numpy()


def _register_over_rows() -> None:
    from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
        ExpectColumnValuesToNotBeNull,
    )
    from great_expectations.expectations.expectation import ColumnMapExpectation

    class ExpectColumnValuesToBeReadable(ExpectColumnValuesToNotBeNull):
        """Wherever the raw column says something, a value of the element could be made of it. Judged in Polars only."""

        element: str
        raw: str | None = None
        map_metric: ClassVar[str] = "column_values.be_readable"
        success_keys: ClassVar[tuple[str, ...]] = ("element", "raw", "mostly")
        args_keys: ClassVar[tuple[str, ...]] = ("column", "element", "raw", "mostly")

    class ExpectColumnToMatchResidentId(ColumnMapExpectation):
        """The birth date or sex equals that inside the resident id of the same row. Judged in Polars only."""

        id_column: str
        part: str
        map_metric: ClassVar[str] = "column_values.match_resident_id"
        success_keys: ClassVar[tuple[str, ...]] = ("id_column", "part", "mostly")
        args_keys: ClassVar[tuple[str, ...]] = ("column", "id_column", "part", "mostly")

    class ExpectColumnValuesToExistInOtherTables(ColumnMapExpectation):
        """Every value stands in one of these columns (``resource.column``) of other tables. Judged in Polars only."""

        among: list[str]
        map_metric: ClassVar[str] = "column_values.exist_in_other_tables"
        success_keys: ClassVar[tuple[str, ...]] = ("among", "mostly")
        args_keys: ClassVar[tuple[str, ...]] = ("column", "among", "mostly")


def _register_over_pushes() -> None:
    from great_expectations.expectations.expectation import BatchExpectation, ColumnAggregateExpectation

    class ExpectTableRowCountRatioToLastPushToBeBetween(BatchExpectation):
        """The rows of this push, divided by those of the last one, lie within these bounds. Judged in Polars only."""

        min_value: float | None = None
        max_value: float | None = None
        success_keys: ClassVar[tuple[str, ...]] = ("min_value", "max_value")
        args_keys: ClassVar[tuple[str, ...]] = ("min_value", "max_value")

        def _validate(
            self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
        ) -> Any:
            return self._validate_metric_value_between(CHANGES[RATIO].reads, metrics)

    class ExpectColumnDriftToBeLessThan(ColumnAggregateExpectation):
        """The column's values are distributed as before: the population stability index (``psi``), or the share of rows
        that would have to be others (``total_variation``), stays below the threshold. Judged in Polars only."""

        threshold: float
        measure: str = "psi"
        min_rows: int | None = None
        success_keys: ClassVar[tuple[str, ...]] = ("measure", "threshold", "min_rows")
        args_keys: ClassVar[tuple[str, ...]] = ("column", "measure", "threshold", "min_rows")

        def _validate(
            self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
        ) -> Any:
            drift = metrics[CHANGES[DRIFT].reads]
            said = {
                "observed_value": drift,
                "details": {"measure": self.measure, "threshold": self.threshold},
            }
            return {"success": drift is None or drift < self.threshold, "result": said}


def conforming(values: list[Any], element: str, check: str) -> pl.Series:
    """Whether each value passes the element's check."""
    frame = pl.DataFrame({"value": pl.Series(values, dtype=ELEMENTS[element].dtype, strict=False)})
    arguments = {"column": "value", "element": element, "check": check}
    fails = failing_expression("expect_column_values_to_conform_to_element", arguments)
    return frame.select(~fails).to_series()
