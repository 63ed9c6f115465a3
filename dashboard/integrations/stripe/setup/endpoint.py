"""Webhook endpoints at Stripe: they send snapshot events, in the form of the API version with which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from stripe import StripeClient, WebhookEndpoint

from dashboard.integrations.stripe.client import API_VERSION
from dashboard.integrations.stripe.event_types import handled_event_types
from dashboard.integrations.stripe.setup.receivers import Metadata, NewSecret, Receiver


@dataclass(frozen=True, slots=True)
class WebhookEndpoints:
    """Those of an account."""

    client: StripeClient
    kind: str = "webhook endpoint"
    form: str = f"API version {API_VERSION}"
    wanted: Sequence[str] = field(default_factory=handled_event_types)

    def list(self, url: str) -> list[Receiver]:
        """Those at an address."""
        listed = self.client.v1.webhook_endpoints.list({"limit": 100})
        return [_read(each) for each in listed.auto_paging_iter() if each.url == url]

    def create(self, url: str, metadata: Metadata) -> NewSecret:
        """Make one of our API version."""
        made = self.client.v1.webhook_endpoints.create(
            {
                "url": url,
                "api_version": API_VERSION,
                "enabled_events": cast("Any", list(self.wanted)),
                "metadata": dict(metadata),
            }
        )
        return NewSecret(made.secret or "", partial(self._note, made.id))

    def mend(self, there: Receiver) -> None:
        """Have one send what is wanted."""
        wanted = cast("Any", list(self.wanted))
        self.client.v1.webhook_endpoints.update(there.id, {"enabled_events": wanted, "disabled": False})

    def disable(self, there: Receiver) -> None:
        """Have one send nothing any more."""
        self.client.v1.webhook_endpoints.update(there.id, {"disabled": True})

    def _note(self, endpoint_id: str, metadata: Metadata) -> None:
        self.client.v1.webhook_endpoints.update(endpoint_id, {"metadata": dict(metadata)})


def _read(endpoint: WebhookEndpoint) -> Receiver:
    return Receiver(
        id=endpoint.id,
        url=endpoint.url,
        label=f"{endpoint.id}, API version {endpoint.api_version}",
        is_fit=endpoint.api_version == API_VERSION,
        is_enabled=endpoint.status == "enabled",
        events=tuple(endpoint.enabled_events),
        created=datetime.fromtimestamp(endpoint.created, UTC),
        metadata=endpoint.metadata.to_dict(),
    )
