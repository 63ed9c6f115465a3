"""How reports look in JSON, and which columns they have as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.periods.periods import Period
from dashboard.billing.reports.attribution import Attribution, Group
from dashboard.billing.reports.late_usage import Late
from dashboard.billing.reports.ranges import Range
from dashboard.billing.reports.usage_details import UsageDetail
from dashboard.billing.reports.usage_summaries import Slot, TypeSummary, UsageSeries, UsageSummary
from dashboard.web.api.answers import EventOut, GroupOut, SlotOut, TypeOut


def columns_of(model: type[TypeOut | SlotOut | GroupOut | EventOut]) -> list[str]:
    """The columns of a CSV file: the members of the JSON object, in its order."""
    return [field.alias or name for name, field in model.model_fields.items()]


def cells(views: Iterable[dict[str, Any]]) -> Iterator[list[object]]:
    """Each JSON object as a row of `columns_of` its shape."""
    return (list(view.values()) for view in views)


def view_span(span: Range) -> dict[str, Any]:
    """From, to and the period."""
    return {"from": span.start, "to": span.stop, "period": _view_period(span.period) if span.period else None}


def _view_period(period: Period) -> dict[str, Any]:
    return {
        "key": period.key,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "plan": period.plan,
        "has_subscription": period.subscription_id is not None,
        "is_current": period.is_current,
    }


def view_summary(summary: UsageSummary) -> dict[str, Any]:
    """`SummaryOut`."""
    recorded = [each.total.recorded_at for each in summary.types if each.total.recorded_at]
    return {
        **view_span(summary.span),
        "currency": summary.currency,
        "estimated_cost": summary.estimated_cost,
        "late_events": sum(each.late.events for each in summary.types),
        "last_recorded_at": max(recorded, default=None),
        "types": [view_type(each) for each in summary.types],
    }


def view_type(each: TypeSummary) -> dict[str, Any]:
    """`TypeOut`."""
    kind, allowance = each.usage_type, each.allowance
    included = allowance.included if allowance else None
    return {
        "usage_type": kind.name,
        "label": kind.label,
        "unit": kind.unit,
        "aggregation": kind.aggregation,
        "quantity": each.total.quantity,
        "events": each.total.events,
        "included": included,
        "remaining": max(included - each.total.quantity, 0) if included is not None else None,
        "over": allowance.over if allowance and included is not None else None,
        "estimated_cost": allowance.estimated_cost if allowance else None,
        **_view_late(each.late, kind),
        "last_recorded_at": each.total.recorded_at,
    }


def view_total(series: UsageSeries, kind: UsageType) -> dict[str, Any]:
    """`TotalOut`."""
    return {"quantity": series.total.quantity, "events": series.total.events, **_view_late(series.late, kind)}


def view_slot(slot: Slot, kind: UsageType) -> dict[str, Any]:
    """`SlotOut`."""
    return {
        "from": slot.start,
        "to": slot.stop,
        "quantity": slot.quantity,
        "events": slot.events,
        **_view_late(slot.late, kind),
    }


def view_group(group: Group) -> dict[str, Any]:
    """`GroupOut`."""
    return asdict(group)


def group_rows(found: Attribution) -> Iterator[list[object]]:
    """The groups as rows of a CSV file, with a last row for what the others have together, so that they add up."""
    yield from cells(view_group(group) for group in found.groups)
    if found.other_groups:
        other = view_other(found)
        yield [f"({other['groups']} others)", None, other["quantity"], other["events"]]


def view_other(found: Attribution) -> dict[str, Any]:
    """`OtherOut`."""
    events = found.total.events - sum(group.events for group in found.groups)
    return {"groups": found.other_groups, "quantity": found.other.quantity if found.other else None, "events": events}


def view_event(event: UsageDetail) -> dict[str, Any]:
    """`EventOut`."""
    view = {name: getattr(event, name) for name in EventOut.model_fields if name != "late"}
    return {**view, "late": event.is_late}


def _view_late(late: Late, kind: UsageType) -> dict[str, Any]:
    return {"late_quantity": None if kind.is_level else late.quantity, "late_events": late.events}
