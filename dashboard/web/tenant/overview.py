"""The overview: where a member lands, and what a new tenant does first."""

from __future__ import annotations

from flask import g, render_template

from dashboard.billing.invoices.invoice_reports import STATUS_LABELS, has_failed
from dashboard.billing.notices.notices import list_notices
from dashboard.billing.reports.overview import view_overview
from dashboard.billing.reports.usage_report import label_plan
from dashboard.billing.subscriptions.subscription_views import STATUS_LABELS as SUBSCRIPTION_LABELS
from dashboard.web.tenant import BUYERS, blueprint
from dashboard.wiring import now, session, wiring
from dashboard.wording import page_of, words_of

NOTICES = 3


@blueprint.get("")
def overview() -> str:
    """The running period at a glance."""
    found = view_overview(session(), g.tenant, now())
    notices = list_notices(session(), g.tenant.id, NOTICES)
    return render_template(
        "tenant/overview/show.html",
        overview=found,
        period=found.period,
        forecast=found.forecast,
        plan_label=label_plan(found.period.priced_as),
        subscription_labels=SUBSCRIPTION_LABELS,
        invoices=[(each, STATUS_LABELS.get(each.status, each.status), has_failed(each)) for each in found.invoices],
        notices=[(each, words_of(each), page_of(each)) for each in notices],
        may_change=g.role in BUYERS,
        public_url=str(wiring().settings.public_url).rstrip("/"),
    )
