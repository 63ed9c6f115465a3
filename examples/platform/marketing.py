"""Campaigns and journeys: what is launched at many contacts."""

from __future__ import annotations

from typing import Any

from examples.platform.phones import LimitReached
from examples.platform.tenants import Actor, Fields


def launch_campaign(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Launch a campaign: one text to everybody in its audience, as far as the tenant's limits go.

    The texts are counted by Countinghouse.
    """
    name, text, audience = fields.text("name"), fields.text("text"), fields.texts("to")
    campaign = actor.tenant.store.add("campaign", {"name": name, "text": text}) or ""
    actor.tenant.usage.record(
        "CAMPAIGN_LAUNCHED",
        user=actor.user,
        resource=("campaign", campaign),
        metadata={"name": name, "audience": len(audience)},
        occurred_at=actor.at,
    )
    metadata = {"campaign": name, "campaign_id": campaign}
    for sent, to in enumerate(audience):
        try:
            actor.tenant.phones.send_text(to, text, user=actor.user, metadata=metadata)
        except LimitReached as limit:
            return {"campaign": campaign, "texts": sent, "stopped": str(limit)}
    return {"campaign": campaign, "texts": len(audience)}


def launch_journey(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Launch a journey: steps that contacts are led through."""
    name, steps = fields.text("name"), fields.texts("steps")
    journey = actor.tenant.store.add("journey", {"name": name, "steps": steps}) or ""
    actor.tenant.usage.record(
        "JOURNEY_LAUNCHED",
        user=actor.user,
        resource=("journey", journey),
        metadata={"name": name, "steps": len(steps)},
        occurred_at=actor.at,
    )
    return {"journey": journey}
