"""What the demo still reports straight to the usage API: Countinghouse is to count these itself.

To take one out: delete its line here. With none left, delete this file and its one call in `demo/seed.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.accounts import DemoTenant
from demo.day import busyness


def direct_usage_of_day(tenant: DemoTenant, morning: datetime, random: Random) -> list[dict[str, Any]]:
    """Usage events of one day as the usage API takes them."""
    busy, day, noon = busyness(tenant, morning), morning.strftime("%Y%m%d"), morning + timedelta(hours=12)
    events: list[dict[str, Any]] = []

    def add(usage_type: str, quantity: int, at: datetime, **more: Any) -> None:
        key, user = f"{day}-{usage_type}-{len(events)}", random.choice(tenant.logins).email
        event = {"usage_type": usage_type, "quantity": quantity, "idempotency_key": key, "user_id": user}
        events.append({**event, "occurred_at": at.isoformat(), **more})

    for n in range(busy):
        at = morning + timedelta(hours=14, minutes=7 * n)
        call = {"resource_type": "call", "resource_id": f"CA-{day}-{n}"}
        add("CALL_MADE" if n % 3 else "CALL_RECEIVED", 1, at, **call)
        add("CALL_DURATION_SECONDS", random.randint(20, 420), at, **call)
    for n in range(busy // 2 + 1):
        add("SMS_RECEIVED", random.choice((1, 1, 1, 2)), noon + timedelta(minutes=n), resource_type="message")
    add("API_REQUEST", random.randint(40, 90) * busy, noon, resource_type="service", resource_id="platform")
    add("WEBHOOK_TRIGGERED", random.randint(2, 9) * busy, noon, resource_type="endpoint")
    stored = 60 * tenant.texts_a_day + 3 * (morning.date() - tenant.since).days + random.randint(0, 5)
    add("STORAGE_USED_MB", stored, morning + timedelta(hours=18), resource_type="bucket")
    return events
