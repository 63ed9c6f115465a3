"""Pages of the tenant with most of the rows, as a member's browser asks for them: one caller, whole HTTP answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.figures import Figure
from bench.load import get, send
from bench.services import Services
from dashboard.billing import accounts
from dashboard.models import Role, Tenant
from dashboard.wiring import unit_of_work

PAGES = {"overview": "", "usage": "/usage"}


def measure_usage_pages(services: Services, rows: int) -> Iterator[Figure]:
    """The overview and the usage page as they open. Call after the ledger was filled."""
    tenant_id = services.tenants[0][0]
    headers = {"Cookie": f"session={log_in(services, tenant_id)}"}
    for name, path in PAGES.items():
        request = get(services.base, f"/tenants/{tenant_id}{path}", headers)
        send(services.base, [request] * 50, 2)
        load = send(services.base, [request] * 300, 1)
        p99 = round(load.percentile(0.99) * 1_000, 2)
        yield Figure(
            f"page.{name}_{rows // 1_000_000}m_p50_ms",
            load.percentile(0.5) * 1_000,
            "ms p50",
            15,
            is_limit=True,
            more={"p99_ms": p99},
        )


def log_in(services: Services, tenant_id: int) -> str:
    """The session cookie of a new member."""
    password, email = secrets.token_hex(16), f"{secrets.token_hex(8)}@bench.example"
    with services.app.app_context(), unit_of_work() as session:
        user = accounts.create_user(session, email=email, name="Bench", password=password, now=datetime.now(UTC))
        accounts.add_member(session, session.get_one(Tenant, tenant_id), user, Role.OWNER)
    client = services.app.test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
    token = found[1] if found else ""
    client.post("/login", data={"csrf_token": token, "email": email, "password": password})
    cookie = client.get_cookie("session")
    if cookie is None:
        raise RuntimeError("the login failed")
    return cookie.value
