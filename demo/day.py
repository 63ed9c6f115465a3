"""One tenant's day besides its texts: calls, AI, received texts, storage and the rest of the 16 usage types."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.accounts import DemoTenant
from demo.traffic import AiRequest, Traffic


def usage_of_day(tenant: DemoTenant, morning: datetime, traffic: Traffic, random: Random) -> list[dict[str, Any]]:
    """Usage events of one day, as a service of the platform would report them."""
    busy = max(1, tenant.texts_a_day if morning.weekday() < 5 else tenant.texts_a_day // 2)
    day = morning.strftime("%Y%m%d")
    events: list[dict[str, Any]] = []

    def add(usage_type: str, quantity: int, at: datetime, **more: Any) -> None:
        key = f"{day}-{usage_type}-{len(events)}"
        events.append(
            {
                "usage_type": usage_type,
                "quantity": quantity,
                "idempotency_key": key,
                "occurred_at": at.isoformat(),
                "user_id": random.choice(tenant.logins).email,
                **more,
            }
        )

    _add_ai(add, busy, morning + timedelta(hours=11), traffic)
    _add_calls(add, busy, morning + timedelta(hours=14), day, random)
    _add_rest(add, busy, morning, day, random)
    stored = 60 * tenant.texts_a_day + 3 * (morning.date() - tenant.since).days + random.randint(0, 5)
    add("STORAGE_USED_MB", stored, morning + timedelta(hours=18), resource_type="bucket")
    return events


def _add_ai(add: Any, busy: int, start: datetime, traffic: Traffic) -> None:
    """AI messages at the pace of the trace: one event a request, its tokens in the metadata."""
    first: AiRequest | None = None
    for n in range(6 * busy):
        request = next(traffic.requests)
        first = first or request
        at = start + timedelta(seconds=max(request.second - first.second, 0))
        tokens = {"context_tokens": request.context_tokens, "generated_tokens": request.generated_tokens}
        add("AI_MESSAGE_GENERATED", 1, at, resource_type="conversation", metadata=tokens)
        if n % 12 == 0:
            add("AI_VOICE_GENERATED", 1, at, resource_type="voice_clip", metadata={"model": "narrator"})


def _add_calls(add: Any, busy: int, start: datetime, day: str, random: Random) -> None:
    for n in range(busy):
        at = start + timedelta(minutes=7 * n)
        call = {"resource_type": "call", "resource_id": f"CA-{day}-{n}"}
        add("CALL_MADE" if n % 3 else "CALL_RECEIVED", 1, at, **call)
        add("CALL_DURATION_SECONDS", random.randint(20, 420), at, **call)


def _add_rest(add: Any, busy: int, morning: datetime, day: str, random: Random) -> None:
    noon = morning + timedelta(hours=12)
    for n in range(busy // 2 + 1):
        add("SMS_RECEIVED", random.choice((1, 1, 1, 2)), noon + timedelta(minutes=n), resource_type="message")
        add("CONTACT_CREATED", random.randint(1, 6), noon, resource_type="import", resource_id=f"{day}-{n}")
    add("API_REQUEST", random.randint(40, 90) * busy, noon, resource_type="service", resource_id="platform")
    add("WEBHOOK_TRIGGERED", random.randint(2, 9) * busy, noon, resource_type="endpoint")
    if morning.weekday() == 0:
        add("CAMPAIGN_LAUNCHED", 1, noon, resource_type="campaign", resource_id=f"campaign-{day}")
        add("TEMPLATE_CREATED", 1, noon, resource_type="template", resource_id=f"template-{day}")
        add("AI_TEMPLATE_CREATED", 1, noon, resource_type="template", resource_id=f"ai-{day}")
    if morning.weekday() == 2:
        add("JOURNEY_LAUNCHED", 1, noon, resource_type="journey", resource_id=f"journey-{day}")
        add("CONTENT_AI_GENERATED", random.randint(1, 4), noon, resource_type="article")
