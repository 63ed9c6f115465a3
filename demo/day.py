"""One tenant's day: what its people do on the platform, and who writes to it and calls it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.accounts import DemoTenant
from demo.callers import a_number
from demo.traffic import AiRequest, Traffic

CAMPAIGNS = ("reminders", "offers", "service")
NOBODY_ANSWERS = "0012"  # the last digits of such a number in the sandbox


def busyness(tenant: DemoTenant, morning: datetime) -> int:
    """How much happens on this day; weekends are quiet."""
    return max(1, tenant.texts_a_day if morning.weekday() < 5 else tenant.texts_a_day // 2)


def texts_and_calls(tenant: DemoTenant, morning: datetime, traffic: Traffic, random: Random) -> list[dict[str, Any]]:
    """Half a day's texts and calls, as actions on the platform."""
    busy = busyness(tenant, morning)
    actions: list[dict[str, Any]] = [
        {"action": "send-text", "to": a_number(random), "campaign": random.choice(CAMPAIGNS)}
        for _ in range(about(busy / 3, random))
    ]
    for _ in range(about(busy / 12, random)):
        lasts = f"{random.randint(1, 9)}{a_length(random):03}"
        ending = NOBODY_ANSWERS if random.random() < 0.1 else lasts
        actions.append({"action": "place-call", "to": a_number(random, ending)})
    for action in actions:
        action |= {"text": next(traffic.texts), "user": random.choice(tenant.logins).email}
    return actions


def about(mean: float, random: Random) -> int:
    """One of the two whole numbers around a mean, so that many of them have it."""
    return int(mean + random.random())


def a_length(random: Random) -> int:
    """Whole seconds of a call: most are short."""
    return min(int(random.triangular(20, 480, 70)), 480)


def actions_of_noon(tenant: DemoTenant, morning: datetime, traffic: Traffic, random: Random) -> list[dict[str, Any]]:
    """The day's other actions, all in the quarter of an hour around noon, as `POST /<tenant>/actions` takes them."""
    busy, day = busyness(tenant, morning), morning.strftime("%Y%m%d")
    actions: list[dict[str, Any]] = []

    def act(action: str, at: datetime, **fields: Any) -> None:
        user = random.choice(tenant.logins).email
        actions.append({"action": action, "at": at.isoformat(), "user": user, **fields})

    _talk(act, random.randint(4 * busy, 8 * busy), morning + timedelta(hours=11, minutes=50), day, traffic)
    noon = morning + timedelta(hours=12)
    for _ in range(busy // 2 + 1):
        act("import-contacts", noon, csv=_contacts(random.randint(1, 6), random))
    if morning.weekday() == 0:
        _launch_week(act, noon, day, traffic, random)
    if morning.weekday() == 2:
        act("launch-journey", noon, name=f"Welcome {day}", steps=["text", "wait a day", "call"])
        act("generate-articles", noon, topic="Answers to common questions", count=random.randint(1, 4))
    return actions


def _talk(act: Any, count: int, start: datetime, day: str, traffic: Traffic) -> None:
    """So many AI messages at the pace of the trace, a conversation of six each; now and then a voice clip."""
    first: AiRequest | None = None
    for n in range(count):
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


def _contacts(count: int, random: Random) -> str:
    """A file of contacts as people import it."""
    return "".join(["phone,name\n", *(f"{a_number(random)},Contact {n + 1}\n" for n in range(count))])
