"""One tenant's day besides its texts: what its people do on the platform, which reports it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.accounts import DemoTenant
from demo.traffic import AiRequest, Traffic

CAMPAIGNS = ("reminders", "offers", "service")


def busyness(tenant: DemoTenant, morning: datetime) -> int:
    """How much happens on this day; weekends are quiet."""
    return max(1, tenant.texts_a_day if morning.weekday() < 5 else tenant.texts_a_day // 2)


def actions_of_day(tenant: DemoTenant, morning: datetime, traffic: Traffic, random: Random) -> list[dict[str, Any]]:
    """The day's actions, as the platform's `POST /<tenant>/actions` takes them."""
    busy, day = busyness(tenant, morning), morning.strftime("%Y%m%d")
    actions: list[dict[str, Any]] = []

    def act(action: str, at: datetime, **fields: Any) -> None:
        user = random.choice(tenant.logins).email
        actions.append({"action": action, "at": at.isoformat(), "user": user, **fields})

    _talk(act, busy, morning + timedelta(hours=11), day, traffic)
    noon = morning + timedelta(hours=12)
    for _ in range(busy // 2 + 1):
        act("import-contacts", noon, csv=_contacts(random.randint(1, 6), random))
    if morning.weekday() == 0:
        _launch_week(act, noon, day, traffic, random)
    if morning.weekday() == 2:
        act("launch-journey", noon, name=f"Welcome {day}", steps=["text", "wait a day", "call"])
        act("generate-articles", noon, topic="Answers to common questions", count=random.randint(1, 4))
    return actions


def _talk(act: Any, busy: int, start: datetime, day: str, traffic: Traffic) -> None:
    """AI messages at the pace of the trace, a conversation of six each; now and then a voice clip."""
    first: AiRequest | None = None
    for n in range(6 * busy):
        request = next(traffic.requests)
        first = first or request
        at = start + timedelta(seconds=max(request.second - first.second, 0))
        tokens = {"context_tokens": request.context_tokens, "generated_tokens": request.generated_tokens}
        act("reply", at, conversation=f"{day}-{n // 6}", prompt=next(traffic.texts), **tokens)
        if n % 12 == 0:
            act("speak", at, text=next(traffic.texts))


def _launch_week(act: Any, noon: datetime, day: str, traffic: Traffic, random: Random) -> None:
    text = next(traffic.texts)
    act("create-template", noon, name=f"Week {day}", text=text)
    act("generate-template", noon, name=f"Offer {day}", purpose="this week's offer")
    act("launch-campaign", noon, name=random.choice(CAMPAIGNS), text=text, to=[a_number(random), a_number(random)])


def a_number(random: Random) -> str:
    """Somebody's telephone number."""
    return f"+1555{random.randint(2_000_000, 9_999_999)}"


def _contacts(count: int, random: Random) -> str:
    """A file of contacts as people import it."""
    return "".join(["phone,name\n", *(f"{a_number(random)},Contact {n + 1}\n" for n in range(count))])
