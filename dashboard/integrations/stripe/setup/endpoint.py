"""Our webhook endpoint at Stripe, and the roll to a new one where its API version is another.

An endpoint's API version can never be changed, so a new one is made beside it. Both deliver until the environment has
the secret of the new one: only then the old one is disabled. An event that both deliver counts once, by its id.
Stripe tells a secret once, in its answer to the creation. Until it was handed over, the endpoint's metadata says so:
should it be lost on the way, the next run makes another endpoint and disables this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, cast

from stripe import StripeClient, WebhookEndpoint

from dashboard.integrations.stripe.client import API_VERSION, domain_errors
from dashboard.integrations.stripe.event_types import handled_event_types
from dashboard.integrations.stripe.setup.steps import MANAGED, Action, Step, changed, differences

STATE = "signing_secret"
UNREAD = "not handed over yet"


@dataclass(slots=True)
class NewSecret:
    """The endpoint that a step made and its secret, to be handed over."""

    endpoint_id: str = ""
    secret: str = ""


def plan_endpoint(client: StripeClient, url: str, known: Sequence[str], new: NewSecret) -> Iterator[Step]:
    """The steps for the endpoint at `url`; `known` are the secrets that the environment has."""
    listed = client.v1.webhook_endpoints.list({"limit": 100})
    ours = [each for each in listed.auto_paging_iter() if each.url == url]
    usable = [each for each in ours if each.api_version == API_VERSION and _state(each) != UNREAD]
    # An enabled one, else the newest that was disabled.
    current = max(usable, key=lambda each: (each.status == "enabled", each.created), default=None)
    if current is None:
        yield Step(
            Action.CREATE, "webhook endpoint", url, f"API version {API_VERSION}", partial(_create, client, url, new)
        )
    else:
        yield _keep(client, current, known)
    for each in ours:
        if each.status == "enabled" and (current is None or each.id != current.id):
            yield _let_go(client, each, current, known)


def hand_over(client: StripeClient, new: NewSecret) -> None:
    """Say that the secret of a new endpoint is where it belongs, and leave its fingerprint to know it by.

    Raises `ProviderRefused`, `ProviderUnavailable`.
    """
    metadata = {STATE: fingerprint(new.secret)}
    with domain_errors():
        client.v1.webhook_endpoints.update(new.endpoint_id, {"metadata": metadata})


def fingerprint(secret: str) -> str:
    """What tells two secrets apart and gives neither away."""
    return sha256(b"countinghouse webhook secret " + secret.encode()).hexdigest()[:16]


def _create(client: StripeClient, url: str, new: NewSecret) -> None:
    made = client.v1.webhook_endpoints.create(
        {
            "url": url,
            "api_version": API_VERSION,
            "enabled_events": cast("Any", handled_event_types()),
            "metadata": {**MANAGED, STATE: UNREAD},
        }
    )
    new.endpoint_id, new.secret = made.id, made.secret or ""


def _keep(client: StripeClient, current: WebhookEndpoint, known: Sequence[str]) -> Step:
    wanted = handled_event_types()
    missing = sorted(set(wanted) - set(current.enabled_events))
    surplus = sorted(set(current.enabled_events) - set(wanted))
    detail = differences([("status", current.status, "enabled")])
    if missing or surplus:
        words = [*(f"+{each}" for each in missing), *(f"-{each}" for each in surplus)]
        detail = "; ".join(filter(None, [detail, f"events {' '.join(words)}"]))
    change = partial(
        client.v1.webhook_endpoints.update, current.id, {"enabled_events": cast("Any", wanted), "disabled": False}
    )
    step = changed("webhook endpoint", current.url, detail, change)
    if step.is_change or _is_known(current, known):
        return step
    problem = f"STRIPE_WEBHOOK_SECRET does not hold the secret of {current.id}"
    return Step(Action.KEEP, step.kind, step.name, problem, problem=problem)


def _let_go(client: StripeClient, old: WebhookEndpoint, current: WebhookEndpoint | None, known: Sequence[str]) -> Step:
    """The step of an endpoint at our address that is not the current one."""
    version = f"{old.id}, API version {old.api_version}"
    disable = partial(client.v1.webhook_endpoints.update, old.id, {"disabled": True})
    if _state(old) == UNREAD:
        return Step(Action.ARCHIVE, "webhook endpoint", old.url, f"{old.id}: its secret was lost", disable)
    if current is not None and _is_known(current, known):
        detail = f"{version}; its secret can leave STRIPE_WEBHOOK_SECRET"
        return Step(Action.ARCHIVE, "webhook endpoint", old.url, detail, disable)
    problem = f"{version}; stays until STRIPE_WEBHOOK_SECRET holds the secret of the new one"
    return Step(Action.KEEP, "webhook endpoint", old.url, problem, problem=problem)


def _state(endpoint: WebhookEndpoint) -> str | None:
    return endpoint.metadata.to_dict().get(STATE)


def _is_known(endpoint: WebhookEndpoint, known: Sequence[str]) -> bool:
    """Whether the environment has its secret. Of an endpoint made by hand nothing tells: it is believed."""
    state = _state(endpoint)
    return state is None or state in {fingerprint(secret) for secret in known}
