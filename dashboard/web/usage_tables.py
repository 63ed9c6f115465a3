"""The tables of the usage pages as rows of a file, and what their parts are called."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dashboard.billing.reports import UsageReport
from dashboard.billing.usage_details import UsageDetail
from dashboard.billing.usage_scope import Scope
from dashboard.billing.usage_series import Series
from dashboard.web.formats import utc_hour, week_day

ACTION_COLUMNS = (
    *("id", "occurred_at", "recorded_at", "usage_type", "quantity", "user_id", "resource_type", "resource_id"),
    *("metadata", "source", "idempotency_key", "corrects_id", "corrected_by", "late"),
)


def series_label(series: Series, scope: Scope, others: int) -> str:
    """What a colour of the chart is called; `others` is how many are gathered in the last one."""
    if series.usage_type is not None:
        return series.usage_type.label
    if series.is_other:
        return f"{others:,} others"
    if series.key is None:
        return "No user" if scope.group_by == "user" else "No resource"
    return f"{series.resource_type} {series.key}" if series.resource_type else series.key


def slot_labels(report: UsageReport) -> dict[str, str]:
    """What each slot is called on the page, by its key: a day, an hour, or an hour of some day."""
    scope = report.scope
    is_one_day = scope.span.stop - scope.span.start <= timedelta(days=1)
    labels = {}
    for row in report.slots:
        parts = [] if scope.granularity == "hour" and is_one_day else [week_day(row.start.date())]
        labels[row.key] = ", ".join([*parts, utc_hour(row.start)] if scope.granularity == "hour" else parts)
    return labels


def slot_columns(report: UsageReport) -> list[str]:
    """The heads of the chart's table: the slot's bounds, each series, their sum, the slot before."""
    labels = [series_label(each, report.scope, report.other_groups) for each in report.series]
    return ["from", "to", *(labels if len(labels) > 1 else []), report.scope.units_label, "before"]


def slot_rows(report: UsageReport) -> Iterator[list[object]]:
    """Its rows, those to come left out."""
    for row in report.slots:
        if not row.is_future:
            values = row.values if len(report.series) > 1 else ()
            yield [row.start, row.stop, *values, row.total, row.previous]


def action_row(action: UsageDetail) -> list[object]:
    """One action in the order of `ACTION_COLUMNS`."""
    return [
        *(action.id, action.occurred_at, action.recorded_at, action.usage_type, action.quantity),
        *(action.user_id, action.resource_type, action.resource_id, action.metadata, action.source),
        *(action.idempotency_key, action.corrects_id, action.corrected_by, action.is_late),
    ]


def file_name(scope: Scope, what: str) -> str:
    """A download's name without its ending."""
    return f"{what}-{scope.key.lower().replace('_', '-')}-{scope.span.start:%Y-%m-%d}-{scope.span.stop:%Y-%m-%d}"
