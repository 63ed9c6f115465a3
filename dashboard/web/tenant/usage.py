"""The usage page: chart over table, of any span, type, step and split. Its address says all of it."""

from __future__ import annotations

from flask import Response, g, make_response, render_template, request

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_types import FAMILIES, USAGE_TYPES, UsageType
from dashboard.billing.reports.late_usage import Late, late_by_type
from dashboard.billing.reports.usage_report import UsageReport, report_usage
from dashboard.billing.reports.usage_scope import GROUPINGS, Wanted, find_scope
from dashboard.web.charts import build_chart
from dashboard.web.csv_export import csv_response
from dashboard.web.tenant import blueprint
from dashboard.web.usage_links import UsageLinks, read_wanted
from dashboard.web.usage_tables import file_name, series_label, shown_slots, slot_columns, slot_rows
from dashboard.wiring import now, session


@blueprint.get("/usage")
def usage() -> Response:
    """Usage of `?period=` or `?from=&to=`, of `?family=` (or one type), by `?granularity=` and `?group_by=`.

    `?user=`, `?resource_type=` and `?resource=` narrow it; `?format=csv` is the table as a file.
    """
    try:
        report = _report(read_wanted())
        problem = None
    except InvalidInput as error:
        report = _report(Wanted())
        problem = error
    if problem is None and request.args.get("format") == "csv":
        return csv_response(file_name(report.scope, "usage"), slot_columns(report), slot_rows(report))
    links = UsageLinks(g.tenant.id, report.scope)
    page = render_template(
        "tenant/usage/show.html",
        report=report,
        scope=report.scope,
        links=links,
        names=[series_label(each, report.scope, report.other_groups) for each in report.series],
        slots=shown_slots(report, links),
        chart=build_chart(
            report.slots, others=next((n for n, each in enumerate(report.series, 1) if each.is_other), None)
        ),
        late=_late(report),
        families=FAMILIES.values(),
        types=USAGE_TYPES,
        groupings=GROUPINGS,
        problem=problem,
    )
    return make_response(page, 422 if problem else 200)


def _report(wanted: Wanted) -> UsageReport:
    scope = find_scope(session(), g.tenant, wanted, now())
    return report_usage(session(), g.tenant, scope, now())


def _late(report: UsageReport) -> list[tuple[UsageType, Late]]:
    """What came late in a closed period; a filtered page shows one user's usage, not the period's."""
    if report.scope.filters or not report.scope.span.period:
        return []
    late = late_by_type(session(), g.tenant.id, report.scope.span, list(USAGE_TYPES))
    return [(kind, late[kind.name]) for kind in USAGE_TYPES.values() if kind.name in late]
