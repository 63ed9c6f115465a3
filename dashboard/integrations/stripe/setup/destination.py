"""Event destinations at Stripe: they send thin events, which no webhook endpoint does and which have no API version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from stripe import StripeClient
from stripe.v2.core import EventDestination

from dashboard.integrations.stripe.event_types import thin_event_types
from dashboard.integrations.stripe.setup.receivers import Metadata, NewSecret, Receiver


@dataclass(frozen=True, slots=True)
class EventDestinations:
    """Those of an account that send thin events to an address."""

    client: StripeClient
    kind: str = "event destination"
    form: str = "thin events"
    wanted: Sequence[str] = field(default_factory=thin_event_types)

    def list(self, url: str) -> list[Receiver]:
        """Those at an address; Stripe lists webhook endpoints among them too."""
        listed = self.client.v2.core.event_destinations.list({"limit": 100, "include": ["webhook_endpoint.url"]})
        found = ((each, _url_of(each)) for each in listed.auto_paging_iter())
        return [_read(each, url) for each, its_url in found if its_url == url and each.event_payload == "thin"]

    def create(self, url: str, metadata: Metadata) -> NewSecret:
        """Make one."""
        made = self.client.v2.core.event_destinations.create(
            {
                "name": "Countinghouse",
                "description": "Meter events that Stripe could not count.",
                "type": "webhook_endpoint",
                "event_payload": "thin",
                "enabled_events": list(self.wanted),
                "webhook_endpoint": {"url": url},
                "metadata": dict(metadata),
                "include": ["webhook_endpoint.signing_secret"],
            }
        )
        secret = made.webhook_endpoint.signing_secret if made.webhook_endpoint else None
        return NewSecret(secret or "", partial(self._note, made.id), is_last=True)

    def mend(self, there: Receiver) -> None:
        """Have one send what is wanted: which events is one call, whether it sends at all another."""
        if set(there.events) != set(self.wanted):
            self.client.v2.core.event_destinations.update(there.id, {"enabled_events": list(self.wanted)})
        if not there.is_enabled:
            self.client.v2.core.event_destinations.enable(there.id)

    def disable(self, there: Receiver) -> None:
        """Have one send nothing any more."""
        self.client.v2.core.event_destinations.disable(there.id)

    def _note(self, destination_id: str, metadata: Metadata) -> None:
        self.client.v2.core.event_destinations.update(destination_id, {"metadata": dict(metadata)})


def _url_of(destination: EventDestination) -> str | None:
    return destination.webhook_endpoint.url if destination.webhook_endpoint else None


def _read(destination: EventDestination, url: str) -> Receiver:
    return Receiver(
        id=destination.id,
        url=url,
        label=destination.id,
        is_fit=True,
        is_enabled=destination.status == "enabled",
        events=tuple(destination.enabled_events),
        created=datetime.fromisoformat(destination.created),
        metadata=destination.metadata.to_dict() if destination.metadata else {},
    )
