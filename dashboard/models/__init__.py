"""Tables only. Importing this package makes every one of them known."""

from dashboard.models.account import ApiKey, Membership, Role, Tenant, User
from dashboard.models.catalog import CatalogMeter, CatalogPrice
from dashboard.models.invoice import Invoice, InvoiceLine
from dashboard.models.meter_event import MeterEvent, MeterEventState, SyncRun, SyncState
from dashboard.models.quota import UsageBudget, UsageCap, UsageReservation
from dashboard.models.stripe_event import StripeEvent, StripeEventState
from dashboard.models.subscription import BillingPeriod, Subscription
from dashboard.models.text_message import TextMessage, TextState
from dashboard.models.usage import UsageEvent, UsageRollup
from dashboard.models.usage_import import ImportState, UsageImport, UsageImportError

__all__ = [
    "ApiKey",
    "BillingPeriod",
    "CatalogMeter",
    "CatalogPrice",
    "ImportState",
    "Invoice",
    "InvoiceLine",
    "Membership",
    "MeterEvent",
    "MeterEventState",
    "Role",
    "StripeEvent",
    "StripeEventState",
    "Subscription",
    "SyncRun",
    "SyncState",
    "Tenant",
    "TextMessage",
    "TextState",
    "UsageBudget",
    "UsageCap",
    "UsageEvent",
    "UsageImport",
    "UsageImportError",
    "UsageReservation",
    "UsageRollup",
    "User",
]
