"""The 16 usage types: label, unit and how quantities add up. Which of them are billed, the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Aggregation(StrEnum):
    """A sum adds every action; for a level the latest reading counts."""

    SUM = "sum"
    LEVEL = "last"


@dataclass(frozen=True, slots=True)
class UsageType:
    """One kind of billable action. `setting` is the last part of the environment variable that pins its meter's id."""

    name: str
    label: str
    unit: str
    units_label: str
    aggregation: Aggregation = Aggregation.SUM
    setting: str | None = None

    @property
    def is_level(self) -> bool:
        """Whether the latest reading counts instead of the sum."""
        return self.aggregation is Aggregation.LEVEL

    @property
    def meter_setting(self) -> str:
        """The environment variable that holds the id of its Stripe meter."""
        return f"STRIPE_METER_{self.setting or self.name}"


_ALL = (
    UsageType("SMS_SENT", "SMS sent", "segment", "segments"),
    UsageType("SMS_RECEIVED", "SMS received", "segment", "segments"),
    UsageType("CALL_MADE", "Calls made", "call", "calls"),
    UsageType("CALL_RECEIVED", "Calls received", "call", "calls"),
    UsageType("CALL_DURATION_SECONDS", "Call time", "second", "seconds", setting="CALL_DURATION"),
    UsageType("AI_MESSAGE_GENERATED", "AI messages", "message", "messages", setting="AI_MESSAGE"),
    UsageType("AI_VOICE_GENERATED", "AI voice clips", "clip", "clips", setting="AI_VOICE"),
    UsageType("AI_TEMPLATE_CREATED", "AI templates", "template", "templates"),
    UsageType("CONTENT_AI_GENERATED", "AI content", "item", "items"),
    UsageType("CAMPAIGN_LAUNCHED", "Campaigns launched", "campaign", "campaigns"),
    UsageType("JOURNEY_LAUNCHED", "Journeys launched", "journey", "journeys"),
    UsageType("CONTACT_CREATED", "Contacts created", "contact", "contacts"),
    UsageType("TEMPLATE_CREATED", "Templates created", "template", "templates"),
    UsageType("WEBHOOK_TRIGGERED", "Webhooks triggered", "webhook", "webhooks"),
    UsageType("STORAGE_USED_MB", "Storage used", "MB", "MB", aggregation=Aggregation.LEVEL, setting="STORAGE"),
    UsageType("API_REQUEST", "API requests", "request", "requests"),
)

USAGE_TYPES: dict[str, UsageType] = {kind.name: kind for kind in _ALL}
LEVELS: tuple[str, ...] = tuple(kind.name for kind in _ALL if kind.is_level)
SUMS: tuple[str, ...] = tuple(kind.name for kind in _ALL if not kind.is_level)


@dataclass(frozen=True, slots=True)
class Family:
    """Usage types of one unit, which may stand in one chart."""

    key: str
    label: str
    unit_label: str
    types: tuple[str, ...]


FAMILIES: dict[str, Family] = {
    family.key: family
    for family in (
        Family("texts", "Text messages", "segments", ("SMS_SENT", "SMS_RECEIVED")),
        Family("calls", "Calls", "calls", ("CALL_MADE", "CALL_RECEIVED")),
        Family("call-time", "Call time", "seconds", ("CALL_DURATION_SECONDS",)),
        Family(
            "ai",
            "AI",
            "items",
            ("AI_MESSAGE_GENERATED", "AI_VOICE_GENERATED", "CONTENT_AI_GENERATED", "AI_TEMPLATE_CREATED"),
        ),
        Family(
            "activity",
            "Activity",
            "actions",
            ("CAMPAIGN_LAUNCHED", "JOURNEY_LAUNCHED", "CONTACT_CREATED", "TEMPLATE_CREATED", "WEBHOOK_TRIGGERED"),
        ),
        Family("api", "API requests", "requests", ("API_REQUEST",)),
        Family("storage", "Storage", "MB", ("STORAGE_USED_MB",)),
    )
}


def family_of(usage_type: str) -> Family:
    """The family that charts this type."""
    return next(family for family in FAMILIES.values() if usage_type in family.types)
