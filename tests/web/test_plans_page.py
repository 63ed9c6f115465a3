"""The plans page: what each plan would have cost on one's own months, what a year saves, what would be lost."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask

from dashboard.billing.periods.periods import month_start
from dashboard.models import Tenant
from dashboard.wiring import now, unit_of_work
from tests.factories import record
from tests.platform import log_in, new_tenant, set_up_stripe


def words(app: Flask, tenant_id: int, path: str) -> str:
    answer = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/{path}")
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def test_plans_are_compared_on_ones_own_months(app: Flask) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    assert "no whole month of usage yet" in words(app, tenant_id, "plans")
    with unit_of_work() as unit:
        at = month_start(now()) - timedelta(days=3)
        tenant = unit.get_one(Tenant, tenant_id)
        record(unit, tenant, now=at, quantity=1_100, occurred_at=at.isoformat())
    text = words(app, tenant_id, "plans")
    assert "on your last 1 month" in text
    assert re.search(r"Starter Cheapest 53.00 \$53.00 more \$53.00", text)
    assert "Free would have stopped you: it includes less than you used of SMS sent." in text
    assert "saves 17%" in text
    assert re.search(r"Starter Cheapest 48.16 ", words(app, tenant_id, "plans?interval=yearly"))
    assert "a month" in words(app, tenant_id, "plans?interval=%3Cscript%3E")
