"""How fast the pages are over a ledger of millions of rows: whole HTTP answers, one reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from bench import history
from bench.figures import Figure
from bench.load import get, send
from bench.services import Services
from dashboard.billing.tenants import accounts
from dashboard.jobs.staff_totals import refresh_staff_totals
from dashboard.models import Role, Tenant
from dashboard.wiring import unit_of_work

PASSWORD = "a password of the bench"  # noqa: S105 (of a server that lives for minutes on loopback)
TENANTS = 100_000
VISITS = 300

# Those without a ledger of their own: staff see a list of many tenants, each with a plan and with something used in its
# period, as mirror and job leave them.
_MORE_TENANTS = (
    """
    INSERT INTO tenants (name, billing_email, stripe_customer_id, created_at)
    SELECT 'Small tenant ' || n, 'small' || n || '@bench.example', 'cus_bench_' || n, %(now)s
      FROM generate_series(1, %(count)s) AS n
    """,
    """
    INSERT INTO billing_states (tenant_id, plan, status, access, entitlements)
    SELECT id, 'professional', 'active', 'full', '{}' FROM tenants WHERE name LIKE 'Small tenant %%'
    """,
    """
    INSERT INTO tenant_usage_totals (tenant_id, usage_type, day, day_quantity, day_events, month, month_quantity,
                                     month_events, period_start, period_end, period_quantity, period_events,
                                     refreshed_at)
    SELECT id, kind, %(day)s, 7, 3, %(month)s, 7, 3, %(now)s - interval '10 days', %(now)s + interval '20 days',
           7, 3 + id %% 1000, %(now)s
      FROM tenants, unnest(ARRAY['SMS_SENT', 'AI_MESSAGE_GENERATED']) AS kind WHERE name LIKE 'Small tenant %%'
    """,
    """
    INSERT INTO tenant_period_events (tenant_id, period_start, period_end, events)
    SELECT tenant_id, min(period_start), max(period_end), sum(period_events)
      FROM tenant_usage_totals GROUP BY tenant_id
    """,
)


def measure_pages(services: Services, rows: int) -> Iterator[Figure]:
    """The pages of the tenant with most of the rows, and of staff over a hundred thousand tenants."""
    history.need(services, rows)
    tenant_id = services.tenants[0][0]
    now = datetime.now(UTC)
    with services.connect() as connection:
        more = {"now": now, "day": now.date(), "month": now.date().replace(day=1)}
        for statement in _MORE_TENANTS:
            connection.execute(statement, {**more, "count": TENANTS - len(services.tenants)})
        connection.commit()
        connection.autocommit = True
        for table in ("tenants", "billing_states", "tenant_usage_totals", "tenant_period_events"):
            connection.execute(f"VACUUM (ANALYZE) {table}")
    with services.app.app_context():
        refresh_staff_totals()
    owner, staff = _cookie(services, tenant_id, now), _cookie(services, None, now)
    size = f"{rows // 1_000_000}m"
    pages = {
        "usage": (owner, f"/tenants/{tenant_id}/usage", 15, 50),
        "overview": (owner, f"/tenants/{tenant_id}", 15, 50),
        "invoices": (owner, f"/tenants/{tenant_id}/invoices", 15, 50),
        "staff": (staff, "/staff", 15, 50),
        "staff_tenants": (staff, "/staff/tenants", 15, 50),
        "staff_busiest": (staff, "/staff/tenants?sort=usage", 15, 50),
    }
    for name, (cookie, path, p50, p99) in pages.items():
        request = get(services.base, path, {"Cookie": cookie, "Accept": "text/html"})
        send(services.base, [request] * 40, 2)
        load = send(services.base, [request] * VISITS, 1)
        yield Figure(f"page.{name}_{size}_p50_ms", load.percentile(0.5) * 1_000, "ms", p50, is_limit=True)
        yield Figure(f"page.{name}_{size}_p99_ms", load.percentile(0.99) * 1_000, "ms", p99, is_limit=True)


def _cookie(services: Services, tenant_id: int | None, now: datetime) -> str:
    """The session of somebody who logged in through the form: an owner, or staff where no tenant is named."""
    email = f"reader-{tenant_id or 'staff'}@bench.example"
    app = services.app
    with app.app_context():
        with unit_of_work() as session:
            user = accounts.create_user(
                session, email=email, name="Reader", password=PASSWORD, is_staff=tenant_id is None, now=now
            )
            if tenant_id is not None:
                accounts.add_member(session, session.get_one(Tenant, tenant_id), user, Role.OWNER)
        browser = app.test_client()
        found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
        if found is None:
            raise RuntimeError("the login page has no form")
        form = {"csrf_token": found.group(1), "email": email, "password": PASSWORD}
        if browser.post("/login", data=form).status_code != 303:
            raise RuntimeError("the reader could not log in")
        cookie = browser.get_cookie("session")
    if cookie is None:
        raise RuntimeError("the login left no session")
    return f"session={cookie.value}"
