"""The tables of the usage pages as rows of a file, and what their parts are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from dashboard.billing.reports.usage_details import UsageDetail
from dashboard.billing.reports.usage_report import UsageReport
from dashboard.billing.reports.usage_scope import Scope
from dashboard.billing.reports.usage_series import Series
from dashboard.web.formats import number, utc_hour, week_day
from dashboard.web.usage_links import UsageLinks

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


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """A slot as the page writes it, once for its bar and its line of the table. `spoken` is both its name and figures.

    `previous` is a dash where there is nothing before.
    """

    key: str
    label: str
    target: str
    values: tuple[str, ...]
    previous: str
    total: str
    spoken: str


def shown_slots(report: UsageReport, links: UsageLinks) -> list[ShownSlot]:
    """The slots that are not still to come, which are the last ones."""
    scope = report.scope
    is_one_day = scope.span.stop - scope.span.start <= timedelta(days=1)
    slots = []
    for row in report.slots:
        if row.is_future:
            break
        parts = [] if scope.granularity == "hour" and is_one_day else [week_day(row.start.date())]
        label = ", ".join([*parts, utc_hour(row.start)] if scope.granularity == "hour" else parts)
        total = number(row.total)
        previous = number(row.previous) if row.previous is not None else None
        before = "" if previous is None else f", before {previous}"
        values = tuple(number(value) for value in row.values) if len(report.series) > 1 else ()
        spoken = f"{label}: {total} {scope.units_label}{before}"
        slots.append(ShownSlot(row.key, label, links.into(row), values, previous or "–", total, spoken))
    return slots


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
